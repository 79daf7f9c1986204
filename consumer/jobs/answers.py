"""The answers of workers, and jobs that came back without one: from a message to the command that ends the job."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from consumer.config.settings import JobType
from consumer.core.message import Message
from consumer.jobs.signed_id import JobId, SignedIds, hash_type
from zeebe_amqp import wire
from zeebe_amqp.commands import Command
from zeebe_amqp.commands.target import ANY, Target
from zeebe_amqp.envelope import Request
from zeebe_amqp.errors import Code, CommandError, invalid
from zeebe_amqp.jobs import names
from zeebe_amqp.jobs.answers import AnswerMessage, GivenOut, Outcome, fail, interpret
from zeebe_amqp.jobs.readings import READINGS

__all__ = [
    "DELIVERY_LIMIT",
    "EXPIRED",
    "REJECTED",
    "UNKNOWN_TYPE",
    "UNUSABLE",
    "Answer",
    "AnswerDecoder",
]

UNUSABLE: Final = "unusable"
"""In the place of an outcome: the answer was none, and its job fails."""
REJECTED: Final = "rejected"
DELIVERY_LIMIT: Final = "delivery_limit"
EXPIRED: Final = "expired"
"""Why a job came back without an answer; the first two are the broker's words."""
UNKNOWN_TYPE: Final = ""
"""In the place of a type that no setting names and the message does not prove."""
_NO_WORKER: Final = frozenset({EXPIRED, "maxlen"})
"""The broker's words for a job that no worker had."""
_FIELD: Final = "correlation_id"
_LAST_REASON: Final = "x-last-death-reason"
_DEATHS: Final = "x-death"
_FIRST_REASON: Final = "x-first-death-reason"


class Answer(Request, frozen=True, kw_only=True):
    """What a message says of a job that was given out, as the command that it comes to."""

    job: JobId
    job_type: str
    """Its type; `UNKNOWN_TYPE` where that is not known."""
    outcome: str
    """What the worker said (`zeebe_amqp.jobs.answers.Outcome`), `UNUSABLE`, or why the job came back without an
    answer."""

    @property
    def given_out(self) -> GivenOut:
        """The job as answers are read for it."""
        return GivenOut(self.job.key, self.job.retries, self.job_type)


class AnswerDecoder:
    """Decodes what comes to the queues of answers; its methods are `consumer.core.delivery.Decoder`s.

    Args:
        ids: verifies which job a message is about.
        types: the types of jobs that are given out here. Others may give out more with the same keys.
    """

    def __init__(self, ids: SignedIds, types: Sequence[JobType]) -> None:
        self._ids = ids
        self._types: Mapping[str, JobType] = {hash_type(each.name): each for each in types}

    def results(self, message: Message, max_depth: int, max_body: int) -> Answer:
        """The command that ends a job as its worker says; what says nothing of it fails it.

        Raises:
            CommandError: INVALID_ARGUMENT without an id, PERMISSION_DENIED with one that is not ours.
        """
        job, job_type, known = self._job(message)
        given_out = GivenOut(job.key, job.retries, job_type)
        limit = min(max_body, wire.MAX_BODY)
        if message.size > limit:
            command = fail(given_out, f"the answer cannot be used: body: {message.size} bytes; accepted: {limit}")
            return _answer(job, job_type, UNUSABLE, command)
        came = AnswerMessage(
            message.body, message.type, message.content_type, message.headers, message.content_encoding
        )
        # Of a type that others fetch, or nobody any more, the id says it: read as plain, the envelope of a framework
        # would complete a job that failed.
        name = job.answers if known is None else known.answers
        if name not in READINGS:
            command = fail(given_out, f"the answer cannot be used: this service cannot read answers of {name}")
            return _answer(job, job_type, UNUSABLE, command)
        reading = READINGS[name]
        found = interpret(came, given_out, reading=reading, max_depth=max_depth)
        return _answer(job, job_type, UNUSABLE if found.outcome is None else found.outcome.value, found.command)

    def undone(self, message: Message, max_depth: int, max_body: int) -> Answer:
        """The command that fails a job which came back without an answer, or with `EXPIRED` one that is not to run.

        Raises:
            CommandError: INVALID_ARGUMENT without an id or a reason, PERMISSION_DENIED with an id that is not ours.
        """
        job, job_type, known = self._job(message)
        reason = _reason(message.headers)
        given_out = GivenOut(job.key, job.retries, job_type)
        if reason == REJECTED:
            return _answer(job, job_type, REJECTED, fail(given_out, "rejected by the worker"))
        if reason == DELIVERY_LIMIT:
            often = "too often" if known is None else f"{known.delivery_limit + 1} times"
            words = f"delivered {often} without an answer: its workers died or lost their connection"
            return _answer(job, job_type, DELIVERY_LIMIT, fail(given_out, words))
        if reason in _NO_WORKER:
            return _answer(job, job_type, EXPIRED, fail(given_out, "no worker took the job in time"))
        accepted = ", ".join((REJECTED, DELIVERY_LIMIT, *sorted(_NO_WORKER)))
        raise invalid(
            f"header {_DEATHS}",
            f"expected the broker's reason for returning the job, one of {accepted}; found none of these",
        )

    def _job(self, message: Message) -> tuple[JobId, str, JobType | None]:
        """The job that a message is about, its type, and what is set for that."""
        if not message.correlation_id:
            raise invalid(_FIELD, "missing; accepted: that of the job's message, unchanged")
        job = self._ids.read(message.correlation_id)
        if job is None:
            # Not repeated here: one that is right in all but a key lets its reader answer for a job.
            words = (
                f"{_FIELD}: found one that this service did not sign, or with a key that it does not have "
                "(SIGNING_KEYS); accepted: that of the job's message, unchanged"
            )
            raise CommandError(Code.PERMISSION_DENIED, words, details={"field": _FIELD})
        known = self._types.get(job.type_hash)
        return job, known.name if known is not None else _proven_type(job, message), known


def _proven_type(job: JobId, message: Message) -> str:
    """The type that a message names, if the job's id bears it out."""
    completed = message.type.removesuffix(names.COMPLETED) if message.type else None
    for named in (message.headers.get(names.JOB_TYPE), message.type, completed):
        # Hashes are remembered by what they are of: long texts would fill the memory.
        if isinstance(named, str) and 0 < len(named) <= names.MAX_JOB_TYPE and hash_type(named) == job.type_hash:
            return named
    return UNKNOWN_TYPE


def _answer(job: JobId, job_type: str, outcome: str, command: Command) -> Answer:
    data, _ = command.to_wire()
    return Answer(
        operation=command.operation,
        command=command,
        data=data,
        metadata={},
        bare=False,
        acts_on=Target(job_types=(job_type or ANY,)),
        # A worker extends its job as often as it likes.
        identity="" if outcome == Outcome.EXTEND else f"{job.key}.{job.deadline}.{job.retries}.{job.type_hash}",
        job=job,
        job_type=job_type,
        outcome=outcome,
    )


def _reason(headers: Mapping[str, Any]) -> str | None:
    """Why the broker took a message from its queue, the last time; None where it does not say so."""
    last = headers.get(_LAST_REASON)
    if last is None:
        match headers.get(_DEATHS):
            case [{"reason": str(latest)}, *_]:
                last = latest
            case _:
                last = headers.get(_FIRST_REASON)
    return last if isinstance(last, str) else None
