"""When a call ends because time is up, and what is then known."""

from __future__ import annotations

import time
from typing import Any

import pytest

from consumer.config import Zeebe
from consumer.zeebe import FailureKind, ZeebeEngine
from consumer.zeebe.protocol import gateway_pb2 as pb
from tests.cases import for_each
from tests.fakes.gateway import BUSY, FakeGateway, Request, stream
from tests.unit.consumer.errors import verdict
from tests.unit.consumer.zeebe.calling import send
from tests.unit.consumer.zeebe.samples import ACTIVATE, COMPLETE, CREATE, connected, refusal
from zeebe_amqp.errors import Code, CommandError, Outcome, Source
from zeebe_amqp.testing import Step, after, fail


async def test_a_deadline_that_has_passed_sends_nothing(gateway: ZeebeEngine, fake: FakeGateway) -> None:
    with pytest.raises(CommandError) as raised:
        await send(gateway, CREATE, deadline=time.time() - 1)
    assert fake.requests == []
    assert verdict(raised.value) == (Code.DEADLINE_EXCEEDED, Source.CONSUMER, Outcome.NOT_EXECUTED, False)


@for_each([False, True])
async def test_the_callers_deadline_ends_a_call_that_is_out(
    idempotent: bool, gateway: ZeebeEngine, fake: FakeGateway
) -> None:
    fake.always("CompleteJob", after(30))
    error = await refusal(gateway, COMPLETE, deadline=time.time() + 0.2, idempotent=idempotent)
    assert "before the caller's deadline" in error.message
    assert verdict(error) == (Code.DEADLINE_EXCEEDED, Source.CONSUMER, Outcome.UNKNOWN, idempotent)


async def test_the_time_of_an_attempt_ends_a_call_that_is_out(gateway: ZeebeEngine, fake: FakeGateway) -> None:
    fake.always("CreateProcessInstance", after(30))
    error = await refusal(gateway, CREATE, attempt_timeout=0.2)
    assert fake.count("CreateProcessInstance") == 1
    assert "within 0.2 s" in error.message
    assert verdict(error) == (Code.DEADLINE_EXCEEDED, Source.CONSUMER, Outcome.UNKNOWN, False)
    assert error.kind is FailureKind.LATE


async def test_the_configured_time_is_that_of_an_attempt_without_its_own(fake: FakeGateway, sleeps: Any) -> None:
    gateway = ZeebeEngine(Zeebe(fake.address, plaintext=True, request_timeout=0.4), sleep=sleeps)
    fake.always("CompleteJob", after(30))
    error = await refusal(gateway, COMPLETE, idempotent=True)
    await gateway.close()
    assert fake.count("CompleteJob") == 5
    assert "within 0.4 s" in error.message


async def test_a_late_stream_answers_the_jobs_it_has(gateway: ZeebeEngine, fake: FakeGateway) -> None:
    some = pb.ActivateJobsResponse(jobs=[pb.ActivatedJob(key=1)])

    async def stuck(_: Request) -> Step:
        return stream(some, end=fail("INTERNAL"))

    fake.always("ActivateJobs", stuck)
    assert await send(gateway, ACTIVATE, attempt_timeout=0.2) == [some]


async def test_no_attempt_begins_after_the_deadline(fake: FakeGateway) -> None:
    now = time.time()

    async def oversleep(_: float) -> None:
        nonlocal now
        now += 60

    gateway = connected(fake, clock=lambda: now, sleep=oversleep)
    fake.always("CreateProcessInstance", fail("RESOURCE_EXHAUSTED", BUSY))
    error = await refusal(gateway, CREATE, deadline=now + 10)
    await gateway.close()
    assert fake.count("CreateProcessInstance") == 1
    assert (error.code, error.source, error.outcome, error.details) == (
        Code.DEADLINE_EXCEEDED,
        Source.CONSUMER,
        Outcome.NOT_EXECUTED,
        {"attempts": 2},
    )


async def test_a_retry_that_would_pass_the_deadline_is_not_waited_for(fake: FakeGateway, sleeps: Any) -> None:
    now = time.time()
    gateway = connected(fake, clock=lambda: now, sleep=sleeps)
    fake.always("CreateProcessInstance", fail("RESOURCE_EXHAUSTED", BUSY))
    error = await refusal(gateway, CREATE, deadline=now + 2)
    await gateway.close()
    assert sleeps.taken == pytest.approx([0.1, 0.3, 0.9])
    assert (error.code, error.details) == (Code.RESOURCE_EXHAUSTED, {"attempts": 4})


async def test_a_reset_at_our_own_deadline_is_our_own_ending(fake: FakeGateway) -> None:
    now = time.time()
    reset = "Stream removed (RST_STREAM (Received RST_STREAM with error code 8))"

    def late(_: Request) -> Step:
        nonlocal now
        now += 60
        return fail("CANCELLED", reset)

    gateway = connected(fake, clock=lambda: now)
    fake.always("CreateProcessInstance", late)
    error = await refusal(gateway, CREATE)
    await gateway.close()
    assert (error.code, error.source, error.outcome) == (Code.DEADLINE_EXCEEDED, Source.CONSUMER, Outcome.UNKNOWN)
