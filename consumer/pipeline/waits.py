"""Limits long-running commands in a queue that is shared with short ones."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Mapping

from consumer.core.delivery import Delivery, Handler, Middleware, Reply
from zeebe_amqp import wire
from zeebe_amqp.errors import Code, CommandError

__all__ = ["bounded_waits"]


def bounded_waits(places: Mapping[str, int]) -> Middleware:
    """Refuse long-running commands (long polls, results of instances) above a number per queue.

    Args:
        places: how many may wait at a time, by the name of the queue; queues that are meant for waiting are not in it.
    """

    def around(handler: Handler) -> Handler:
        waiting: Counter[str] = Counter()

        async def hold(delivery: Delivery) -> Reply:
            queue = delivery.message.queue
            if waiting[queue] >= places[queue]:
                raise _crowded(queue, places[queue])
            waiting[queue] += 1
            try:
                return await handler(delivery)
            finally:
                waiting[queue] -= 1

        def choose(delivery: Delivery) -> Awaitable[Reply]:
            is_bounded = delivery.message.queue in places and delivery.request.command.wait() > 0
            return hold(delivery) if is_bounded else handler(delivery)

        return choose

    return around


def _crowded(queue: str, limit: int) -> CommandError:
    return CommandError(
        Code.RESOURCE_EXHAUSTED,
        f"queue {queue!r} already runs {limit} long-running requests, and more would delay the others; "
        f"not executed. Send long-running requests to {wire.POLLS_QUEUE}",
        retryable=True,
        details={"suggestion": wire.POLLS_QUEUE},
    )
