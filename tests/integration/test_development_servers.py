"""The servers of development themselves: they start, answer, survive a crash with their data, and leave nothing."""

from __future__ import annotations

from pathlib import Path

from scripts import guard
from scripts.rabbitmq import RabbitMQ
from scripts.zeebe_in_memory import ZeebeInMemory
from tests.integration import processes
from tests.integration.process_helper import ProcessHelper, refused
from zeebe_amqp.errors import Code


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


def test_a_killed_engine_comes_back_on_its_ports(own_zeebe: ZeebeInMemory) -> None:
    address = own_zeebe.address
    own_zeebe.kill()
    assert not own_zeebe.ready()
    own_zeebe.start()
    assert own_zeebe.ready()
    assert own_zeebe.address == address


async def test_zeebe_in_memory_lets_time_pass_shows_its_records_and_begins_anew(
    own_process: ProcessHelper, own_zeebe: ZeebeInMemory
) -> None:
    await own_process.deploy_text(processes.timed(own_process.id, "PT10H"))
    await own_process.instance()
    own_zeebe.settle()
    assert [timer["intent"] for timer in own_zeebe.records("TIMER")] == ["CREATED"]
    own_zeebe.advance(36_000)
    assert "TRIGGERED" in [timer["intent"] for timer in own_zeebe.records("TIMER")]
    assert own_zeebe.incidents() == []
    failed = await own_process.failed_job()
    [incident] = own_zeebe.incidents()
    assert incident["value"]["jobKey"] == failed
    await own_process.caller.result("update-job-retries", {"jobKey": failed, "retries": 1})
    await own_process.caller.result("resolve-incident", {"incidentKey": incident["key"]})
    assert own_zeebe.incidents() == []
    own_zeebe.reset()
    gone = refused(await own_process.caller.call("create-instance", {"bpmnProcessId": own_process.id}))
    assert gone.code is Code.NOT_FOUND


def test_zeebe_in_memory_ends_with_whoever_started_it(tmp_path: Path) -> None:
    engine = ZeebeInMemory(tmp_path).start()
    assert engine.process
    members = guard.family(engine.process.pid)
    engine.stop()
    assert not engine.ready()
    assert not set(members) & set(guard.family(1))
