"""What an audit recorded: its lines, whatever is in them, read with bounded memory."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, BinaryIO, Final

import msgspec

from consumer.policy_commands.question import Question, fields, user_called
from consumer.security.audit_record import DECISIONS
from zeebe_amqp.commands import COMMANDS
from zeebe_amqp.commands.target import ANY, Target
from zeebe_amqp.schema import byte_order_mark

__all__ = ["MAX_LINE", "Recorded", "Skipped", "read"]

MAX_LINE: Final = 2**19
"""Bytes of a line, at most; the service writes shorter ones, whatever callers send."""
_FIELDS: Final = Target.__struct_fields__
_ALLOWED: Final = {decision: allowed for allowed, decision in DECISIONS.items()}


class Skipped(StrEnum):
    """Why a line says nothing about a policy."""

    TOO_LONG = "too long"
    BROKEN = "not a line of an audit"
    SILENT = "without a decision"


@dataclass(frozen=True, slots=True)
class Recorded:
    """A decision that was recorded."""

    question: Question
    allowed: bool
    time: datetime | None
    """When it was decided; None when nothing tells."""
    complete: bool
    """Whether the whole target was recorded; what was cut is not there to be judged."""


class _Target(Target, frozen=True, kw_only=True):
    """A target as it was recorded."""

    cut: bool = False
    """Whether there was more of it."""


class _Line(msgspec.Struct):
    """What is read of a line."""

    user: str | None = None
    operation: str | None = None
    target: _Target | None = None
    decision: str | None = None
    time: Any = None


_DECODER: Final = msgspec.json.Decoder(_Line)


def read(stream: BinaryIO) -> Iterator[Recorded | Skipped]:
    """Each line's decision, or why there is none; empty lines are no lines."""
    for line in _lines(stream):
        if line is None:
            yield Skipped.TOO_LONG
        elif line.strip():
            yield _recorded(line)


def _lines(stream: BinaryIO) -> Iterator[bytes | None]:
    """The lines; None stands for one that is too long, of which no more than a piece is ever held."""
    line = byte_order_mark.without(stream.readline(MAX_LINE))
    while line:
        whole = line.endswith(b"\n") or len(line) < MAX_LINE
        yield line if whole else None
        while not whole:
            piece = stream.readline(MAX_LINE)
            whole = not piece or piece.endswith(b"\n")
        line = stream.readline(MAX_LINE)


def _recorded(line: bytes) -> Recorded | Skipped:
    try:
        read = _DECODER.decode(line)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return Skipped.BROKEN
    allowed, operation, target = _ALLOWED.get(read.decision or ""), read.operation, read.target
    if allowed is None or target is None or operation is None or operation not in COMMANDS:
        return Skipped.SILENT
    if any(getattr(target, field) for field in _FIELDS if field not in fields(operation)):
        return Skipped.BROKEN
    user = None if read.user is None else user_called(read.user)
    # Which keys is no matter to a policy, and no two commands have the same.
    names = {field: getattr(target, field) for field in fields(operation) if field != "keys"}
    question = Question(user, operation, Target(**names, keys=(ANY,) if target.keys else ()))
    return Recorded(question, allowed, _moment(read.time), complete=not target.cut)


def _moment(time: Any) -> datetime | None:
    """A time as ISO 8601 writes it; without a zone it is UTC."""
    if not isinstance(time, str):
        return None
    try:
        moment = datetime.fromisoformat(time)
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        return None
