"""Places of waiting requests, by user: one user's polls, results and repetitions never take those that others need.

Whatever waits holds a place at the broker, which delivers only so many at a time, and in a queue of commands a
long-running request holds a slot as well. Each user has a share of both; above it a request is refused at once, because
AMQP has no "later".
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple

from consumer.core import count as counting
from consumer.core.access import NO_LIMITS, UserLimits
from consumer.core.count import Count
from consumer.core.delivery import Delivery, Handler, Middleware, Reply
from consumer.core.shares import Shares
from zeebe_amqp import wire
from zeebe_amqp.errors import Code, CommandError, Outcome

__all__ = ["LIMIT", "LIMITS", "Place", "QueuePlaces", "Waits", "bounded"]

_SHARE: Final = "share"
LIMIT: Final = "limit"
"""A reason of the counter of refused requests: the sender would take more than the policy allows."""
LIMITS: Final = (_SHARE, LIMIT)
"""The reasons of the counter of refused requests that concern what their sender takes already."""

COUNTED: Final = 64 * 1024
"""Bytes of a long-running request's body from which on they are counted: those that could wait in files."""
MAX_USER: Final = 80
"""Characters of a user's name in an error."""

_LATER: Final = "retry when one of them has ended"


class _Fate(NamedTuple):
    """What is said of a request that is refused."""

    words: str
    outcome: Outcome


_NOT_RUN: Final = _Fate("not executed", Outcome.NOT_EXECUTED)
_MAY_HAVE_RUN: Final = _Fate("not run again, and an earlier delivery of it may have been executed", Outcome.UNKNOWN)


@dataclass(frozen=True, slots=True)
class QueuePlaces:
    """What the deliveries of one queue share while they wait."""

    held: Shares
    """Deliveries that the broker lets us hold at a time."""
    slots: Shares | None = None
    """Slots for long-running requests; None where all slots are for those."""


class Place:
    """What a delivery holds while it waits or runs; another one of the same user may take it over."""

    __slots__ = ("_amounts", "_user", "queue")

    def __init__(self, queue: str, user: str | None, amounts: tuple[tuple[Shares, int], ...]) -> None:
        self.queue = queue
        self._user, self._amounts = user, amounts
        for pool, amount in amounts:
            pool.take(user, amount)

    def leave(self) -> None:
        """Somebody else may have it."""
        for pool, amount in self._amounts:
            pool.release(self._user, amount)


class Waits:
    """Decides who may wait, and who may run more commands.

    Args:
        queues: what is shared, by the name of the queue; in others everything may wait.
        max_bytes: of the large bodies of long-running requests, over all queues.
        limits: what a user may take, as a policy says.
        count: counts requests that are refused.
    """

    def __init__(
        self,
        queues: Mapping[str, QueuePlaces],
        max_bytes: int = 2**63,
        limits: Callable[[str | None], UserLimits] = lambda _: NO_LIMITS,
        count: Count = counting.ignore,
    ) -> None:
        self._queues = queues
        self._limits = limits
        self._count = count
        self._bytes = Shares(lambda: max_bytes)
        self._waiting, self._running = Shares(lambda: 2**63), Shares(lambda: 2**63)
        self._one_runs = ((self._running, 1),)

    def wait(self, delivery: Delivery) -> Place:
        """Take a place for a delivery that waits, without a slot, for another run of its request.

        Raises:
            CommandError: RESOURCE_EXHAUSTED; its user holds as many as may be. What runs may be an earlier delivery of
                the same message: of one that was delivered before, the outcome is unknown.
        """
        message = delivery.message
        fate = _MAY_HAVE_RUN if message.redelivered else _NOT_RUN
        held = self._held(delivery, self._limits(message.user_id), fate)
        return Place(message.queue, message.user_id, (*held, *self._body(delivery, fate)))

    def run(self, delivery: Delivery) -> Place | None:
        """Take what a command needs to run; None for one that needs nothing.

        Raises:
            CommandError: RESOURCE_EXHAUSTED; its user holds as many as may be.
        """
        command, message = delivery.request.command, delivery.message
        if command.exempt_from_limit:  # they relieve the engine, and end what others wait for
            return None
        limits, waits = self._limits(message.user_id), command.wait() > 0
        if not waits and limits.in_flight is None:
            return None
        if limits.in_flight is not None and self._running.held(message.user_id) >= limits.in_flight:
            running = f"{self._running.held(message.user_id)} {_of('commands', message.user_id)} are running already"
            raise self._over("in_flight", running, _NOT_RUN)
        amounts: tuple[tuple[Shares, int], ...] = self._one_runs
        if waits:
            held, body = self._held(delivery, limits, _NOT_RUN), self._body(delivery, _NOT_RUN)
            amounts = (*amounts, *self._slot(delivery, limits), *held, *body)
        return Place(message.queue, message.user_id, amounts)

    def _slot(self, delivery: Delivery, limits: UserLimits) -> Iterator[tuple[Shares, int]]:
        queue, user = delivery.message.queue, delivery.message.user_id
        slots = self._queues[queue].slots if queue in self._queues else None
        if slots is None:
            return
        if not slots.has_room(user, shared=limits.waiting is None):
            raise self._shared(
                f"queue {queue!r} runs {slots.held(user)} long-running {_of('requests', user)} and "
                f"{slots.taken - slots.held(user)} of others, and one more would delay others; "
                f"not executed. Send long-running requests to {wire.POLLS_QUEUE}",
                wire.POLLS_QUEUE,
                _NOT_RUN,
            )
        yield slots, 1

    def _held(self, delivery: Delivery, limits: UserLimits, fate: _Fate) -> Iterator[tuple[Shares, int]]:
        queue, user = delivery.message.queue, delivery.message.user_id
        if limits.waiting is not None and self._waiting.held(user) >= limits.waiting:
            waiting = f"{self._waiting.held(user)} {_of('requests', user)} are waiting already"
            raise self._over("waiting", waiting, fate)
        yield self._waiting, 1
        if queue not in self._queues:
            return
        held = self._queues[queue].held
        if not held.has_room(user, shared=limits.waiting is None):
            raise self._shared(
                f"queue {queue!r} holds {held.held(user)} waiting {_of('requests', user)} and "
                f"{held.taken - held.held(user)} of others, and one more would delay others; {fate.words}; "
                f"{_LATER}",
                _LATER,
                fate,
            )
        yield held, 1

    def _body(self, delivery: Delivery, fate: _Fate) -> Iterator[tuple[Shares, int]]:
        size, user = delivery.message.size, delivery.message.user_id
        if size <= COUNTED:
            return
        if not self._bytes.has_room(user, size):
            raise self._shared(
                f"waiting {_of('requests', user)} hold {self._bytes.held(user)} bytes of bodies, and {size} more "
                f"would delay others; {fate.words}. {_LATER.capitalize()}, or send less",
                _LATER,
                fate,
            )
        yield self._bytes, size

    def _shared(self, text: str, suggestion: str, fate: _Fate) -> CommandError:
        return self._refused(_SHARE, text, {"suggestion": suggestion}, fate)

    def _over(self, name: str, text: str, fate: _Fate) -> CommandError:
        text = f"{text}, as many as the policy's limit {name!r} allows; {fate.words}. {_LATER.capitalize()}"
        return self._refused(LIMIT, text, {"limit": name, "suggestion": _LATER}, fate)

    def _refused(self, reason: str, text: str, details: dict[str, object], fate: _Fate) -> CommandError:
        self._count("refused", reason=reason)
        outcome = fate.outcome
        return CommandError(Code.RESOURCE_EXHAUSTED, text, outcome=outcome, retryable=True, details=details)


def bounded(waits: Waits) -> Middleware:
    """Refuse commands of users who take as much as they may already: long-running ones, and all above a limit."""

    def around(handler: Handler) -> Handler:
        async def hold(delivery: Delivery, place: Place) -> Reply:
            try:
                return await handler(delivery)
            finally:
                place.leave()

        def choose(delivery: Delivery) -> Awaitable[Reply]:
            place = waits.run(delivery)
            return handler(delivery) if place is None else hold(delivery, place)

        return choose

    return around


def _of(what: str, user: str | None) -> str:
    return f"{what} without user_id" if user is None else f"{what} of user {user[:MAX_USER]!r}"
