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

from consumer.core.foreign_text import EngineError, redact, shorten
from zeebe_amqp.errors import Code, Outcome, Source

__all__ = [
    "NOT_THE_GATEWAYS",
    "RULES",
    "ErrorRule",
    "Failure",
    "FailureKind",
    "GatewayError",
    "Told",
    "classify",
    "error",
    "partition",
]


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


class Told(Enum):
    """How much of a text callers are told."""

    ALL = "all"
    """It is the engine's, and everything in it that looks like an address is a caller's."""
    QUOTED = "quoted"
    """What it quotes is a caller's; nothing else in it may be an address."""
    REDACTED = "redacted"
    """Whatever looks like an address is one."""
    NOTHING = "nothing"
    """It is about machines."""


@dataclass(frozen=True)
class ErrorRule:
    """Answers with this status (None: any) whose text begins with this pattern mean `kind`.

    Callers are told the text, or our own words for the kind.
    """

    status: str | None
    pattern: str
    kind: FailureKind
    told: Told | None = None
    """Whether they are told the text, and how much of it; None = as is right for the kind."""

    def matches(self, status: str, text: str) -> bool:
        """Whether this rule is about that answer."""
        return self.status in (None, status) and re.match(self.pattern, text, re.DOTALL) is not None


REJECTION: Final = r"Command '(?P<intent>\w{1,64})' rejected with code '(?P<rejection>\w{1,64})'"
BROKEN: Final = r"Command '\w{1,64}' rejected with code 'PROCESSING_ERROR'"
"""The text of an exception follows."""
PARTITION: Final = r"Expected to execute command on partition (-?\d{1,10})\b"
BETWEEN: Final = r"Time out between gateway and broker: "
HTTP: Final = r"Received http2 header with status: "
REQUEST_FAILED: Final = r"Unexpected error occurred during the request processing: "

# The first rule that matches decides. Patterns are anchored, because texts quote what callers sent.
RULES: Final[tuple[ErrorRule, ...]] = (
    ErrorRule(None, BROKEN, FailureKind.FINAL, Told.REDACTED),
    ErrorRule(None, REJECTION, FailureKind.FINAL, Told.ALL),
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
    ErrorRule("RESOURCE_EXHAUSTED", r"Failed to write client request to partition ", FailureKind.OVERLOAD, Told.QUOTED),
    ErrorRule("RESOURCE_EXHAUSTED", r"Expected to (execute the command on one of|activate jobs of type) ",
        FailureKind.OVERLOAD, Told.QUOTED),
    ErrorRule("RESOURCE_EXHAUSTED", r"Cannot accept requests for partition ", FailureKind.OVERLOAD, Told.QUOTED),
    ErrorRule("RESOURCE_EXHAUSTED", r"", FailureKind.OVERLOAD),
    ErrorRule("DEADLINE_EXCEEDED", BETWEEN + r"Request timed out after ", FailureKind.NO_BROKER),
    ErrorRule("DEADLINE_EXCEEDED", r"[Dd]eadline [Ee]xceeded", FailureKind.LATE),
    ErrorRule("DEADLINE_EXCEEDED", r"", FailureKind.UNCERTAIN),
    ErrorRule("ABORTED", r"", FailureKind.UNCERTAIN),
    ErrorRule("CANCELLED", r"", FailureKind.UNCERTAIN),
    ErrorRule("INTERNAL", r"Unexpected error occurred between gateway and broker .*Processing paused for partition",
        FailureKind.PAUSED, Told.QUOTED),
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


_DEFAULT: Final = ErrorRule(None, r"", FailureKind.DEFECT)


def _rule(status: str, text: str) -> ErrorRule:
    return next((rule for rule in RULES if rule.matches(status, text)), _DEFAULT)


def classify(status: str, text: str) -> FailureKind:
    """The kind on an answer with gRPC status name `status` and details `text`."""
    return _rule(status, text).kind


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


_OWN_WORDS: Final = {
    FailureKind.FINAL: "the gateway refused the command",
    FailureKind.OVERLOAD: "the engine has too much to do for the moment; the command was not executed",
    FailureKind.PAUSED: "the engine's partition processes nothing for the moment; the command was not executed",
    FailureKind.UNREACHABLE: "the gateway was not reached; nothing was sent",
    FailureKind.NO_PARTITION: "the engine's partition is not there for the moment; the command was not executed",
    FailureKind.NO_BROKER: "the gateway found no broker for the command in time; it was not executed",
    FailureKind.CREDENTIALS: "the gateway does not accept the consumer's credentials; the command was not executed",
    FailureKind.LATE: "the gateway did not answer in time; the command may have been executed",
    FailureKind.UNCERTAIN: "the answer was lost on its way from the engine; the command may have been executed",
    FailureKind.DEFECT: "the engine failed in a way that nobody expects; the command may have been executed",
}
"""What callers are told in place of a text that names machines, or may."""
_TOLD: Final = {FailureKind.FINAL: Told.QUOTED, FailureKind.NO_PARTITION: Told.QUOTED}


class Failure(Exception):
    """One attempt that was not answered with OK.

    `text` is what was said, `told` what callers are told instead. `http` is the status of an answer that was not gRPC.
    """

    def __init__(
        self,
        code: Code,
        text: str,
        kind: FailureKind,
        source: Source = Source.GATEWAY,
        http: int | None = None,
        told: str | None = None,
    ) -> None:
        super().__init__(text)
        self.code = code
        self.text = text
        self.kind = kind
        self.source = source
        self.http = http
        self.told = text if told is None else told

    @classmethod
    def of(cls, status: str, text: str) -> Failure:
        """The failure that an answer with gRPC status name `status` and details `text` is."""
        rule = _rule(status, text)
        if rule.kind in _FATES:
            return _foreign(text, rule.kind)
        return cls(Code(status), text, rule.kind, told=_told(text, rule))

    def add(self, words: str) -> None:
        """Say something more, to callers as well."""
        self.text, self.told = f"{self.text}; {words}", f"{self.told}; {words}"

    def reword(self, words: str) -> None:
        """Say it in words of our own."""
        self.text = self.told = words


def _told(text: str, rule: ErrorRule) -> str:
    """What callers are told of a text."""
    told = rule.told or _TOLD.get(rule.kind, Told.NOTHING)
    if told is Told.ALL:
        return text
    kept = "" if told is Told.NOTHING else redact(text, quotes=told is Told.QUOTED)
    return kept or _OWN_WORDS[rule.kind]


def _foreign(text: str, kind: FailureKind) -> Failure:
    found = re.match(HTTP + r"(\d+)", text)
    http = int(found[1]) if found else None
    answered = "HTTP without a gRPC status" if http is None else f"HTTP status {http}"
    told = f"something between the consumer and the gateway answered {answered}: {NOT_THE_GATEWAYS}, {_FATES[kind]}"
    code = Code.RESOURCE_EXHAUSTED if kind is FailureKind.PROXY_LIMIT else Code.UNAVAILABLE
    return Failure(code, told, kind, Source.CONSUMER, http)


class GatewayError(EngineError):
    """A command that failed on its way to, in or from the engine; `kind` says how."""

    def __init__(self, failure: Failure, message: str, **rest: Any) -> None:
        super().__init__(failure.code, message, text=failure.text, source=failure.source, **rest)
        self.kind = failure.kind


def error(
    failure: Failure, *, idempotent: bool = False, attempts: int = 1, unsure: bool = False, size: int = 0
) -> GatewayError:
    """The error that a caller gets for the last failure of a call.

    `unsure` says that an earlier attempt had an unknown outcome: then the whole call has, whatever the last
    attempt was told. `size` is that of the request in bytes.
    """
    message, truncated = shorten(failure.told)
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
