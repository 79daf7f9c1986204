"""The requests of a batch: a file with an envelope on each line."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import click

from zeebe_amqp import envelope
from zeebe_amqp.errors import CommandError
from zeebe_amqp.schema import byte_order_mark

__all__ = ["Entry", "parse"]

SHOWN: Final = 10
"""How many wrong lines are told before the rest are counted."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A request: its line, counted from 1, its body, how long it may run, seconds.

    `identity` is made of what it says and of which of its equals it is: lines may be moved, added and taken away
    between two runs without any becoming another request.
    """

    line: int
    body: bytes
    operation: str
    wait: float
    identity: str


def parse(text: bytes) -> list[Entry]:
    """The requests in a file; empty lines are skipped.

    Raises:
        click.UsageError: lines that the service would refuse; nothing should be sent then.
    """
    entries: list[Entry] = []
    problems: list[str] = []
    seen: Counter[str] = Counter()
    for number, line in _lines(text):
        try:
            request = envelope.decode(line)
        except CommandError as error:
            problems.append(f"line {number}: {error.message}")
            continue
        digest = hashlib.sha256(line).hexdigest()[:16]
        seen[digest] += 1
        wait = request.command.wait() / 1000
        entries.append(Entry(number, line, request.operation, wait, f"{digest}-{seen[digest]}"))
    if problems:
        raise click.UsageError("\n".join(_describe(problems)))
    return entries


def _lines(text: bytes) -> Iterator[tuple[int, bytes]]:
    for number, line in enumerate(text.split(b"\n"), 1):
        # Where files were joined, a mark stands before the first line of each.
        if stripped := byte_order_mark.without(line).strip():
            yield number, stripped


def _describe(problems: list[str]) -> Iterator[str]:
    yield f"{len(problems)} invalid request{'s' if len(problems) > 1 else ''}; nothing was sent"
    yield from problems[:SHOWN]
    if len(problems) > SHOWN:
        yield f"and {len(problems) - SHOWN} more"
