"""Hundreds of hostile messages of all kinds through a real broker: each ends, nothing is left, others are served."""

from __future__ import annotations

import asyncio
import base64
import random
import struct
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Final, NamedTuple

import pytest
import pytest_asyncio

from scripts.process import memory_of
from tests.faults.setup import process_of
from tests.fuzz.inputs import mutated, parts
from tests.fuzz.targets.envelope import ENVELOPE
from tests.integration.caller import Caller
from tests.integration.rawamqp import SHORT, RawPublisher, Refused, content, entry, short, table, text
from tests.integration.service import CONNECTIONS, ConsumerSetup, create, eventually
from zeebe_amqp import wire

pytestmark = pytest.mark.asyncio(loop_scope="module")

CHANGED: Final = 150
"""Messages of either kind that are changes of good ones."""
STORMS: Final = 5
"""What is left behind is left by each; the allocator's pieces are left by some of them."""
MEMORY: Final = 4 << 20
"""Bytes that a process may have more after one of them than after the one before: few messages that are kept."""
DESCRIPTORS: Final = 4
SIZES: Final = {"t": 1, "b": 1, "B": 1, "s": 2, "u": 2, "I": 4, "i": 4, "l": 8, "f": 4, "d": 8, "D": 5, "T": 8, "V": 0}
"""Bytes of a value of a type that brokers know, by its tag."""
NAMES: Final = [each.encode() for each in (
    wire.DEADLINE, wire.REQUEST_ID, *wire.METADATA_NAMES, wire.SIGNATURE, wire.RENEWAL, wire.ORIGINAL_USER_ID,
    wire.ERROR_CODE, wire.FAILED_AT, wire.REPLAYS, wire.TRUNCATED, wire.ORIGINAL_SIZE, "x-death", "x-delivery-count",
    "x", "", "\0", "ä", "n" * 200,
)]  # fmt: skip
# The broker itself reads the others and takes only what it understands.
TEXTS: Final = [name for name in SHORT if name not in {"expiration", "user_id", "correlation_id", "reply_to"}]
GOOD: Final = (b"create-instance", b"application/json", b"amq.rabbitmq.reply-to.x", "ä".encode())


class Hostile(NamedTuple):
    """A message."""

    header: bytes
    body: bytes
    correlation: str = ""
    """Of one that must have exactly one answer; without it the message has none, or is a dead letter."""


def asking(caller: Caller, body: bytes, **properties: bytes) -> Hostile:
    """A message that must be answered."""
    correlation = uuid.uuid4().hex
    own = {"correlation_id": short(correlation.encode()), "reply_to": short(caller.reply_to.encode())}
    return Hostile(content(**own, **properties), body, correlation)


def by_hand(caller: Caller) -> Iterator[Hostile]:
    """What nobody sends by mistake."""
    for encoding in (b"gzip", b"UTF-8", b"identity", b"x" * 255, b"\0"):
        yield asking(caller, create(), content_encoding=short(encoding))
    for kind in (b"text/html", b"application/json; charset=utf-16", b";", b"\xc2\xa0", b"a" * 255):
        yield asking(caller, create(), content_type=short(kind))
    for mode, priority in ((0, 0), (2, 255), (3, 1), (255, 0)):
        yield asking(caller, create(), delivery_mode=bytes((mode,)), priority=bytes((priority,)))
    for expiration in (b"60000", b"4294967295"):
        yield asking(caller, b"{", expiration=short(expiration))
    for time in (0, 2**32, 2**53, 2**63, 2**64 - 1):
        yield asking(caller, create(), timestamp=struct.pack(">Q", time))
    for body in (b"", b"\0", b"{}" * 100, b"[" * 100_000, b'{"operation":"topology"}' + b" " * (8 << 20)):
        yield asking(caller, body)
        yield Hostile(content(), body)
    yield asking(caller, create(a="x" * (3 << 20)))
    process = base64.b64encode(b"\x83g" + bytes(9))
    for reply_to in (
        b"amq.rabbitmq.reply-to.x", b"amq.rabbitmq.reply-to." + process + b".k", b"/exchanges/amq.fanout",
        b"/queues/%ff", b"/queues/" + caller.commands.encode(), caller.commands.encode(), wire.DEAD_LETTER.encode(),
        b"zeebe.jobs.a", b"amq.gen-nobody", b"nobody.replies", b"a\0replies", b"replies" * 36, "\u202ereplies".encode(),
    ):  # fmt: skip
        yield Hostile(content(reply_to=short(reply_to)), create())
        yield Hostile(content(reply_to=short(reply_to)), b"{")
    for name in (b"CC", b"BCC"):
        for tag, value in ((b"A", text(b"S" + text(b"nobody"))), (b"S", text(b"nobody")), (b"A", text(b"V"))):
            yield Hostile(content(headers=table(entry(name, tag, value))), b"{")


def by_chance(caller: Caller) -> Iterator[Hostile]:
    """Good requests, changed here and there; and properties that brokers take and that mean nothing."""
    chance = random.Random(1)
    bodies = [parts(each, 6)[0] for each in ENVELOPE.seeds()]
    for _ in range(CHANGED):
        yield asking(caller, mutated(chance.choice(bodies), bodies, ENVELOPE.words, chance))
        odd = {name: short(mutated(chance.choice(GOOD), GOOD, (), chance)[:255]) for name in chance.sample(TEXTS, 2)}
        yield Hostile(content(headers=odd_table(chance, 3), **odd), create())


def odd_table(chance: random.Random, levels: int) -> bytes:
    """A table that brokers can follow: its lengths and types are right, and everything else is not."""
    return table(*(entry(chance.choice(NAMES), *odd_value(chance, levels)) for _ in range(chance.randrange(5))))


def odd_value(chance: random.Random, levels: int) -> tuple[bytes, bytes]:
    """The tag and the bytes of a value."""
    tag = chance.choice([*SIZES, *"SxAF"])
    if tag in SIZES:
        value = chance.choice((chance.randbytes(SIZES[tag]), b"\xff" * SIZES[tag], bytes(SIZES[tag])))
    elif tag in "Sx" or not levels:
        value = text(b"" if tag in "AF" else chance.randbytes(chance.choice((0, 1, 30, 3000))))
    elif tag == "A":
        value = text(b"".join(b"".join(odd_value(chance, levels - 1)) for _ in range(chance.randrange(4))))
    else:
        value = odd_table(chance, levels - 1)
    return tag.encode(), value


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def caller(service: ConsumerSetup) -> AsyncIterator[Caller]:
    """A caller among the hostile ones."""
    async with service.caller() as connected:
        yield connected


class Storm:
    """Sends, and keeps count.

    Args:
        service: that must stand it.
        caller: gets the answers.
    """

    def __init__(self, service: ConsumerSetup, caller: Caller) -> None:
        self.asking: set[str] = set()
        """The correlation ids of those that must be answered."""
        self.others = 0
        """How many the broker took besides."""
        self._service, self._caller = service, caller

    async def send(self, messages: list[Hostile]) -> None:
        """Send all of them; what the broker itself refuses ends a connection, and is left out."""
        async with AsyncExitStack() as stack:
            raw = await stack.enter_async_context(RawPublisher(self._service.url))
            for place, message in enumerate(messages):
                if place % 50 == 0:
                    assert (await self._caller.call("topology")).ok, place
                try:
                    await raw.publish(self._caller.commands, message.body, message.header)
                except (Refused, asyncio.IncompleteReadError, ConnectionError):
                    raw = await stack.enter_async_context(RawPublisher(self._service.url))
                    continue
                self.asking |= {message.correlation} - {""}
                self.others += not message.correlation
        await eventually(self._is_over, "every message has ended")

    def _is_over(self) -> bool:
        return self.asking <= self.answers.keys() and self._service.metric("in_flight") == 0

    @property
    def answers(self) -> Counter[str | None]:
        """How many came, by correlation id."""
        return Counter(reply.correlation_id for reply in self._caller.arrived)


def size_of(service: ConsumerSetup) -> tuple[int, int]:
    """Bytes and open descriptors of the process."""
    process = process_of(service.consumer)
    return memory_of(process), len([*Path(f"/proc/{process}/fd").iterdir()])


async def test_a_storm_of_hostile_messages_leaves_nothing_behind(service: ConsumerSetup, caller: Caller) -> None:
    sizes: list[tuple[int, int]] = []
    while len(sizes) < STORMS and not (sizes[1:] and sizes[-1][0] < sizes[-2][0] + MEMORY):
        storm, caller.arrived = Storm(service, caller), []
        await storm.send([*by_hand(caller), *by_chance(caller)])
        assert len(storm.asking) > CHANGED
        assert storm.others > CHANGED
        assert max(storm.answers.values()) == 1
        sizes.append(size_of(service))
    assert sizes[-1][0] < sizes[-2][0] + MEMORY, f"each of {STORMS} storms leaves something: {sizes}"
    assert sizes[-1][1] < sizes[0][1] + DESCRIPTORS
    assert (await caller.call("topology")).ok
    queue = await caller.channel.get_queue(caller.commands)
    assert queue.declaration_result.message_count == 0
    assert service.metric("held_bytes") == 0
    assert service.connections() == CONNECTIONS
    assert not [line for line in service.log().splitlines() if "Traceback" in line or "defect" in line]
