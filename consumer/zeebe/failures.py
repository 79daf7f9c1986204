"""What the answers of the gateway mean: one table from gRPC status and text to a verdict.

gRPC codes alone do not tell: RESOURCE_EXHAUSTED is overload or a message that is too large, UNAVAILABLE an
outage or a bad key, UNKNOWN a full batch or a crash. The texts do; they are the engine's (8.5 to 8.8),
and C-core's for what happened on the connection.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum
from typing import Any

from zeebe_amqp.errors import Code, CommandError, Outcome, Source

TEXT_LIMIT = 2048
"""Bytes of a gateway text that go into a reply; a rejection may contain the whole document."""


class Verdict(Enum):
    """What an answer that is not OK means for the command."""

    FINAL = "final"
    """Refused: not executed, and the same again is refused again."""
    OVERLOAD = "overload"
    """Not executed because the engine has too much to do, or is out of disk or of partitions for the moment."""
    PAUSED = "paused"
    """Not executed because the partition does not process anything for the moment."""
    UNREACHABLE = "unreachable"
    """No gateway was reached: nothing was sent."""
    NO_PARTITION = "no-partition"
    """Not executed: the partition has no leader for the moment, or does not exist at all."""
    NO_BROKER = "no-broker"
    """Not executed: the gateway found no broker to hand the command to while it waited."""
    CREDENTIALS = "credentials"
    """Not executed: the gateway does not accept who we say we are."""
    CLOSING = "closing"
    """Not executed: our own connection is closed because the service stops."""
    LATE = "late"
    """Our own deadline ended while the call was out."""
    UNCERTAIN = "uncertain"
    """The connection or the broker's answer was lost on the way: it may have been executed."""
    DEFECT = "defect"
    """An error nobody expects: it may have been executed, and trying again here is no cure."""

    @property
    def outcome(self) -> Outcome:
        """What is known about the command's effect."""
        return Outcome.UNKNOWN if self in _UNSURE else Outcome.NOT_EXECUTED

    def retryable(self, repeatable: bool) -> bool:
        """Whether the same request again may succeed and cannot be executed twice."""
        if self in _UNSURE:
            return repeatable
        return self not in (Verdict.FINAL, Verdict.CREDENTIALS)


_UNSURE = frozenset({Verdict.LATE, Verdict.UNCERTAIN, Verdict.DEFECT})


@dataclass(frozen=True)
class Row:
    """Answers with this status (None: any) whose text begins with this pattern mean `verdict`."""

    status: str | None
    pattern: str
    verdict: Verdict

    def matches(self, status: str, text: str) -> bool:
        """Whether this row is about that answer."""
        return self.status in (None, status) and re.match(self.pattern, text, re.DOTALL) is not None


REJECTION = r"Command '(?P<intent>\w+)' rejected with code '(?P<rejection>\w+)'"
PARTITION = r"Expected to execute command on partition (-?\d+)\b"
BETWEEN = r"Time out between gateway and broker: "
REQUEST_FAILED = r"Unexpected error occurred during the request processing: "

# The first row that matches decides. Patterns are anchored, because texts quote what callers sent.
ROWS: tuple[Row, ...] = (
    Row(None, REJECTION, Verdict.FINAL),
    Row("UNAVAILABLE", PARTITION, Verdict.NO_PARTITION),
    # C-core says these before there is a connection to send on, whatever comes after the prefix.
    Row("UNAVAILABLE", r"failed to connect to all addresses", Verdict.UNREACHABLE),
    Row("UNAVAILABLE", r"connections to all backends failing", Verdict.UNREACHABLE),
    Row("UNAVAILABLE", r"errors resolving ", Verdict.UNREACHABLE),
    Row("UNAVAILABLE", r"(DNS|name) resolution failed", Verdict.UNREACHABLE),
    Row("UNAVAILABLE", r"empty address list", Verdict.UNREACHABLE),
    # An Envoy or a service mesh in between had nobody to forward to.
    Row("UNAVAILABLE", r"no healthy upstream", Verdict.UNREACHABLE),
    Row("UNAVAILABLE", r"upstream connect error .*reset reason: (remote |local )?connection (failure|timeout)",
        Verdict.UNREACHABLE),
    Row("UNAVAILABLE", r"", Verdict.UNCERTAIN),
    # The engine's own limit, and C-core's word for the same; but an answer that *we* could not read was an answer.
    Row("RESOURCE_EXHAUSTED", r"gRPC message exceeds maximum size", Verdict.FINAL),
    Row("RESOURCE_EXHAUSTED", r"(SERVER: )?Received message larger than max", Verdict.FINAL),
    Row("RESOURCE_EXHAUSTED", r"(CLIENT: )?Sent message larger than max", Verdict.FINAL),
    Row("RESOURCE_EXHAUSTED", r"CLIENT: Received message larger than max", Verdict.DEFECT),
    Row("RESOURCE_EXHAUSTED", r"received metadata size exceeds", Verdict.DEFECT),
    Row("RESOURCE_EXHAUSTED", r"Stream removed", Verdict.DEFECT),
    Row("RESOURCE_EXHAUSTED", r"", Verdict.OVERLOAD),
    Row("DEADLINE_EXCEEDED", BETWEEN + r"Request timed out after ", Verdict.NO_BROKER),
    Row("DEADLINE_EXCEEDED", r"[Dd]eadline [Ee]xceeded", Verdict.LATE),
    Row("DEADLINE_EXCEEDED", r"", Verdict.UNCERTAIN),
    Row("ABORTED", r"", Verdict.UNCERTAIN),
    Row("CANCELLED", r"", Verdict.UNCERTAIN),
    Row("INTERNAL", r"Unexpected error occurred between gateway and broker .*Processing paused for partition",
        Verdict.PAUSED),
    Row("INTERNAL", REQUEST_FAILED + r"Failed to convert JSON to MessagePack", Verdict.FINAL),
    # 8.5 says INTERNAL where 8.6 says ABORTED.
    Row("INTERNAL", REQUEST_FAILED + r"(Connection|Channel) .* was closed", Verdict.UNCERTAIN),
    Row("INTERNAL", r"(Stream removed|Received RST_STREAM|RST_STREAM|GOAWAY)", Verdict.UNCERTAIN),
    Row("UNKNOWN", r"Application error processing RPC", Verdict.FINAL),
    Row("UNKNOWN", r"Stream removed", Verdict.UNCERTAIN),
    Row("UNAUTHENTICATED", r"", Verdict.CREDENTIALS),
    Row("INVALID_ARGUMENT", r"", Verdict.FINAL),
    Row("NOT_FOUND", r"", Verdict.FINAL),
    Row("ALREADY_EXISTS", r"", Verdict.FINAL),
    Row("PERMISSION_DENIED", r"", Verdict.FINAL),
    Row("FAILED_PRECONDITION", r"", Verdict.FINAL),
    Row("UNIMPLEMENTED", r"", Verdict.FINAL),
)  # fmt: skip


def classify(status: str, text: str) -> Verdict:
    """The verdict on an answer with gRPC status name `status` and details `text`."""
    return next((row.verdict for row in ROWS if row.matches(status, text)), Verdict.DEFECT)


def partition(text: str) -> int | None:
    """The partition that a "no such partition" text names, else None."""
    found = re.match(PARTITION, text)
    return int(found.group(1)) if found else None


class Failure(Exception):
    """One attempt that was not answered with OK."""

    def __init__(self, code: Code, text: str, verdict: Verdict, source: Source = Source.GATEWAY) -> None:
        super().__init__(text)
        self.code = code
        self.text = text
        self.verdict = verdict
        self.source = source

    @classmethod
    def of(cls, status: str, text: str) -> Failure:
        """The failure that an answer with gRPC status name `status` and details `text` is."""
        return cls(Code(status), text, classify(status, text))


class GatewayError(CommandError):
    """A command that failed on its way to, in or from the engine; `verdict` says how."""

    def __init__(self, failure: Failure, message: str, **rest: Any) -> None:
        super().__init__(failure.code, message, source=failure.source, **rest)
        self.verdict = failure.verdict


def error(
    failure: Failure, *, repeatable: bool = False, attempts: int = 1, unsure: bool = False, size: int = 0
) -> GatewayError:
    """The error that a caller gets for the last failure of a call.

    `unsure` says that an earlier attempt had an unknown outcome: then the whole call has, whatever the last
    attempt was told. `size` is that of the request in bytes.
    """
    message, truncated = _cut(_shown(failure))
    details = _rejection(failure.text)
    if attempts > 1:
        details["attempts"] = attempts
    if truncated:
        details["truncated"] = True
    suggestion = _suggestion(failure, details, unsure, size)
    if suggestion:
        details["suggestion"] = suggestion
    return GatewayError(
        failure,
        message,
        outcome=Outcome.UNKNOWN if unsure else failure.verdict.outcome,
        retryable=failure.verdict.retryable(repeatable),
        details=details or None,
    )


def _rejection(text: str) -> dict[str, Any]:
    found = re.match(REJECTION, text)
    return dict(found.groupdict()) if found else {}


_MAYBE_DONE = frozenset({Code.NOT_FOUND, Code.ALREADY_EXISTS, Code.FAILED_PRECONDITION})


def _suggestion(failure: Failure, details: dict[str, Any], unsure: bool, size: int) -> str:
    if details.get("rejection") == "EXCEEDED_BATCH_RECORD_SIZE":
        return f"the engine could not fit the command ({size} bytes) into one batch; up to 1.5 MB are known to pass"
    if unsure and failure.code in _MAYBE_DONE:
        return "an earlier attempt of this call had an unknown outcome; this answer may mean that it did the command"
    return ""


_ADDRESS = re.compile(
    r"(?:\bipv[46]:)?(?:[\w.-]*/)?(?:\[[\da-fA-F:.]+\]|%5B[\da-fA-F:.%]+?%5D|[A-Za-z\d_.-]+):\d{1,5}\b"
)
_ABOUT_CONNECTIONS = frozenset({Verdict.UNREACHABLE, Verdict.UNCERTAIN, Verdict.NO_BROKER})


def _shown(failure: Failure) -> str:
    # Texts about connections name internal hosts; callers on the other side of a queue need not learn them.
    if failure.source is Source.GATEWAY and failure.verdict in _ABOUT_CONNECTIONS:
        return _ADDRESS.sub("<address>", failure.text)
    return failure.text


def _cut(text: str) -> tuple[str, bool]:
    raw = text.encode("utf-8", "replace")
    if len(raw) <= TEXT_LIMIT:
        return text, False
    return raw[:TEXT_LIMIT].decode("utf-8", "ignore"), True
