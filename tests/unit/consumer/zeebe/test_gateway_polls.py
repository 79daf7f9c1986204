"""A service that stops: long polls end when they are quiet, with what has arrived, and nothing else does."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any, TypeAlias

import pytest
from google.protobuf.message import Message

from consumer.zeebe import Answer, ZeebeEngine, polls
from consumer.zeebe.polls import Poll, Polls
from consumer.zeebe.protocol import gateway_pb2 as pb
from tests.cases import check_each, for_each
from tests.fakes.background import background
from tests.fakes.gateway import BUSY, FakeGateway, Flow, stream
from tests.unit.consumer.zeebe.samples import ACTIVATE, COMPLETE, CREATE, Authority, Connect, send, until
from zeebe_amqp.testing import Step, after, answer, fail

WAIT = 60.0
"""Seconds that a poll of these tests would wait."""
RESULT = pb.CreateProcessInstanceWithResultRequest(request=CREATE)
JOB = pb.ActivateJobsResponse(jobs=[pb.ActivatedJob(key=1)])
Begun: TypeAlias = Callable[[], object]
"""Whether a poll waits where its test wants it."""


async def forever(_: float) -> None:
    await asyncio.Event().wait()


@asynccontextmanager
async def polling(gateway: ZeebeEngine, begun: Begun) -> AsyncIterator[asyncio.Task[Answer]]:
    """A poll that waits; at the end of the block it must have been answered."""
    task = asyncio.create_task(send(gateway, ACTIVATE, attempt_timeout=WAIT))
    await until(begun)
    yield task
    async with asyncio.timeout(WAIT / 4):
        await asyncio.wait({task})
    assert task.done()


@for_each([([],), ([pb.ActivateJobsResponse()],), ([JOB],), ([JOB, JOB],)])
async def test_an_open_poll_is_answered_with_the_jobs_that_arrived(sent: list[Message], connect: Connect) -> None:
    async with FakeGateway() as fake:
        gateway = connect(fake.address)
        fake.always("ActivateJobs", stream(*sent, open_for=WAIT))
        async with polling(gateway, lambda: fake.requests) as poll:
            await asyncio.sleep(0.05)
            await gateway.end_polls()
        assert poll.result() == sent
        assert not gateway.circuit.is_open
        await gateway.close()


@for_each([(after(0.1, answer(JOB)), [JOB]), (after(0.1, fail("RESOURCE_EXHAUSTED", BUSY)), [])])
async def test_what_came_in_the_same_moment_is_not_lost_and_nothing_follows_it(
    came: Step, expected: list[Message], connect: Connect
) -> None:
    with background(FakeGateway()) as running:
        fake, gateway = running.gateway, connect(running.gateway.address, sleep=forever)
        fake.always("ActivateJobs", came)
        async with polling(gateway, lambda: fake.requests) as poll:
            time.sleep(0.3)  # noqa: ASYNC251 - it arrives meanwhile, and nobody reads it
            await gateway.end_polls()
        assert poll.result() == expected
        assert fake.count("ActivateJobs") == 1
        await gateway.close()


async def flow(number: int, pause: float) -> AsyncIterator[Message]:
    """Answers with a job each."""
    for _ in range(number):
        await asyncio.sleep(pause)
        yield JOB


@for_each([(1, [JOB]), (3, [JOB] * 3)])
async def test_what_the_gateway_is_about_to_answer_is_waited_for(
    number: int, expected: list[Message], connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has locked these jobs by then, and nobody else would get them before their timeout; it waits no longer."""
    monkeypatch.setattr(polls, "QUIET", WAIT)
    async with FakeGateway() as fake:
        gateway = connect(fake.address)
        fake.script("ActivateJobs", Flow(source=flow(number, pause=0.4)))
        async with polling(gateway, lambda: fake.requests) as poll, asyncio.timeout(WAIT / 4):
            await gateway.end_polls()
        assert poll.result() == expected
        await gateway.close()


async def test_a_poll_that_waits_for_long_is_ended_before_one_that_may_get_jobs(
    fake: FakeGateway, gateway: ZeebeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(polls, "QUIET", WAIT)
    more = asyncio.Event()

    async def answered_after_the_other() -> AsyncIterator[Message]:
        await more.wait()
        yield JOB

    fake.script("ActivateJobs", stream(open_for=WAIT), Flow(source=answered_after_the_other()))
    async with polling(gateway, lambda: fake.requests) as quiet:
        quiet.add_done_callback(lambda _: more.set())
        [waiting] = gateway._polls._open
        waiting.heard -= WAIT
        async with polling(gateway, lambda: len(fake.requests) == 2) as young:
            await gateway.end_polls()
    assert (quiet.result(), young.result()) == ([], [JOB])


async def test_no_poll_takes_all_of_the_time_that_there_is(
    fake: FakeGateway, gateway: ZeebeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it brings has to be given out, or answered, within the same time."""
    monkeypatch.setattr(polls, "QUIET", WAIT)
    fake.script("ActivateJobs", stream(open_for=WAIT))
    async with polling(gateway, lambda: fake.requests) as poll, asyncio.timeout(WAIT / 4):
        await gateway.end_polls(within=1.0)
    assert poll.result() == []


async def test_a_poll_that_is_never_quiet_ends_too(
    fake: FakeGateway, gateway: ZeebeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(polls, "QUIET", 0.5)
    fake.script("ActivateJobs", Flow(source=flow(10_000, pause=0.05)))
    async with polling(gateway, lambda: fake.requests) as poll:
        await gateway.end_polls()
    assert set(map(type, poll.result())) == {pb.ActivateJobsResponse}
    assert len(poll.result()) < 10_000


async def test_a_poll_ends_in_the_pause_between_two_attempts(fake: FakeGateway, connect: Connect) -> None:
    gateway = connect(fake.address, sleep=forever)
    fake.always("ActivateJobs", fail("RESOURCE_EXHAUSTED", BUSY))
    async with polling(gateway, lambda: fake.requests) as poll:
        await asyncio.sleep(0.05)
        await gateway.end_polls()
    assert (poll.result(), fake.count("ActivateJobs")) == ([], 1)


async def test_a_poll_ends_while_it_waits_for_a_connection(connect: Connect) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        gateway = connect(f"127.0.0.1:{silent.getsockname()[1]}")
        async with polling(gateway, lambda: True) as poll:
            await asyncio.sleep(0.05)
            await gateway.end_polls()
        assert poll.result() == []
        await gateway.close()


async def test_a_poll_ends_while_it_waits_for_a_token(
    fake: FakeGateway, authority: Authority, connect: Connect
) -> None:
    authority.answering.clear()
    gateway = connect(fake.address, credentials=authority.setting())
    async with polling(gateway, lambda: authority.forms) as poll:
        await gateway.end_polls()
    assert (poll.result(), fake.requests) == ([], [])


async def test_a_poll_that_begins_later_is_answered_without_asking(gateway: ZeebeEngine, fake: FakeGateway) -> None:
    await gateway.end_polls()
    await gateway.end_polls()
    assert (await send(gateway, ACTIVATE, attempt_timeout=WAIT), fake.requests) == ([], [])


async def test_nothing_else_ends(fake: FakeGateway, connect: Connect) -> None:
    async def goes_on(rpc: str, message: Message, terms: dict[str, Any]) -> None:
        gateway, before = connect(fake.address), fake.count(rpc)
        fake.always(rpc, after(0.2))
        task = asyncio.create_task(send(gateway, message, **terms))
        await until(lambda: fake.count(rpc) > before)
        await gateway.end_polls()
        assert await task
        assert await send(gateway, message, **terms)

    waiting = {"attempt_timeout": WAIT}
    await check_each(
        [
            ("CreateProcessInstanceWithResult", RESULT, waiting),
            ("CreateProcessInstance", CREATE, {}),
            ("CompleteJob", COMPLETE, {"idempotent": True}),
            ("ActivateJobs", ACTIVATE, {}),
        ],
        goes_on,
    )


async def test_a_cancelled_poll_is_cancelled_also_while_polls_end(gateway: ZeebeEngine, fake: FakeGateway) -> None:
    fake.always("ActivateJobs", stream(open_for=WAIT))
    async with polling(gateway, lambda: fake.requests) as poll:
        await gateway.end_polls()
        poll.cancel()
    assert poll.cancelled()


async def test_the_gateway_is_told_so_that_it_gives_nobody_jobs(gateway: ZeebeEngine, fake: FakeGateway) -> None:
    ended = asyncio.Event()

    async def hold(_: Any) -> Step:
        try:
            await asyncio.sleep(WAIT)
        finally:
            ended.set()
        return answer()

    fake.always("ActivateJobs", hold)
    async with polling(gateway, lambda: fake.requests) as poll:
        await gateway.end_polls()
    assert poll.result() == []
    await ended.wait()


class FailedStream:
    """A stream that has failed by itself, which nobody has noticed yet."""

    def __aiter__(self) -> AsyncIterator[Any]:
        return self._responses()

    async def _responses(self) -> AsyncIterator[Any]:
        await asyncio.sleep(0)
        raise OSError("failed")
        yield

    def cancel(self) -> bool:
        return False


async def test_no_attempt_follows_one_that_failed_in_the_moment_of_the_end() -> None:
    open_ones, poll = Polls(), Poll()

    async def attempts() -> Answer:
        with suppress(OSError):
            await poll.collect(FailedStream())
        await forever(0)
        return []

    run = asyncio.create_task(open_ones.run(poll, attempts))
    await asyncio.sleep(0)
    poll.end()
    assert await run == []


async def test_polls_that_end_by_themselves_while_others_are_ended_keep_their_answer() -> None:
    open_ones, ends = Polls(), asyncio.Event()

    async def attempts() -> Answer:
        try:
            await ends.wait()
        finally:
            ends.set()  # the first that is ended lets the others end
        return [JOB]

    runs = [asyncio.create_task(open_ones.run(Poll(), attempts)) for _ in range(50)]
    await asyncio.sleep(0)
    await open_ones.end()
    answers = await asyncio.gather(*runs)
    assert answers.count([]) < answers.count([JOB]) < 50
