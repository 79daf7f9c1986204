"""Users take turns; what one user sent keeps its order."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from consumer.core.turns import Turns


def filled(*items: tuple[str | None, int]) -> Turns[tuple[str | None, int]]:
    turns: Turns[tuple[str | None, int]] = Turns()
    for item in items:
        turns.add(item[0], item)
    return turns


@given(st.lists(st.tuples(st.sampled_from(["a", "b", "c", None]), st.integers()), max_size=60))
def test_everybody_comes_once_in_their_own_order_and_nobody_twice_while_another_waits(
    items: list[tuple[str | None, int]],
) -> None:
    turns, left = filled(*items), list(items)
    served: list[str | None] = []
    while turns:
        user, number = turns.take()
        assert (user, number) == next(each for each in left if each[0] == user)
        left.remove((user, number))
        if served and served[-1] == user:
            assert {each for each, _ in left} <= {user}
        served.append(user)
    assert not left


def test_who_may_not_go_is_passed_over_and_who_must_be_waited_for_holds_up_all() -> None:
    turns = filled(("a", 1), ("b", 1), ("a", 2))
    assert turns.find(lambda user, _: user != "a") == ("b", ("b", 1))
    assert turns.find(lambda user, _: user != "a") is None
    turns.add("b", ("b", 2))
    assert turns.find(lambda user, _: None if user == "a" else True) is None
    assert [turns.take() for _ in range(3)] == [("a", 1), ("b", 2), ("a", 2)]
    assert not turns
