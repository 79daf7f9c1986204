"""The limit follows what the engine says, and the limiter follows the limit."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from consumer.core.limiter import AimdLimit, ConcurrencyLimiter
from tests.cases import for_each


@given(st.integers(1, 200), st.lists(st.tuples(st.booleans(), st.integers(0, 3))))
def test_the_limit_stays_within_its_bounds_whatever_is_answered(most: int, answers: list[tuple[bool, int]]) -> None:
    limit = AimdLimit(most)
    for done, rounds_ago in answers:
        if done:
            limit.record_success()
        else:
            limit.record_refusal(limit.round - rounds_ago)
        assert 1 <= limit.value <= most


@given(st.integers(1, 200), st.integers(1, 100))
def test_refusals_of_one_round_shrink_the_limit_once(most: int, refusals: int) -> None:
    limit = AimdLimit(most)
    sent = limit.round
    for _ in range(refusals):
        limit.record_refusal(sent)
    assert limit.value == max(1, int(most * 0.7))


@given(st.integers(2, 60))
def test_as_many_successes_as_the_limit_allows_add_at_most_one_until_it_is_back(most: int) -> None:
    limit = AimdLimit(most)
    for _ in range(20):
        limit.record_refusal(limit.round)
    for _ in range(2 * most):
        before = limit.value
        for _ in range(before):
            limit.record_success()
        assert before <= limit.value <= before + 1
    assert limit.value == most


async def started(*visits: Coroutine[Any, Any, object]) -> list[asyncio.Task[object]]:
    """Tasks that have done what they can."""
    tasks = [asyncio.create_task(visit) for visit in visits]
    for _ in range(5):
        await asyncio.sleep(0)
    return tasks


def done(tasks: list[asyncio.Task[object]]) -> list[bool]:
    return [task.done() for task in tasks]


async def test_a_smaller_limit_lets_nobody_in_until_enough_left_and_a_larger_one_several_at_once_in_order() -> None:
    limit = AimdLimit(4)
    limiter = ConcurrencyLimiter(limit)
    for _ in range(4):
        await limiter.acquire()
    limit.record_refusal(limit.round)  # 2
    waiting = await started(*(limiter.acquire() for _ in range(4)))
    limiter.release()
    limiter.release()
    await started()
    assert done(waiting) == [False] * 4
    for _ in range(20):
        limit.record_success()  # 4
    limiter.release()
    await started()
    assert done(waiting) == [True, True, True, False]
    limiter.release()
    await waiting[-1]


async def test_a_user_who_comes_late_waits_for_one_of_another_users_and_not_for_all_of_them() -> None:
    limiter = ConcurrencyLimiter(AimdLimit(1))
    await limiter.acquire("mallory")
    flood = await started(*(limiter.acquire("mallory") for _ in range(50)))
    alice, nobody = await started(limiter.acquire("alice"), limiter.acquire(None))
    for expected in ((1, False, False), (1, True, False), (1, True, True), (2, True, True)):
        limiter.release()
        await started()
        assert (sum(done(flood)), alice.done(), nobody.done()) == expected
    for _ in flood:
        limiter.release()
    await asyncio.gather(*flood)


async def test_who_comes_back_waits_in_the_line_of_the_same_user() -> None:
    limiter, going = ConcurrencyLimiter(AimdLimit(1)), asyncio.Event()

    async def leave() -> None:
        await limiter.acquire("mallory")
        async with limiter.release_for_others("mallory"):
            await going.wait()

    [back] = await started(leave())
    await limiter.acquire("mallory")
    waiting = [*await started(*map(limiter.acquire, ("mallory", "alice", "mallory"))), back]
    going.set()
    await started()
    for number in range(1, 5):
        assert not waiting[number - 1].done()
        limiter.release()
        await started()
        assert done(waiting) == [True] * number + [False] * (4 - number)


@for_each([False, True])
async def test_who_stops_waiting_leaves_the_place_to_the_next(given: bool) -> None:
    limiter = ConcurrencyLimiter(AimdLimit(1))
    await limiter.acquire()
    first, second = await started(limiter.acquire(), limiter.acquire())
    if given:
        limiter.release()
    first.cancel()
    await started()
    if not given:
        limiter.release()
    await second
    assert first.cancelled()


@for_each(["it goes on", "it is cancelled outside", "it is cancelled while it waits to come back"])
async def test_who_leaves_for_a_while_has_a_place_again_before_going_on_and_takes_none_with_it(end: str) -> None:
    limiter, going = ConcurrencyLimiter(AimdLimit(1)), asyncio.Event()

    async def leave() -> None:
        await limiter.acquire()
        try:
            async with limiter.release_for_others():
                await going.wait()
        finally:
            limiter.release()

    [away] = await started(leave())
    assert limiter.try_acquire()
    if end != "it is cancelled outside":
        going.set()
        await started()
        assert not away.done()
    if end != "it goes on":
        away.cancel()
        await asyncio.wait([away])
    others = await started(limiter.acquire(), limiter.acquire())
    assert done(others) == [False, False]
    limiter.release()
    await started()
    assert done(others) == [True, False]
    limiter.release()
    await asyncio.gather(others[1], away, return_exceptions=True)
