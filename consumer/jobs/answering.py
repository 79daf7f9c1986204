"""Ends jobs as their workers say: what is around the engine for the queues of answers."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Final

from consumer.core.access import Decision
from consumer.core.activation import Activation, Leases
from consumer.core.call import Call, Engine
from consumer.core.count import Count, ignore
from consumer.core.delivery import Delivery, Handler, Middleware, Reply
from consumer.jobs.answers import EXPIRED, UNUSABLE, Answer
from consumer.jobs.signed_id import JobId
from consumer.jobs.tally import INSTEAD, tally
from consumer.ledger import LedgerError
from consumer.pipeline.middleware import compose, guarded, recovered
from zeebe_amqp.commands import Command, CompleteJob, FailJob, ThrowError, UpdateJobTimeout
from zeebe_amqp.errors import Code, CommandError, Outcome
from zeebe_amqp.jobs.answers import fail
from zeebe_amqp.schema.fields import milliseconds
from zeebe_amqp.schema.formatting import printable

__all__ = [
    "MAX_EXTENSION",
    "answer_handler",
    "answering",
    "attested",
    "counted",
    "is_newest",
    "refused_for_good",
]

log = logging.getLogger(__name__)

MAX_EXTENSION: Final = 366 * 86_400_000
"""Milliseconds for which an activation is kept because its worker asked for more time, at most."""
_RULE: Final = "returned by the broker"
_GONE: Final = frozenset({Code.NOT_FOUND, Code.FAILED_PRECONDITION})
"""The job has ended, or is not with this worker any more."""
_OUR_RIGHTS: Final = frozenset({Code.PERMISSION_DENIED, Code.UNAUTHENTICATED})
"""The service may not do it, whatever the worker says."""
_WORKERS: Final = (CompleteJob, ThrowError, FailJob)
"""The commands that end a job."""


def answer_handler(
    engine: Engine,
    leases: Leases,
    *around: Middleware,
    traced: Middleware,
    measured: Middleware,
    trace_id: Callable[[Delivery], str | None] = lambda _: None,
    count: Count = ignore,
) -> Handler:
    """What an answer passes; `around` is what else it passes before the engine, such as rights and the ledger; of a job
    that came back, `attested` in the place of rights."""
    return compose(
        answering(engine, leases),
        counted(count),
        traced,
        measured,
        recovered(trace_id),
        guarded,
        *around,
        recovered(trace_id),
    )


def counted(count: Count) -> Middleware:
    """Count what became of an answer."""

    def around(handler: Handler) -> Handler:
        async def handle(delivery: Delivery) -> Reply:
            reply = await handler(delivery)
            answer = delivery.request if delivery.command is not None else None
            if (counter := tally(reply, answer if isinstance(answer, Answer) else None)) is not None:
                name, labels = counter
                count(name, **labels)
            return reply

        return handle

    return around


def attested(handler: Handler) -> Handler:
    """Let everything pass that is about a job which was given out, and say so for the audit; none that has expired."""

    def attest(delivery: Delivery) -> Awaitable[Reply]:
        answer = _answer(delivery)
        assert answer.acts_on is not None
        delivery.decision = Decision(True, _RULE, answer.acts_on)
        if answer.outcome == EXPIRED:
            words = "no worker took the job before its deadline; the engine gives it out again"
            raise CommandError(Code.DEADLINE_EXCEEDED, words)
        return handler(delivery)

    return attest


def answering(engine: Engine, leases: Leases) -> Handler:
    """A handler that lets `engine` end jobs, unless they have been given out again since.

    Args:
        engine: executes.
        leases: knows the newest activation of each job.
    """
    return _Answering(engine, leases).handle


class _Answering:
    """See `answering`."""

    def __init__(self, engine: Engine, leases: Leases) -> None:
        self._engine, self._leases = engine, leases

    async def handle(self, delivery: Delivery) -> Reply:
        answer = _answer(delivery)
        try:
            await self._send(delivery, answer, answer.command)
        except CommandError as error:
            if not (isinstance(answer.command, _WORKERS) and refused_for_good(error)):
                raise
            await self._fail_instead(delivery, answer, error)
            raise
        if answer.outcome == UNUSABLE:
            _tell_unusable(answer)
        if isinstance(answer.command, UpdateJobTimeout):
            await self._record_extension(answer.job, milliseconds(answer.command.timeout), delivery.message.received)
        elif isinstance(answer.command, CompleteJob):
            # A failed job comes again under its key, and so does one whose error nobody caught.
            self._leases.forget_activation(answer.job.key)
        return Reply(answer.operation)

    async def _send(self, delivery: Delivery, answer: Answer, command: Command) -> None:
        # Not within the time of a header: whatever is in `deadline`, it is a copy of the job's, and a late answer is
        # as good as another one while nobody else has the job.
        call = delivery.call = Call(command, idempotent=True, large=delivery.large)
        call.may_go = partial(self._check, delivery, answer, call)
        await self._engine.execute(call)

    async def _check(self, delivery: Delivery, answer: Answer, call: Call) -> None:
        """Refuse an answer for a job that somebody else has by now."""
        # An attempt before this one may have been executed.
        outcome = Outcome.UNKNOWN if call.sent else Outcome.NOT_EXECUTED
        job = answer.job
        try:
            newest = await self._leases.newest_activation(job.key)
        except LedgerError as problem:
            words = "cannot tell whether the job was given out again: the ledger is away; the answer was not sent"
            raise CommandError(Code.UNAVAILABLE, words, outcome=outcome, retryable=True) from problem
        delivery.link = "" if newest is None else newest.trace
        if newest is not None and not is_newest(job, newest):
            words = (
                f"correlation_id: found the activation with the deadline {job.deadline}; accepted: the newest one, "
                f"with the deadline {newest.deadline}; the job was given out again, and the answer was not sent"
            )
            details = {"field": "correlation_id"}
            raise CommandError(Code.FAILED_PRECONDITION, words, outcome=outcome, details=details)

    async def _fail_instead(self, delivery: Delivery, answer: Answer, refusal: CommandError) -> None:
        """Fail a job whose answer is refused, or it would be given out for ever."""
        command = fail(answer.given_out, f"the answer was refused: {refusal.code}: {refusal.message}")
        try:
            await self._send(delivery, answer, command)
        except CommandError as error:
            if error.retryable or error.outcome is Outcome.UNKNOWN:
                raise  # and everything is tried again
            return
        refusal.details = {**(refusal.details or {}), INSTEAD: command.operation}
        refusal.message = f"{refusal.message}; the job failed instead, with {command.retries} retries left"

    async def _record_extension(self, job: JobId, more: int, since: float) -> None:
        """Keep the activation for as long as its worker has the job now; it stays the one that the id names."""
        try:
            newest = await self._leases.newest_activation(job.key)
            if newest is not None and newest.deadline == job.deadline:
                # A worker may ask for any 64-bit number; not every store has room for a time that far away.
                extended = max(newest.extended, int(since * 1000) + min(more, MAX_EXTENSION))
                await self._leases.record_activations([newest._replace(extended=extended)])
        except LedgerError as problem:
            # The engine has done it. Without the record a late answer of an earlier worker is not told apart, a day on.
            fields = {"event": "jobs.unrecorded", "key": job.key, "error": str(problem)}
            log.warning("the extension of job %d was not recorded: %s", job.key, problem, extra=fields)


def _tell_unusable(answer: Answer) -> None:
    """The engine knows why the job failed; whoever operates this service shall, too."""
    assert isinstance(answer.command, FailJob)
    name, text = answer.job_type or answer.job.type_hash, printable(answer.command.error_message or "")
    fields = {"event": "jobs.unusable", "type": name, "key": answer.job.key, "error": text}
    log.warning("job %d (%s) failed: %s", answer.job.key, name, text, extra=fields)


def is_newest(job: JobId, newest: Activation) -> bool:
    """Whether no later activation is known than the one that an id names.

    One that is later than all we know was given out by a service with another ledger.
    """
    return job.deadline == newest.deadline or job.deadline > max(newest.deadline, newest.extended)


def refused_for_good(error: CommandError) -> bool:
    """Whether an answer will never be taken because of what it says, while its job waits for one."""
    refused = error.outcome is Outcome.NOT_EXECUTED and not error.retryable
    return refused and error.code not in _GONE and error.code not in _OUR_RIGHTS


def _answer(delivery: Delivery) -> Answer:
    answer = delivery.request
    assert isinstance(answer, Answer), "its queue has a decoder of answers"
    return answer
