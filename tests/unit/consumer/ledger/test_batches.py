"""Batches: what waits together is done together."""

from __future__ import annotations

import asyncio

import pytest

from consumer.ledger.batches import Batches, End


class Worker:
    """Does batches when it is told to; the answer is the item, doubled."""

    def __init__(self) -> None:
        self.asked: list[list[int]] = []
        self.end: End[int]

    def __call__(self, items: list[int], end: End[int]) -> None:
        self.asked.append(items)
        self.end = end

    async def answer(self) -> None:
        self.end([2 * item for item in self.asked[-1]], None)
        await turn()


async def turn() -> None:
    for _ in range(4):
        await asyncio.sleep(0)


async def test_what_comes_in_one_turn_and_while_a_batch_is_done_goes_together_up_to_the_most() -> None:
    worker = Worker()
    batches: Batches[int, int] = Batches(worker, 3)
    answers = [batches.put(item) for item in (1, 2)]
    await turn()
    answers += [batches.put(item) for item in (3, 4, 5, 6)]
    idle = asyncio.create_task(batches.idle())
    for _ in range(3):
        await turn()
        assert not idle.done()
        await worker.answer()
    assert worker.asked == [[1, 2], [3, 4, 5], [6]]
    assert await asyncio.gather(*answers) == [2, 4, 6, 8, 10, 12]
    await idle


async def test_what_waits_behind_a_failure_fails_with_it_and_the_next_batch_is_done() -> None:
    """Also when nobody waits for some of it any more."""
    worker = Worker()
    batches: Batches[int, int] = Batches(worker, 2)
    answers = [batches.put(item) for item in (1, 2, 3)]
    answers.pop(0).cancel()
    await turn()
    worker.end(None, OSError("full"))
    for answer in answers:
        with pytest.raises(OSError, match="full"):
            await answer
    batches.put(4).cancel()
    later = batches.put(5)
    await turn()
    await worker.answer()
    assert (await later, worker.asked) == (10, [[1, 2], [4, 5]])
    await batches.idle()
