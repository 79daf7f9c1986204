"""The demonstration as a program: it succeeds on a real engine, and says what was wrong on another."""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import aio_pika
import pytest

from scripts import tour
from scripts.zeebe_in_memory import ZeebeInMemory
from tests.conftest import Broker
from tests.fakes.gateway import FakeGateway
from zeebe_amqp.testing import fail

ROOT = Path(__file__).parents[2]


def demo(amqp_url: str, zeebe_address: str) -> subprocess.CompletedProcess[str]:
    """Run it to its end."""
    environment = {
        **os.environ,
        "AMQP_URL": amqp_url,
        "ZEEBE_ADDRESS": zeebe_address,
        "PYTHONPATH": f"{ROOT}:{ROOT / 'contracts'}",
    }
    return subprocess.run(
        [sys.executable, "-m", "scripts.demo"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=150,
        check=False,
    )


def test_the_demo_succeeds_and_shows_its_steps_and_a_trace(rabbitmq: Broker, own_zeebe: ZeebeInMemory) -> None:
    ended = demo(rabbitmq.url, own_zeebe.address)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    total = re.search(
        r"(\d+) of (\d+) answers were the expected ones; everything is stopped again, after .* s\.", ended.stdout
    )
    assert total is not None
    assert total[1] == total[2]
    for shown in ("One request, one trace", "publish reply", "What happened", tour.text(up=False)):
        assert shown in ended.stdout
    assert "✗" not in ended.stdout
    assert ended.stdout.startswith("Three orders travel as messages through RabbitMQ")


async def test_the_demo_leaves_nothing_on_servers_that_were_given(rabbitmq: Broker, own_zeebe: ZeebeInMemory) -> None:
    """No instance and no queue, and another consumer of the usual queues does not get its requests."""
    async with await aio_pika.connect(rabbitmq.url) as connection, connection.channel() as channel:
        taken = await channel.declare_queue("zeebe.commands", exclusive=True)
        ended = await asyncio.to_thread(demo, rabbitmq.url, own_zeebe.address)
        assert ended.returncode == 0, ended.stdout + ended.stderr
        assert await taken.get(fail=False) is None
        used = re.search(r"process (zeebe\.commands-\w+)", ended.stdout)
        assert used is not None
        with pytest.raises(aio_pika.exceptions.ChannelNotFoundEntity):
            await channel.declare_queue(used[1], passive=True)
    own_zeebe.settle()
    instances = [each for each in own_zeebe.records("PROCESS_INSTANCE") if of_a_whole_process(each)]
    assert keys(instances, "ELEMENT_ACTIVATED")
    assert keys(instances, "ELEMENT_ACTIVATED") == keys(instances, "ELEMENT_COMPLETED", "ELEMENT_TERMINATED")
    definitions = [(each["intent"], each["value"]["bpmnProcessId"]) for each in own_zeebe.records("PROCESS")]
    created, deleted = ({name for intent, name in definitions if intent == wanted} for wanted in ("CREATED", "DELETED"))
    assert created == deleted
    assert all(re.fullmatch(r"order-\w{8}", name) for name in created)


def of_a_whole_process(record: dict[str, Any]) -> bool:
    """Not of one of its elements."""
    return bool(record["value"]["bpmnElementType"] == "PROCESS")


def keys(records: list[dict[str, Any]], *intents: str) -> set[int]:
    """Whatever had one of these things happen to it."""
    return {each["key"] for each in records if each["recordType"] == "EVENT" and each["intent"] in intents}


async def test_the_demo_fails_at_the_first_wrong_answer(rabbitmq: Broker) -> None:
    async with FakeGateway() as gateway:
        gateway.always("DeployResource", fail("INVALID_ARGUMENT", "not today"))
        ended = await asyncio.to_thread(demo, rabbitmq.url, gateway.address)
    assert ended.returncode == 1, ended.stdout + ended.stderr
    assert "expected a result, got INVALID_ARGUMENT" in ended.stdout
    assert "1 of 2 answers were the expected ones" in ended.stdout
    assert gateway.count("CreateProcessInstance") == 0


async def test_a_story_that_ends_early_cancels_its_orders(rabbitmq: Broker) -> None:
    async with FakeGateway() as gateway:
        gateway.always("SetVariables", fail("INVALID_ARGUMENT", "not today"))
        ended = await asyncio.to_thread(demo, rabbitmq.url, gateway.address)
    assert ended.returncode == 1, ended.stdout + ended.stderr
    assert gateway.count("CreateProcessInstance") == 3
    told, tidied = 1, 3
    assert gateway.count("CancelProcessInstance") == told + tidied
