"""One user never takes all the places, and nobody's are kept for nobody."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from consumer.core.shares import Shares
from tests.cases import for_each


def greedy(shares: Shares, *users: str) -> list[int]:
    """What each holds when all of them, in turn, take whatever they may."""
    while sum(_took(shares, user) for user in users):
        pass
    return [shares.held(user) for user in users]


def _took(shares: Shares, user: str | None) -> bool:
    if not shares.has_room(user):
        return False
    shares.take(user)
    return True


@for_each([
    (100, 1, [50]), (100, 2, [33, 33]), (100, 3, [25, 25, 25]), (1, 2, [1, 0]), (2, 2, [1, 1]), (3, 1, [2]),
])  # fmt: skip
def test_one_user_alone_gets_half_two_get_a_third_each_and_there_is_always_one_place(
    size: int, users: int, expected: list[int]
) -> None:
    found = greedy(Shares(lambda: size), *"abc"[:users])
    assert all(abs(each - wanted) <= 1 for each, wanted in zip(found, expected, strict=True)), found
    assert sum(found) <= size


@given(st.integers(2, 10_000))
def test_whatever_one_user_took_the_next_one_finds_room(size: int) -> None:
    shares = Shares(lambda: size)
    greedy(shares, "mallory")
    assert shares.has_room("alice")
    assert shares.has_room(None)


def test_without_the_share_everything_that_is_free_may_be_taken_and_no_more() -> None:
    shares = Shares(lambda: 10)
    while shares.has_room("a", shared=False):
        shares.take("a")
    assert (shares.held("a"), shares.free) == (10, 0)


def test_what_is_larger_than_the_pool_goes_alone() -> None:
    shares = Shares(lambda: 10)
    assert shares.has_room("a", 50)
    shares.take("a", 50)
    assert not shares.has_room("b")
    shares.release("a", 50)
    assert shares.has_room("b", 50)


def test_a_pool_that_shrank_takes_nobody_until_enough_was_given_back() -> None:
    size = 10
    shares = Shares(lambda: size)
    greedy(shares, "a")
    size = 4
    assert not shares.has_room("b")
    shares.release("a", 3)
    assert shares.has_room("b")


@given(st.lists(st.tuples(st.sampled_from(["a", "b", None]), st.integers(1, 9)), max_size=50))
def test_who_gave_everything_back_is_forgotten(taken: list[tuple[str | None, int]]) -> None:
    shares = Shares(lambda: 1000)
    for user, amount in taken:
        shares.take(user, amount)
    assert shares.taken == sum(amount for _, amount in taken)
    for user, amount in taken:
        shares.release(user, amount)
    assert (shares.taken, shares.users, shares.held("a")) == (0, 0, 0)
