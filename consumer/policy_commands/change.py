"""What a policy would change of recorded decisions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Final, NamedTuple

from consumer.core.access import Decision
from consumer.policy_commands.recording import Recorded, Skipped
from consumer.security.policy import Policy
from zeebe_amqp.commands.target import KINDS, Target
from zeebe_amqp.schema.formatting import truncate

__all__ = ["Change", "Changes", "Group"]

MAX_GROUPS: Final = 1000
"""Groups that are told apart by their targets; each takes memory, and whoever calls chooses the names."""
MAX_OTHERS: Final = 1000
"""Groups of all other targets of a user and an operation."""
MAX_NAMES: Final = 5
"""Names of one kind that are told of a target."""
MAX_KEPT: Final = 256
"""Decisions that are kept, since most commands name what others named; each holds up to a line's names."""


class Group(NamedTuple):
    """What decisions have in common that would change alike."""

    user: str | None
    operation: str
    target: Target | None
    """Its names are cut, and its keys are not told apart; None: of many targets."""
    allowed: bool
    """What the policy would say; the opposite was recorded."""
    complete: bool
    """Whether the whole target was recorded, so that this is certain."""


@dataclass
class Change:
    """The decisions of a group."""

    group: Group
    why: str
    """What the policy says about the first of them."""
    count: int = 0
    newest: datetime | None = None

    def add(self, time: datetime | None) -> None:
        """Count a decision."""
        self.count += 1
        if time is not None and (self.newest is None or time > self.newest):
            self.newest = time


class Changes:
    """Compares what was recorded with what a policy decides."""

    def __init__(self, policy: Policy) -> None:
        self.decisions = 0
        """Lines that told a decision."""
        self.uncertain = 0
        """Those of which the target was cut when it was recorded."""
        self.changed: Counter[bool] = Counter()
        """Decisions that would change, by what the policy would say."""
        self.ungrouped = 0
        """Those among them that are in no group, because there are too many others."""
        self.skipped: Counter[Skipped] = Counter()
        self._decide = lru_cache(MAX_KEPT)(policy.judge)
        self._changes: dict[Group, Change] = {}

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
        decision = self._decide(*recorded.question)
        if decision.allowed is not recorded.allowed:
            self._note(recorded, decision)

    def _note(self, recorded: Recorded, decision: Decision) -> None:
        self.changed[decision.allowed] += 1
        if (group := self._room_for(_group(recorded, decision))) is None:
            self.ungrouped += 1
            return
        change = self._changes.setdefault(group, Change(group, decision.reason or decision.rule))
        change.add(recorded.time)

    def _room_for(self, group: Group) -> Group | None:
        """The group, or that of many targets when there are too many."""
        if group in self._changes or len(self._changes) < MAX_GROUPS:
            return group
        wider = Group(group.user, group.operation, None, group.allowed, group.complete)
        return wider if wider in self._changes or len(self._changes) < MAX_GROUPS + MAX_OTHERS else None

    def ordered(self) -> list[Change]:
        """Refusals first, for they hurt; then the largest group, then the newest."""
        return sorted(self._changes.values(), key=lambda each: (each.group.allowed, -each.count, -_age(each.newest)))


def _age(moment: datetime | None) -> float:
    return 0.0 if moment is None else moment.timestamp()


def _group(recorded: Recorded, decision: Decision) -> Group:
    user, operation, target = recorded.question
    known = None if user is None else truncate(user)
    return Group(known, operation, _short(target), decision.allowed, recorded.complete)


def _short(target: Target) -> Target:
    names = {kind: _few(getattr(target, kind)) for kind in (*KINDS, "tenants")}
    return Target(**names, keys=target.keys)


def _few(names: tuple[str, ...]) -> tuple[str, ...]:
    more = len(names) - MAX_NAMES
    return (*(truncate(name) for name in names[:MAX_NAMES]), *([f"and {more} more"] if more > 0 else []))
