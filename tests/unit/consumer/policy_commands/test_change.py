"""What a policy would change is counted in groups, and callers' names do not fill the memory."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from consumer.policy_commands import change
from consumer.policy_commands.change import MAX_NAMES, Change, Changes
from consumer.policy_commands.question import Question
from consumer.policy_commands.recording import Recorded, Skipped
from tests.unit.consumer.policy_commands.invoking import policy
from zeebe_amqp.commands.target import Target

START = datetime(2026, 1, 1, tzinfo=UTC)


def recorded(
    *processes: str, user: str | None = "alice", allowed: bool = True, at: int | None = 0, complete: bool = True
) -> Recorded:
    question = Question(user, "create-instance", Target(processes=processes))
    return Recorded(question, allowed, None if at is None else START + timedelta(seconds=at), complete)


def changes(*lines: Recorded | Skipped) -> Changes:
    found = Changes(policy())
    found.add_all(lines)
    return found


def told(each: Change) -> tuple[object, ...]:
    return each.group.user, each.group.target, each.group.allowed, each.count


def test_only_decisions_that_would_change_are_told() -> None:
    found = changes(recorded("order"), recorded("x", allowed=False), Skipped.BROKEN, Skipped.BROKEN)
    assert (found.ordered(), found.decisions, found.skipped[Skipped.BROKEN]) == ([], 2, 2)
    found = changes(recorded("x"), recorded("order", allowed=False), recorded("x", complete=False))
    assert [told(each) for each in found.ordered()] == [
        ("alice", Target(processes=("x",)), False, 1),
        ("alice", Target(processes=("x",)), False, 1),
        ("alice", Target(processes=("order",)), True, 1),
    ]
    assert (found.changed, found.uncertain) == ({False: 2, True: 1}, 1)


def test_refusals_come_first_then_what_is_frequent_then_what_is_new() -> None:
    once_old, once_new, twice = (recorded(name, at=at) for name, at in (("a", 1), ("b", 2), ("c", 0)))
    found = changes(once_old, recorded("order", allowed=False), once_new, twice, recorded("d", at=None), twice)
    assert [each.group.target.processes[0] for each in found.ordered() if each.group.target] == [*"cbad", "order"]


def test_the_newest_time_is_told_in_whatever_order_they_come() -> None:
    for order in ((5, None, 9, 1), (9, 1, None), (None, 9)):
        [each] = changes(*(recorded("x", at=at) for at in order)).ordered()
        assert (each.count, each.newest) == (len(order), START + timedelta(seconds=9))
    assert changes(recorded("x", at=None)).ordered()[0].newest is None


def test_names_are_cut_and_few() -> None:
    found = changes(recorded("x" * 10_000, *map(str, range(100)), user="u" * 10_000))
    [each] = found.ordered()
    assert each.group.target is not None
    assert len(each.group.target.processes) == MAX_NAMES + 1
    assert each.group.target.processes[-1] == f"and {101 - MAX_NAMES} more"
    assert max(map(len, (*each.group.target.processes, each.group.user or ""))) <= 200
    assert len(each.why) < 2000


def test_too_many_targets_of_a_user_are_counted_together_and_too_many_users_at_all(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(change, "MAX_GROUPS", 3)
    monkeypatch.setattr(change, "MAX_OTHERS", 2)
    found = changes(*(recorded(f"x{number}") for number in range(10)), recorded("x0"), recorded("x9", user="bob"),
                    *(recorded("x9", user=f"u{number}") for number in range(7)))  # fmt: skip
    assert [(each.group.user, each.group.target is None, each.count) for each in found.ordered()] == [
        ("alice", True, 7), ("alice", False, 2), ("alice", False, 1), ("alice", False, 1), ("bob", True, 1)
    ]  # fmt: skip
    assert (found.ungrouped, found.changed[False], found.decisions) == (7, 19, 19)
