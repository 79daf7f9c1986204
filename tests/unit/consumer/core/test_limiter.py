"""The limit follows what the engine says, and the limiter follows the limit."""

from __future__ import annotations

import asyncio

from hypothesis import given, settings
from hypothesis import strategies as st

from consumer.core.limiter import AimdLimit, ConcurrencyLimiter
from tests.cases import for_each

unhurried = settings(deadline=None)
"""The machine may be busy."""


@unhurried
@given(st.integers(1, 200), st.lists(st.tuples(st.booleans(), st.integers(0, 3))))
def test_the_limit_stays_within_its_bounds_whatever_is_answered(most: int, answers: list[tuple[bool, int]]) -> None:
    limit = AimdLimit(most)
    for done, rounds_ago in answers:
        if done:
            limit.record_success()
        else:
            limit.record_refusal(limit.round - rounds_ago)
        assert 1 <= limit.value <= most


@unhurried
@given(st.integers(1, 200), st.integers(1, 100))
def test_refusals_of_one_round_shrink_the_limit_once(most: int, refusals: int) -> None:
    limit = AimdLimit(most)
    sent = limit.round
    for _ in range(refusals):
        limit.record_refusal(sent)
    assert limit.value == max(1, int(most * 0.7))


@unhurried
@given(st.integers(2, 200))
def test_as_many_successes_as_the_limit_allows_add_at_most_one(most: int) -> None:
    limit = AimdLimit(most)
    limit.record_refusal(limit.round)
    before = limit.value
    for _ in range(before):
        limit.record_success()
    assert before <= limit.value <= before + 1


@unhurried
@given(st.integers(1, 60))
def test_the_limit_comes_back_to_where_it_was(most: int) -> None:
    limit = AimdLimit(most)
    for _ in range(20):
        limit.record_refusal(limit.round)
    for _ in range((most + 1) ** 2):
        limit.record_success()
    assert limit.value == most


async def settle_down() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_a_gate_lets_in_as_many_as_the_limit_says_in_order() -> None:
    limiter, inside = ConcurrencyLimiter(AimdLimit(2)), list[int]()

    async def visit(number: int) -> None:
        await limiter.acquire()
        inside.append(number)

    tasks = [asyncio.create_task(visit(number)) for number in range(4)]
    await settle_down()
    assert inside == [0, 1]
    limiter.release()
    await settle_down()
    assert inside == [0, 1, 2]
    limiter.release()
    await asyncio.gather(*tasks)
    assert inside == [0, 1, 2, 3]


async def test_a_smaller_limit_lets_nobody_in_until_enough_left_and_a_larger_one_several_at_once() -> None:
    limit = AimdLimit(4)
    limiter = ConcurrencyLimiter(limit)
    for _ in range(4):
        await limiter.acquire()
    limit.record_refusal(limit.round)  # 2
    waiting = [asyncio.create_task(limiter.acquire()) for _ in range(4)]
    limiter.release()
    limiter.release()
    await settle_down()
    assert not any(task.done() for task in waiting)
    for _ in range(20):
        limit.record_success()  # 4
    limiter.release()
    await settle_down()
    assert [task.done() for task in waiting] == [True, True, True, False]
    limiter.release()
    await asyncio.gather(*waiting)


@for_each([False, True])
async def test_who_stops_waiting_leaves_the_place_to_the_next(given: bool) -> None:
    limiter = ConcurrencyLimiter(AimdLimit(1))
    await limiter.acquire()
    first, second = asyncio.create_task(limiter.acquire()), asyncio.create_task(limiter.acquire())
    await settle_down()
    if given:
        limiter.release()
    first.cancel()
    await settle_down()
    if not given:
        limiter.release()
    await second
    assert first.cancelled()


async def test_who_leaves_for_a_while_has_a_place_again_before_going_on() -> None:
    limiter, going = ConcurrencyLimiter(AimdLimit(1)), asyncio.Event()
    events = list[str]()

    async def first() -> None:
        await limiter.acquire()
        async with limiter.release_for_others():
            await going.wait()
        events.append("first")
        limiter.release()

    task = asyncio.create_task(first())
    await settle_down()
    await limiter.acquire()
    going.set()
    await settle_down()
    events.append("second")
    limiter.release()
    await task
    assert events == ["second", "first"]


@for_each([False, True])
async def test_who_ends_outside_takes_no_place_with_it_and_leaves_none_too_many(returning: bool) -> None:
    limiter, going = ConcurrencyLimiter(AimdLimit(1)), asyncio.Event()

    async def away() -> None:
        await limiter.acquire()
        try:
            async with limiter.release_for_others():
                await going.wait()
        finally:
            limiter.release()

    task = asyncio.create_task(away())
    await settle_down()
    await limiter.acquire()
    if returning:
        going.set()
        await settle_down()
    task.cancel()
    await asyncio.wait([task])
    second, third = asyncio.create_task(limiter.acquire()), asyncio.create_task(limiter.acquire())
    await settle_down()
    assert not second.done()
    limiter.release()
    await settle_down()
    assert (second.done(), third.done()) == (True, False)
    limiter.release()
    await third
