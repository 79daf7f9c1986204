"""The loop on virtual time: processes keep their order, end anywhere, and freeze."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from itertools import product
from random import Random

import pytest

from tests.simulation import loop as loops
from tests.simulation.loop import Livelock, Process, VirtualLoop


def run(work: Callable[[VirtualLoop], Awaitable[None]], seed: int = 0) -> VirtualLoop:
    """A loop in which that was done."""
    loop = VirtualLoop(Random(seed))

    async def main() -> None:
        await work(loop)

    loop.run_until_complete(main())
    loop.close()
    return loop


def begin(loop: VirtualLoop, process: Process, work: Callable[[], Awaitable[None]]) -> asyncio.Task[None]:
    """Begin something in a process."""

    async def main() -> None:
        await work()

    return process.context.run(loop.create_task, main())


def test_time_passes_when_nobody_can_run_and_nobody_waits_for_it() -> None:
    async def work(loop: VirtualLoop) -> None:
        await asyncio.sleep(10_000)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(5):
                await asyncio.Event().wait()
        assert await asyncio.to_thread(sum, [1, 2]) == 3

    assert run(work).time() == 10_005


def story(ends_at: int) -> list[str]:
    """What a process does that dies in the place of a callback; 0: that does not die."""
    told: list[str] = []

    async def live() -> None:
        try:
            for step in range(3):
                told.append(f"step {step}")
                await asyncio.sleep(0 if step else 1)
        finally:
            told.append("end")

    async def work(loop: VirtualLoop) -> None:
        process = Process("a", lambda: told.append("died"))
        process.ends_at = ends_at
        begin(loop, process, live)
        await asyncio.sleep(100)
        assert told[-1] in ("end", "died")
        told.append("later")

    run(work)
    return told[: told.index("later")]


def test_a_process_ends_at_any_await_and_then_nothing_of_it_happens() -> None:
    whole = story(0)
    assert whole == ["step 0", "step 1", "step 2", "end"]
    ends = [story(step) for step in range(1, 6)]
    assert all(end[:-1] == whole[: len(end) - 1] and end[-1] == "died" for end in ends)
    assert {len(end) - 1 for end in ends} == {0, 1, 2, 3}


def test_a_process_keeps_its_order_and_chance_decides_between_processes() -> None:
    def order(seed: int) -> str:
        told: list[str] = []

        async def work(loop: VirtualLoop) -> None:
            for name in "ab":
                for number in range(3):
                    process = processes[name]
                    loop.call_soon(told.append, f"{name}{number}", context=process.context)
            await asyncio.sleep(1)

        processes = {name: Process(name) for name in "ab"}
        run(work, seed)
        return "".join(told)

    orders = {order(seed) for seed in range(40)}
    assert len(orders) > 5
    for name, told in product("ab", orders):
        places = [told.index(f"{name}{number}") for number in range(3)]
        assert places == sorted(places), told


def test_what_is_frozen_goes_on_later() -> None:
    told: list[float] = []

    async def work(loop: VirtualLoop) -> None:
        async def live() -> None:
            while True:
                await asyncio.sleep(1)
                told.append(loop.time())

        process = Process("a")
        begin(loop, process, live)
        await asyncio.sleep(2.5)
        loop.freeze(process)
        await asyncio.sleep(10)
        loop.thaw(process)
        await asyncio.sleep(1.4)

    run(work)
    assert told == [1, 2, 12.5, 13.5]


def test_what_goes_round_in_circles_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loops, "MAX_STEPS", 100)

    async def turn(_: VirtualLoop) -> None:
        while True:  # noqa: ASYNC110 - that is the point
            await asyncio.sleep(0)

    async def wait(_: VirtualLoop) -> None:
        await asyncio.Event().wait()

    for work in (turn, wait):
        with pytest.raises(Livelock):
            run(work)


def test_an_exception_that_nobody_takes_is_a_trouble_unless_its_process_is_gone() -> None:
    async def work(loop: VirtualLoop) -> None:
        loop.call_soon(int, "no number")
        process = Process("a")
        loop.call_soon(int, "nor this", context=process.context)
        loop.kill(process)
        await asyncio.sleep(1)

    [trouble] = run(work).troubles
    assert "no number" in trouble
