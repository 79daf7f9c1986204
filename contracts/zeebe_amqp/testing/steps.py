"""What a request gets: a result, an error, or a fault on the way."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Any, Final, TypeAlias

from zeebe_amqp.commands import Command
from zeebe_amqp.errors import Code, Error, Outcome, Source

__all__ = ["Failed", "Reaction", "ReplyFault", "Step", "after", "answer", "disconnect", "drop_reply", "fail", "unknown"]

REJECTION: Final = re.compile(r"Command '(?P<intent>\w+)' rejected with code '(?P<rejection>\w+)'")
"""How an engine's rejection begins; the service repeats its facts in the error's details."""
OPEN: Final = frozenset(
    {Code.DEADLINE_EXCEEDED, Code.ABORTED, Code.UNAVAILABLE, Code.CANCELLED, Code.INTERNAL, Code.UNKNOWN}
    | {Code.OUT_OF_RANGE, Code.DATA_LOSS}
)
"""Codes that leave the outcome open, unless the engine rejected the command."""
PASSING: Final = frozenset({Code.RESOURCE_EXHAUSTED, Code.UNAVAILABLE, Code.INTERNAL, Code.DEADLINE_EXCEEDED})
"""Codes of what was not executed for a reason that may pass."""


class ReplyFault(Enum):
    """What happens to a reply on its way back."""

    DROPPED = "dropped"
    """The reply never arrives, and the call times out."""
    DISCONNECTED = "disconnected"
    """The connection drops with the reply, and is restored at once."""


@dataclass(frozen=True, kw_only=True)
class Failed:
    """A scripted error. A value of None follows from the code and the command."""

    code: Code
    message: str
    source: Source
    outcome: Outcome | None
    retryable: bool | None
    details: Mapping[str, Any] | None

    @property
    def is_open(self) -> bool:
        """Whether the outcome is unknown; then the engine does the command, although it fails."""
        if self.outcome is not None:
            return self.outcome is Outcome.UNKNOWN
        return self.code in OPEN and not REJECTION.match(self.message)

    def error(self, command: Command) -> Error:
        """The error that the service would send as the reply to `command`."""
        rejection = REJECTION.match(self.message)
        if self.is_open:
            retryable = self.source is Source.GATEWAY or self.code is not Code.ABORTED
            retryable = retryable and command.is_idempotent()
        else:
            retryable = self.source is Source.GATEWAY and self.code in PASSING and not rejection
        details = self.details if self.details is not None else rejection and rejection.groupdict()
        return Error(
            code=self.code,
            message=self.message,
            source=self.source,
            outcome=Outcome.UNKNOWN if self.is_open else Outcome.NOT_EXECUTED,
            retryable=retryable if self.retryable is None else self.retryable,
            details=dict(details) if details else None,
        )


@dataclass(frozen=True, kw_only=True)
class Step:
    """The reaction to one request, made by `answer`, `fail`, `unknown`, `drop_reply`, `disconnect` and `after`.

    `data` is the whole data of the reply, `fields` change the data that the command calls for, `failed` is an error
    instead. `seconds` is how long the engine takes, in no real time.
    """

    data: Any = None
    given: bool = False
    fields: Mapping[str, Any] = field(default_factory=dict)
    failed: Failed | None = None
    seconds: float = 0.0
    reply_fault: ReplyFault | None = None


Reaction: TypeAlias = Step | Callable[[Any], Step | Awaitable[Step]]
"""A step, or a function (a coroutine function, too) that makes one for a command."""

_NOTHING: Final[Any] = object()


def answer(data: Any = _NOTHING, /, **fields: Any) -> Step:
    """Execute the command and return this result.

    Without arguments, the result fits the command: fresh keys, the names of the command, the default tenant. `fields`
    change attributes of the typed result. Documents may be Python values: `answer(variables={"price": 12})`. `data` is
    a whole result, typed or plain JSON data.

    Raises:
        TypeError: you gave both `data` and `fields`.
    """
    if data is not _NOTHING and fields:
        raise TypeError(f"answer: expected a whole result or some of its fields, found both ({', '.join(fields)})")
    return Step(fields=fields) if data is _NOTHING else Step(data=data, given=True)


def fail(
    code: Code | str,
    message: str = "",
    *,
    source: Source | str = Source.GATEWAY,
    outcome: Outcome | str | None = None,
    retryable: bool | None = None,
    details: Mapping[str, Any] | None = None,
) -> Step:
    """Fail the command with the error that the service would send.

    A text such as `Command 'CANCEL' rejected with code 'NOT_FOUND': …` marks a rejection by the engine. Otherwise a
    code such as UNAVAILABLE leaves the outcome unknown, and INVALID_ARGUMENT does not. `retryable` follows from the
    outcome and from whether the command is idempotent. Your arguments override these defaults.

    Raises:
        ValueError: the contract has no such code, source or outcome.
    """
    failed = Failed(
        code=Code(code),
        message=message or f"scripted {Code(code)}",
        source=Source(source),
        outcome=None if outcome is None else Outcome(outcome),
        retryable=retryable,
        details=details,
    )
    return Step(failed=failed)


def unknown(message: str = "the gateway did not answer within 20 s; the command may have been executed") -> Step:
    """Execute the command, but report that its outcome is unknown."""
    return fail(Code.DEADLINE_EXCEEDED, message, source=Source.CONSUMER, outcome=Outcome.UNKNOWN)


def drop_reply(step: Step | None = None) -> Step:
    """Lose the reply, so that the call times out at once. A retry with the same id gets the answer."""
    return replace(step or answer(), reply_fault=ReplyFault.DROPPED)


def disconnect(step: Step | None = None) -> Step:
    """Drop the connection with the reply and restore it. The client resends the request and gets the answer."""
    return replace(step or answer(), reply_fault=ReplyFault.DISCONNECTED)


def after(seconds: float, step: Step | None = None) -> Step:
    """Let the engine take this long, without real waiting. Longer than the caller's timeout, the outcome is unknown."""
    return replace(step or answer(), seconds=seconds)
