"""One scenario for every way to speak AMQP: what arrives and what is published, written down as plain data.

`play` does it with a `Player`. The AMQP library alone is one (`tests.integration.players`), and what it sees is right
by definition; any other player must see the same.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import struct
import uuid
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Literal, Protocol, TypeAlias

import aio_pika
from aio_pika.abc import AbstractChannel

from tests.integration import rawamqp
from tests.integration.rawamqp import RawPublisher, content, entry, short, table

Outcome: TypeAlias = Literal["ack", "nack", "returned"]
Record: TypeAlias = dict[str, Any]


@dataclass(frozen=True)
class Arrived:
    """One delivery: the properties under the AMQP library's names (`message_type` for `type`), None left out."""

    body: bytes
    properties: Mapping[str, Any]
    headers: Mapping[str, Any]
    redelivered: bool
    exchange: str
    routing_key: str


class Player(Protocol):
    """One way to speak AMQP: two kinds of channel, one that consumes and one that publishes with confirms."""

    async def collect(self, queue: str, number: int, *, requeue: bool = False) -> list[Arrived]:
        """The next deliveries of a queue, in their order, each acknowledged or given back; then consume no more."""

    async def publish(self, body: bytes, properties: Mapping[str, Any], exchange: str, routing_key: str) -> Outcome:
        """Publish one message, mandatory, and wait for what the broker says; many may wait at a time."""


# --- what is sent -----------------------------------------------------------------------------------------------------

BODIES = (0, 1, 4_096, 200_000, 1_000_000)
SECONDS = struct.pack(">Q", 1_700_000_000)
PROPERTIES: dict[str, bytes] = {
    **{name: short(f"the {name}".encode()) for name in rawamqp.SHORT},
    "headers": table(entry(b"name", b"S", rawamqp.text("Wörter".encode()))),
    "delivery_mode": b"\x02",
    "priority": b"\x09",
    "expiration": short(b"3600000"),
    "timestamp": SECONDS,
    "user_id": short(b"guest"),
}
"""Every property, as it stands on the wire."""

VALUES: dict[str, tuple[bytes, bytes]] = {
    "true": (b"t", b"\x01"),
    "false": (b"t", b"\x00"),
    "signed 8 bits": (b"b", b"\xff"),
    "unsigned 8 bits": (b"B", b"\xff"),
    "signed 16 bits": (b"s", b"\xff\xfe"),
    "unsigned 16 bits": (b"u", b"\xff\xfe"),
    "signed 32 bits": (b"I", b"\xff\xff\xff\xfe"),
    "unsigned 32 bits": (b"i", b"\xff\xff\xff\xfe"),
    "signed 64 bits": (b"l", b"\xff" * 7 + b"\xfe"),
    "float": (b"f", struct.pack(">f", 0.25)),
    "double": (b"d", struct.pack(">d", 0.1)),
    "decimal": (b"D", b"\x02" + struct.pack(">i", 12345)),
    "text": (b"S", rawamqp.text("Grüße".encode())),
    "empty text": (b"S", rawamqp.text(b"")),
    "bytes": (b"x", rawamqp.text(b"\x00\xff")),
    "bytes as text": (b"S", rawamqp.text(b"\xff\xfe")),
    "time": (b"T", SECONDS),
    "void": (b"V", b""),
    "array": (b"A", rawamqp.text(b"t\x01" + b"S" + rawamqp.text(b"in") + b"A" + rawamqp.text(b""))),
    "table": (b"F", table(entry(b"a", b"I", b"\0\0\0\x01"), entry(b"b", b"F", table()))),
}
"""Every type of a header's value."""


def incoming() -> list[tuple[bytes, bytes]]:
    """Bodies and content headers that arrive, byte by byte as they are wanted."""
    headers = {name: table(entry(name.encode(), *value)) for name, value in VALUES.items()}
    all_values = table(*(entry(name.encode(), *value) for name, value in VALUES.items()))
    properties = [{}, *({name: value} for name, value in PROPERTIES.items()), PROPERTIES]
    properties += [{"headers": value} for value in (*headers.values(), all_values, table())]
    found = [(str(number).encode(), content(**each)) for number, each in enumerate(properties)]
    return found + [(b"b" * size, content(message_id=short(b"of %d" % size))) for size in BODIES]


def outgoing() -> dict[str, Any]:
    """Properties to publish with, as values: every kind of header that the service and its callers write."""
    return {
        "content_type": "application/json",
        "content_encoding": "utf-8",
        "headers": {
            "text": "Grüße",
            "empty": "",
            "yes": True,
            "small": 1,
            "negative": -70_000,
            "large": 2**40,
            "float": 0.25,
            "time": datetime.fromtimestamp(1_700_000_000, UTC),
            "void": None,
            "list": [1, "two", [True]],
            "table": {"a": {"b": 3}},
        },
        "delivery_mode": 2,
        "priority": 3,
        "correlation_id": "c" * 255,
        "reply_to": "r",
        "expiration": "3600000",
        "timestamp": datetime.fromtimestamp(1_700_000_000, UTC),
        "message_type": "t",
        "user_id": "guest",
        "app_id": "a",
    }


# --- playing ----------------------------------------------------------------------------------------------------------


Places: TypeAlias = Mapping[str, str]
"""The queues and the exchange of one play, by what they are for; all are gone with its connection."""


async def _declared(channel: AbstractChannel) -> Places:
    name = f"scenario.{uuid.uuid4().hex}"
    places = {part: f"{name}.{part}" for part in ("into", "out", "full", "nowhere", "exchange")}
    for queue in (places["into"], places["out"]):
        await channel.declare_queue(queue, auto_delete=False, durable=True)
    await channel.declare_queue(places["full"], arguments={"x-max-length": 1, "x-overflow": "reject-publish"})
    await channel.default_exchange.publish(aio_pika.Message(b"full"), places["full"])
    exchange = await channel.declare_exchange(places["exchange"], aio_pika.ExchangeType.TOPIC, auto_delete=True)
    await (await channel.get_queue(places["out"])).bind(exchange, "to.#")
    return places


async def play(url: str, player: Player, reader: Player) -> Record:
    """Play the scenario; what was seen, as plain data that JSON can hold, without names that change.

    Args:
        url: of the broker.
        player: whose seeing is written down.
        reader: reads what the player publishes.
    """
    async with await aio_pika.connect(url) as connection:
        channel = await connection.channel()
        places = await _declared(channel)
        try:
            record = {**await _consumed(url, player, places), **await _published(player, reader, places)}
        finally:
            for queue in ("into", "out", "full"):
                await channel.queue_delete(places[queue])
    return _without_names(record, places)


async def _consumed(url: str, player: Player, places: Places) -> Record:
    messages = incoming()
    async with RawPublisher(url) as raw:
        for body, header in messages:
            await raw.publish(places["into"], body, header)
    return {
        "first": _plain(await player.collect(places["into"], len(messages), requeue=True)),
        "again": _plain(await player.collect(places["into"], len(messages))),
    }


async def _published(player: Player, reader: Player, places: Places) -> Record:
    bodies = {"empty": b"", **{f"of {size}": b"p" * size for size in BODIES[1:]}}
    outcomes: dict[str, Outcome] = {}
    for name, body in bodies.items():
        for exchange, key in (
            ("", places["out"]),
            (places["exchange"], "to.us"),
            ("", places["nowhere"]),
            (places["exchange"], "elsewhere"),
            ("", places["full"]),
        ):
            outcomes[f"{name} {exchange}/{key}"] = await player.publish(body, {"message_id": name}, exchange, key)
    outcomes["all properties"] = await player.publish(b"{}", {**outgoing(), "message_id": "m"}, "", places["out"])
    number = 2 * len(bodies) + 1
    return {
        "outcomes": outcomes,
        "published": _plain(await reader.collect(places["out"], number)),
        "at once": await _at_once(player, reader, places),
    }


async def _at_once(player: Player, reader: Player, places: Places) -> Record:
    """Many at a time to all three ends, which the broker confirms several together, returns and refuses."""
    ends = [places[part] for part in ("out", "out", "out", "nowhere", "full")]
    keys = [ends[number % 5] for number in range(500)]
    publish = (
        player.publish(b"%d" % number, {"message_id": f"at once {number}", "delivery_mode": 2}, "", key)
        for number, key in enumerate(keys)
    )
    outcomes = await asyncio.gather(*publish)
    arrived = await reader.collect(places["out"], keys.count(places["out"]))
    return {"outcomes": outcomes, "arrived": [each.body.decode() for each in arrived]}


# --- plain data -------------------------------------------------------------------------------------------------------


def _plain(value: Any) -> Any:
    """The value for JSON; a type that JSON does not have is named."""
    match value:
        case Arrived():
            return _plain(asdict(value))
        case list():
            return [_plain(each) for each in value]
        case dict():
            return {name: _plain(each) for name, each in value.items()}
        case bytes() | bytearray():
            return f"{len(value)} bytes, SHA-256 {hashlib.sha256(value).hexdigest()}"
        case datetime():
            return f"time {value.astimezone(UTC).isoformat()}"
        case Decimal():
            return f"decimal {value}"
        case _:
            return value


def _without_names(record: Record, places: Places) -> Record:
    text = json.dumps(record, sort_keys=True)
    for part, name in places.items():
        text = text.replace(name, f"<{part}>")
    return dict(json.loads(text))
