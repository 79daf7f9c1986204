"""The one error of the contract: its codes, its shape in a reply, and the exception that carries it."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from enum import StrEnum
from itertools import islice
from typing import Any, Final

import msgspec

_MOST_NAMES: Final = 100
_LONGEST_NAME: Final = 100


class Code(StrEnum):
    """What went wrong: the names of the gRPC status codes. No other code exists."""

    CANCELLED = "CANCELLED"
    UNKNOWN = "UNKNOWN"
    INVALID_ARGUMENT = "INVALID_ARGUMENT"
    DEADLINE_EXCEEDED = "DEADLINE_EXCEEDED"
    NOT_FOUND = "NOT_FOUND"
    ALREADY_EXISTS = "ALREADY_EXISTS"
    PERMISSION_DENIED = "PERMISSION_DENIED"
    RESOURCE_EXHAUSTED = "RESOURCE_EXHAUSTED"
    FAILED_PRECONDITION = "FAILED_PRECONDITION"
    ABORTED = "ABORTED"
    OUT_OF_RANGE = "OUT_OF_RANGE"
    UNIMPLEMENTED = "UNIMPLEMENTED"
    INTERNAL = "INTERNAL"
    UNAVAILABLE = "UNAVAILABLE"
    DATA_LOSS = "DATA_LOSS"
    UNAUTHENTICATED = "UNAUTHENTICATED"


class Source(StrEnum):
    """Who said so."""

    GATEWAY = "gateway"
    CONSUMER = "consumer"


class Outcome(StrEnum):
    """What is known about the command's effect."""

    NOT_EXECUTED = "not-executed"
    UNKNOWN = "unknown"


class Error(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An error as it stands in a reply; `details` is left out of the JSON when there are none."""

    code: Code
    message: str
    source: Source
    outcome: Outcome
    retryable: bool
    details: dict[str, Any] | None = None


class CommandError(Exception):
    """A command that failed, with all a reply says about it.

    `operation` is what the request named, or None; it may be set after construction.
    """

    def __init__(
        self,
        code: Code,
        message: str,
        *,
        source: Source = Source.CONSUMER,
        outcome: Outcome = Outcome.NOT_EXECUTED,
        retryable: bool = False,
        details: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.source = source
        self.outcome = outcome
        self.retryable = retryable
        self.details = details
        self.operation: str | None = None

    def __str__(self) -> str:
        return f"{self.code}: {self.message}"

    def error(self) -> Error:
        """The error as it stands in a reply."""
        return Error(
            code=self.code,
            message=self.message,
            source=self.source,
            outcome=self.outcome,
            retryable=self.retryable,
            details=self.details or None,
        )

    @classmethod
    def of(cls, error: Error, operation: str | None = None) -> CommandError:
        """The exception for an error that came in a reply to `operation`."""
        raised = cls(
            error.code,
            error.message,
            source=error.source,
            outcome=error.outcome,
            retryable=error.retryable,
            details=error.details,
        )
        raised.operation = operation
        return raised


def invalid(field: str, message: str, *, suggestion: str | None = None) -> CommandError:
    """The refusal (INVALID_ARGUMENT) of what stands at `field`, a path such as `data.timeToLive`.

    The text becomes "<field>: <message>"; `details` name the field and, when there is one, the suggestion.
    """
    details: dict[str, Any] = {"field": field}
    if suggestion is not None:
        details["suggestion"] = suggestion
    return CommandError(Code.INVALID_ARGUMENT, f"{field}: {message}", details=details)


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name that `name` was probably meant to be, or None."""
    # Hostile names are long, and hostile objects have many of them; nobody mistypes either into existence.
    folded = {candidate.lower(): candidate for candidate in islice(known, _MOST_NAMES)}
    matches = difflib.get_close_matches(name[:_LONGEST_NAME].lower(), folded, n=1)
    return folded[matches[0]] if matches else None
