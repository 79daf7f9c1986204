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
from scripts.consumer import Consumer
from scripts.zeebe_in_memory import ZeebeInMemory
from tests.cases import for_each
from tests.conftest import Broker
from tests.fakes.gateway import FakeGateway
from tests.integration.caller import Caller
from zeebe_amqp.testing import fail

ROOT = Path(__file__).parents[2]


def demo(amqp_url: str, zeebe_address: str) -> subprocess.CompletedProcess[str]:
    """Run it to its end."""
    addresses = {"AMQP_URL": amqp_url, "ZEEBE_ADDRESS": zeebe_address}
    environment = {**os.environ, **addresses, "PYTHONPATH": f"{ROOT}:{ROOT / 'contracts'}"}
    command = [sys.executable, "-m", "scripts.demo"]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=150, check=False)


async def test_the_demo_succeeds_beside_what_runs_on_given_servers_shows_its_steps_and_leaves_nothing(
    rabbitmq: Broker, own_zeebe: ZeebeInMemory, own_consumer: Consumer
) -> None:
    """No instance and no queue; an order of the same process waits there, and a consumer of the usual queues."""
    async with (
        Caller(rabbitmq.url, *own_consumer.queues) as caller,
        await aio_pika.connect(rabbitmq.url) as connection,
        connection.channel() as channel,
    ):
        bpmn = (ROOT / "examples" / "order.bpmn").read_text()
        await caller.result("deploy-process", bpmn, metadata={"fileName": "order.bpmn"})
        order = {"bpmnProcessId": "order", "variables": {"orderId": "8"}}
        waiting = (await caller.result("create-instance", order))["processInstanceKey"]
        taken = await channel.declare_queue("zeebe.commands", exclusive=True)
        ended = await asyncio.to_thread(demo, rabbitmq.url, own_zeebe.address)
        assert ended.returncode == 0, ended.stdout + ended.stderr
        assert await taken.get(fail=False) is None
        used = re.search(r"process (zeebe\.commands-\w+)", ended.stdout)
        assert used is not None
        with pytest.raises(aio_pika.exceptions.ChannelNotFoundEntity):
            await channel.declare_queue(used[1], passive=True)
    finish = r"(\d+) of (\d+) answers were the expected ones; everything is stopped again, after .* s\."
    total = re.search(finish, ended.stdout)
    assert total is not None
    assert total[1] == total[2]
    for shown in ("One request, one trace", "publish reply", "What happened", tour.text(up=False)):
        assert shown in ended.stdout
    assert not [text for text in ("✗", '"reserve-items"') if text in ended.stdout]
    assert "using ZEEBE_ADDRESS=127.0.0.1:" in ended.stdout
    assert "Three orders travel as messages through RabbitMQ" in ended.stdout
    own_zeebe.settle()
    instances = [each for each in own_zeebe.records("PROCESS_INSTANCE") if of_a_whole_process(each)]
    assert len(keys(instances, "ELEMENT_ACTIVATED")) > 1
    ended_ones = keys(instances, "ELEMENT_COMPLETED", "ELEMENT_TERMINATED")
    assert keys(instances, "ELEMENT_ACTIVATED") == ended_ones | {waiting}
    assert waiting not in ended_ones
    definitions = [(each["intent"], each["value"]["bpmnProcessId"]) for each in own_zeebe.records("PROCESS")]
    created, deleted = ({name for intent, name in definitions if intent == wanted} for wanted in ("CREATED", "DELETED"))
    assert created == deleted | {"order"}
    assert all(re.fullmatch(r"order-\w{8}", name) for name in deleted)


def of_a_whole_process(record: dict[str, Any]) -> bool:
    """Not of one of its elements."""
    return bool(record["value"]["bpmnElementType"] == "PROCESS")


def keys(records: list[dict[str, Any]], *intents: str) -> set[int]:
    """Whatever had one of these things happen to it."""
    return {each["key"] for each in records if each["recordType"] == "EVENT" and each["intent"] in intents}


@for_each(
    [
        ("DeployResource", 0, 0, "1 of 2 answers were the expected ones"),
        ("SetVariables", 3, 1 + 3, "answers were the expected ones"),  # one in the story, and all to tidy up
    ]
)
async def test_the_demo_fails_at_the_first_wrong_answer_and_cancels_its_orders(
    rpc: str, created: int, cancelled: int, shown: str, rabbitmq: Broker
) -> None:
    async with FakeGateway() as gateway:
        gateway.always(rpc, fail("INVALID_ARGUMENT", "not today"))
        ended = await asyncio.to_thread(demo, rabbitmq.url, gateway.address)
    assert ended.returncode == 1, ended.stdout + ended.stderr
    assert "expected a result, got INVALID_ARGUMENT" in ended.stdout
    assert shown in ended.stdout
    counts = gateway.count("CreateProcessInstance"), gateway.count("CancelProcessInstance")
    assert counts == (created, cancelled)
