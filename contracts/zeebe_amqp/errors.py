"""The error of the contract: its codes, its shape in a reply, and its exceptions."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Mapping
from enum import StrEnum
from functools import cache
from itertools import islice
from types import MappingProxyType
from typing import Any, Final

import msgspec

__all__ = [
    "KINDS",
    "Aborted",
    "AlreadyExists",
    "Code",
    "CommandError",
    "DeadlineExceeded",
    "Error",
    "FailedPrecondition",
    "InvalidArgument",
    "NotFound",
    "Outcome",
    "OutcomeUnknown",
    "PermissionDenied",
    "ResourceExhausted",
    "Retryable",
    "Source",
    "Unauthenticated",
    "Unavailable",
    "Unimplemented",
    "invalid",
    "nearest",
]


_MAX_NAMES: Final = 100
_MAX_NAME: Final = 100


class Code(StrEnum):
    """What went wrong, as the name of a gRPC status code. There are no other codes."""

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
    """Which part reported the error."""

    GATEWAY = "gateway"
    CONSUMER = "consumer"
    CLIENT = "client"
    """Your client library, because it got no usable reply. A reply never has this source."""


class Outcome(StrEnum):
    """Whether the command had an effect, as far as the service knows."""

    NOT_EXECUTED = "not-executed"
    UNKNOWN = "unknown"


class Error(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The error in a reply. The JSON has no `details` when there are none.

    Attributes:
        code: what kind of error it is, a status name of gRPC.
        message: what is wrong, for people; from the gateway its own text, or ours where that is about machines.
        source: who found it. "gateway" is the engine or its gateway, "consumer" is this service.
        outcome: whether the command had an effect: "not-executed" is certain, "unknown" means that it may have run.
        retryable: true: the same request may succeed if you resend it, and cannot run twice.
        details: more facts, such as the `field` that is wrong and a `suggestion`.
    """

    code: Code
    message: str
    source: Source
    outcome: Outcome
    retryable: bool
    details: dict[str, Any] | None = None


class CommandError(Exception):
    """A command failed. The attributes hold everything that the reply says about it.

    `operation` is the operation that the request named. Use `request_id` to resend the request. Both are None when
    unknown, and are set after construction.
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
        self.request_id: str | None = None

    def __reduce__(self) -> tuple[Callable[..., CommandError], tuple[Any, ...]]:
        # Exceptions are pickled by their positional arguments, of which this one has too few.
        return _restored, (self.error(), self.operation, self.request_id)

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
        """Make the exception for the error in a reply to `operation`, of every class that fits its facts."""
        kind = _kind(error.code, error.outcome is Outcome.UNKNOWN, error.retryable)
        raised = kind(
            error.code,
            error.message,
            source=error.source,
            outcome=error.outcome,
            retryable=error.retryable,
            details=error.details,
        )
        raised.operation = operation
        return raised


class OutcomeUnknown(CommandError):
    """The command may have run, whatever the code says. Check in the engine before you repeat it."""


class Retryable(CommandError):
    """Resend the same request with the same request id: it may succeed, and it cannot run twice."""


class InvalidArgument(CommandError):
    """The request is invalid. `details["field"]` names the field."""


class DeadlineExceeded(CommandError):
    """The command took longer than the caller or the engine was willing to wait."""


class NotFound(CommandError):
    """The process, instance, job or incident does not exist, or no longer exists."""


class AlreadyExists(CommandError):
    """The object exists already, or another request uses the same request id."""


class PermissionDenied(CommandError):
    """The caller may not do this, or the service may not do it in the engine."""


class ResourceExhausted(CommandError):
    """The engine or the request queue is full for now, or the request is too large."""


class FailedPrecondition(CommandError):
    """The object is not in a state that allows the command."""


class Aborted(CommandError):
    """The command was interrupted, or the result of an earlier run is unknown."""


class Unimplemented(CommandError):
    """The service or the gateway is too old for the request, or the operation is misspelled."""


class Unavailable(CommandError):
    """The broker or the gateway cannot be reached."""


class Unauthenticated(CommandError):
    """The engine rejected the service's credentials, or the broker rejected yours."""


KINDS: Final[Mapping[Code, type[CommandError]]] = MappingProxyType(
    {
        Code.INVALID_ARGUMENT: InvalidArgument,
        Code.DEADLINE_EXCEEDED: DeadlineExceeded,
        Code.NOT_FOUND: NotFound,
        Code.ALREADY_EXISTS: AlreadyExists,
        Code.PERMISSION_DENIED: PermissionDenied,
        Code.RESOURCE_EXHAUSTED: ResourceExhausted,
        Code.FAILED_PRECONDITION: FailedPrecondition,
        Code.ABORTED: Aborted,
        Code.UNIMPLEMENTED: Unimplemented,
        Code.UNAVAILABLE: Unavailable,
        Code.UNAUTHENTICATED: Unauthenticated,
    }
)
"""The exception of each code that callers branch on; the other codes are defects, and plain CommandErrors."""


@cache
def _kind(code: Code, unknown: bool, retryable: bool) -> type[CommandError]:
    """The class that is everything these facts say, so that `except` can name any of them."""
    facts = [KINDS.get(code), OutcomeUnknown if unknown else None, Retryable if retryable else None]
    bases = tuple(base for base in facts if base is not None) or (CommandError,)
    return bases[0] if len(bases) == 1 else type(bases[0].__name__, bases, {"__doc__": bases[0].__doc__})


def _restored(error: Error, operation: str | None, request_id: str | None) -> CommandError:
    raised = CommandError.of(error, operation)
    raised.request_id = request_id
    return raised


def invalid(field: str, message: str, *, suggestion: str | None = None) -> CommandError:
    """Make the INVALID_ARGUMENT error for `field`, a path such as `data.timeToLive`.

    The text becomes "<field>: <message>"; `details` name the field and, when there is one, the suggestion.
    """
    details: dict[str, Any] = {"field": field}
    if suggestion is not None:
        details["suggestion"] = suggestion
    return InvalidArgument(Code.INVALID_ARGUMENT, f"{field}: {message}", details=details)


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name that `name` was probably meant to be, or None."""
    # Hostile names are long, and hostile objects have many of them; nobody mistypes either into existence.
    folded = {candidate.lower(): candidate for candidate in islice(known, _MAX_NAMES)}
    matches = difflib.get_close_matches(name[:_MAX_NAME].lower(), folded, n=1)
    return folded[matches[0]] if matches else None
