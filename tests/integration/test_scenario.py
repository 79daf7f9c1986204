"""The tap between the AMQP library and the broker sees and does what the library alone sees and does."""

from __future__ import annotations

import asyncio
import hashlib
import json
import struct
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, cast

import aio_pika
import aiormq
from aiormq.abc import AbstractChannel, DeliveredMessage
from aiormq.exceptions import DeliveryError, PublishError
from pamqp.commands import Basic

from tests.conftest import Broker
from tests.integration.rawamqp import SHORT, RawPublisher, content, entry, short, table, text
from tests.integration.service import TIMEOUT
from zeebe_amqp.amqp.connection import close, connect
from zeebe_amqp.amqp.hot import HotChannel, Incoming, Nacked, Returned
from zeebe_amqp.amqp.properties import NAMES, Properties

# --- what is sent ---

BODIES = [b"b" * size for size in (0, 1, 4_096, 200_000, 1_000_000)]
SECONDS = struct.pack(">Q", 1_700_000_000)
NOW = datetime.fromtimestamp(1_700_000_000, UTC)
PROPERTIES = {
    **{name: short(f"the {name}".encode()) for name in SHORT},
    "headers": table(entry(b"name", b"S", text("Wörter".encode()))),
    "delivery_mode": b"\x02",
    "priority": b"\x09",
    "expiration": short(b"3600000"),
    "timestamp": SECONDS,
    "user_id": short(b"guest"),
}
"""Every property, as it stands on the wire."""
VALUES = [
    (b"t", b"\1"), (b"t", b"\0"), (b"b", b"\xff"), (b"B", b"\xff"), (b"s", b"\xff\xfe"), (b"u", b"\xff\xfe"),
    (b"I", b"\xff\xff\xff\xfe"), (b"i", b"\xff\xff\xff\xfe"), (b"l", b"\xff" * 7 + b"\xfe"),
    (b"f", struct.pack(">f", 0.25)), (b"d", struct.pack(">d", 0.1)), (b"D", b"\2" + struct.pack(">i", 12345)),
    (b"S", text("Grüße".encode())), (b"S", text(b"")), (b"S", text(b"\xff\xfe")), (b"x", text(b"\0\xff")),
    (b"T", SECONDS), (b"V", b""), (b"A", text(b"t\1" + b"S" + text(b"in") + b"A" + text(b""))),
    (b"F", table(entry(b"a", b"I", b"\0\0\0\1"), entry(b"b", b"F", table()))),
]  # fmt: skip
"""Values of headers by their tags: every type that brokers take."""
HEADERS = {
    "text": "Grüße", "empty": "", "yes": True, "small": 1, "negative": -70_000, "large": 2**40, "float": 0.25,
    "time": NOW, "void": None, "list": [1, "two", [True]], "table": {"a": {"b": 3}},
}  # fmt: skip
"""Every kind of header that the service and its callers write."""
OUTGOING = {
    **{name: f"the {name}" for name in ("content_type", "content_encoding", "reply_to", "message_type", "app_id")},
    "headers": HEADERS,
    "delivery_mode": 2,
    "priority": 3,
    "correlation_id": "c" * 255,
    "expiration": "3600000",
    "timestamp": NOW,
    "user_id": "guest",
    "message_id": "m",
}
"""Properties to publish with."""


def incoming() -> list[tuple[bytes, bytes]]:
    """Bodies and content headers that arrive, byte by byte as they are wanted."""
    entries = [entry(b"%d" % number, *value) for number, value in enumerate(VALUES)]
    tables = [table(), table(*entries), *map(table, entries)]
    properties = [{}, PROPERTIES, *({name: value} for name, value in PROPERTIES.items())]
    headers = [content(**each) for each in properties] + [content(headers=each) for each in tables]
    return [(b"%d" % number, header) for number, header in enumerate(headers)] + [(body, content()) for body in BODIES]


# --- who sends and reads ---


@dataclass(frozen=True)
class Arrived:
    """One delivery: the properties under the AMQP library's names (`message_type` for `type`), None left out."""

    body: bytes
    properties: dict[str, Any]
    redelivered: bool
    exchange: str
    routing_key: str


class Library:
    """The library alone: one channel that consumes and one that publishes with confirms."""

    def __init__(self, consuming: AbstractChannel, publishing: Any) -> None:
        self.consuming, self.publishing = consuming, publishing
        self.arrived: asyncio.Queue[Any] = asyncio.Queue()

    async def collect(self, queue: str, number: int, *, requeue: bool = False) -> list[Arrived]:
        """The next deliveries of a queue, in their order, each acknowledged or given back; then consume no more."""
        await self.consuming.basic_qos(prefetch_count=number)
        started = await self.consuming.basic_consume(queue, self.receive)
        async with asyncio.timeout(TIMEOUT):
            found = [await self.arrived.get() for _ in range(number)]
        await self.consuming.basic_cancel(str(started.consumer_tag))
        for message in found:
            await self.settle(message, requeue)
        return [self.read(message) for message in found]

    async def receive(self, message: DeliveredMessage) -> None:
        await self.arrived.put(message)

    async def settle(self, message: Any, requeue: bool) -> None:
        await (self.consuming.basic_nack if requeue else self.consuming.basic_ack)(message.delivery_tag)

    def read(self, message: Any) -> Arrived:
        properties = {name: value for name, value in message.header.properties if value not in (None, "", {})}
        address = message.exchange or "", message.routing_key or ""
        return Arrived(message.body, properties, message.redelivered is True, *address)

    async def publish(self, body: bytes, properties: dict[str, Any], exchange: str, key: str) -> str:
        """Publish one message, mandatory, and wait for what the broker says; many may wait at a time."""
        try:
            async with asyncio.timeout(TIMEOUT):
                await self.write(body, properties, exchange, key)
        except (PublishError, Returned):
            return "returned"
        except (DeliveryError, Nacked):
            return "nack"
        return "ack"

    async def write(self, body: bytes, properties: dict[str, Any], exchange: str, key: str) -> None:
        written = Basic.Properties(**properties)
        publish = self.publishing.basic_publish
        await publish(body, exchange=exchange, routing_key=key, properties=written, mandatory=True)


class Tap(Library):
    """Our tap: the library consumes and cancels, all else goes by it."""

    hot: HotChannel

    async def receive(self, _: DeliveredMessage) -> None:
        raise AssertionError("a delivery got to the library")

    async def settle(self, message: Incoming, requeue: bool) -> None:
        assert self.hot.nack(message.tag) if requeue else self.hot.ack(message.tag)

    def read(self, message: Incoming) -> Arrived:
        found, (exchange, key, _) = message.properties, message.address
        assert not found.malformed
        properties = {name: value for name in NAMES if (value := getattr(found, name)) not in (None, "")}
        if headers := dict(properties.pop("headers", {})):
            properties["headers"] = headers
        if "type" in properties:
            properties["message_type"] = properties.pop("type")
        if "timestamp" in properties:
            properties["timestamp"] = datetime.fromtimestamp(properties["timestamp"], UTC)
        return Arrived(message.body, properties, message.redelivered, exchange, key)

    async def write(self, body: bytes, properties: dict[str, Any], exchange: str, key: str) -> None:
        values = {"type" if name == "message_type" else name: value for name, value in properties.items()}
        if "timestamp" in values:
            values["timestamp"] = int(values["timestamp"].timestamp())
        await self.publishing.publish(exchange, key, Properties(**values), body, mandatory=True)


@asynccontextmanager
async def library(url: str) -> AsyncIterator[Library]:
    """The library on a connection of its own."""
    connection = await aiormq.connect(url)
    try:
        consuming = await connection.channel(publisher_confirms=False)
        yield Library(consuming, await connection.channel(publisher_confirms=True, on_return_raises=True))
    finally:
        await connection.close()


@asynccontextmanager
async def tap(url: str) -> AsyncIterator[Tap]:
    """The tap on a connection of its own."""
    connection = await connect(url, "test tap")
    try:
        consuming, publishing = connection.channel(publisher_confirms=False), connection.channel()
        await consuming.initialize()
        await publishing.initialize()
        raw = cast("AbstractChannel", await consuming.get_underlay_channel())
        tapped = Tap(raw, await connection.hot(publishing))
        tapped.hot = await connection.hot(consuming, tapped.arrived.put_nowait)
        yield tapped
    finally:
        await close(connection)


# --- what they see ---


@asynccontextmanager
async def places(url: str) -> AsyncIterator[str]:
    """Queues and an exchange that begin with this name: `into` and `out`, one that is `full`, `exchange` for to.#."""
    name = f"scenario.{uuid.uuid4().hex}"
    async with await aio_pika.connect(url) as connection, connection.channel() as channel:
        for queue in ("into", "out"):
            await channel.declare_queue(f"{name}.{queue}", durable=True)
        await channel.declare_queue(
            f"{name}.full", durable=True, arguments={"x-max-length": 1, "x-overflow": "reject-publish"}
        )
        await channel.default_exchange.publish(aio_pika.Message(b"full"), f"{name}.full")
        topics = aio_pika.ExchangeType.TOPIC
        exchange = await channel.declare_exchange(f"{name}.exchange", topics, auto_delete=True)
        await (await channel.get_queue(f"{name}.out")).bind(exchange, "to.#")
        yield name
        for queue in ("into", "out", "full"):
            await channel.queue_delete(f"{name}.{queue}")


async def play(url: str, name: str, player: Library, reader: Library) -> dict[str, list[Any]]:
    """What a player sees of all that arrives and hears of all that it publishes, and what `reader` reads of that."""
    messages, out, full = incoming(), f"{name}.out", f"{name}.full"
    async with RawPublisher(url) as raw:
        for body, header in messages:
            await raw.publish(f"{name}.into", body, header)
    record: dict[str, list[Any]] = {
        "first": await player.collect(f"{name}.into", len(messages), requeue=True),
        "again": await player.collect(f"{name}.into", len(messages)),
    }
    exchange = f"{name}.exchange"
    ends = [("", out), (exchange, "to.us"), ("", f"{name}.nowhere"), (exchange, "elsewhere"), ("", full)]
    record["outcomes"] = [
        await player.publish(body, {"message_id": f"of {len(body)}"}, *end) for body in BODIES for end in ends
    ]
    record["outcomes"].append(await player.publish(b"{}", OUTGOING, "", out))
    record["published"] = await reader.collect(out, 2 * len(BODIES) + 1)
    # Many at a time, which the broker confirms several together, returns and refuses.
    keys = [out, out, out, f"{name}.nowhere", full] * 100
    same = [(b"%d" % number, {"message_id": f"{number}", "delivery_mode": 2}, "") for number in range(len(keys))]
    sending = (player.publish(*message, key) for message, key in zip(same, keys, strict=True))
    record["outcomes at once"] = await asyncio.gather(*sending)
    record["published at once"] = await reader.collect(out, keys.count(out))
    return record


def written(items: list[Any]) -> list[str]:
    """Each as JSON, which tells true from 1 as Python does not."""
    return [json.dumps(each, sort_keys=True, default=plain) for each in items]


def plain(value: Any) -> Any:
    """For JSON, which has few types."""
    if isinstance(value, bytes | bytearray):
        return f"{len(value)} bytes, SHA-256 {hashlib.sha256(value).hexdigest()}"
    return vars(value) if isinstance(value, Arrived) else repr(value)


def check_whole(record: dict[str, list[Any]]) -> None:
    """What the library alone sees is the whole scenario."""
    first: list[Arrived] = record["first"]
    assert [each.body for each in first] == [body for body, _ in incoming()]
    assert not any(each.redelivered or each.exchange for each in first)
    assert [vars(each) for each in record["again"]] == [{**vars(each), "redelivered": True} for each in first]
    names = {"message_type" if name == "type" else name for name in PROPERTIES}
    assert names <= {name for each in first for name in each.properties}
    assert max(len(each.properties.get("headers", {})) for each in first) == len(VALUES)
    assert record["outcomes"] == ["ack", "ack", "returned", "returned", "nack"] * len(BODIES) + ["ack"]
    assert record["outcomes at once"] == ["ack", "ack", "ack", "returned", "nack"] * 100
    assert [int(each.body) for each in record["published at once"]] == [n for n in range(500) if n % 5 < 3]


async def test_the_tap_tells_what_the_library_tells(rabbitmq: Broker) -> None:
    """Whichever of them publishes and whichever reads."""
    url = rabbitmq.url
    async with places(url) as name:
        async with library(url) as player, library(url) as reader:
            record = await play(url, name, player, reader)
        check_whole(record)
        for plays, reads in ((tap, library), (library, tap), (tap, tap)):
            async with plays(url) as player, reads(url) as reader:
                found = await play(url, name, player, reader)
            for part, seen in record.items():
                assert written(found[part]) == written(seen), f"{part}: {plays.__name__} plays, {reads.__name__} reads"
