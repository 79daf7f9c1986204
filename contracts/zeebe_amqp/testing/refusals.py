"""What the service refuses before it asks the engine."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any, Final

import msgspec

from zeebe_amqp import wire
from zeebe_amqp.commands import Command
from zeebe_amqp.commands.command import DATA
from zeebe_amqp.errors import Code, CommandError
from zeebe_amqp.schema.fields import KeyNumber

__all__ = ["refuse"]

PARTITION_SHIFT: Final = 51
"""A key's bits from here on are the number of its partition, and partitions count from 1."""


def refuse(command: Command, deadline: float | None) -> None:
    """Refuse what is late, too large, or about a key of no cluster.

    Raises:
        CommandError: DEADLINE_EXCEEDED, RESOURCE_EXHAUSTED or NOT_FOUND; the command is not executed.
    """
    if deadline is not None and deadline <= time.time():
        raise CommandError(
            Code.DEADLINE_EXCEEDED,
            "the header deadline passed before the command could start; it was not executed",
            details={"field": wire.DEADLINE},
        )
    for path, key in _keys(command, DATA):
        if key >> PARTITION_SHIFT == 0:
            raise _impossible(path, key)
    if (size := _size(command)) > wire.MAX_MESSAGE:
        raise CommandError(
            Code.RESOURCE_EXHAUSTED,
            f"data: {size} bytes as a message to the gateway; accepted are at most {wire.MAX_MESSAGE}",
            details={"field": DATA},
        )


def _impossible(path: str, key: int) -> CommandError:
    return CommandError(
        Code.NOT_FOUND,
        f"{path}: {key} is no key of any cluster (its partition would be 0, and partitions count from 1); "
        f"accepted is a key as the engine returned it",
        details={"field": path},
    )


def _keys(value: Any, path: str) -> Iterator[tuple[str, int]]:
    """The keys in a command as it came over the wire, with their paths."""
    match value:
        case KeyNumber():
            yield path, int(value)
        case msgspec.Struct():
            for name, wire_name in zip(value.__struct_fields__, value.__struct_encode_fields__, strict=True):
                yield from _keys(getattr(value, name), f"{path}.{wire_name}")
        case tuple():
            for index, each in enumerate(value):
                yield from _keys(each, f"{path}[{index}]")


def _size(value: Any) -> int:
    """About the bytes of a command as a message to the gateway: its texts and documents are nearly all of it."""
    match value:
        case msgspec.Raw():
            return len(bytes(value))
        case str():
            return len(value.encode())
        case bytes():
            return len(value)
        case msgspec.Struct():
            return sum(_size(getattr(value, name)) for name in value.__struct_fields__)
        case tuple():
            return sum(_size(each) for each in value)
    return 0
