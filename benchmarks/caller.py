"""The caller's side: what a call costs the caller with the client, and with nothing but aio-pika.

A program: `python -m benchmarks.caller client|bare AMQP_URL QUEUE SECONDS IN_FLIGHT`, where QUEUE is answered with the
request's own body; prints its figures as JSON.
"""

from __future__ import annotations

import asyncio
import json
import sys
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, ClassVar

import aio_pika
from aio_pika.abc import AbstractIncomingMessage

from benchmarks.request import BODY, PROCESS, VARIABLES, run, timed
from zeebe_amqp import Client, wire
from zeebe_amqp.commands import Command, Result
from zeebe_amqp.schema.fields import Variables

Call = Callable[[], Awaitable[object]]


class Echoed(Result, frozen=True, kw_only=True):
    """What an echo of the request has, read as a result."""

    bpmn_process_id: str


class Create(Command[Echoed], frozen=True, kw_only=True):
    """The request of the other benchmarks."""

    operation: ClassVar[str] = "create-instance"

    bpmn_process_id: str
    variables: Variables


@asynccontextmanager
async def client(url: str, queue: str) -> AsyncIterator[Call]:
    """A typed call, from a Python value to a Python value."""
    async with Client(url, commands=queue) as zeebe:

        async def call() -> object:
            return await zeebe.call(Create(bpmn_process_id=PROCESS, variables=VARIABLES))

        yield call


@asynccontextmanager
async def bare(url: str, queue: str) -> AsyncIterator[Call]:
    """Publish bytes with confirm and consume bytes, as little as aio-pika can do."""
    waiting: dict[str, asyncio.Future[bytes]] = {}

    async def receive(message: AbstractIncomingMessage) -> None:
        waiting.pop(str(message.correlation_id)).set_result(message.body)

    async with await aio_pika.connect(url) as connection, connection.channel() as channel:
        replies = await channel.get_queue(wire.DIRECT_REPLY_TO, ensure=False)
        await replies.consume(receive, no_ack=True)

        async def call() -> object:
            name = uuid.uuid4().hex
            answered = waiting[name] = asyncio.get_running_loop().create_future()
            message = aio_pika.Message(BODY.encode(), correlation_id=name, reply_to=wire.DIRECT_REPLY_TO)
            await channel.default_exchange.publish(message, queue)
            return await answered

        yield call


async def measure(kind: str, url: str, queue: str, seconds: float, in_flight: int) -> None:
    """Call and print the figures."""
    async with CALLERS[kind](url, queue) as call:
        print(json.dumps(await timed(call, seconds, in_flight)))


CALLERS: dict[str, Callable[[str, str], Any]] = {"client": client, "bare": bare}

if __name__ == "__main__":
    run(measure(sys.argv[1], sys.argv[2], sys.argv[3], float(sys.argv[4]), int(sys.argv[5])))
