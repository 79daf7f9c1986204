"""Do it once: a request that was delivered or sent again is answered again, not run again."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from dataclasses import dataclass, field, replace
from typing import Final

from consumer.core.clock import Clock
from consumer.core.count import Count, ignore
from consumer.core.delivery import Delivery, Handler, Middleware, Reply, Waiting
from consumer.core.large import offload
from consumer.core.message import Message
from consumer.core.requeue import Requeue
from consumer.ledger import Claim, Identity, Ledger, LedgerError, State, identify, identify_by
from consumer.ledger.codec import to_stored
from consumer.pipeline.redelivery import RedeliveryMatcher
from consumer.pipeline.repetitions import conflict, crowded, hedge, hedge_refusal, interrupted, named, not_kept
from consumer.pipeline.waits import Place, Waits
from zeebe_amqp import wire
from zeebe_amqp.errors import CommandError, Outcome

__all__ = ["REFUSALS", "idempotent"]

_CONFLICT: Final = "conflict"
_CROWDED: Final = "crowded"
_INTERRUPTED: Final = "interrupted"
_NOT_KEPT: Final = "not kept"
REFUSALS: Final = (_CONFLICT, _CROWDED, _INTERRUPTED, _NOT_KEPT)
"""Why a request was not run because of what is known of its id, as the counter of them says."""

MAX_WAIT: Final = 60.0
"""Seconds that a request waits for another process, or for the ledger, before it is given back to the queue."""

MIN_WAIT: Final = 5.0
"""The same for one whose deadline is near or past: the broker counts how often a message is given back."""

MAX_WAITERS: Final = 4
"""Deliveries that wait for one run of the same request at a time: each holds a place that the broker counts."""

FIRST_LOOK: Final = 0.05
"""Seconds before the first look whether the other process is done; the next ones come later and later."""
MAX_LOOK: Final = 1.0
"""Seconds between two looks, at most."""


@dataclass(eq=False, slots=True)
class _Waiter:
    delivery: Delivery
    place: Place | None
    """None of one that stands for another delivery, whose channel is gone."""


@dataclass(eq=False, slots=True)
class _Run:
    digest: bytes
    delivery: Delivery
    """Began it, or took the place of one whose channel is gone."""
    keeper: Delivery | None
    """A delivery without `reply_to`, unacknowledged until the run ends: it stands for all others without one."""
    waiting: list[_Waiter] = field(default_factory=list)
    """Further deliveries that wait for the end."""
    reply: asyncio.Future[Reply] | None = None
    """The answer, for those who wait for it; made for the first of them."""
    is_owner: bool = False
    """Whether the ledger has said that the id is for this content."""
    verdict: asyncio.Future[None] | None = None
    """Done when the ledger has said whose the id is; made for the first who asks."""

    def count(self) -> int:
        """Further deliveries whose senders wait for the answer."""
        others = (each.delivery for each in self.waiting if each.delivery is not self.delivery)
        return sum(each.answerable and each.alive for each in others)

    def inherit(self, queue: str) -> Place | None:
        """The place of one that waits but whose channel is gone: the broker delivers it again, and this may be it."""
        for each in self.waiting:
            if each.place is not None and each.place.queue == queue and not each.delivery.alive:
                place, each.place = each.place, None
                return place
        return None

    def answer(self) -> asyncio.Future[Reply]:
        """What to wait for."""
        if self.reply is None:
            self.reply = asyncio.get_running_loop().create_future()
        return self.reply

    def judged(self) -> asyncio.Future[None]:
        """What to wait for to learn whose the id is."""
        if self.verdict is None:
            self.verdict = asyncio.get_running_loop().create_future()
        return self.verdict

    def own(self) -> None:
        """The id is for this content."""
        self.is_owner = True
        self._tell_verdict()

    def _tell_verdict(self) -> None:
        if self.verdict is not None and not self.verdict.done():
            self.verdict.set_result(None)

    def end(self, reply: Reply | None = None, error: BaseException | None = None) -> None:
        """Tell those who wait; with neither an answer nor an error it was cut off."""
        self._tell_verdict()
        if self.reply is None or self.reply.done():
            return
        if reply is not None:
            self.reply.set_result(reply)
        elif error is not None:
            self.reply.set_exception(error)
            self.reply.exception()  # whoever waited may be gone
        else:
            self.reply.cancel()


def idempotent(
    ledger: Ledger,
    redeliveries: RedeliveryMatcher,
    *,
    run_again: bool = False,
    waits: Waits | None = None,
    count: Count = ignore,
    clock: Clock | None = None,
) -> Middleware:
    """Run each identified request once and answer its repetitions from the ledger.

    The handler inside answers errors as replies; it does not raise them.

    Args:
        ledger: remembers what ran.
        redeliveries: answers what has no identity and was delivered twice.
        run_again: run a command that must not be repeated again when an earlier run's outcome is unknown
            (the setting ON_UNKNOWN=run), instead of reporting it.
        waits: how many deliveries of a user may wait for another run; as many as come without it.
        count: counts requests that are refused because of what is known of their id.
        clock: what waits uses it.
    """
    waits = waits or Waits({})
    return lambda handler: _Idempotency(handler, ledger, redeliveries, run_again, waits, count, clock or Clock())


class _Idempotency:
    def __init__(
        self,
        handler: Handler,
        ledger: Ledger,
        redeliveries: RedeliveryMatcher,
        run_again: bool,
        waits: Waits,
        count: Count,
        clock: Clock,
    ) -> None:
        self._handler = handler
        self._ledger = ledger
        self._redeliveries = redeliveries
        self._run_again = run_again
        self._waits = waits
        self._count = count
        self._clock = clock
        self._running: dict[bytes, _Run] = {}

    def __call__(self, delivery: Delivery) -> Awaitable[Reply]:
        request = delivery.request
        if request.command.read_only or request.identity == "":
            return self._handler(delivery)
        if request.identity is not None:
            return self._run_identified(delivery, _identity_by(delivery.message, request.identity))
        request_id = delivery.message.request_id
        if request_id is None:
            return self._redeliveries.answer(delivery, self._handler)
        return self._run_identified(delivery, _identity(delivery.message, request_id))

    async def _run_identified(self, delivery: Delivery, identity: Identity) -> Reply:
        request = delivery.request
        digest = await offload(request.digest) if delivery.large else request.digest()
        while (earlier := self._running.get(identity.key)) is not None:
            if earlier.digest == digest:
                return await self._answer_repeat(delivery, earlier)
            if earlier.is_owner:
                raise self._refused(_CONFLICT, conflict(delivery))
            await self._wait_for_verdict(delivery, earlier)
        run = self._running[identity.key] = _Run(digest, delivery, None if delivery.answerable else delivery)
        try:
            reply = await self._claim_and_run(delivery, identity, run)
            run.end(reply)
            return reply
        except (CommandError, Requeue) as error:
            run.end(error=error)
            raise
        finally:
            run.end()
            del self._running[identity.key]

    async def _answer_repeat(self, delivery: Delivery, run: _Run) -> Reply:
        """The answer of a run of this process, for another delivery of the same request."""
        delivery.earlier = run.delivery.trace
        place: Place | None = None
        if not delivery.answerable:
            if run.keeper is not None and run.keeper.alive:
                # Nobody waits for this one, and the request itself is kept: it is unacknowledged until that is done.
                return Reply(delivery.request.operation, replayed=True)
            if run.keeper is None:
                place = self._place(delivery)
            run.keeper = delivery
        elif not run.delivery.alive:
            run.delivery = delivery  # the broker delivers the first one again, and this may be it
        elif run.count() >= MAX_WAITERS:
            raise self._refused(_CROWDED, crowded(delivery, MAX_WAITERS))
        else:
            place = run.inherit(delivery.message.queue) or self._place(delivery)
        try:
            reply = await self._wait(delivery, run, place)
        except CommandError as error:
            raise hedge_refusal(delivery, error) from None
        idempotent = delivery.request.command.is_idempotent()
        # What is remembered is the same for all; the rest was said of a delivery that may have come for the first time.
        if not reply.is_final(idempotent) and _may_have_run(delivery, idempotent):
            reply = hedge(delivery, reply)
        return replace(reply, replayed=True)

    async def _wait_for_verdict(self, delivery: Delivery, run: _Run) -> None:
        """The id may be for this content, and the other one be refused: only the ledger knows which ran first."""
        place = self._place(delivery)
        try:
            async with delivery.release_slot():
                await asyncio.wait({run.judged()})
        finally:
            place.leave()

    async def _wait(self, delivery: Delivery, run: _Run, place: Place | None) -> Reply:
        waiter = _Waiter(delivery, place)
        run.waiting.append(waiter)
        answer = run.answer()
        try:
            async with delivery.release_slot():
                # Not the future itself: whoever stops waiting must not cancel the run that others wait for.
                await asyncio.wait({answer})
        finally:
            run.waiting.remove(waiter)
            if waiter.place is not None:
                waiter.place.leave()
        return answer.result()

    async def _claim_and_run(self, delivery: Delivery, identity: Identity, run: _Run) -> Reply:
        idempotent = delivery.request.command.is_idempotent()
        rerun = idempotent or self._run_again
        claim = await self._claim(delivery, identity, run, rerun)
        if claim.state is State.CONFLICT:
            raise self._refused(_CONFLICT, conflict(delivery))
        if claim.state is State.DONE:
            if claim.reply is None:
                raise self._refused(_NOT_KEPT, not_kept(delivery, claim.outcome))
            return replace(claim.reply, replayed=True)
        if claim.state is State.ORPHANED and not rerun:
            raise self._refused(_INTERRUPTED, interrupted(delivery))
        if claim.state is State.ORPHANED:
            delivery.may_have_run = True
        reply = await self._handler(delivery)
        if _may_have_run(delivery, idempotent):
            reply = hedge(delivery, reply)
        # A replay must be this very answer, so what is remembered is what is published.
        reply = to_stored(reply)
        if reply.is_final(idempotent) and _is_told(delivery, reply):
            await self._ledger.finish(identity, reply, delivery.message.reply_to or "")
        else:
            await self._ledger.release(identity)
        return reply

    def _refused(self, reason: str, error: CommandError) -> CommandError:
        self._count("refused", reason=reason)
        return error

    async def _claim(self, delivery: Delivery, identity: Identity, run: _Run, rerun: bool) -> Claim:
        """Claim; while another process runs it or the ledger cannot be written, wait, then give back."""
        end, look, place = None, FIRST_LOOK, None
        try:
            while True:
                try:
                    claim = await self._ledger.claim(identity, run.digest, rerun=rerun)
                    if claim.state is not State.CONFLICT:
                        run.own()
                    if claim.state is not State.RUNNING:
                        return claim
                    place = place or self._place(delivery)
                    end = end or self._clock.monotonic() + self._timeout(delivery)
                    left, reason = end - self._clock.monotonic(), "another process is running it"
                    async with delivery.release_slot():
                        await self._clock.sleep(min(look, max(left, 0)))
                    look = min(2 * look, MAX_LOOK)
                except LedgerError as problem:
                    end = end or self._clock.monotonic() + self._timeout(delivery)
                    left, reason = end - self._clock.monotonic(), str(problem)
                    with delivery.waiting(Waiting.LEDGER, idle=False):
                        await self._ready(left)
                if left <= 0:
                    raise Requeue(f"{named(delivery)}: {reason}")
        finally:
            if place is not None:
                place.leave()

    def _place(self, delivery: Delivery) -> Place:
        """A place to wait for another run; without one, what nobody waits for goes back: it is no dead letter."""
        try:
            return self._waits.wait(delivery)
        except CommandError as crowded:
            if delivery.answerable:
                raise
            raise Requeue(crowded.message) from None

    def _timeout(self, delivery: Delivery) -> float:
        """Seconds a request may wait before it is given back."""
        # The header `deadline` of an answer is that of its job, if anything.
        deadline = None if delivery.request.identity is not None else delivery.message.deadline
        if deadline is None:
            return MAX_WAIT
        return max(MIN_WAIT, min(MAX_WAIT, deadline - self._clock.now()))

    async def _ready(self, seconds: float) -> None:
        try:
            async with self._clock.timeout(seconds):
                await self._ledger.ready()
        except TimeoutError:
            return


def _identity(message: Message, request_id: str) -> Identity:
    return identify(message.user_id, request_id, _replays(message))


def _identity_by(message: Message, identity: str) -> Identity:
    return identify_by(identity, message.user_id, _replays(message))


def _replays(message: Message) -> int:
    replays = message.headers.get(wire.REPLAYS)
    return replays if type(replays) is int else 0


def _may_have_run(delivery: Delivery, idempotent: bool) -> bool:
    """Whether the message was perhaps run before it was delivered this time.

    What is not idempotent leaves an entry if it may have been executed. What is leaves none: it may run again.
    """
    return delivery.may_have_run or (idempotent and delivery.message.redelivered)


def _is_told(delivery: Delivery, reply: Reply) -> bool:
    """Whether anybody has the answer; a rejection that became a dead letter must run when it is replayed."""
    # What has an identity of its own is no dead letter when it is refused.
    known = bool(delivery.message.reply_to) or delivery.request.identity is not None
    return known or reply.error is None or reply.error.outcome is Outcome.UNKNOWN
