"""Calls that are cancelled, and an engine that is closed."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from consumer.zeebe import FailureKind, ZeebeEngine
from tests.fakes.gateway import FakeGateway, Request
from tests.unit.consumer.errors import verdict
from tests.unit.consumer.zeebe.calling import send
from tests.unit.consumer.zeebe.samples import CREATE, TAGGED, refusal, until
from zeebe_amqp.errors import Code, Outcome, Source
from zeebe_amqp.testing import Step, after, answer


async def test_cancelling_the_task_cancels_the_call_and_passes_through(gateway: ZeebeEngine, fake: FakeGateway) -> None:
    ended = asyncio.Event()

    async def hang(_: Request) -> Step:
        try:
            await asyncio.sleep(30)
        finally:
            ended.set()
        return answer()

    fake.always("CreateProcessInstance", hang)
    task = asyncio.create_task(send(gateway, CREATE))
    await until(lambda: fake.requests)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await ended.wait()


async def test_cancelling_while_closing_is_still_cancelling(gateway: ZeebeEngine, fake: FakeGateway) -> None:
    fake.always("CreateProcessInstance", after(30))
    task = asyncio.create_task(send(gateway, CREATE))
    await until(lambda: fake.requests)
    closing = asyncio.create_task(gateway.close())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await closing


async def test_closing_ends_calls_that_are_out_with_an_unknown_outcome(gateway: ZeebeEngine, fake: FakeGateway) -> None:
    fake.always("CreateProcessInstance", after(30))
    task = asyncio.create_task(refusal(gateway, CREATE))
    await until(lambda: fake.requests)
    await gateway.close()
    error = await task
    assert verdict(error) == (Code.CANCELLED, Source.CONSUMER, Outcome.UNKNOWN, False)


async def test_nothing_is_sent_after_closing(gateway: ZeebeEngine, fake: FakeGateway, sleeps: Any) -> None:
    await gateway.close()
    error = await refusal(gateway, CREATE)
    assert (fake.requests, sleeps.taken) == ([], [])
    assert verdict(error) == (Code.UNAVAILABLE, Source.CONSUMER, Outcome.NOT_EXECUTED, True)


async def test_closing_ends_a_version_question_that_is_out(gateway: ZeebeEngine, fake: FakeGateway) -> None:
    fake.always("Topology", after(30))
    task = asyncio.create_task(refusal(gateway, TAGGED))
    await until(lambda: fake.requests)
    await gateway.close()
    assert (await task).kind is FailureKind.CLOSING
