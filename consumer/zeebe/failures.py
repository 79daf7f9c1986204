"""What the answers of the gateway mean: one table from gRPC status and text to a kind.

gRPC codes alone do not tell: RESOURCE_EXHAUSTED is overload or a message that is too large, UNAVAILABLE an
outage or a bad key, UNKNOWN a full batch or a crash. The texts do; they are the engine's (8.5 to 8.8),
and C-core's for what happened on the connection.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final

from zeebe_amqp.errors import Code, CommandError, Outcome, Source

__all__ = [
    "NOT_THE_GATEWAYS",
    "RULES",
    "TEXT_LIMIT",
    "ErrorRule",
    "Failure",
    "FailureKind",
    "GatewayError",
    "classify",
    "error",
    "partition",
]


TEXT_LIMIT: Final = 2048
"""Bytes of a gateway text that go into a reply; a rejection may contain the whole document."""


class FailureKind(Enum):
    """What an answer that is not OK means for the command."""

    FINAL = "final"
    """Refused: not executed, and the same again is refused again."""
    OVERLOAD = "overload"
    """Not executed because the engine has too much to do, or is out of disk or of partitions for the moment."""
    PAUSED = "paused"
    """Not executed because the partition does not process anything for the moment."""
    UNREACHABLE = "unreachable"
    """No gateway was reached: nothing was sent."""
    NOT_PASSED_ON = "not-passed-on"
    """Not executed: something in between answered HTTP, with a status that says that it sent nothing on."""
    PROXY_LIMIT = "proxy-limit"
    """Not executed: something in between takes no requests of this size."""
    PROXY_LOST = "proxy-lost"
    """Something in between answered HTTP, and may have passed the command on: it may have been executed."""
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

    @property
    def away(self) -> bool:
        """Whether it means that there is no gateway at the address: nobody, or something else that answers."""
        return self in _AWAY

    def retryable(self, idempotent: bool) -> bool:
        """Whether the same request again may succeed and cannot be executed twice."""
        if self in _UNSURE:
            return idempotent
        return self not in (FailureKind.FINAL, FailureKind.CREDENTIALS, FailureKind.PROXY_LIMIT)


_UNSURE: Final = frozenset({FailureKind.LATE, FailureKind.UNCERTAIN, FailureKind.PROXY_LOST, FailureKind.DEFECT})
_AWAY: Final = frozenset({FailureKind.UNREACHABLE, FailureKind.NOT_PASSED_ON, FailureKind.PROXY_LOST})


@dataclass(frozen=True)
class ErrorRule:
    """Answers with this status (None: any) whose text begins with this pattern mean `kind`."""

    status: str | None
    pattern: str
    kind: FailureKind

    def matches(self, status: str, text: str) -> bool:
        """Whether this rule is about that answer."""
        return self.status in (None, status) and re.match(self.pattern, text, re.DOTALL) is not None


REJECTION: Final = r"Command '(?P<intent>\w+)' rejected with code '(?P<rejection>\w+)'"
PARTITION: Final = r"Expected to execute command on partition (-?\d{1,10})\b"
BETWEEN: Final = r"Time out between gateway and broker: "
HTTP: Final = r"Received http2 header with status: "
REQUEST_FAILED: Final = r"Unexpected error occurred during the request processing: "

# The first rule that matches decides. Patterns are anchored, because texts quote what callers sent.
RULES: Final[tuple[ErrorRule, ...]] = (
    ErrorRule(None, REJECTION, FailureKind.FINAL),
    ErrorRule("UNAVAILABLE", PARTITION, FailureKind.NO_PARTITION),
    # C-core's whole text about an answer without a gRPC status, whatever code it makes of it.
    ErrorRule(None, HTTP + r"(413|431)\Z", FailureKind.PROXY_LIMIT),
    ErrorRule(None, HTTP + r"(3\d\d|400|401|403|404|407|421|426|429|503)\Z", FailureKind.NOT_PASSED_ON),
    ErrorRule(None, HTTP + r"\d+\Z", FailureKind.PROXY_LOST),
    # It names no HTTP status then: of an answer with 200, and mostly of one to a stream, whatever the status was.
    ErrorRule("UNKNOWN", r"Stream removed \(Data frame with END_STREAM flag received\)\Z", FailureKind.PROXY_LOST),
    ErrorRule("UNKNOWN", r"No status received\Z", FailureKind.PROXY_LOST),
    # C-core says these before there is a connection to send on, whatever comes after the prefix.
    ErrorRule("UNAVAILABLE", r"failed to connect to all addresses", FailureKind.UNREACHABLE),
    ErrorRule("UNAVAILABLE", r"connections to all backends failing", FailureKind.UNREACHABLE),
    ErrorRule("UNAVAILABLE", r"errors resolving ", FailureKind.UNREACHABLE),
    ErrorRule("UNAVAILABLE", r"(DNS|name) resolution failed", FailureKind.UNREACHABLE),
    ErrorRule("UNAVAILABLE", r"empty address list", FailureKind.UNREACHABLE),
    # An Envoy or a service mesh in between had nobody to forward to.
    ErrorRule("UNAVAILABLE", r"no healthy upstream", FailureKind.UNREACHABLE),
    ErrorRule("UNAVAILABLE", r"upstream connect error .*reset reason: (remote |local )?connection (failure|timeout)",
        FailureKind.UNREACHABLE),
    ErrorRule("UNAVAILABLE", r"", FailureKind.UNCERTAIN),
    # The engine's own limit, and C-core's word for the same; but an answer that *we* could not read was an answer.
    ErrorRule("RESOURCE_EXHAUSTED", r"gRPC message exceeds maximum size", FailureKind.FINAL),
    ErrorRule("RESOURCE_EXHAUSTED", r"(SERVER: )?Received message larger than max", FailureKind.FINAL),
    ErrorRule("RESOURCE_EXHAUSTED", r"(CLIENT: )?Sent message larger than max", FailureKind.FINAL),
    ErrorRule("RESOURCE_EXHAUSTED", r"CLIENT: Received message larger than max", FailureKind.DEFECT),
    ErrorRule("RESOURCE_EXHAUSTED", r"received metadata size exceeds", FailureKind.DEFECT),
    ErrorRule("RESOURCE_EXHAUSTED", r"Stream removed", FailureKind.DEFECT),
    ErrorRule("RESOURCE_EXHAUSTED", r"", FailureKind.OVERLOAD),
    ErrorRule("DEADLINE_EXCEEDED", BETWEEN + r"Request timed out after ", FailureKind.NO_BROKER),
    ErrorRule("DEADLINE_EXCEEDED", r"[Dd]eadline [Ee]xceeded", FailureKind.LATE),
    ErrorRule("DEADLINE_EXCEEDED", r"", FailureKind.UNCERTAIN),
    ErrorRule("ABORTED", r"", FailureKind.UNCERTAIN),
    ErrorRule("CANCELLED", r"", FailureKind.UNCERTAIN),
    ErrorRule("INTERNAL", r"Unexpected error occurred between gateway and broker .*Processing paused for partition",
        FailureKind.PAUSED),
    ErrorRule("INTERNAL", REQUEST_FAILED + r"Failed to convert JSON to MessagePack", FailureKind.FINAL),
    # 8.5 says INTERNAL where 8.6 says ABORTED.
    ErrorRule("INTERNAL", REQUEST_FAILED + r"(Connection|Channel) .* was closed", FailureKind.UNCERTAIN),
    ErrorRule("INTERNAL", r"(Stream removed|Received RST_STREAM|RST_STREAM|GOAWAY)", FailureKind.UNCERTAIN),
    ErrorRule("UNKNOWN", r"Application error processing RPC", FailureKind.FINAL),
    ErrorRule("UNKNOWN", r"Stream removed", FailureKind.UNCERTAIN),
    ErrorRule("UNAUTHENTICATED", r"", FailureKind.CREDENTIALS),
    ErrorRule("INVALID_ARGUMENT", r"", FailureKind.FINAL),
    ErrorRule("NOT_FOUND", r"", FailureKind.FINAL),
    ErrorRule("ALREADY_EXISTS", r"", FailureKind.FINAL),
    ErrorRule("PERMISSION_DENIED", r"", FailureKind.FINAL),
    ErrorRule("FAILED_PRECONDITION", r"", FailureKind.FINAL),
    ErrorRule("UNIMPLEMENTED", r"", FailureKind.FINAL),
)  # fmt: skip


def classify(status: str, text: str) -> FailureKind:
    """The kind on an answer with gRPC status name `status` and details `text`."""
    return next((rule.kind for rule in RULES if rule.matches(status, text)), FailureKind.DEFECT)


def partition(text: str) -> int | None:
    """The partition that a "no such partition" text names, else None."""
    found = re.match(PARTITION, text)
    return int(found.group(1)) if found else None


NOT_THE_GATEWAYS: Final = "it is not the gateway's answer"
"""In the text about an answer in HTTP."""

_FATES: Final = {
    FailureKind.NOT_PASSED_ON: "and the command was not passed on",
    FailureKind.PROXY_LIMIT: "and the request is too large to be passed on",
    FailureKind.PROXY_LOST: "and the command may have been executed",
}


class Failure(Exception):
    """One attempt that was not answered with OK; `http` is the status of an answer that was not gRPC."""

    def __init__(
        self, code: Code, text: str, kind: FailureKind, source: Source = Source.GATEWAY, http: int | None = None
    ) -> None:
        super().__init__(text)
        self.code = code
        self.text = text
        self.kind = kind
        self.source = source
        self.http = http

    @classmethod
    def of(cls, status: str, text: str) -> Failure:
        """The failure that an answer with gRPC status name `status` and details `text` is."""
        kind = classify(status, text)
        return _foreign(text, kind) if kind in _FATES else cls(Code(status), text, kind)


def _foreign(text: str, kind: FailureKind) -> Failure:
    found = re.match(HTTP + r"(\d+)", text)
    http = int(found[1]) if found else None
    answered = "HTTP without a gRPC status" if http is None else f"HTTP status {http}"
    told = f"something between the consumer and the gateway answered {answered}: {NOT_THE_GATEWAYS}, {_FATES[kind]}"
    code = Code.RESOURCE_EXHAUSTED if kind is FailureKind.PROXY_LIMIT else Code.UNAVAILABLE
    return Failure(code, told, kind, Source.CONSUMER, http)


class GatewayError(CommandError):
    """A command that failed on its way to, in or from the engine; `kind` says how."""

    def __init__(self, failure: Failure, message: str, **rest: Any) -> None:
        super().__init__(failure.code, message, source=failure.source, **rest)
        self.kind = failure.kind


def error(
    failure: Failure, *, idempotent: bool = False, attempts: int = 1, unsure: bool = False, size: int = 0
) -> GatewayError:
    """The error that a caller gets for the last failure of a call.

    `unsure` says that an earlier attempt had an unknown outcome: then the whole call has, whatever the last
    attempt was told. `size` is that of the request in bytes.
    """
    message, truncated = _caller_text(failure)
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
        outcome=Outcome.UNKNOWN if unsure else failure.kind.outcome,
        retryable=failure.kind.retryable(idempotent),
        details=details or None,
    )


def _rejection(text: str) -> dict[str, Any]:
    found = re.match(REJECTION, text)
    return dict(found.groupdict()) if found else {}


_MAYBE_DONE: Final = frozenset({Code.NOT_FOUND, Code.ALREADY_EXISTS, Code.FAILED_PRECONDITION})


def _suggestion(failure: Failure, details: dict[str, Any], unsure: bool, size: int) -> str:
    if details.get("rejection") == "EXCEEDED_BATCH_RECORD_SIZE":
        return f"the engine could not fit the command ({size} bytes) into one batch; up to 1.5 MB are known to pass"
    if unsure and failure.code in _MAYBE_DONE:
        return "an earlier attempt of this call had an unknown outcome; this answer may mean that it did the command"
    return ""


# Of a run of letters only the beginning is tried, and addresses in brackets have an end: one pass, whatever the text.
_ADDRESS: Final = re.compile(
    r"(?:\bipv[46]:)?(?:(?<![\w.-])[\w.-]*+/|/)?"
    r"(?:\[[\da-f:.]{2,64}\]|%5B[\da-f:.%]{2,96}?%5D|(?<![\w.-])[\w.-]++):\d{1,5}\b(?!\.\d)",
    re.ASCII | re.IGNORECASE,
)
_READ: Final = 2 * TEXT_LIMIT
"""Characters of a gateway text that are looked at: an address at the cut must not be half there."""
_ABOUT_CONNECTIONS: Final = frozenset({FailureKind.UNREACHABLE, FailureKind.UNCERTAIN, FailureKind.NO_BROKER})


def _caller_text(failure: Failure) -> tuple[str, bool]:
    """The text as callers get it, and whether it was cut."""
    text = failure.text[:_READ]
    # Texts about connections name internal hosts; callers on the other side of a queue need not learn them.
    if failure.source is Source.GATEWAY and failure.kind in _ABOUT_CONNECTIONS:
        text = _ADDRESS.sub("<address>", text)
    raw = text.encode("utf-8", "replace")
    return raw[:TEXT_LIMIT].decode("utf-8", "ignore"), len(raw) > TEXT_LIMIT or len(failure.text) > _READ
