"""A lane: the deliveries of one request queue, run side by side and settled in one place."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from typing import Protocol, TypeAlias

from consumer.core.limiter import AimdLimit, ConcurrencyLimiter
from consumer.core.message import Handler, Incoming, Reply
from consumer.core.requeue import Requeue
from consumer.pipeline.settlement import MAX_WAIT, Settlement, pause, settle
from consumer.zeebe.operations import OPERATIONS
from zeebe_amqp.errors import CommandError

__all__ = ["Count", "Delivery", "PublishFailed", "QueueWorker", "ReplyPublisher"]

log = logging.getLogger(__name__)

PUBLISH_TRIES = 5
"""How often a reply is published before its request goes back to the queue, where the broker counts."""

Count: TypeAlias = Callable[..., None]
"""Adds one to a metric: its name, and attributes by keyword."""


class PublishFailed(Exception):
    """The broker did not confirm a publish; it may or may not have taken the message."""


class Delivery(Protocol):
    """A request message that the broker waits for; its handle on the channel that delivered it."""

    incoming: Incoming

    @property
    def alive(self) -> bool:
        """Whether that channel is open; when it is not, the broker delivers the message again."""

    async def ack(self) -> bool:
        """Tell the broker that the message is done; false when the channel is gone."""

    async def requeue(self) -> None:
        """Put the message back into its queue, without blame."""


class ReplyPublisher(Protocol):
    """Where replies and dead letters leave; returns when the broker confirmed them."""

    async def reply(self, incoming: Incoming, reply: Reply) -> None:
        """Publish the reply. An unroutable one counts as published (nobody is there).

        Raises:
            PublishFailed: not confirmed.
        """

    async def dead_letter(self, incoming: Incoming, reply: Reply) -> None:
        """Publish the request with the reason to the dead-letter exchange.

        Raises:
            PublishFailed: not confirmed.
        """

    async def ready(self) -> None:
        """Wait until something can be published: connected, and not blocked by an alarm."""


class QueueWorker:
    """Runs deliveries, as many at a time as the limit says, each in a task of its own.

    The tasks are ours and not the AMQP library's: it cancels its callbacks when the connection is lost, and a
    command cut off in the middle would have an unknown outcome.

    Args:
        handler: runs a request.
        replies: where replies and dead letters leave.
        limit: how many may run. Operations that relieve the engine have places of their own, `limit.most` of them.
        forget_retry: seconds for which a request that nobody waits for is tried again.
        answerable: whether a request has a `reply_to` that replies may go to.
        reachable: waits until there is a gateway; what nobody waits for is not run before.
        count: counts dead letters and replies that were not confirmed.
    """

    def __init__(
        self,
        handler: Handler,
        replies: ReplyPublisher,
        *,
        limit: AimdLimit,
        forget_retry: float,
        answerable: Callable[[Incoming], bool],
        reachable: Callable[[], Awaitable[None]],
        count: Count = lambda _, **__: None,
    ) -> None:
        self._handler = handler
        self._replies = replies
        self._limiter, self._relief = ConcurrencyLimiter(limit), ConcurrencyLimiter(AimdLimit(limit.most))
        self._forget_retry = forget_retry
        self._answerable = answerable
        self._reachable = reachable
        self._count = count
        self._tasks: dict[asyncio.Task[None], Delivery] = {}
        self._waiting: set[asyncio.Task[None]] = set()
        self._stopping = False

    @property
    def in_flight(self) -> int:
        """Deliveries that are held: running, waiting for a slot or for their reply's confirm."""
        return len(self._tasks)

    def accept(self, delivery: Delivery) -> None:
        """Take over a delivery; returns at once."""
        task = asyncio.get_running_loop().create_task(self._serve(delivery))
        self._tasks[task] = delivery
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        del self._tasks[task]

    async def _serve(self, delivery: Delivery) -> None:
        try:
            if not await self._settled(delivery):
                await delivery.requeue()
        except Requeue as reason:
            log.info("given back: %s", reason)
            # It comes again at once; the pause keeps it from spinning.
            await self._rest(pause(1))
            await delivery.requeue()
        except (Exception, asyncio.CancelledError) as error:
            if isinstance(error, asyncio.CancelledError) and _being_cancelled():
                raise
            # Nothing may stay unsettled: a message held for ever is a slot lost for ever. The pause keeps a
            # message that breaks us from spinning; the broker's delivery limit ends it.
            log.exception("defect while settling a delivery; it is given back")
            await self._rest(pause(1))
            await delivery.requeue()

    async def _settled(self, delivery: Delivery) -> bool:
        """Run it until its settlement is final, then settle; false when it is to be given back."""
        started, attempt = time.monotonic(), 0
        while (reply := await self._handled(delivery, started)) is not None:
            settlement = self._settlement(delivery.incoming, reply, time.monotonic() - started)
            if settlement is Settlement.BACK:
                break
            if settlement is not Settlement.AGAIN:
                return await self._concluded(delivery, settlement, reply)
            if self._stopping:  # a pause would use up the grace of those that can still end
                break
            attempt += 1
            await self._rest(pause(attempt))
        return False

    async def _handled(self, delivery: Delivery, started: float) -> Reply | None:
        """Run the handler in a place of its own; None when it has not started and is not going to here."""
        if self._stopping:
            return None
        limiter = self._relief if _exempt_from_limit(delivery.incoming) else self._limiter
        with self._idle():
            if not await self._sensible(delivery.incoming, started):
                return None
            await limiter.enter()
        try:
            if self._stopping or not delivery.alive:
                return None
            delivery.incoming.aside = partial(self._aside, limiter)
            return await self._handler(delivery.incoming)
        finally:
            limiter.leave()

    @asynccontextmanager
    async def _aside(self, limiter: ConcurrencyLimiter) -> AsyncIterator[None]:
        """Wait for another run: without a place, or the requests of a dead process would stop all others."""
        with self._idle():
            async with limiter.left():
                yield

    async def _sensible(self, incoming: Incoming, started: float) -> bool:
        """Wait until running it makes sense; false when that took too long to keep it here."""
        if not self._answerable(incoming):
            try:
                async with asyncio.timeout(started + MAX_WAIT - time.monotonic()):
                    await self._reachable()
            except TimeoutError:
                return False
        # An alarm at the broker lets no reply out, so nothing should start that needs one.
        await self._replies.ready()
        return True

    async def _rest(self, seconds: float) -> None:
        """Sleep between two tries."""
        with self._idle():
            await asyncio.sleep(seconds)

    @contextmanager
    def _idle(self) -> Iterator[None]:
        """What happens inside is not running yet: stopping may end it."""
        task = asyncio.current_task()
        assert task is not None
        self._waiting.add(task)
        try:
            yield
        finally:
            self._waiting.discard(task)

    def _settlement(self, incoming: Incoming, reply: Reply, waited: float) -> Settlement:
        return settle(
            reply,
            answerable=self._answerable(incoming),
            idempotent=_is_idempotent(incoming),
            waited=waited,
            forget_retry=self._forget_retry,
        )

    async def _concluded(self, delivery: Delivery, settlement: Settlement, reply: Reply) -> bool:
        """Publish what is to be published, then ack; false when that did not work and the channel is still open."""
        for attempt in range(1, PUBLISH_TRIES + 1):
            await self._replies.ready()
            if not delivery.alive:
                # The broker delivers it again; the answer is remembered and goes out then.
                return True
            try:
                await self._publish(delivery.incoming, settlement, reply)
            except PublishFailed as failure:
                if settlement is Settlement.REPLY:
                    self._count("reply.failures", reason="not confirmed")
                log.warning("%s not confirmed (try %d): %s", settlement.name.lower(), attempt, failure)
                await asyncio.sleep(pause(attempt))
                continue
            if await delivery.ack():
                delivery.incoming.acknowledged()
            return True
        return False

    async def _publish(self, incoming: Incoming, settlement: Settlement, reply: Reply) -> None:
        if settlement is Settlement.REPLY:
            await self._replies.reply(incoming, reply)
        elif settlement is Settlement.DEAD:
            await self._replies.dead_letter(incoming, reply)
            self._count("dead_lettered", queue=incoming.queue)

    async def stop(self, grace: float) -> bool:
        """Give back what has not started, let the rest finish.

        Args:
            grace: seconds to wait for running commands.

        Returns:
            Whether everything ended in time; what did not is given back.
        """
        self._stopping = True
        waiting = {task: self._tasks[task] for task in self._waiting}
        await _cancel(waiting)
        await _requeue(list(waiting.values()))
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=grace)
        late = dict(self._tasks)
        await _cancel(late)
        await _requeue(list(late.values()))
        return not late


async def _cancel(tasks: dict[asyncio.Task[None], Delivery]) -> None:
    for task in tasks:
        task.cancel()
    if tasks:
        await asyncio.wait(tasks)


async def _requeue(deliveries: list[Delivery]) -> None:
    for delivery in deliveries:
        await delivery.requeue()


def _being_cancelled() -> bool:
    """Whether somebody cancelled this task; what it awaits may raise the same on its own account."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def _is_idempotent(incoming: Incoming) -> bool:
    try:
        request = incoming.request
    except CommandError:
        return False
    return OPERATIONS[request.operation].idempotent(request.command)


def _exempt_from_limit(incoming: Incoming) -> bool:
    try:
        return OPERATIONS[incoming.request.operation].exempt_from_limit
    except Exception:  # whatever is wrong with it: the handler says so
        return False
