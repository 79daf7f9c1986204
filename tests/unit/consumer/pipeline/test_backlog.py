"""What waits is counted, and is old only while nothing is consumed."""

from __future__ import annotations

from math import isnan

from consumer.pipeline.backlog import INTERVAL, Backlog
from tests.unit.consumer.deliveries import QuickClock
from tests.unit.consumer.workers import until


async def test_requests_that_wait_grow_old_only_while_nothing_is_consumed() -> None:
    counts: list[dict[str, int]] = []
    seen: list[tuple[float, float]] = []
    paused = [False, True, True, True, True, False]
    found = [{"a": 7}, {"a": 7, "b": 0}, {"a": 8}, {"a": 0}, {"a": 1}, {"a": 1}]

    async def count() -> dict[str, int]:
        if counts:
            seen.append((backlog.waiting("a"), backlog.age()))
        counts.append(found[len(counts) % len(found)])
        return counts[-1]

    backlog = Backlog(count, lambda: paused[(len(counts) - 1) % len(paused)], QuickClock())
    backlog.stop()
    assert isnan(backlog.waiting("a"))
    backlog.start()
    await until(lambda: len(seen) >= len(found))
    backlog.stop()
    # Each age is looked at just before the next count, one interval later.
    assert seen[: len(found)] == [
        (7, 0), (7, INTERVAL), (8, 2 * INTERVAL), (0, 0), (1, INTERVAL), (1, 0),
    ]  # fmt: skip


async def test_a_queue_that_cannot_be_counted_is_no_number() -> None:
    async def count() -> dict[str, int]:
        return {"a": 1}

    backlog = Backlog(count, lambda: True, QuickClock())
    backlog.start()
    await until(lambda: backlog.waiting("a") == 1)
    backlog.stop()
    assert isnan(backlog.waiting("b"))
