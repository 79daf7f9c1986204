"""Bounds of queues: `check` names the arguments it sees, and the policies of the documentation are taken."""

from __future__ import annotations

import asyncio
import shlex
import uuid
from pathlib import Path
from typing import Any

import aio_pika
import pytest

from consumer.check import check
from consumer.config import Amqp, Settings
from scripts.rabbitmq import RabbitMQ
from zeebe_amqp import wire

PAGE = Path(__file__).parents[2] / "docs" / "running.md"


async def found(url: str, **amqp: Any) -> dict[str, tuple[bool, str]]:
    """What `check` says, by part."""
    return {each.part: (each.ok, each.found) for each in await check(Settings(amqp=Amqp(urls=(url,), **amqp)))}


@pytest.mark.parametrize("argument", ["x-max-length", "x-max-length-bytes"])
async def test_check_names_the_argument_that_bounds_a_queue(own_rabbitmq: RabbitMQ, argument: str) -> None:
    name = f"test.{uuid.uuid4().hex}"
    async with await aio_pika.connect(own_rabbitmq.url) as connection:
        channel = await connection.channel()
        await channel.declare_queue(wire.DEAD_LETTER, durable=True, arguments=wire.DEAD_QUEUE)
        await channel.declare_queue(name, durable=True, arguments={**wire.REQUEST_QUEUE, argument: 70_000})
        passive = await found(own_rabbitmq.url, queues=(name,), declare="passive")
        assert passive["bounds"][1].startswith(f"{name}: {argument} 70000; zeebe.dead: no x-max-length;")
        usable, said = (await found(own_rabbitmq.url, queues=(name,)))["broker"]
        assert (usable, argument in said) == (False, True)
        await channel.queue_delete(name)


async def test_a_queue_that_differs_otherwise_has_an_unknown_bound(own_rabbitmq: RabbitMQ) -> None:
    name = f"test.{uuid.uuid4().hex}"
    async with await aio_pika.connect(own_rabbitmq.url) as connection:
        channel = await connection.channel()
        await channel.declare_queue(wire.DEAD_LETTER, durable=True, arguments=wire.DEAD_QUEUE)
        await channel.declare_queue(name, durable=True)
        _, said = (await found(own_rabbitmq.url, queues=(name,), declare="passive"))["bounds"]
        assert said.startswith(f"{name}: not known (PRECONDITION_FAILED - inequivalent arg"), said
        await channel.queue_delete(name)


async def test_queues_that_are_still_to_be_declared_have_no_bound(own_rabbitmq: RabbitMQ) -> None:
    name = f"test.{uuid.uuid4().hex}"
    said = await found(own_rabbitmq.url, queues=(name,))
    assert "not there yet" in said["broker"][1]
    assert f"{name}, zeebe.dead: no x-max-length" in said["bounds"][1]


async def test_the_policies_of_the_documentation_are_taken_and_bound_their_queues(own_rabbitmq: RabbitMQ) -> None:
    text = PAGE.read_text().replace("\\\n", "")
    commands = [shlex.split(line)[1:] for line in text.splitlines() if line.startswith("rabbitmqctl set_policy")]
    assert len(commands) == 2
    queues = (wire.COMMANDS_QUEUE, wire.POLLS_QUEUE, wire.DEAD_LETTER)
    async with await aio_pika.connect(own_rabbitmq.url) as connection:
        channel = await connection.channel()
        for name in queues:
            await channel.declare_queue(name, durable=True, arguments=wire.queue_arguments(name))
    for command in commands:
        await asyncio.to_thread(own_rabbitmq.ctl, *command)
    listed = await asyncio.to_thread(own_rabbitmq.ctl, "list_queues", "--no-table-headers", "name", "policy")
    policies = dict(line.split("\t") for line in listed.splitlines())
    assert {name: policies[name] for name in queues} == {
        wire.COMMANDS_QUEUE: "zeebe-requests",
        wire.POLLS_QUEUE: "zeebe-requests",
        wire.DEAD_LETTER: "zeebe-dead",
    }
