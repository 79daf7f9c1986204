"""Who gives something up when there is too much."""

from __future__ import annotations

from collections import defaultdict

from hypothesis import given
from hypothesis import strategies as st

from consumer.ledger import Limits
from consumer.ledger.holdings import Holdings
from consumer.ledger.slack import Slack
from tests.cases import for_each

USERS = [bytes((number,)) for number in range(8)]


class Place:
    """Pieces of some sizes, by user, the oldest first."""

    def __init__(self) -> None:
        self.holdings = Holdings()
        self.pieces: dict[bytes, list[int]] = defaultdict(list)
        self.largest: dict[bytes, int] = defaultdict(int)

    def put(self, user: bytes, size: int) -> None:
        self.pieces[user].append(size)
        self.holdings.add(user, size)
        self.largest[user] = max(self.largest[user], sum(self.pieces[user]))

    def take(self, user: bytes, surplus: int, limit: int) -> int:
        taken, goal = 0, self.holdings.of(user) - surplus
        while taken < limit and self.holdings.of(user) > goal:
            self.holdings.add(user, -self.pieces[user].pop(0))
            taken += 1
        return taken


PUTS = st.lists(st.tuples(st.sampled_from(USERS), st.integers(1, 50), st.booleans()), max_size=200)


@given(PUTS, st.integers(0, 300))
def test_nobody_loses_who_never_held_more_than_an_equal_share(puts: list[tuple[bytes, int, bool]], most: int) -> None:
    place, brought = Place(), defaultdict(int)
    for user, size, look in puts:
        place.put(user, size)
        brought[user] += size
        if look:
            place.holdings.reduce(most, 1000, place.take)
            assert place.holdings.total <= most
    place.holdings.reduce(most, 1000, place.take)
    held = {user: sum(pieces) for user, pieces in place.pieces.items()}
    assert {user: place.holdings.of(user) for user in held} == held
    assert place.holdings.total == sum(held.values()) <= most
    for user, largest in place.largest.items():
        if largest <= most // len(brought):
            assert held[user] == brought[user]


@given(PUTS, st.integers(0, 300), st.integers(1, 5))
def test_it_takes_no_more_than_it_may_and_ends_in_the_end(
    puts: list[tuple[bytes, int, bool]], most: int, limit: int
) -> None:
    place = Place()
    for user, size, _ in puts:
        place.put(user, size)
    for _ in puts:
        before = sum(map(len, place.pieces.values()))
        taken = place.holdings.reduce(most, limit, place.take)
        assert taken == before - sum(map(len, place.pieces.values())) <= limit
    assert place.holdings.total <= most


def test_those_with_equally_much_give_by_turns() -> None:
    place = Place()
    for user in USERS * 10:
        place.put(user, 1)
    assert place.holdings.reduce(64, 1000, place.take) == 16
    assert [len(place.pieces[user]) for user in USERS] == [8] * 8


class Compared(bytes):
    """A user; it is counted how often two are compared."""

    times = 0

    def __lt__(self, other: bytes) -> bool:
        Compared.times += 1
        return super().__lt__(other)


def test_with_very_many_users_a_cut_looks_at_those_with_the_most_alone() -> None:
    """10,000 accounts that hold one piece each; the ranking is made once."""
    users = [Compared(number.to_bytes(4, "big")) for number in range(10_000)]
    holdings = Holdings((user, 1) for user in users)

    def take(user: bytes, surplus: int, limit: int) -> int:
        holdings.add(user, -surplus)
        return 1

    Compared.times = 0
    holdings.reduce(9_999, 5, take)
    first = Compared.times
    for number in range(10):
        holdings.add(users[number], 1)
        holdings.reduce(9_999 - number, 5, take)
    assert Compared.times - first < first / 2, first


@for_each([
    ("rows", [("alice", 0)] * 11, {}),
    ("bytes", [("alice", 60), (None, 60)], {}),
    ("a user's bytes", [("bob", 2), ("alice", 30), ("bob", 2)], {"bob": 300}),
])  # fmt: skip
def test_there_is_a_look_after_a_hundredth(
    name: str, rows: list[tuple[str | None, int]], allowed: dict[str | None, int]
) -> None:
    slack = Slack(Limits(1, max_entries=1000, max_bytes=10_000), allowed.get)
    for _ in range(2):
        assert [slack.is_used_up(*row) for row in rows] == [False] * (len(rows) - 1) + [True]
        assert sorted(slack.renew().values()) == sorted(allowed.values())
