"""What a target is: a function that takes any bytes, and fails only where a promise is broken."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

__all__ = ["Target"]


@dataclass(frozen=True)
class Target:
    """One reader of foreign bytes.

    Args:
        name: on the command line, and of the folder with its regressions.
        run: reads an input; an exception means that a promise is broken.
        seeds: inputs that are as they should be.
        words: pieces of inputs that are worth trying.
        share: how many inputs it gets beside the others.
    """

    name: str
    run: Callable[[bytes], object]
    seeds: Callable[[], Iterable[bytes]]
    words: tuple[bytes, ...] = ()
    share: float = 1.0
