"""Consumers with request queues of their own, so that no other consumer on the same broker answers in their place."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import aio_pika

from scripts.consumer import Consumer


@contextmanager
def consumer_on(
    directory: Path, amqp_url: str, zeebe_address: str, environment: Mapping[str, str] | None = None
) -> Iterator[Consumer]:
    """A ready consumer; its queues are named in `queues`, and deleted at the end."""
    name = f"test.{uuid.uuid4().hex}"
    settings = {"AMQP_QUEUES": f"{name}.commands,{name}.polls", **(environment or {})}
    with Consumer(directory, amqp_url, zeebe_address, settings) as running:
        yield running
    asyncio.run(_delete(amqp_url, running.queues))


async def _delete(amqp_url: str, queues: tuple[str, ...]) -> None:
    async with await aio_pika.connect(amqp_url) as connection:
        channel = await connection.channel()
        for queue in queues:
            await channel.queue_delete(queue)
