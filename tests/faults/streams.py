"""What a proxy can do to the bytes of one connection: cut them into pieces, leave out or mix frames of AMQP."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import chain, cycle, repeat, zip_longest
from typing import TypeAlias

Cutting: TypeAlias = Callable[[int], Iterator[int]]
"""The sizes of the pieces of each way of a connection, which go on for ever; by the number of the connection."""
Filter: TypeAlias = Callable[[bytes], bytes]
"""What becomes of the next bytes of a stream of AMQP frames that is followed from its beginning."""

HEARTBEAT = b"\x08\x00\x00\x00\x00\x00\x00\xce"
"""The frame of AMQP that says nothing."""
_HEAD, _SIZE, _END = 7, 3, 1
_CHANNEL = slice(1, 3)


def in_turn(largest: int) -> Cutting:
    """Pieces of 1, 2, 3 … `largest` bytes in turn."""
    return lambda _: cycle(range(1, largest + 1))


def moved(step: int) -> Cutting:
    """Pieces of `step` bytes; the first cut moves by one byte per connection, and with it all others.

    Any `step` connections in a row have a cut at every offset of what they have in common.
    """
    return lambda number: chain([number % step + 1], repeat(step))


def pieces(data: bytes, sizes: Iterator[int]) -> Iterator[bytes]:
    """The data in pieces of these sizes; what is left is the last piece, however short."""
    start = 0
    while start < len(data):
        end = start + next(sizes)
        yield data[start:end]
        start = end


def frames() -> Callable[[bytes], list[bytes]]:
    """Finds the frames that are complete with the next bytes of a stream; one that is not waits for its end."""
    rest = b""

    def whole(data: bytes) -> list[bytes]:
        nonlocal rest
        data, found, start = rest + data, [], 0
        while (end := start + _HEAD + int.from_bytes(data[start + _SIZE : start + _HEAD]) + _END) <= len(data):
            found.append(data[start:end])
            start = end
        rest = data[start:]
        return found

    return whole


def without_heartbeats() -> Filter:
    """Leaves out heartbeats."""
    whole = frames()
    return lambda data: b"".join(frame for frame in whole(data) if frame != HEARTBEAT)


def mixed() -> Filter:
    """Lets the frames of different channels take turns, as far as they are there together; each keeps its order.

    A broker may do so, but RabbitMQ writes the frames of one message together.
    """
    whole = frames()
    return lambda data: b"".join(_in_turns(whole(data)))


def _in_turns(frames: list[bytes]) -> Iterator[bytes]:
    channels: dict[bytes, list[bytes]] = {}
    for frame in frames:
        channels.setdefault(frame[_CHANNEL], []).append(frame)
    for turn in zip_longest(*channels.values()):
        yield from (frame for frame in turn if frame is not None)
