"""What is held in memory is bounded by bytes: large bodies wait in files, and fewer are taken while they are large."""

from __future__ import annotations

import asyncio
import os
import resource
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from consumer.rabbitmq.held import HeldBytes, Spilled
from consumer.rabbitmq.prefetch import Prefetch
from zeebe_amqp import wire
from zeebe_amqp.amqp import frames
from zeebe_amqp.amqp.hot import Incoming
from zeebe_amqp.amqp.properties import Properties

SIZE = 100_000
PIECES = [os.urandom(40_000), os.urandom(40_000), os.urandom(20_000)]
BODY = b"".join(PIECES)
made: list[Any] = []
MIB = 2**20
BOUND = 64 * MIB


@asynccontextmanager
async def room(maximum: int, folder: Path) -> AsyncIterator[HeldBytes]:
    """Room for so many bytes."""
    held = HeldBytes(maximum, folder)
    yield held
    while made:
        made.pop().drop()
    held.close()


@pytest.fixture
async def held(tmp_path: Path) -> AsyncIterator[HeldBytes]:
    """Room for two bodies and a half."""
    async with room(250_000, tmp_path / "state") as held:
        yield held


@pytest.fixture
async def wide(tmp_path: Path) -> AsyncIterator[HeldBytes]:
    """Room for four bodies, and so for two of one user."""
    async with room(4 * SIZE, tmp_path / "state") as held:
        yield held


def incoming(user: str | None = None, size: int = SIZE) -> Incoming:
    """A message of a user, without its body."""
    message = Incoming(b"", 1, False)
    message.size = size
    message.header = b"\0" * frames.PROPERTIES + Properties(user_id=user).write()
    return message


def gathered(held: HeldBytes, user: str | None = None) -> Any:
    """A body that came."""
    found = held.gather(incoming(user))
    for piece in PIECES:
        found.add(piece)
    return found


def spilled(held: HeldBytes, user: str | None = None) -> Any:
    """A body that came when there was no room."""
    made.append(found := gathered(held, user))
    assert (type(found), found.end()) == (Spilled, None)
    return found


async def test_a_body_stays_in_memory_while_there_is_room_and_counts_until_it_is_dropped(held: HeldBytes) -> None:
    dropped = held.gather(incoming())
    dropped.add(PIECES[0])
    dropped.drop()
    assert held.total == 0
    for expected in (SIZE, 2 * SIZE):
        assert gathered(held).end() == BODY
        assert held.total == expected
    spilled(held)


async def test_a_body_comes_back_from_its_file_as_it_was_and_counts_while_it_is_held(held: HeldBytes) -> None:
    held.hold(240_000)
    body = spilled(held)
    assert held.total == 240_000
    held.release(240_000)
    assert await held.fetch(body, SIZE, None) == BODY
    assert held.total == SIZE
    held.release_fetched(SIZE, None)
    assert held.total == 0


async def test_bodies_come_back_in_their_turn_as_others_are_done(held: HeldBytes) -> None:
    """One goes on in any case, or small requests could keep the large ones out."""
    held.hold(240_000)
    fetching = [asyncio.create_task(held.fetch(spilled(held), SIZE, None)) for _ in range(5)]

    async def came(number: int) -> None:
        await asyncio.wait_for(fetching[number - 1], 5)
        await asyncio.sleep(0.05)
        assert [each.done() for each in fetching] == [True] * number + [False] * (5 - number)

    await came(1)
    held.release(240_000)
    await came(2)
    for number in range(3, 6):
        assert held.total == 2 * SIZE
        held.release_fetched(SIZE, None)
        await came(number)


async def test_who_stops_waiting_for_room_takes_none_or_gives_it_back_when_it_has_just_come(held: HeldBytes) -> None:
    held.hold(240_000)
    first, second, third, fourth = (spilled(held) for _ in range(4))
    await held.fetch(first, SIZE, None)
    waiting, after = (asyncio.create_task(held.fetch(each, SIZE, None)) for each in (second, third))
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.wait({waiting})
    held.release_fetched(SIZE, None)
    assert await after == BODY
    assert held.total == 240_000 + SIZE

    waiting = asyncio.create_task(held.fetch(second, SIZE, None))
    await asyncio.sleep(0)
    held.release_fetched(SIZE, None)
    waiting.cancel()
    await asyncio.wait({waiting})
    assert held.total == 240_000
    assert await held.fetch(fourth, SIZE, None) == BODY


async def test_one_users_bodies_go_to_files_while_there_is_memory_for_those_of_others(wide: HeldBytes) -> None:
    for user, expected in (("mallory", False), ("mallory", False), ("mallory", True), ("alice", False), (None, False)):
        body = spilled(wide, user) if expected else gathered(wide, user)
        assert isinstance(body, Spilled) is expected, user


async def test_bodies_that_come_back_take_turns_by_user_and_who_holds_a_share_is_passed_over(wide: HeldBytes) -> None:
    came: list[str] = []
    wide.hold(4 * SIZE)

    async def fetch(user: str) -> None:
        assert await wide.fetch(spilled(wide, user), SIZE, user) == BODY
        came.append(user[0])

    fetching = [asyncio.create_task(fetch(user)) for user in ["mallory"] * 5 + ["alice"] * 2]

    async def settle(expected: str) -> None:
        async with asyncio.timeout(5):
            while len(came) < len(expected):  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        await asyncio.sleep(0.05)
        assert "".join(sorted(came)) == expected

    await settle("m")
    wide.release(4 * SIZE)  # both come in turn, until mallory holds two of four and has to leave the last one
    await settle("amm")
    released = ("mallory", "ammm"), ("alice", "aammm"), ("mallory", "aammmm"), ("mallory", "aammmmm")
    for user, expected in released:
        wide.release_fetched(SIZE, user)
        await settle(expected)
    await asyncio.gather(*fetching)


async def test_a_body_comes_back_at_once_while_only_bodies_of_users_with_a_full_share_wait(wide: HeldBytes) -> None:
    wide.hold(4 * SIZE)
    bodies = {name: spilled(wide, name[:-1]) for name in ("mallory1", "mallory2", "mallory3", "alice1")}
    wide.release(4 * SIZE)
    for name in ("mallory1", "mallory2"):
        await asyncio.wait_for(wide.fetch(bodies[name], SIZE, "mallory"), 5)
    third = asyncio.create_task(wide.fetch(bodies["mallory3"], SIZE, "mallory"))
    await asyncio.sleep(0)
    assert await asyncio.wait_for(wide.fetch(bodies["alice1"], SIZE, "alice"), 5) == BODY
    assert not third.done()
    wide.release_fetched(SIZE, "mallory")
    await asyncio.wait_for(third, 5)


async def test_a_large_body_is_not_passed_over_by_small_ones_of_others_for_want_of_room(wide: HeldBytes) -> None:
    wide.hold(4 * SIZE)

    def fetch(user: str, size: int) -> asyncio.Task[bytes]:
        return asyncio.create_task(wide.fetch(spilled(wide, user), size, user))

    await asyncio.wait_for(fetch("x", SIZE), 5)
    large = fetch("alice", 3 * SIZE)
    await asyncio.sleep(0)
    small = fetch("bob", SIZE)
    await asyncio.sleep(0)
    wide.release(2 * SIZE)
    assert wide.total == 3 * SIZE, "nothing came back"
    wide.release(2 * SIZE)
    await asyncio.wait_for(large, 5)
    small.cancel()
    await asyncio.wait([small])


async def test_a_body_that_cannot_be_written_stays_in_memory_and_is_not_lost(held: HeldBytes, caplog: Any) -> None:
    held.hold(240_000)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, before[1]))  # the first piece fits, the second in part
    try:
        assert await spilled(held).read() == BODY
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert "cannot be written to a file, and waits in memory" in caplog.text


async def test_where_no_file_can_be_made_a_body_stays_in_memory(tmp_path: Path, caplog: Any) -> None:
    (tmp_path / "file").touch()
    assert gathered(HeldBytes(1, tmp_path / "file")).end() == BODY
    assert "waits in memory" in caplog.text


async def test_its_file_has_no_name_and_a_dropped_body_closes_it(held: HeldBytes, tmp_path: Path) -> None:
    held.hold(240_000)
    body = spilled(held)
    await body.read()
    assert list((tmp_path / "state").iterdir()) == []
    body.drop()
    with pytest.raises(ValueError, match="closed"):
        await body.read()


def advised(prefetch: Prefetch, *sizes: int) -> int:
    """What the broker has been told after bodies of these sizes."""
    for size in sizes:
        window = prefetch.window
        if prefetch.note(size):
            prefetch.begin()
        window.done(size)
    return prefetch.value


def test_places_that_are_few_because_of_large_bodies_are_not_filled_by_small_ones_that_wait() -> None:
    prefetch = Prefetch(2000, BOUND)
    assert advised(prefetch, *[4 * MIB] * 100) < 32
    few = prefetch.value
    for number in range(500):
        due = prefetch.note(500) and prefetch.is_stuck
        assert due == ((number + 1) % few == 0), number
        if due:
            prefetch.restart()
        for window in [prefetch.window] * 20:  # large ones pass
            prefetch.note(4 * MIB)
            window.done(4 * MIB)


def test_small_ones_that_wait_get_no_more_places_than_while_bodies_are_small() -> None:
    prefetch = Prefetch(200, BOUND)
    advised(prefetch, *[4 * MIB] * 100)
    for number in range(1000):
        if prefetch.note(500) and prefetch.is_stuck:
            assert number < 200
            prefetch.restart()
        for _ in range(20):  # large ones pass
            window = prefetch.window
            prefetch.note(4 * MIB)
            window.done(4 * MIB)
    assert prefetch.value < 32, "they were few all the time"


def test_with_care_one_is_taken_at_a_time_and_afterwards_as_many_as_ever() -> None:
    """What waits keeps its place, and another consumer takes over with one more."""
    prefetch = Prefetch(128, BOUND)
    prefetch.is_careful = True
    prefetch.begin()
    assert advised(prefetch, *[500] * 200) == 1
    for number in range(200):
        assert prefetch.note(500) == (number < 127), number
        prefetch.restart()
    prefetch.is_careful = False
    assert prefetch.is_due
    prefetch.begin()
    assert prefetch.value == 128


def test_places_that_large_bodies_take_are_not_multiplied() -> None:
    prefetch = Prefetch(2000, BOUND)
    advised(prefetch, *[4 * MIB] * 100)
    taken = [(prefetch.note(4 * MIB), prefetch.is_stuck, prefetch.window) for _ in range(100)]
    assert not any(stuck for _, stuck, _ in taken)
    for _, _, window in taken:
        window.done(4 * MIB)
    assert (prefetch.held, prefetch.held_bytes, prefetch.window.held) == (0, 0, 0)


def test_small_bodies_and_a_large_one_among_them_and_bodies_above_the_limit_change_nothing() -> None:
    """Of a body above the limit counts what is kept of it."""
    for sizes in ([500] * 10_000, ([500] * 100 + [7 * MIB]) * 50, [90 * MIB] * 100):
        assert advised(Prefetch(128, BOUND), *sizes) == 128, sizes[:3]


def test_large_bodies_make_it_as_small_as_the_bound_allows_but_never_less_than_one() -> None:
    for size, expected in ((7 * MIB, 9), (MIB, 64), (wire.MAX_BODY, 8)):
        found = advised(Prefetch(128, BOUND), *[size] * 100)
        assert expected <= found < 2 * expected, f"bodies of {size} bytes: {found}"
    assert advised(Prefetch(128, MIB), *[wire.MAX_BODY] * 100) == 1


def test_it_grows_again_to_what_it_was_and_does_not_swing_with_sizes_that_vary() -> None:
    prefetch = Prefetch(128, BOUND)
    assert advised(prefetch, *[7 * MIB] * 100) < 20
    assert advised(prefetch, *[500] * 200) == 128
    advised(prefetch, *[2 * MIB] * 100)
    values = [advised(prefetch, size) for size in (MIB, 3 * MIB) * 200]
    assert len(set(values)) <= 2
