"""Bounds of queues: `check` names the arguments it sees, and the policies of the documentation are taken."""

from __future__ import annotations

import asyncio
import shlex
import uuid
from pathlib import Path

import aio_pika

from consumer.check import check
from consumer.config import Amqp, Settings
from tests.cases import check_each
from tests.integration.broker_control import VirtualHost
from zeebe_amqp import wire

PAGE = Path(__file__).parents[2] / "docs" / "running.md"
OPEN = "zeebe.dead: no x-max-length;"


async def found(url: str, queue: str, declare: str) -> dict[str, str]:
    """What `check` says, by part."""
    amqp = Amqp(urls=(url,), queues=(queue,), declare=declare)
    return {each.part: each.found for each in await check(Settings(amqp=amqp))}


async def test_check_names_the_bound_of_a_queue_or_why_it_is_not_known(vhost: VirtualHost) -> None:
    usual = wire.REQUEST_QUEUE
    async with await aio_pika.connect(vhost.url) as connection, connection.channel() as channel:
        await channel.declare_queue(wire.DEAD_LETTER, durable=True, arguments=wire.DEAD_QUEUE)

        async def names(arguments: dict[str, object], bound: str, difference: str) -> None:
            queue = f"test.{uuid.uuid4().hex}"
            await channel.declare_queue(queue, durable=True, arguments=arguments)
            assert (await found(vhost.url, queue, "passive"))["bounds"].startswith(f"{queue}: {bound}")
            refused = await found(vhost.url, queue, "active")
            assert difference in refused["broker"]
            assert "bounds" not in refused, "the queue cannot be used"

        cases = (
            ({**usual, "x-max-length": 70_000}, f"x-max-length 70000; {OPEN}", "x-max-length"),
            ({**usual, "x-max-length-bytes": 70_000}, f"x-max-length-bytes 70000; {OPEN}", "x-max-length-bytes"),
            ({}, "not known (PRECONDITION_FAILED - inequivalent arg", "inequivalent arg"),
        )
        await check_each(cases, names)
    missing = await found(vhost.url, "test.missing", "active")
    assert "not there yet" in missing["broker"]
    assert "test.missing, zeebe.dead: no x-max-length" in missing["bounds"]


async def test_the_policies_of_the_documentation_are_taken_and_bound_their_queues(vhost: VirtualHost) -> None:
    text = PAGE.read_text().replace("\\\n", "")
    commands = [shlex.split(line)[1:] for line in text.splitlines() if line.startswith("rabbitmqctl set_policy")]
    assert len(commands) == 2
    wanted = {wire.COMMANDS_QUEUE: "zeebe-requests", wire.POLLS_QUEUE: "zeebe-requests", wire.DEAD_LETTER: "zeebe-dead"}
    async with await aio_pika.connect(vhost.url) as connection, connection.channel() as channel:
        for name in wanted:
            await channel.declare_queue(name, durable=True, arguments=wire.queue_arguments(name))
    for command, *arguments in [*commands, ["list_queues", "--no-table-headers", "name", "policy"]]:
        said = await asyncio.to_thread(vhost.node.ctl, command, "-p", vhost.name, *arguments)
    policies = dict(line.split("\t") for line in said.splitlines())
    assert {name: policies[name] for name in wanted} == wanted
