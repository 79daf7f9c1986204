"""The tap as a player of the scenario: our frames, between a broker and the library that they pass by."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any, cast

from aiormq.abc import AbstractChannel

from tests.integration.scenario import Arrived, Outcome
from tests.integration.stage import TIMEOUT
from zeebe_amqp.amqp.connection import close, connect
from zeebe_amqp.amqp.hot import HotChannel, Incoming, Nacked, Returned
from zeebe_amqp.amqp.properties import NAMES, Properties


class Tapped:
    """A `tests.integration.scenario.Player`: the library consumes and cancels, all else goes by it."""

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
async def tapped(url: str) -> AsyncIterator[Tapped]:
    """A player on a connection of its own."""
    connection = await connect(url, "test tap")
    try:
        consuming, publishing = connection.channel(publisher_confirms=False), connection.channel()
        await consuming.initialize()
        await publishing.initialize()
        arrived: asyncio.Queue[Incoming] = asyncio.Queue()
        raw = cast("AbstractChannel", await consuming.get_underlay_channel())
        hot = await connection.hot(consuming, arrived.put_nowait)
        yield Tapped(raw, hot, arrived, await connection.hot(publishing))
    finally:
        await close(connection)
