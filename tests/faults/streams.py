"""What a proxy can do to the bytes of one connection: cut them into pieces, leave out heartbeats. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import chain, cycle, repeat
from typing import TypeAlias

Cutting: TypeAlias = Callable[[int], Iterator[int]]
"""The sizes of the pieces of each way of a connection, which go on for ever; by the number of the connection."""

HEARTBEAT = b"\x08\x00\x00\x00\x00\x00\x00\xce"
"""The frame of AMQP that says nothing."""
_HEAD, _SIZE, _END = 7, 3, 1


def in_turn(most: int) -> Cutting:
    """Pieces of 1, 2, 3 … `most` bytes in turn."""
    return lambda _: cycle(range(1, most + 1))


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


class Silencer:
    """Leaves out the heartbeats of a stream of AMQP frames that is followed from its beginning."""

    def __init__(self) -> None:
        self._rest = b""

    def without_heartbeats(self, data: bytes) -> bytes:
        """What may go on now: whole frames, in their order. A frame that is not complete waits for its end."""
        data = self._rest + data
        kept, start = [], 0
        while (end := _end_of_frame(data, start)) <= len(data):
            if data[start:end] != HEARTBEAT:
                kept.append(data[start:end])
            start = end
        self._rest = data[start:]
        return b"".join(kept)


def _end_of_frame(data: bytes, start: int) -> int:
    """Where the frame that begins at `start` ends; beyond the data when that is not there yet."""
    head = start + _HEAD
    if head > len(data):
        return head
    return head + int.from_bytes(data[start + _SIZE : head]) + _END
