"""What the program's exit code says."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from zeebe_amqp.errors import Code, CommandError, Outcome

__all__ = [
    "DEFECT",
    "INTERRUPTED",
    "MEANINGS",
    "NOT_EXECUTED",
    "NUMBERS",
    "OK",
    "PIPE",
    "SOME",
    "UNKNOWN",
    "USAGE",
    "of",
]

OK: Final = 0
"""It is done."""
DEFECT: Final = 1
"""Something that should not happen."""
USAGE: Final = 2
"""Nothing was sent."""
SOME: Final = 3
"""Some requests of a batch did not succeed."""
INTERRUPTED: Final = 130
"""As shells say it: 128 and the number of SIGINT."""
PIPE: Final = 141
"""As shells say it: 128 and the number of SIGPIPE."""

NOT_EXECUTED: Final = 10
"""Added to a code's number when the command certainly had no effect."""
UNKNOWN: Final = 40
"""Added to a code's number when the command may have been executed."""

MEANINGS: Final[Mapping[int, str]] = MappingProxyType(
    {
        OK: "done",
        DEFECT: "a defect of the program",
        USAGE: "a wrong command line or a file that cannot be read; nothing was sent",
        SOME: "`batch`: not every request succeeded",
        INTERRUPTED: "interrupted from the keyboard; requests in flight may have been executed",
        PIPE: "the reader closed the output",
    }
)
"""The exit codes that are not a command's error."""

NUMBERS: Final[Mapping[Code, int]] = MappingProxyType(
    {
        Code.CANCELLED: 1,
        Code.UNKNOWN: 2,
        Code.INVALID_ARGUMENT: 3,
        Code.DEADLINE_EXCEEDED: 4,
        Code.NOT_FOUND: 5,
        Code.ALREADY_EXISTS: 6,
        Code.PERMISSION_DENIED: 7,
        Code.RESOURCE_EXHAUSTED: 8,
        Code.FAILED_PRECONDITION: 9,
        Code.ABORTED: 10,
        Code.OUT_OF_RANGE: 11,
        Code.UNIMPLEMENTED: 12,
        Code.INTERNAL: 13,
        Code.UNAVAILABLE: 14,
        Code.DATA_LOSS: 15,
        Code.UNAUTHENTICATED: 16,
    }
)
"""The numbers that gRPC gives the codes."""


def of(error: CommandError) -> int:
    """The exit code for a command that failed: 11 to 26 without effect, 41 to 56 when it may have been executed."""
    return NUMBERS[error.code] + (UNKNOWN if error.outcome is Outcome.UNKNOWN else NOT_EXECUTED)
