"""What the service refuses before it asks the engine."""

from __future__ import annotations

import time
from typing import Any

import msgspec

from zeebe_amqp import wire
from zeebe_amqp.commands import Command
from zeebe_amqp.commands.command import DATA
from zeebe_amqp.commands.keys import refuse_impossible_keys
from zeebe_amqp.errors import Code, CommandError
from zeebe_amqp.lateness import refuse_past

__all__ = ["refuse"]


def refuse(command: Command, deadline: float | None) -> None:
    """Refuse what is late, too large, or about a key of no cluster.

    Raises:
        CommandError: DEADLINE_EXCEEDED, RESOURCE_EXHAUSTED or NOT_FOUND; the command is not executed.
    """
    refuse_past(deadline, time.time())
    refuse_impossible_keys(command)
    if (size := _size(command)) > wire.MAX_MESSAGE:
        raise CommandError(
            Code.RESOURCE_EXHAUSTED,
            f"data: {size} bytes as a message to the gateway; accepted are at most {wire.MAX_MESSAGE}",
            details={"field": DATA},
        )


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
