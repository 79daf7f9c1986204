"""The servers of development themselves: they start, answer, survive a crash with their data, and leave nothing."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from scripts import guard
from scripts.consumer import Consumer
from scripts.rabbitmq import RabbitMQ
from scripts.zeebe import Zeebe
from scripts.zeebe_in_memory import ZeebeInMemory
from tests.conftest import Broker
from tests.integration import processes
from tests.integration.caller import Caller
from tests.integration.kinds import IN_MEMORY
from tests.integration.scene import Scene, refused
from zeebe_amqp.errors import Code


@pytest.fixture
async def in_memory_scene(rabbitmq: Broker, consumer_in_memory: Consumer) -> AsyncIterator[Scene]:
    """A process on the engine in memory."""
    async with Caller(rabbitmq.url, *consumer_in_memory.queues) as connected:
        yield Scene(connected, IN_MEMORY)


def test_killed_rabbitmq_comes_back_on_its_port_with_its_data(own_rabbitmq: RabbitMQ) -> None:
    own_rabbitmq.ctl("add_user", "somebody", "password")
    own_rabbitmq.kill()
    assert not own_rabbitmq.answers()
    own_rabbitmq.start()
    assert own_rabbitmq.answers()
    assert "somebody" in own_rabbitmq.ctl("list_users")


def test_stopped_rabbitmq_leaves_no_process(own_rabbitmq: RabbitMQ) -> None:
    assert own_rabbitmq.process
    members = guard.family(own_rabbitmq.process.pid)
    own_rabbitmq.stop()
    assert not set(members) & set(guard.family(1))
    own_rabbitmq.start()


def test_killed_zeebe_comes_back_on_its_ports(own_zeebe: Zeebe) -> None:
    address = own_zeebe.address
    own_zeebe.kill()
    assert not own_zeebe.ready()
    own_zeebe.start()
    assert own_zeebe.ready()
    assert own_zeebe.address == address


async def test_zeebe_in_memory_lets_time_pass_shows_its_records_and_begins_anew(
    in_memory_scene: Scene, zeebe_in_memory: ZeebeInMemory
) -> None:
    await in_memory_scene.deploy(processes.timed(in_memory_scene.process, "PT10H"))
    await in_memory_scene.instance()
    zeebe_in_memory.settle()
    assert [timer["intent"] for timer in zeebe_in_memory.records("TIMER")] == ["CREATED"]
    zeebe_in_memory.advance(36_000)
    assert "TRIGGERED" in [timer["intent"] for timer in zeebe_in_memory.records("TIMER")]
    assert zeebe_in_memory.incidents() == []
    failed = await in_memory_scene.failed_job()
    [incident] = zeebe_in_memory.incidents()
    assert incident["value"]["jobKey"] == failed
    await in_memory_scene.caller.result("update-job-retries", {"jobKey": failed, "retries": 1})
    await in_memory_scene.caller.result("resolve-incident", {"incidentKey": incident["key"]})
    assert zeebe_in_memory.incidents() == []
    zeebe_in_memory.reset()
    gone = refused(await in_memory_scene.caller.call("create-instance", {"bpmnProcessId": in_memory_scene.process}))
    assert gone.code is Code.NOT_FOUND


def test_zeebe_in_memory_ends_with_whoever_started_it(tmp_path: Path) -> None:
    engine = ZeebeInMemory(tmp_path).start()
    assert engine.process
    members = guard.family(engine.process.pid)
    engine.stop()
    assert not engine.ready()
    assert not set(members) & set(guard.family(1))
