"""Inputs: bytes that say several things, and what a mutation makes of them."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Final

__all__ = ["SEPARATOR", "joined", "mutated", "number", "parts", "text"]

SEPARATOR: Final = b"\n=\n"
"""Between the parts of an input; whoever reads inputs can read it, too."""
_NUMBERS: Final = (0, 1, 2, 4, 0x7F, 0x80, 0xC2, 0xCE, 0xFE, 0xFF)
"""Bytes that lengths, tags and encodings begin or end with."""


def parts(data: bytes, count: int) -> list[bytes]:
    """The parts of an input, exactly so many: the last has all that is left, and those that are missing are empty."""
    found = data.split(SEPARATOR, count - 1)
    return found + [b""] * (count - len(found))


def joined(*values: bytes | str) -> bytes:
    """The input that has these parts."""
    return SEPARATOR.join(each.encode() if isinstance(each, str) else each for each in values)


def text(part: bytes) -> str:
    """A part as text; bytes that are none become lone surrogates, which no encoder takes."""
    return part.decode("utf-8", "surrogateescape")


def number(part: bytes) -> int:
    """A part as a number."""
    return int.from_bytes(part[:8], "big")


def mutated(data: bytes, others: Sequence[bytes], words: Sequence[bytes], chance: random.Random) -> bytes:
    """An input that is a few changes away from `data`, with pieces of `others` and some `words`."""
    found = bytearray(data)
    for _ in range(chance.choice((1, 1, 2, 3, 5, 9))):
        at = chance.randint(0, len(found))
        end = min(len(found), at + chance.choice((1, 1, 2, 4, 16, 64)))
        match chance.randrange(8):
            case 0:
                del found[at:end]
            case 1:
                found[at:at] = found[at:end] * chance.choice((1, 2, 30))
            case 2 if words:
                found[at:at] = chance.choice(words)
            case 3 if words:
                found[at:end] = chance.choice(words)
            case 4:
                other = chance.choice(others)
                start = chance.randint(0, len(other))
                found[at:end] = other[start : start + chance.choice((1, 4, 16, 64))]
            case 5 if at < len(found):
                found[at] = chance.choice(_NUMBERS)
            case 6 if at < len(found):
                found[at] ^= 1 << chance.randrange(8)
            case _:
                found[at:at] = chance.randbytes(chance.choice((1, 2, 4)))
    return bytes(found)
