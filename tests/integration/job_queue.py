"""The queue of a type of jobs, as a worker sees it that knows nothing but AMQP."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import aio_pika
import orjson
from aio_pika.abc import AbstractChannel, AbstractConnection, AbstractIncomingMessage
from aiormq.exceptions import ChannelNotFoundEntity

from tests.integration.service import TIMEOUT
from zeebe_amqp.jobs.names import job_queue

PAUSE = 0.02
"""Seconds between two looks."""


class JobQueue:
    """The jobs of a type; use as an async context manager, which waits for the queue and deletes it at the end.

    Args:
        url: of the broker.
        job_type: whose jobs.
    """

    def __init__(self, url: str, job_type: str) -> None:
        self.name = job_queue(job_type)
        self._url = url

    async def __aenter__(self) -> JobQueue:
        self._connection = await aio_pika.connect(self._url)
        async with asyncio.timeout(TIMEOUT):
            while await self.depth() is None:  # noqa: ASYNC110 - another program declares it
                await asyncio.sleep(PAUSE)
        self._channel = await self._connection.channel()
        self._queue = await self._channel.get_queue(self.name)
        return self

    async def __aexit__(self, *_: object) -> None:
        await (await self._connection.channel()).queue_delete(self.name)
        await self._connection.close()

    async def depth(self) -> int | None:
        """How many jobs are ready; None without the queue."""
        return await depth(self._connection, self.name)

    async def take(self) -> AbstractIncomingMessage:
        """The next job, as soon as there is one; it is not acknowledged."""
        async with asyncio.timeout(TIMEOUT):
            while (message := await self._queue.get(fail=False)) is None:  # noqa: ASYNC110 - the broker tells nobody
                await asyncio.sleep(PAUSE)
        return message

    async def answer(self, job: AbstractIncomingMessage, **variables: Any) -> None:
        """Complete a job as any RPC server does."""
        await answer(self._channel, job, variables)

    @asynccontextmanager
    async def worker(self, prefetch: int = 20) -> AsyncIterator[list[AbstractIncomingMessage]]:
        """Complete everything that comes; gives what has come so far."""
        channel = await self._connection.channel()
        await channel.set_qos(prefetch)
        done: list[AbstractIncomingMessage] = []

        async def work(job: AbstractIncomingMessage) -> None:
            done.append(job)
            await answer(channel, job, {})

        queue = await channel.get_queue(self.name)
        tag = await queue.consume(work)
        try:
            yield done
        finally:
            await queue.cancel(tag)
            await channel.close()


async def answer(channel: AbstractChannel, job: AbstractIncomingMessage, variables: Mapping[str, Any]) -> None:
    """Complete a job: a message to its `reply_to` with its `correlation_id`, and an ack."""
    assert job.reply_to is not None
    message = aio_pika.Message(orjson.dumps(variables), correlation_id=job.correlation_id)
    await channel.default_exchange.publish(message, job.reply_to)
    await job.ack()


async def depth(connection: AbstractConnection, queue: str) -> int | None:
    """How many messages of a queue are ready; None without such a queue."""
    channel = await connection.channel()
    try:
        found = await channel.declare_queue(queue, passive=True)
    except ChannelNotFoundEntity:
        return None
    await channel.close()
    return found.declaration_result.message_count
