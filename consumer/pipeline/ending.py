"""How the way of a request through the service ended, for whoever tells of it."""

from __future__ import annotations

from collections.abc import Awaitable
from enum import Enum
from typing import Protocol

from consumer.core.delivery import Delivery, Reply

__all__ = ["Audit", "Ending", "Report", "ignore"]


class Ending(Enum):
    """What became of a request and its reply."""

    SETTLED = "its reply is with the broker, or nobody waits for one and it succeeded, or said in vain how a job ended"
    DEAD_LETTERED = "it is in the dead-letter queue"
    DROPPED = "its reply could not be delivered"
    RETURNED = "it went back to its queue after it was sent to the engine: it comes again, unless it has expired"


class Report(Protocol):
    """Is told of each request that ended."""

    def __call__(self, delivery: Delivery, reply: Reply, ending: Ending, reason: str = "") -> None:
        """The request of `delivery` ended with `reply`; `reason` says why that was dropped. Never raises."""


class Audit(Protocol):
    """Records each request that ended, before it is acknowledged."""

    def __call__(self, delivery: Delivery, reply: Reply, ending: Ending) -> Awaitable[None]:
        """Done when it is recorded, however long that takes. Never fails, but may be cancelled."""


def ignore(delivery: Delivery, reply: Reply, ending: Ending, reason: str = "") -> None:
    """Tell nobody."""
