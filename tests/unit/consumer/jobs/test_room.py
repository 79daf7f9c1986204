"""How many jobs may be fetched, how long fetching rests, and how old what waits is: pure decisions."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumer.jobs.pace import AT_ONCE, MAX_EMPTY, MAX_FAILURE, MAX_FULL, Pace
from consumer.jobs.publish_times import PublishTimes
from consumer.jobs.room import MAX_BATCH, Room
from tests.cases import for_each


def looked(room: Room, ready: int | None) -> Room:
    room.end_look(room.begin_look(), ready)
    return room


def test_nothing_is_fetched_before_the_queue_was_looked_at_or_when_the_broker_does_not_say() -> None:
    room = Room(100)
    assert (room.free, room.portion(beside_stream=False), room.is_full) == (0, 0, True)
    assert looked(room, None).portion(beside_stream=False) == 0
    assert looked(room, 30).free == 70


@for_each([(100, 0, False, 100), (100, 80, False, 20), (100, 81, False, 0), (100, 300, False, 0), (100, 0, True, 50),
           (1, 0, False, 1), (1, 1, False, 0), (3, 2, False, 1), (5000, 0, False, MAX_BATCH),
           (10, 8, True, 1)])  # fmt: skip
def test_a_poll_asks_for_what_is_free_once_a_fifth_is(limit: int, ready: int, beside: bool, asked: int) -> None:
    """And beside a stream for the half of it."""
    assert looked(Room(limit), ready).portion(beside_stream=beside) == asked


def test_what_was_fetched_since_the_look_waits_too_and_what_is_under_way_at_a_look() -> None:
    room = looked(Room(100), 10)
    room.fetch(30)
    assert (room.free, room.under_way) == (60, 30)
    for _ in range(20):
        room.settle()
    assert (room.free, room.under_way) == (60, 10)
    look = room.begin_look()
    room.settle()
    room.fetch(5)
    room.end_look(look, 25)  # of the 20 that are in the queue workers took some
    assert room.free == 100 - 25 - 10 - 5


def test_what_a_poll_asked_for_may_come_at_any_moment() -> None:
    room = looked(Room(100), 0)
    room.ask(60)
    assert (room.free, room.has_space, room.is_full) == (40, True, False)
    room.fetch(40)  # from a stream
    assert room.is_full
    room.end_poll()
    assert room.free == 60


def test_a_queue_that_takes_fewer_than_the_limit_is_sent_about_as_many_as_it_took() -> None:
    """It was declared when the limit was smaller, or a policy bounds it."""
    room, capacity, waiting, refused = Room(100), 20, 0, []
    for _ in range(50):
        asked = looked(room, waiting).portion(beside_stream=False)
        room.fetch(asked)
        took = min(asked, capacity - waiting)
        for n in range(asked):
            if n >= took:
                room.refuse()
            room.settle()
        refused.append(asked - took)
        waiting = max(0, waiting + took - 12)
    assert refused[0] == 80
    assert max(refused[1:]) <= 2
    for _ in range(30):  # somebody deletes the queue, and it is declared anew
        room.fetch(1)
        room.settle()
        looked(room, 0)
    assert room.free == 100


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30)), max_size=30))
def test_however_many_workers_take_no_more_than_the_limit_wait(rounds: list[tuple[int, int]]) -> None:
    room, waiting = Room(20), 0
    for taken, settled in rounds:
        waiting -= min(waiting, taken)
        looked(room, waiting)
        number = room.portion(beside_stream=False)
        room.fetch(number)
        waiting += number
        assert waiting <= 20
        for _ in range(min(room.under_way, settled + number)):
            room.settle()


def test_a_gateway_that_does_not_wait_is_asked_less_and_less_often() -> None:
    pace = Pace(lambda: 1.0)
    rests = [pace.after_poll(0, 0.01) for _ in range(6)]
    assert rests == [pytest.approx(each) for each in (0.1, 0.2, 0.4, 0.8, MAX_EMPTY, MAX_EMPTY)]
    assert (pace.after_poll(0, AT_ONCE), pace.after_poll(0, 0.01)) == (0, pytest.approx(0.1))
    assert (pace.after_poll(3, 0.01), pace.after_poll(0, 0.01)) == (0, pytest.approx(0.1))


def test_a_full_queue_is_looked_at_less_and_less_often_and_what_fails_is_tried_so() -> None:
    pace = Pace(lambda: 1.0)
    assert [pace.after_full() for _ in range(8)][::7] == [pytest.approx(0.02), MAX_FULL]
    pace.after_poll(1, 0.01)
    assert pace.after_full() == pytest.approx(0.02)
    assert [pace.after_failure() for _ in range(8)][::7] == [pytest.approx(0.5), MAX_FAILURE]
    pace.note_success()
    assert pace.after_failure() == pytest.approx(0.5)


def test_the_oldest_that_waits_is_as_old_as_the_newest_so_many_allow() -> None:
    times = PublishTimes(3)
    assert times.age(5, 100.0) == 0
    for now in (10.0, 20.0, 30.0, 40.0):
        times.add(now)
    assert [times.age(ready, 100.0) for ready in (0, 1, 2, 3, 9)] == [0, 60, 70, 80, 80]
    assert times.age(1, 5.0) == 0  # the clock was set back
