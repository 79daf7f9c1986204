"""What the answers of Camunda 7's REST API mean: one table from status and text to an error.

A refusal is JSON with `type` and `message`, or plain text, HTML or nothing at all, from the engine or from a proxy
before it; whatever it is, the status counts.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any, Final

from consumer.core.foreign_text import EngineError, redact, shorten
from zeebe_amqp.errors import Code, Outcome, Source

__all__ = ["DONE", "Answer", "ErrorRule", "error"]


DONE: Final = 204
"""The status of success."""
MAX_NAME: Final = 100
"""Characters of the name of an error's type."""


@dataclass(frozen=True)
class Answer:
    """An answer of the engine; `body` is as much of it as was read."""

    status: int
    content_type: str
    body: bytes
    asked: str
    """Method and path of what was asked; never a host, user or password."""


@dataclass(frozen=True)
class ErrorRule:
    """Answers with a status in this range whose text begins with this pattern mean `code`."""

    first: int
    last: int
    pattern: str
    code: Code
    outcome: Outcome = Outcome.NOT_EXECUTED
    source: Source = Source.GATEWAY
    retryable: bool = False
    advice: str = ""
    """What a text of our own adds."""
    told: bool = True
    """Whether callers are told the text."""
    quotes: bool = True
    """Whether what it quotes is a caller's."""

    def matches(self, status: int, text: str) -> bool:
        """Whether this rule is about that answer."""
        return self.first <= status <= self.last and re.match(self.pattern, text, re.DOTALL) is not None


_URL: Final = "check CAMUNDA7_REST_URL, it must lead to the REST API itself, such as …/engine-rest"
_LOGIN: Final = "check CAMUNDA7_USER and CAMUNDA7_PASSWORD"

# The first rule that matches decides. Patterns are anchored, because texts quote what callers sent.
RULES: Final[tuple[ErrorRule, ...]] = (
    # Only 204 says that it was done; a login page of some proxy says 200.
    ErrorRule(200, 299, "", Code.INTERNAL, Outcome.UNKNOWN, Source.CONSUMER, advice=_URL),
    ErrorRule(400, 400, "", Code.INVALID_ARGUMENT),
    ErrorRule(401, 401, "", Code.UNAUTHENTICATED, advice=_LOGIN),
    ErrorRule(403, 403, "", Code.PERMISSION_DENIED),
    ErrorRule(429, 429, "", Code.RESOURCE_EXHAUSTED, retryable=True),
    # Redirects are not followed: to another host they would take the credentials there.
    ErrorRule(300, 499, "", Code.INTERNAL, source=Source.CONSUMER, advice=_URL),
    ErrorRule(500, 500, "Cannot find execution", Code.NOT_FOUND),
    ErrorRule(500, 500, r"Execution '.*' has not subscribed to a signal event", Code.FAILED_PRECONDITION),
    # One transaction: when one handler's step throws, everything is rolled back. The text is that of an exception.
    ErrorRule(500, 500, "", Code.UNKNOWN, quotes=False),
    # A proxy's words; what became of the request behind it nobody knows.
    ErrorRule(502, 504, "", Code.UNAVAILABLE, Outcome.UNKNOWN, told=False),
    ErrorRule(0, 999, "", Code.UNKNOWN, Outcome.UNKNOWN, told=False),
)


def error(answer: Answer) -> EngineError:
    """The error that a caller gets for an answer that is not 204."""
    kind, text = _describe(answer)
    rule = next(rule for rule in RULES if rule.matches(answer.status, text))
    told = redact(text, quotes=rule.quotes) if rule.told and rule.source is Source.GATEWAY else ""
    return EngineError(
        rule.code,
        shorten(told)[0] or _own_words(answer, rule, bool(text)),
        text=text or None,
        source=rule.source,
        outcome=rule.outcome,
        retryable=rule.retryable,
        details={"type": kind} if kind else None,
    )


def _describe(answer: Answer) -> tuple[str, str]:
    """The type and message of a refusal, "" for what it does not say."""
    try:
        said: Any = json.loads(answer.body)
    except (ValueError, RecursionError):
        return "", _plain(answer)
    if not isinstance(said, dict):
        return "", ""
    kind, message = said.get("type"), said.get("message")
    # Another type than the name of a class is not the engine's.
    name = kind if isinstance(kind, str) and len(kind) <= MAX_NAME and kind.isidentifier() else ""
    return name, (message if isinstance(message, str) else "")


def _plain(answer: Answer) -> str:
    # Pages for people carry stack traces.
    is_plain = answer.content_type.partition(";")[0].strip().lower() == "text/plain"
    return answer.body.decode("utf-8", "replace").strip() if is_plain else ""


def _own_words(answer: Answer, rule: ErrorRule, has_text: bool) -> str:
    text = f"the Camunda 7 engine answered {answer.status} to {answer.asked}"
    if rule.advice:
        return f"{text}; {rule.advice}"
    return f"{text}; the consumer's log has the rest" if has_text else f"{text} and did not say why; its log does"
