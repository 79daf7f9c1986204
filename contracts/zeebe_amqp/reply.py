"""The reply to a request: a result or an error. Contract section 3."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import msgspec
import orjson

from zeebe_amqp import wire
from zeebe_amqp.commands import COMMANDS
from zeebe_amqp.errors import Code, Error, Outcome, Source

__all__ = ["Reply"]


class _Body(msgspec.Struct):
    operation: str | None = None
    data: Any = None
    error: Error | None = None


_BODY: Final = msgspec.json.Decoder(_Body)


@dataclass(slots=True)
class Reply:
    """What the caller is told.

    `operation` is what the request named, or None; `data` is plain data (or a typed result), None for operations
    without a result; `error` is set instead when the command failed; `replayed` when an earlier answer is sent again.
    """

    operation: str | None
    data: Any = None
    error: Error | None = None
    replayed: bool = False

    @property
    def ok(self) -> bool:
        """Whether the command succeeded."""
        return self.error is None

    @property
    def type(self) -> str:
        """The reply's `type` property: "<operation>.result", "<operation>.error", or "error" without a known one."""
        if self.error is None:
            return f"{self.operation}.result"
        return f"{self.operation}.error" if self.operation in COMMANDS else "error"

    def is_final(self, idempotent: bool) -> bool:
        """Whether a repetition of the request must get this very answer.

        It must when the command went out and running it again would be wrong. `idempotent`: it may run twice.
        """
        error = self.error
        if error is None:
            return True
        if error.outcome is Outcome.UNKNOWN:
            return not idempotent
        # Refused credentials are the service's to mend; after that the same request should run.
        return error.source is Source.GATEWAY and not error.retryable and error.code is not Code.UNAUTHENTICATED

    def encode(self) -> bytes:
        """The reply's body, JSON in UTF-8."""
        operation = None if self.operation is None else self.operation[: wire.MAX_NAME]
        if self.error is None:
            return orjson.dumps({"operation": operation, "data": self.data}, default=_plain)
        return orjson.dumps({"operation": operation, "error": self.error}, default=_plain)

    @classmethod
    def decode(cls, body: bytes) -> Reply:
        """Read a reply's body; names this version does not know are ignored.

        Raises:
            ValueError: when the body is not a reply.
        """
        try:
            read = _BODY.decode(body)
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as problem:
            raise ValueError(f"not a reply: {problem}") from problem
        return cls(read.operation, read.data, read.error)


def _plain(value: object) -> Any:
    return msgspec.to_builtins(value)
