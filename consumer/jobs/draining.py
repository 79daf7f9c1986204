"""Waiting for the answers that wait: those in their queue, and those that came and are not done."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection
from typing import Final

from consumer.core.clock import Clock
from consumer.core.delivery import Delivery
from zeebe_amqp.amqp.depth import QueueState
from zeebe_amqp.jobs.names import RESULTS

__all__ = ["drain_answers"]

LOOK: Final = 0.2
"""Seconds between two looks."""


async def drain_answers(
    measure: Callable[[str], Awaitable[QueueState | None]], held: Callable[[], Collection[Delivery]], clock: Clock
) -> None:
    """Wait until the queue of answers was empty once, and what had been taken out of it by then is done.

    Where answers come all the time, there is always one that is being handled: it is not waited for.

    Args:
        measure: the state of a queue; None when it is not known.
        held: the answers that are being handled.
        clock: what waits uses it.
    """
    while (state := await measure(RESULTS)) is None or state.waiting:
        await clock.sleep(LOOK)
    taken = set(held())
    while not taken.isdisjoint(held()):
        await clock.sleep(LOOK)
