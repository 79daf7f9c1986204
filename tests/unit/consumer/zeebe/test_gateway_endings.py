"""Calls that end without an answer: their time is up, they are cancelled, or the engine is closed."""

from __future__ import annotations

import asyncio
import time

import pytest

from consumer.zeebe import FailureKind, ZeebeEngine
from tests.cases import for_each
from tests.fakes.gateway import BUSY, FakeGateway, Request
from tests.unit.consumer.errors import verdict
from tests.unit.consumer.zeebe import samples
from tests.unit.consumer.zeebe.samples import COMPLETE, CREATE, Clock, Connect, refusal, send
from zeebe_amqp.errors import Code, CommandError, Outcome, Source
from zeebe_amqp.testing import Step, after, fail

OVER = Code.DEADLINE_EXCEEDED


async def test_a_deadline_that_has_passed_sends_nothing(gateway: ZeebeEngine, fake: FakeGateway) -> None:
    with pytest.raises(CommandError) as raised:
        await send(gateway, CREATE, deadline=time.time() - 1)
    assert fake.requests == []
    assert verdict(raised.value) == (OVER, Source.CONSUMER, Outcome.NOT_EXECUTED, False)


async def test_the_callers_deadline_ends_a_call_that_is_out(gateway: ZeebeEngine, fake: FakeGateway) -> None:
    fake.always("CompleteJob", after(30))
    for idempotent in (False, True):
        error = await refusal(gateway, COMPLETE, deadline=time.time() + 0.2, idempotent=idempotent)
        assert "before the caller's deadline" in error.message
        assert verdict(error) == (OVER, Source.CONSUMER, Outcome.UNKNOWN, idempotent)


async def test_an_attempt_ends_after_its_own_time_or_the_configured_one(fake: FakeGateway, connect: Connect) -> None:
    gateway = connect(fake.address, request_timeout=0.4)
    fake.always("CompleteJob", after(30))
    error = await refusal(gateway, COMPLETE, attempt_timeout=0.2)
    assert "within 0.2 s" in error.message
    assert (error.kind, fake.count("CompleteJob")) == (FailureKind.LATE, 1)
    assert verdict(error) == (OVER, Source.CONSUMER, Outcome.UNKNOWN, False)
    error = await refusal(gateway, COMPLETE, idempotent=True)
    assert "within 0.4 s" in error.message
    assert fake.count("CompleteJob") == 1 + 5


@for_each([(2, 0, 4, Code.RESOURCE_EXHAUSTED, Source.GATEWAY, 4), (10, 60, 1, OVER, Source.CONSUMER, 2)])
async def test_no_attempt_is_planned_past_the_deadline_or_begins_after_it(
    within: float, overslept: float, sent: int, code: Code, source: Source, attempts: int, connect: Connect
) -> None:
    clock = Clock()

    async def sleep(_: float) -> None:
        clock.now += overslept

    async with FakeGateway() as fake:
        fake.always("CreateProcessInstance", fail("RESOURCE_EXHAUSTED", BUSY))
        error = await refusal(connect(fake.address, clock=clock, sleep=sleep), CREATE, deadline=clock.now + within)
    assert fake.count("CreateProcessInstance") == sent
    assert (error.code, error.source, error.outcome) == (code, source, Outcome.NOT_EXECUTED)
    assert error.details == {"attempts": attempts}


async def test_a_reset_at_our_own_deadline_is_our_own_ending(fake: FakeGateway, connect: Connect, clock: Clock) -> None:
    def late(_: Request) -> Step:
        clock.now += 60
        return fail("CANCELLED", "Stream removed (RST_STREAM (Received RST_STREAM with error code 8))")

    fake.always("CreateProcessInstance", late)
    error = await refusal(connect(fake.address, clock=clock), CREATE)
    assert (error.code, error.source, error.outcome) == (OVER, Source.CONSUMER, Outcome.UNKNOWN)


async def test_cancelling_the_task_cancels_the_call_and_passes_through(gateway: ZeebeEngine, fake: FakeGateway) -> None:
    ended = asyncio.Event()

    async def hang(_: Request) -> Step:
        try:
            return await asyncio.Future()
        finally:
            ended.set()

    fake.always("CreateProcessInstance", hang)
    task = asyncio.create_task(send(gateway, CREATE))
    await samples.until(lambda: fake.requests)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await ended.wait()


async def test_closing_ends_everything_for_good(gateway: ZeebeEngine, fake: FakeGateway, sleeps: list[float]) -> None:
    out, cancelled = await samples.unanswered(fake, refusal(gateway, CREATE), send(gateway, CREATE))
    closing = asyncio.create_task(gateway.close())
    await asyncio.sleep(0)
    cancelled.cancel()
    with pytest.raises(asyncio.CancelledError):
        await cancelled
    await closing
    assert verdict(await out) == (Code.CANCELLED, Source.CONSUMER, Outcome.UNKNOWN, False)
    error = await refusal(gateway, CREATE)
    assert (len(fake.requests), sleeps) == (2, [])
    assert verdict(error) == (Code.UNAVAILABLE, Source.CONSUMER, Outcome.NOT_EXECUTED, True)


async def test_closing_ends_a_version_question_that_is_out(gateway: ZeebeEngine, fake: FakeGateway) -> None:
    fake.always("Topology", after(30))
    task = asyncio.create_task(refusal(gateway, samples.TAGGED))
    await samples.until(lambda: fake.requests)
    await gateway.close()
    assert (await task).kind is FailureKind.CLOSING
