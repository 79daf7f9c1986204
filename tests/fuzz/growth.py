"""How the time of a reader grows with its input, measured in processor time of its thread.

Pieces of inputs are repeated until the input is long: that is how a pattern that looks back, a list that is looked
through for each of its items, or a text that is copied for each of its parts shows. A doubt is measured again, alone.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from typing import Final

__all__ = ["growing", "is_growing", "seconds"]

SIZES: Final = (8_000, 32_000)
"""Bytes; the second is four times the first."""
MAX_GROWTH: Final = 9.0
"""How much longer it may take: 4 where it is linear, 16 where doubling quadruples it."""
FLOOR: Final = 0.004
"""Seconds of processor time that are too few to say anything."""
AGAIN: Final = 5
"""How often a doubt is measured."""

Run = Callable[[bytes], object]


def growing(run: Run, inputs: Sequence[bytes], tries: int, chance: random.Random) -> list[bytes]:
    """The long inputs that take too long, made by `tries` repetitions of pieces."""
    found = []
    for _ in range(tries):
        make = _pump(chance.choice(inputs), chance)
        if is_growing(run, make):
            found.append(make(SIZES[1]))
    return found


def is_growing(run: Run, make: Callable[[int], bytes]) -> bool:
    """Whether what `make` gives for a size takes far longer where it is longer."""
    for times in (1, AGAIN):
        long = seconds(run, make(SIZES[1]), times)
        if long <= FLOOR or long <= MAX_GROWTH * seconds(run, make(SIZES[0]), times):
            return False
    return True


def seconds(run: Run, data: bytes, times: int = AGAIN) -> float:
    """What an input takes, the least of so many times."""
    return min(_times(run, data, times))


def _times(run: Run, data: bytes, times: int) -> Iterator[float]:
    for _ in range(times):
        started = time.thread_time()
        with suppress(Exception):  # that it fails is another finding
            run(data)
        yield time.thread_time() - started


def _pump(data: bytes, chance: random.Random) -> Callable[[int], bytes]:
    """Makes inputs of about a size from one: a piece of it comes again and again, or two pieces do."""
    first, second = sorted((_slice(len(data), chance) for _ in range(2)), key=lambda each: each.start)
    if second.start < first.stop or chance.random() < 0.5:
        second = slice(len(data), len(data))
    pieces = data[first], data[second]
    length = max(1, sum(map(len, pieces)))

    def make(size: int) -> bytes:
        times = max(1, (size - len(data)) // length)
        return b"".join(
            (
                data[: first.stop],
                pieces[0] * times,
                data[first.stop : second.stop],
                pieces[1] * times,
                data[second.stop :],
            )
        )

    return make


def _slice(size: int, chance: random.Random) -> slice:
    at = chance.randint(0, max(0, size - 1))
    return slice(at, min(size, at + chance.choice((1, 1, 2, 3, 8, 32, 200))))
