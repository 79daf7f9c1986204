"""Two players of the scenario: the AMQP library alone, and our tap between it and the broker."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any, cast

import aiormq
from aiormq.abc import AbstractChannel, DeliveredMessage
from aiormq.exceptions import DeliveryError, PublishError
from pamqp.commands import Basic

from tests.integration.scenario import Arrived, Outcome
from tests.integration.service import TIMEOUT
from zeebe_amqp.amqp.connection import close, connect
from zeebe_amqp.amqp.hot import HotChannel, Incoming, Nacked, Returned
from zeebe_amqp.amqp.properties import NAMES, Properties


class LibraryPlayer:
    """The library alone: one channel that consumes and one that publishes."""

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
        return [_read(message) for message in found]

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


def _read(message: DeliveredMessage) -> Arrived:
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
async def library_player(url: str) -> AsyncIterator[LibraryPlayer]:
    """A player on a connection of its own."""
    connection = await aiormq.connect(url)
    try:
        consuming = await connection.channel(publisher_confirms=False)
        yield LibraryPlayer(consuming, await connection.channel(publisher_confirms=True, on_return_raises=True))
    finally:
        await connection.close()


class TapPlayer:
    """Our tap: the library consumes and cancels, all else goes by it."""

    def __init__(
        self, consuming: AbstractChannel, hot: HotChannel, arrived: asyncio.Queue[Incoming], publishing: HotChannel
    ) -> None:
        self._consuming, self._hot, self._arrived, self._publishing = consuming, hot, arrived, publishing

    async def collect(self, queue: str, number: int, *, requeue: bool = False) -> list[Arrived]:
        """See `Player.collect`."""
        await self._consuming.basic_qos(prefetch_count=number)
        started = await self._consuming.basic_consume(queue, _never)
        async with asyncio.timeout(TIMEOUT):
            found = [await self._arrived.get() for _ in range(number)]
        await self._consuming.basic_cancel(str(started.consumer_tag))
        for incoming in found:
            assert self._hot.nack(incoming.tag) if requeue else self._hot.ack(incoming.tag)
        return [_arrived(incoming) for incoming in found]

    async def publish(self, body: bytes, properties: Mapping[str, Any], exchange: str, routing_key: str) -> Outcome:
        """See `Player.publish`."""
        values = {"type" if name == "message_type" else name: value for name, value in properties.items()}
        if "timestamp" in values:
            values["timestamp"] = int(values["timestamp"].timestamp())
        try:
            async with asyncio.timeout(TIMEOUT):
                await self._publishing.publish(exchange, routing_key, Properties(**values), body, mandatory=True)
        except Returned:
            return "returned"
        except Nacked:
            return "nack"
        return "ack"


async def _never(_: object) -> None:
    raise AssertionError("a delivery got to the library")


def _arrived(incoming: Incoming) -> Arrived:
    found, (exchange, routing_key, _) = incoming.properties, incoming.address
    assert not found.malformed
    properties = {name: value for name in NAMES if (value := getattr(found, name)) not in (None, "")}
    headers = dict(properties.pop("headers", {}))
    if "type" in properties:
        properties["message_type"] = properties.pop("type")
    if "timestamp" in properties:
        properties["timestamp"] = datetime.fromtimestamp(properties["timestamp"], UTC)
    return Arrived(incoming.body, properties, headers, incoming.redelivered, exchange, routing_key)


@asynccontextmanager
async def tap_player(url: str) -> AsyncIterator[TapPlayer]:
    """A player on a connection of its own."""
    connection = await connect(url, "test tap")
    try:
        consuming, publishing = connection.channel(publisher_confirms=False), connection.channel()
        await consuming.initialize()
        await publishing.initialize()
        arrived: asyncio.Queue[Incoming] = asyncio.Queue()
        raw = cast("AbstractChannel", await consuming.get_underlay_channel())
        hot = await connection.hot(consuming, arrived.put_nowait)
        yield TapPlayer(raw, hot, arrived, await connection.hot(publishing))
    finally:
        await close(connection)
