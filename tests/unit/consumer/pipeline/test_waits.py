"""Commands that wait on purpose hold up nobody where others work."""

from __future__ import annotations

import asyncio

import pytest

from consumer.core.delivery import Delivery
from consumer.core.message import Reply
from consumer.pipeline.waits import bounded_waits
from tests.unit.consumer.deliveries import FakeDelivery, delivery
from tests.unit.consumer.errors import verdict
from zeebe_amqp.errors import Code, CommandError, Outcome, Source

JOBS = {"jobType": "t", "maxJobsToActivate": 1}


def poll(queue: str = "commands") -> FakeDelivery:
    return delivery("activate-jobs", {**JOBS, "requestTimeout": "10s"}, queue=queue)


class HeldHandler:
    """A handler that does not end before it may."""

    def __init__(self) -> None:
        self.running = 0
        self.done = asyncio.Event()

    async def __call__(self, request: Delivery) -> Reply:
        self.running += 1
        await self.done.wait()
        self.running -= 1
        return Reply(request.request.operation)


async def test_above_its_share_a_waiting_command_is_refused_at_once_and_told_where_to_go() -> None:
    held = HeldHandler()
    handler = bounded_waits({"commands": 2})(held)
    waiting = [asyncio.ensure_future(handler(poll())) for _ in range(2)]
    await asyncio.sleep(0)
    with pytest.raises(CommandError) as raised:
        await handler(poll())
    error = raised.value
    assert verdict(error) == (Code.RESOURCE_EXHAUSTED, Source.CONSUMER, Outcome.NOT_EXECUTED, True)
    assert "zeebe.polls" in error.message
    held.done.set()
    await asyncio.gather(*waiting)
    assert (await handler(poll())).ok


async def test_what_does_not_wait_and_what_waits_elsewhere_has_no_such_bound() -> None:
    held = HeldHandler()
    handler = bounded_waits({"commands": 1})(held)
    others = [delivery("topology", queue="commands"), delivery("activate-jobs", JOBS, queue="commands"), poll("polls")]
    running = [asyncio.ensure_future(handler(request)) for request in (poll(), *others, *others)]
    await asyncio.sleep(0)
    assert held.running == 7
    held.done.set()
    await asyncio.gather(*running)


async def test_a_waiting_command_that_fails_leaves_its_place() -> None:
    async def fail(_: Delivery) -> Reply:
        raise CommandError(Code.UNAVAILABLE, "away")

    handler = bounded_waits({"commands": 1})(fail)
    for _ in range(3):
        with pytest.raises(CommandError, match="away"):
            await handler(poll())
