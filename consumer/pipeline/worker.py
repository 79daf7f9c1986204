"""A worker: the deliveries of one request queue, run side by side and settled in one place."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection
from contextlib import suppress
from typing import Final

from consumer.core import count as counting
from consumer.core.circuit_breaker import CircuitBreaker
from consumer.core.clock import Clock
from consumer.core.count import Count
from consumer.core.delivery import Delivery, Handler, Reply, Waiting
from consumer.core.limiter import AimdLimit, ConcurrencyLimiter
from consumer.core.message import Message
from consumer.core.requeue import Requeue
from consumer.pipeline.arrival_order import ArrivalOrder
from consumer.pipeline.ending import Audit, Ending, Report, ignore
from consumer.pipeline.publishing import PublishFailed, Refused, ReplyPublisher, TooLarge
from consumer.pipeline.refused_replies import RefusedReplies
from consumer.pipeline.replacement import replace_large
from consumer.pipeline.settlement import MAX_WAIT, Settlement, pause, settle
from zeebe_amqp.cancellation import being_cancelled
from zeebe_amqp.errors import Code, Error, Outcome, Source

__all__ = ["REPLY_FAILURES", "QueueWorker"]

log = logging.getLogger(__name__)

PUBLISH_TRIES: Final = 5
"""How often a reply is published before its request goes back to the queue, where the broker counts."""
MAX_RETRY_PAUSE: Final = 5.0
"""Seconds between two tries of a reply that its queue refuses, at most."""
MAX_RECORDING: Final = 2.0
"""Seconds at the end for recording what was cut off."""
CUT_OFF: Final = Error(
    code=Code.CANCELLED,
    message="cut off after it was sent to the engine",
    source=Source.CONSUMER,
    outcome=Outcome.UNKNOWN,
    retryable=False,
)
"""What is recorded of a command whose run did not end."""

_RETURNING: Final = (Settlement.AGAIN, Settlement.BACK)
_UNROUTABLE: Final = "unroutable"
_REFUSED: Final = "refused"
_NOT_CONFIRMED: Final = "not confirmed"
REPLY_FAILURES: Final = (_UNROUTABLE, _REFUSED, _NOT_CONFIRMED)
"""Why a reply did not reach its queue, as the counter of them says."""


class _Unconfirmed(Exception):
    """What a request ended with was not confirmed, however often it was published, and no queue is the reason."""


class QueueWorker:
    """Runs deliveries, as many at a time as the limit says, each in a task of its own.

    The tasks are ours and not the AMQP library's: it cancels its callbacks when the connection is lost, and a
    command cut off in the middle would have an unknown outcome.

    Args:
        handler: runs a request.
        replies: where replies and dead letters leave.
        limit: how many may run. Commands that are exempt from it have slots of their own, `limit.maximum` of them.
        forget_retry: seconds for which a request that nobody waits for is tried again.
        refusal: why no reply may go where a message asks for it; None when it may.
        circuit: open while there is no gateway; what nobody waits for is not run before it closes.
        refused: who may wait for a reply queue that refuses.
        acknowledged: is told of each delivery whose ack was handed to an open channel.
        answers: whether the deliveries say how jobs ended; those of one job are run in the order in which they came.
        audit: records each request that ended; before that it is not acknowledged. None = nothing is recorded.
        report: is told how each request ended.
        count: counts dead letters, replies that did not reach their queue, and requests that are given back.
        clock: what waits uses it.
    """

    def __init__(
        self,
        handler: Handler,
        replies: ReplyPublisher,
        *,
        limit: AimdLimit,
        forget_retry: float,
        refusal: Callable[[Message], str | None],
        circuit: CircuitBreaker,
        refused: RefusedReplies,
        acknowledged: Callable[[Delivery], None] = lambda _: None,
        answers: bool = False,
        audit: Audit | None = None,
        report: Report = ignore,
        count: Count = counting.ignore,
        clock: Clock | None = None,
    ) -> None:
        self._handler = handler
        self._replies = replies
        self._limiter, self._exempt = ConcurrencyLimiter(limit), ConcurrencyLimiter(AimdLimit(limit.maximum))
        self._forget_retry = forget_retry
        self._refusal = refusal
        self._circuit = circuit
        self._refused = refused
        self._acknowledged = acknowledged
        self._answers = answers
        self._order = ArrivalOrder()
        self._audit = audit
        self._report = report
        self._count = count
        self._clock = clock or Clock()
        self._tasks: dict[asyncio.Task[None], Delivery] = {}
        self._stopping = False

    @property
    def in_flight(self) -> int:
        """Deliveries that are held: running, waiting for a slot or for their reply's confirm."""
        return len(self._tasks)

    @property
    def deliveries(self) -> Collection[Delivery]:
        """Those that are held."""
        return self._tasks.values()

    def accept(self, delivery: Delivery) -> None:
        """Take over a delivery; returns at once."""
        served = self._order.run(delivery, self._serve) if self._answers else self._serve(delivery)
        task = asyncio.get_running_loop().create_task(served)
        self._tasks[task] = delivery
        task.add_done_callback(self._on_task_end)

    def _on_task_end(self, task: asyncio.Task[None]) -> None:
        self._tasks.pop(task).dismiss()

    async def _serve(self, delivery: Delivery) -> None:
        """Everything that happens to a delivery: it is run and settled, or goes back to its queue."""
        try:
            delivery.one_way = self._answers and delivery.is_echo
            delivery.refusal = None if delivery.one_way else self._refusal(delivery.message)
            if delivery.large:
                await delivery.decode()
            if not await self._process(delivery):
                await self._return(delivery)
        except Requeue as reason:
            fields = {"event": "request.requeued", "queue": delivery.message.queue, "error": str(reason)}
            log.info("given back: %s", reason, extra=fields)
            await self._requeue(delivery)
        except _Unconfirmed:
            await self._return(delivery, failed=True)
        except (Exception, asyncio.CancelledError) as error:
            if isinstance(error, asyncio.CancelledError) and being_cancelled():
                raise
            # Nothing may stay unsettled: a message held for ever is a slot lost for ever.
            fields = {"event": "request.unsettled", "queue": delivery.message.queue}
            log.exception("defect while settling a delivery; it is given back", extra=fields)
            await self._requeue(delivery, failed=True)

    async def _process(self, delivery: Delivery) -> bool:
        """Run it until its settlement is final, then settle; false when it is to be given back."""
        started, attempt = self._clock.monotonic(), 0
        while (reply := await self._run(delivery, started)) is not None:
            settlement = self._settlement(delivery, reply, self._clock.monotonic() - started)
            # A pause would use up the grace of those that can still end.
            if settlement is Settlement.AGAIN and not self._stopping:
                attempt += 1
                await self._rest(delivery, attempt)
            else:
                return settlement not in _RETURNING and await self._settle(delivery, settlement, reply)
        return False

    async def _run(self, delivery: Delivery, started: float) -> Reply | None:
        """Run the handler in a slot of its own; None when it has not started and is not going to here."""
        if self._stopping:
            return None
        command = delivery.command
        slot = self._exempt if command is not None and command.exempt_from_limit else self._limiter
        if not (self._is_sensible(delivery) and slot.try_acquire()):
            if not await self._becomes_sensible(delivery, started):
                return None
            with delivery.waiting(Waiting.SLOT):
                await slot.acquire(delivery.message.user_id)
        try:
            if self._stopping or not delivery.alive:
                return None
            delivery.slot, delivery.reply = slot, None
            delivery.reply = await self._handler(delivery)
            return delivery.reply
        finally:
            delivery.slot = None
            slot.release()

    def _is_sensible(self, delivery: Delivery) -> bool:
        """Whether running it makes sense now."""
        # An alarm at the broker lets no reply out, so nothing should start that needs one.
        return self._replies.is_ready and not (self._circuit.is_open and not delivery.answerable)

    async def _becomes_sensible(self, delivery: Delivery, started: float) -> bool:
        """Wait until running it makes sense; false when that took too long to keep it here."""
        if not delivery.answerable:
            try:
                with delivery.waiting(Waiting.GATEWAY):
                    async with self._clock.timeout(started + MAX_WAIT - self._clock.monotonic()):
                        await self._circuit.wait_closed()
            except TimeoutError:
                return False
        with delivery.waiting(Waiting.BROKER):
            await self._replies.ready()
        return True

    async def _rest(self, delivery: Delivery, attempt: int) -> None:
        """Sleep between two tries; `attempt` counts from 1."""
        with delivery.waiting(Waiting.RETRY):
            await self._clock.sleep(pause(attempt, self._clock.random))

    async def _requeue(self, delivery: Delivery, *, failed: bool = False) -> None:
        # It comes again at once. The pause keeps it from spinning; the broker's delivery limit ends what breaks us.
        await self._rest(delivery, 1)
        await self._return(delivery, failed=failed)

    async def _return(self, delivery: Delivery, *, failed: bool = False) -> None:
        try:
            await self._record_return(delivery)
        except Exception:
            fields = {"event": "request.unsettled", "queue": delivery.message.queue}
            log.exception("defect while recording a delivery that is given back", extra=fields)
        self._count("requeued", queue=delivery.message.queue)
        delivery.requeue(failed=failed)

    def _settlement(self, delivery: Delivery, reply: Reply, waited: float) -> Settlement:
        command = delivery.command
        return settle(
            reply,
            answerable=delivery.answerable,
            idempotent=command is not None and command.is_idempotent(),
            waited=waited,
            forget_retry=self._forget_retry,
            is_answer=self._answers,
        )

    async def _settle(self, delivery: Delivery, settlement: Settlement, reply: Reply) -> bool:
        """Publish what is to be published, then ack; false when its queue took nothing and the channel is still open.

        Raises:
            _Unconfirmed: it was not confirmed, and no queue is the reason.
        """
        if settlement is Settlement.REPLY and (stuck := self._refused.stuck(delivery.message)) is not None:
            return await self._insist(delivery, reply, Refused(stuck, stuck=True))
        refused = False
        for attempt in range(1, PUBLISH_TRIES + 1):
            try:
                await self._finish(delivery, settlement, reply)
            except PublishFailed as failure:
                refused = isinstance(failure, Refused)
                if settlement is Settlement.REPLY:
                    if isinstance(failure, Refused):
                        return await self._insist(delivery, reply, failure)
                    self._count("reply.failures", reason=_NOT_CONFIRMED)
                _tell_unconfirmed(settlement, attempt, failure)
                await self._clock.sleep(pause(attempt, self._clock.random))
            else:
                return True
        if refused:  # the dead letters are full, which is no fault of this one
            return False
        raise _Unconfirmed

    async def _insist(self, delivery: Delivery, reply: Reply, refusal: Refused) -> bool:
        """Try a refused reply again while it may wait, then drop it: the command ran, so it is no dead letter.

        False as for `_settle`: the answer is remembered, and goes out when the request comes again.
        """
        message, reason = delivery.message, refusal
        with self._refused.waiting(message) as may_wait:
            end, attempt = self._clock.monotonic() + self._refused.retry, 0
            while may_wait and self._clock.monotonic() < end:
                if self._stopping:
                    if message.known_request_id is not None:
                        return False
                    break
                attempt += 1
                self._refused.record_try(message, str(reason) if reason.stuck else None)
                await self._clock.sleep(min(pause(attempt, self._clock.random), MAX_RETRY_PAUSE))
                try:
                    if await self._finish(delivery, Settlement.REPLY, reply):
                        self._refused.record_try(message)
                    return True
                except Refused as again:
                    reason = again
                except PublishFailed as failure:  # not the queue, but the broker
                    _tell_unconfirmed(Settlement.REPLY, attempt, failure)
                    return False
        self._count("reply.failures", reason=_REFUSED)
        await self._end(delivery, reply, Ending.DROPPED, str(reason))
        return True

    async def _finish(self, delivery: Delivery, settlement: Settlement, reply: Reply) -> bool:
        """Publish what is to be published, then ack.

        False when the channel is gone: the broker delivers it again; the answer is remembered and goes out then.
        """
        if not self._replies.is_ready:
            await self._replies.ready()
        if not delivery.alive:
            await self._record_return(delivery)
            return False
        ending, reason, told = Ending.SETTLED, "", reply
        if settlement is Settlement.REPLY:
            ending, reason, told = await self._reply(delivery, reply)
        elif settlement is Settlement.DEAD:
            await delivery.fetch()  # of one whose body was refused unread
            await self._replies.dead_letter(delivery.message, reply)
            self._count("dead_lettered", queue=delivery.message.queue)
            ending = Ending.DEAD_LETTERED
        await self._end(delivery, reply, ending, reason, told)
        return True

    async def _reply(self, delivery: Delivery, reply: Reply) -> tuple[Ending, str, Reply]:
        """Publish the reply, or what stands for one that is too large; how that ended, why, and what was told."""
        try:
            try:
                is_there = await self._replies.reply(delivery, reply)
            except TooLarge as failure:
                reply = replace_large(reply, failure.size, failure.limit)
                is_there = await self._replies.reply(delivery, reply)
        except TooLarge as failure:
            self._count("reply.failures", reason=_REFUSED)
            return Ending.DROPPED, str(failure), reply
        if is_there:
            return Ending.SETTLED, "", reply
        self._count("reply.failures", reason=_UNROUTABLE)
        return Ending.DROPPED, "it does not exist", reply

    async def _end(
        self, delivery: Delivery, reply: Reply, ending: Ending, reason: str, told: Reply | None = None
    ) -> None:
        """Nothing is acknowledged anywhere else. `told` is what was published instead of the reply."""
        if self._audit is not None:
            await self._audit(delivery, reply, ending)
        if delivery.ack():
            self._acknowledged(delivery)
        self._report(delivery, told or reply, ending, reason)

    async def _record_return(self, delivery: Delivery) -> None:
        """Record what the engine was sent and is not acknowledged: if it expires in its queue, nobody else will."""
        call = delivery.call
        if self._audit is not None and call is not None and call.sent:
            reply = delivery.reply or Reply(call.command.operation, error=CUT_OFF)
            await self._audit(delivery, reply, Ending.RETURNED)

    async def stop(self, grace: float) -> bool:
        """Give back what has not started, let the rest finish.

        Args:
            grace: seconds to wait for running commands.

        Returns:
            Whether everything ended in time; what did not is given back.
        """
        self._stopping = True
        idle = {task: delivery for task, delivery in self._tasks.items() if delivery.idle}
        await _end(idle)
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=grace)
        late = dict(self._tasks)
        await _end(late)
        await self._record_cut_off((*idle.values(), *late.values()))
        return not late

    async def _record_cut_off(self, deliveries: Collection[Delivery]) -> None:
        """Record what the engine was sent, as far as that can be written now; all of it has been given back."""
        records = map(self._record_return, deliveries)
        with suppress(TimeoutError):
            async with asyncio.timeout(MAX_RECORDING):
                await asyncio.gather(*records)


def _tell_unconfirmed(settlement: Settlement, attempt: int, failure: PublishFailed) -> None:
    what = settlement.name.lower()
    fields = {"event": "publish.unconfirmed", "what": what, "attempt": attempt, "error": str(failure)}
    log.warning("%s not confirmed (try %d): %s", what, attempt, failure, extra=fields)


async def _end(tasks: dict[asyncio.Task[None], Delivery]) -> None:
    """Cancel tasks, and give back their deliveries."""
    for task in tasks:
        task.cancel()
    if tasks:
        await asyncio.wait(tasks)
    for delivery in tasks.values():
        delivery.requeue()
