"""What a policy would change of recorded decisions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

from consumer.core.access import Decision
from consumer.policy_commands.question import Question
from consumer.policy_commands.recording import Recorded, Skipped
from consumer.security.policy import Policy
from zeebe_amqp.commands.target import ANY, KINDS, Target
from zeebe_amqp.schema.formatting import truncate

__all__ = ["MAX_GROUPS", "Change", "Changes"]

MAX_GROUPS: Final = 1000
"""Groups that are told apart; each takes memory, and whoever calls chooses the names."""
MAX_NAMES: Final = 5
"""Names of one kind that are told of a target."""
_NEVER: Final = datetime.min.replace(tzinfo=UTC)


@dataclass
class Change:
    """Decisions that would change alike."""

    question: Question
    """Its names are cut, and its keys are not told apart."""
    allowed: bool
    """What the policy would say; the opposite was recorded."""
    certain: bool
    """Whether the whole target was recorded."""
    why: str
    """What the policy says about the first of them."""
    count: int = 0
    newest: datetime | None = None

    def add(self, time: datetime | None) -> None:
        """Count a decision."""
        self.count += 1
        if time is not None and time > (self.newest or _NEVER):
            self.newest = time


@dataclass
class Changes:
    """Compares what was recorded with what a policy decides."""

    policy: Policy
    decisions: int = 0
    """Lines that told a decision."""
    uncertain: int = 0
    """Those of which the target was cut when it was recorded."""
    changed: Counter[bool] = field(default_factory=Counter)
    """Decisions that would change, by what the policy would say."""
    ungrouped: int = 0
    """Those among them that are in no group, because there are `MAX_GROUPS` others."""
    skipped: Counter[Skipped] = field(default_factory=Counter)
    _groups: dict[tuple[Question, bool, bool], Change] = field(default_factory=dict)

    def add_all(self, lines: Iterable[Recorded | Skipped]) -> None:
        """Compare all lines of a file."""
        for each in lines:
            if isinstance(each, Skipped):
                self.skipped[each] += 1
            else:
                self._compare(each)

    def _compare(self, recorded: Recorded) -> None:
        self.decisions += 1
        self.uncertain += not recorded.complete
        decision = self.policy.judge(*recorded.question)
        if decision.allowed is not recorded.allowed:
            self._note(recorded, decision)

    def _note(self, recorded: Recorded, decision: Decision) -> None:
        self.changed[decision.allowed] += 1
        key = _grouped(recorded.question), decision.allowed, recorded.complete
        if key not in self._groups and len(self._groups) >= MAX_GROUPS:
            self.ungrouped += 1
            return
        group = self._groups.setdefault(key, Change(*key, decision.reason or decision.rule))
        group.add(recorded.time)

    def ordered(self) -> list[Change]:
        """Refusals first, for they hurt; then the largest group, then the newest."""
        return sorted(self._groups.values(), key=lambda each: (each.allowed, -each.count, -_age(each.newest)))


def _age(moment: datetime | None) -> float:
    return 0.0 if moment is None else moment.timestamp()


def _grouped(question: Question) -> Question:
    """The question as its group has it: short, whatever a caller sent, and with any key for all keys."""
    user = None if question.user is None else truncate(question.user)
    return Question(user, question.operation, _short(question.target))


def _short(target: Target) -> Target:
    names = {kind: _few(getattr(target, kind)) for kind in (*KINDS, "tenants")}
    return Target(**names, keys=(ANY,) if target.keys else ())


def _few(names: tuple[str, ...]) -> tuple[str, ...]:
    more = len(names) - MAX_NAMES
    return (*(truncate(name) for name in names[:MAX_NAMES]), *([f"and {more} more"] if more > 0 else []))
