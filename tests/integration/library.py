"""The AMQP library alone as a player of the scenario: nothing of ours between it and the broker."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import aiormq
from aiormq.abc import AbstractChannel, DeliveredMessage
from aiormq.exceptions import DeliveryError, PublishError
from pamqp.commands import Basic

from tests.integration.scenario import Arrived, Outcome
from tests.integration.stage import TIMEOUT


class Library:
    """A `tests.integration.scenario.Player`: one channel that consumes and one that publishes."""

    def __init__(self, consuming: AbstractChannel, publishing: AbstractChannel) -> None:
        self._consuming, self._publishing = consuming, publishing

    async def collect(self, queue: str, number: int, *, requeue: bool = False) -> list[Arrived]:
        """See `Player.collect`."""
        messages: asyncio.Queue[DeliveredMessage] = asyncio.Queue()
        await self._consuming.basic_qos(prefetch_count=number)
        started = await self._consuming.basic_consume(queue, messages.put)
        async with asyncio.timeout(TIMEOUT):
            found = [await messages.get() for _ in range(number)]
        await self._consuming.basic_cancel(str(started.consumer_tag))
        for message in found:
            tag = int(message.delivery_tag or 0)
            await (self._consuming.basic_nack(tag) if requeue else self._consuming.basic_ack(tag))
        return [_arrived(message) for message in found]

    async def publish(self, body: bytes, properties: Mapping[str, Any], exchange: str, routing_key: str) -> Outcome:
        """See `Player.publish`."""
        try:
            await self._publishing.basic_publish(
                body,
                exchange=exchange,
                routing_key=routing_key,
                properties=Basic.Properties(**properties),
                mandatory=True,
                timeout=TIMEOUT,
            )
        except PublishError:
            return "returned"
        except DeliveryError:
            return "nack"
        return "ack"


def _arrived(message: DeliveredMessage) -> Arrived:
    properties = {name: value for name, value in message.header.properties if value not in (None, "")}
    return Arrived(
        message.body,
        properties,
        properties.pop("headers", None) or {},
        message.redelivered is True,
        message.exchange or "",
        message.routing_key or "",
    )


@asynccontextmanager
async def library(url: str) -> AsyncIterator[Library]:
    """A player on a connection of its own."""
    connection = await aiormq.connect(url)
    try:
        consuming = await connection.channel(publisher_confirms=False)
        yield Library(consuming, await connection.channel(publisher_confirms=True, on_return_raises=True))
    finally:
        await connection.close()
