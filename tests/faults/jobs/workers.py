"""Workers that survive everything: plain AMQP, no library of ours; what becomes of a job is decided by its number."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from enum import StrEnum
from functools import partial
from typing import Any, Self, TypeAlias

import aio_pika
from aio_pika.abc import AbstractChannel, AbstractIncomingMessage

from tests.faults.callers import CONFIRM, CONNECTION_ERRORS
from tests.faults.jobs.checker import Activated, JobHistory
from tests.faults.jobs.engine import ACTIVATION, NUMBER, Ending

PREFETCH = 5
"""Messages that a worker has at a time."""
WORK = 0.005
"""Seconds that a job takes."""


class Act(StrEnum):
    """What a worker does with a job."""

    COMPLETE = "complete"
    FAIL = "fail"
    """It answers that it failed."""
    THROW = "error"
    """It answers with a BPMN error."""
    REJECT = "reject"
    """It gives the message up: the broker's own word for failed."""
    FORGET = "forget"
    """It acknowledges and never answers."""
    DIE = "die"
    """It ends with the message, and so does whoever gets it next."""


Plan: TypeAlias = Callable[[int, int], Act]
"""What becomes of a job, by its number and by which of its activations it is, from 1."""
_FIRST = {1: Act.FAIL, 2: Act.REJECT, 3: Act.FORGET}
_ALWAYS = {4: Act.THROW, 5: Act.FAIL}
_EVERY = 20


def usual(number: int, activation: int) -> Act:
    """Most jobs are completed; one in twenty each fails, is given up or forgotten the first time, throws, or fails for
    ever."""
    kind = number % _EVERY
    return _ALWAYS.get(kind) or (_FIRST.get(kind, Act.COMPLETE) if activation == 1 else Act.COMPLETE)


def answering(number: int, activation: int) -> Act:
    """The same, and nobody forgets a job."""
    act = usual(number, activation)
    return Act.COMPLETE if act is Act.FORGET else act


def deadly(number: int, activation: int) -> Act:
    """One job in a hundred kills every worker that gets its first activation."""
    return Act.DIE if number % 100 == 1 and activation == 1 else Act.COMPLETE


def completing(_: int, __: int) -> Act:
    """Every job is completed."""
    return Act.COMPLETE


def ending(plan: Plan) -> Callable[[int], Ending]:
    """How jobs end under a plan that goes on as it is from the third activation on."""
    ends = {Act.COMPLETE: Ending.COMPLETED, Act.THROW: Ending.THROWN, Act.FAIL: Ending.INCIDENT}
    return lambda number: ends[plan(number, 3)]


class Worker:
    """One worker of a queue; use as an async context manager.

    `manner` is how it answers, or does not; it may be changed at any time. While it is `held` it neither works nor
    answers, and keeps what it has. A `punctual` worker leaves alone what is past its deadline.
    """

    def __init__(
        self, url: str, queue: str, history: JobHistory, plan: Plan, manner: Manner, prefetch: int = PREFETCH
    ) -> None:
        self._url, self._queue, self._prefetch = url, queue, prefetch
        self.history = history
        self.plan = plan
        self.manner = manner
        self.punctual = True
        self.jobs: list[Activated] = []
        """What it has and has not settled."""
        self._going = asyncio.Event()
        self._going.set()

    @property
    def has(self) -> int:
        """How many that are."""
        return len(self.jobs)

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._run())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    def hold(self) -> None:
        """Stop in the middle of everything, connected as it is."""
        self._going.clear()

    def go_on(self) -> None:
        """Go on where it was."""
        self._going.set()

    async def _run(self) -> None:
        while True:
            with suppress(*CONNECTION_ERRORS):
                async with self._channel() as channel:
                    lost = asyncio.Event()
                    channel.close_callbacks.add(lambda *_, lost=lost: lost.set())
                    raw: Any = await channel.get_underlay_channel()
                    raw.on_consumer_cancel_callbacks.add(lambda _, lost=lost: lost.set())  # its queue was deleted
                    queue = await channel.get_queue(self._queue, ensure=True)
                    await queue.consume(partial(self._work, channel))
                    await lost.wait()
            await asyncio.sleep(0.1)

    @asynccontextmanager
    async def _channel(self) -> AsyncIterator[AbstractChannel]:
        async with await aio_pika.connect(self._url, timeout=CONFIRM) as connection:
            channel = await connection.channel(on_return_raises=True)
            await channel.set_qos(prefetch_count=self._prefetch)
            yield channel

    async def _work(self, channel: AbstractChannel, message: AbstractIncomingMessage) -> None:
        activated = Activated(_whole(message, "job-key"), _whole(message, "deadline"))
        self.jobs.append(activated)
        try:
            with suppress(*CONNECTION_ERRORS):
                await self._settle(channel, message, activated)
        finally:
            self.jobs.remove(activated)

    async def _settle(self, channel: AbstractChannel, message: AbstractIncomingMessage, activated: Activated) -> None:
        attempt = self.history.received_by_worker(activated)
        act = self.plan(json.loads(message.body)[NUMBER], attempt)
        await asyncio.sleep(WORK)
        await self._going.wait()
        if self.punctual and activated.deadline < time.time() * 1000:
            await message.ack()
        elif act is Act.REJECT:
            self.history.refused(activated)
            await message.reject(requeue=False)
        elif act is Act.DIE:
            self.history.refused(activated)
            await channel.close()
        else:
            if act is not Act.FORGET:
                await self.manner(Answering(self, channel, message, activated, act))
            await message.ack()


class Answering:
    """One job at the moment at which its worker has to answer."""

    def __init__(
        self, worker: Worker, channel: AbstractChannel, message: AbstractIncomingMessage, activated: Activated, act: Act
    ) -> None:
        self.act = act
        self.activated = activated
        self._worker, self._channel, self._message = worker, channel, message

    async def answer(self, act: Act) -> None:
        """Send an answer, and wait until the broker has it."""
        self._worker.history.answered(self.activated, RPCS[act])
        message = aio_pika.Message(
            json.dumps(_body(act, self.activated)).encode(),
            content_type="application/json",
            type=act,
            correlation_id=self._message.correlation_id,
            delivery_mode=aio_pika.DeliveryMode.PERSISTENT,
        )
        reply_to = str(self._message.reply_to)
        await self._channel.default_exchange.publish(message, reply_to, mandatory=True, timeout=CONFIRM)


RPCS = {Act.COMPLETE: "CompleteJob", Act.FAIL: "FailJob", Act.THROW: "ThrowError"}
"""What answers come to at the gateway."""
Manner: TypeAlias = Callable[[Answering], Awaitable[None]]
"""How a worker answers."""


def _body(act: Act, activated: Activated) -> dict[str, Any]:
    variables = {ACTIVATION: activated.deadline}
    match act:
        case Act.FAIL:
            return {"errorMessage": "it did not work", "variables": variables}
        case Act.THROW:
            return {"errorCode": "refused", "variables": variables}
        case _:
            return variables


def _whole(message: AbstractIncomingMessage, header: str) -> int:
    value = message.headers[header]
    assert isinstance(value, int), f"header {header}: expected a whole number, found {value!r}"
    return value


async def plainly(job: Answering) -> None:
    """Answer one time, as the plan says."""
    await job.answer(job.act)


async def twice(job: Answering) -> None:
    """Answer twice the same."""
    await job.answer(job.act)
    await job.answer(job.act)


async def differently(job: Answering) -> None:
    """Answer, and then say something else."""
    await job.answer(job.act)
    await job.answer(Act.FAIL if job.act is Act.COMPLETE else Act.COMPLETE)


async def never(_: Answering) -> None:
    """Work for ever."""
    await asyncio.Event().wait()
