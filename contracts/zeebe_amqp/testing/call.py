"""What the service in memory was asked, and what it answered."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import msgspec

from zeebe_amqp.commands import Command
from zeebe_amqp.reply import Reply

__all__ = ["Call", "readable"]

StructT = TypeVar("StructT", bound=msgspec.Struct)


@dataclass(slots=True, eq=False, kw_only=True)
class Call:
    """A request and its answer.

    `command` has its variables as Python values, durations in milliseconds; it is None when the request was refused
    before it could be read. `reply` is None while the request runs.
    """

    request_id: str
    """Its identity; the same one again is the same request."""
    headers: Mapping[str, Any]
    """The message's headers, those of the trace included."""
    replied: bool
    """Whether somebody waits for the answer (`call`), or nobody does (`send`)."""
    deadline: float | None = None
    """When its caller stops waiting, seconds since 1970; None when nobody waits."""
    priority: int | None = None
    """The message's; the service in memory runs everything at once, so it changes nothing there."""
    command: Command | None = None
    reply: Reply | None = None
    executions: int = 0
    """How often the engine did it; 0 for what was refused, rejected, or answered from an earlier run."""
    dead: bool = False
    """Whether it became a dead letter: it failed for good, and nobody waited."""


def readable(command: StructT) -> StructT:
    """The command (or a part of it) with its documents as Python values, as a test compares them."""
    changed = {name: _plain(getattr(command, name)) for name in command.__struct_fields__}
    return msgspec.structs.replace(command, **changed)


def _plain(value: Any) -> Any:
    match value:
        case msgspec.Raw():
            return msgspec.json.decode(value)
        case msgspec.Struct():
            return readable(value)
        case tuple():
            return tuple(_plain(each) for each in value)
    return value
