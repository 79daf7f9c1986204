"""Replies as they may really come: from this service, a newer one, or a stranger."""

from __future__ import annotations

from functools import cache
from typing import Any, Final, Generic, NoReturn, TypeVar, cast

import msgspec

from zeebe_amqp.commands import Command
from zeebe_amqp.errors import Code, CommandError, Error, Outcome, Source

__all__ = ["failure", "read"]

T = TypeVar("T")
ResultT = TypeVar("ResultT")


class _Failure(msgspec.Struct):
    """An error in a reply, of whatever version."""

    code: str
    message: str = ""
    source: str = Source.CONSUMER.value
    outcome: str = Outcome.UNKNOWN.value
    retryable: bool = False
    details: dict[str, Any] | None = None


class _Answer(msgspec.Struct, Generic[T]):
    """A reply's body; absent data is no data."""

    error: _Failure | None = None
    data: T | None = None


_CODES: Final = frozenset(Code)
_SOURCES: Final = frozenset(Source)


def read(command: Command[ResultT], body: bytes) -> ResultT:
    """The typed result in a reply to `command`.

    Raises:
        CommandError: the reply is an error, or none that can be read: then its outcome is unknown.
    """
    try:
        answer = _decoder(command.result_type()).decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as problem:
        raise failure(Code.INTERNAL, f"the reply cannot be read: {problem}", command.operation) from problem
    if answer.error is not None:
        _refuse(answer.error, command.operation)
    if answer.data is None and command.result_type() is not None:
        raise failure(Code.INTERNAL, "the reply has neither data nor an error", command.operation)
    return cast("ResultT", answer.data)


def failure(
    code: Code,
    message: str,
    operation: str | None,
    *,
    outcome: Outcome = Outcome.UNKNOWN,
    retryable: bool = False,
    details: dict[str, Any] | None = None,
) -> CommandError:
    """What went wrong on the caller's side."""
    error = Error(
        code=code, message=message, source=Source.CLIENT, outcome=outcome, retryable=retryable, details=details
    )
    return CommandError.of(error, operation)


def _refuse(found: _Failure, operation: str) -> NoReturn:
    known = found.code in _CODES
    details = found.details if known else {**(found.details or {}), "code": found.code}
    error = Error(
        code=Code(found.code) if known else Code.UNKNOWN,
        message=found.message,
        source=Source(found.source) if found.source in _SOURCES else Source.CONSUMER,
        # What is not clearly said to be without effect may have had one.
        outcome=Outcome.NOT_EXECUTED if found.outcome == Outcome.NOT_EXECUTED else Outcome.UNKNOWN,
        retryable=found.retryable,
        details=details,
    )
    raise CommandError.of(error, operation)


@cache
def _decoder(kind: Any) -> msgspec.json.Decoder[_Answer[Any]]:
    return msgspec.json.Decoder(_Answer[Any] if kind is None else _Answer[kind])
