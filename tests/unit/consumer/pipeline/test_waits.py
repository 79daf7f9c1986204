"""Commands that wait on purpose hold up nobody where others work."""

from __future__ import annotations

import asyncio
from unittest.mock import AsyncMock

import pytest

from consumer.pipeline.waits import bounded_waits
from tests.unit.consumer.deliveries import FakeDelivery, delivery
from tests.unit.consumer.errors import verdict
from tests.unit.consumer.workers import ScriptedHandler
from zeebe_amqp.errors import Code, CommandError, Outcome, Source

JOBS = {"jobType": "t", "maxJobsToActivate": 1}


def poll(queue: str = "commands") -> FakeDelivery:
    return delivery("activate-jobs", {**JOBS, "requestTimeout": "10s"}, queue=queue)


async def test_above_its_share_a_waiting_command_is_refused_at_once_and_nothing_else_is() -> None:
    """It is told where to go; what does not wait, and what waits elsewhere, has no such bound."""
    engine = ScriptedHandler()
    engine.limiter.clear()
    handler = bounded_waits({"commands": 2})(engine)
    others = [delivery("topology", queue="commands"), delivery("activate-jobs", JOBS, queue="commands"), poll("polls")]
    running = [asyncio.ensure_future(handler(request)) for request in (poll(), poll(), *others, *others)]
    await asyncio.sleep(0)
    assert engine.running == 8
    with pytest.raises(CommandError) as raised:
        await handler(poll())
    assert verdict(raised.value) == (Code.RESOURCE_EXHAUSTED, Source.CONSUMER, Outcome.NOT_EXECUTED, True)
    assert "zeebe.polls" in raised.value.message
    engine.limiter.set()
    await asyncio.gather(*running)
    assert (await handler(poll())).ok


async def test_a_waiting_command_that_fails_leaves_its_place() -> None:
    handler = bounded_waits({"commands": 1})(AsyncMock(side_effect=CommandError(Code.UNAVAILABLE, "away")))
    for _ in range(3):
        with pytest.raises(CommandError, match="away"):
            await handler(poll())
