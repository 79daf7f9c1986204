"""The table of rights: what each request of each user met, beside what the policy and the audit say of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from consumer.core.access import Decision
from zeebe_amqp.errors import Code, Source
from zeebe_amqp.reply import Reply

ALLOWED, DENIED = "allowed", "denied"


@dataclass(frozen=True)
class Answer:
    """What a user got for a request of the table."""

    case: str
    user: str
    wanted: bool
    """Whether the rules allow it, read by a person."""
    reply: str
    """`ok`, or the code of the error and whose word it is."""
    allowed: bool
    decided: bool
    """What the policy said when asked by itself."""
    rule: str
    """Its reason."""
    audit: Mapping[str, Any] | None
    """Decision and rule in the record of the request; None when there is none."""

    @property
    def shown(self) -> str:
        """Allowed or denied."""
        return ALLOWED if self.allowed else DENIED

    def problems(self) -> list[str]:
        """What disagrees with what."""
        found = []
        if self.wanted != self.allowed:
            found.append(f"the service {self.shown} it ({self.reply})")
        if self.wanted != self.decided:
            found.append(f"the policy decides: {ALLOWED if self.decided else DENIED}, {self.rule}")
        if self.audit is None:
            found.append("no record in the audit")
        elif (self.audit.get("decision"), self.audit.get("rule")) != (self.shown, self.rule):
            found.append(f"the audit says: {self.audit.get('decision')}, {self.audit.get('rule')}")
        return [f"{self.case}, {self.user}: {each}" for each in found]


def answer(
    case: str, user: str, *, wanted: bool, reply: Reply, decision: Decision, audit: Mapping[str, Any] | None
) -> Answer:
    """What came of a request; `audit` is its record."""
    told = None if audit is None else {name: audit.get(name) for name in ("decision", "rule")}
    return Answer(case, user, wanted, described(reply), not is_denied(reply), decision.allowed, decision.rule, told)


def is_denied(reply: Reply) -> bool:
    """Whether the policy refused the request; the engine's own refusals are not meant."""
    error = reply.error
    return error is not None and (error.code, error.source) == (Code.PERMISSION_DENIED, Source.CONSUMER)


def described(reply: Reply) -> str:
    """A reply in a word or two."""
    error = reply.error
    return "ok" if error is None else f"{error.code} ({error.source})"


def problems(answers: Iterable[Answer]) -> list[str]:
    """Everything that disagrees, in the whole table."""
    return [problem for each in answers for problem in each.problems()]
