"""The answer of a worker: a message whose property `type` says what becomes of the job."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Any, Final, NamedTuple, TypeAlias

import msgspec

from zeebe_amqp import wire
from zeebe_amqp.commands import Command, CompleteJob, FailJob, ThrowError, UpdateJobTimeout
from zeebe_amqp.errors import CommandError
from zeebe_amqp.jobs import names
from zeebe_amqp.schema.formatting import found, found_in, json_error, printable, quoted, truncate
from zeebe_amqp.schema.json_members import OBJECT

__all__ = ["AnswerMessage", "GivenOut", "NotAnAnswer", "Outcome", "Reading", "Statement", "fail", "plain", "to_command"]

MAX_REASON: Final = 1000
"""Characters of the text with which a job fails whose answer is none."""
_COMPLETED: Final = ".result"
_UNASKED: Final = ("text/plain", "application/octet-stream")
"""Content types that many clients set when nobody chose one: they say nothing."""
_NULL: Final = b"null"


class Outcome(StrEnum):
    """What a worker says of a job."""

    COMPLETE = "complete"
    """It is done; the body has variables for the process, or nothing."""
    FAIL = "fail"
    """It failed: `errorMessage`, and `retries`, `retryBackOff` and `variables` where wanted."""
    ERROR = "error"
    """A BPMN error, for the process to catch: `errorCode`, and `errorMessage` and `variables` where wanted."""
    EXTEND = "extend"
    """It takes longer: `timeout` from now on. The worker answers again later."""


class GivenOut(NamedTuple):
    """The job that an answer is for, as it was given out."""

    key: int
    retries: int
    """Tries that were left, that one included."""
    type: str


class AnswerMessage(NamedTuple):
    """An answer as it came."""

    body: bytes
    type: str | None = None
    content_type: str | None = None
    headers: Mapping[str, Any] = {}


class NotAnAnswer(Exception):
    """What came says nothing of the job; the text says what is wrong with it."""


class Statement(NamedTuple):
    """An outcome and the JSON document that comes with it."""

    outcome: Outcome
    document: bytes


Reading: TypeAlias = Callable[[AnswerMessage, GivenOut], Statement]
"""How answers are read: as this module says, or in the envelope of a framework. It may raise `NotAnAnswer`."""


def plain(message: AnswerMessage, job: GivenOut) -> Statement:
    """An answer without an envelope.

    Raises:
        NotAnAnswer: the outcome is unknown, or the content is not JSON.
    """
    named = message.type or message.headers.get(names.OUTCOME)
    if named is None or named == job.type + _COMPLETED:
        outcome = Outcome.COMPLETE
    elif named in list(Outcome):
        outcome = Outcome(named)
    else:
        where = "type" if message.type else f"header {names.OUTCOME}"
        raise NotAnAnswer(f"{where}: expected one of {', '.join(Outcome)}, or none to complete; found {found(named)}")
    media = (message.content_type or wire.CONTENT_TYPE).partition(";")[0].strip().lower()
    if message.body and media not in (wire.CONTENT_TYPE, *_UNASKED):
        raise NotAnAnswer(f"content_type: expected {wire.CONTENT_TYPE} or none, found {quoted(media)}")
    return Statement(outcome, message.body)


def to_command(
    message: AnswerMessage, job: GivenOut, *, reading: Reading = plain, max_depth: int = wire.MAX_DEPTH
) -> Command:
    """The command to which an answer comes. What is none fails the job: it would be given out for ever.

    Args:
        message: the answer.
        job: what it is for.
        reading: how its framework writes answers.
        max_depth: how many levels variables may be nested.
    """
    try:
        statement = reading(message, job)
        data = _data(statement, job, message.headers.get(names.JOB_RESULT))
        return _COMMANDS[statement.outcome].from_wire(data, {}, max_depth=max_depth)
    except NotAnAnswer as problem:
        return fail(job, f"the answer cannot be used: {problem}")
    except CommandError as problem:
        # The worker knows neither of our commands nor of their `data`: it wrote a body.
        text = (
            problem.message.replace("data.variables", "body", 1)
            if _is_complete(problem, statement)
            else problem.message
        )
        return fail(job, f"the answer cannot be used: {text.replace('data.', 'body.', 1)}")


def fail(job: GivenOut, reason: str) -> FailJob:
    """The command that takes one retry of a job."""
    return FailJob(
        job_key=job.key, retries=max(0, job.retries - 1), error_message=printable(truncate(reason, MAX_REASON))
    )


def _data(statement: Statement, job: GivenOut, result: object) -> bytes:
    """The `data` of the command, the worker's documents in it byte for byte.

    Raises:
        NotAnAnswer: the document is not a JSON object, or names the job.
    """
    members = _members(statement.document)
    if statement.outcome is Outcome.COMPLETE:
        parts: dict[str, Any] = {} if members is None else {"variables": msgspec.Raw(statement.document)}
        if result is not None:
            parts["result"] = msgspec.Raw(_json_text(result))
    else:
        parts = {**(members or {})}
        if "jobKey" in parts:
            raise NotAnAnswer("body.jobKey: not accepted; the correlation id says which job it is")
        if statement.outcome is Outcome.FAIL:
            parts.setdefault("retries", max(0, job.retries - 1))
    return msgspec.json.encode({"jobKey": job.key, **parts})


def _members(document: bytes) -> Mapping[str, msgspec.Raw] | None:
    """The members of a JSON object; None for nothing.

    Raises:
        NotAnAnswer: it is something else.
    """
    if document.strip() in (b"", _NULL):
        return None
    try:
        return OBJECT.decode(document)
    except msgspec.ValidationError:
        raise NotAnAnswer(f"body: expected a JSON object, found {found_in(document)}") from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as problem:
        raise NotAnAnswer(f"body: {json_error(problem, document)}") from None


def _json_text(result: object) -> bytes:
    if not isinstance(result, str):
        raise NotAnAnswer(f"header {names.JOB_RESULT}: expected JSON text, found {found(result)}")
    document = result.encode("utf-8", "surrogatepass")
    try:
        OBJECT.decode(document)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as problem:
        raise NotAnAnswer(f"header {names.JOB_RESULT}: {json_error(problem, document)}") from None
    return document


def _is_complete(problem: CommandError, statement: Statement) -> bool:
    return statement.outcome is Outcome.COMPLETE and str((problem.details or {}).get("field", "")).startswith(
        "data.variables"
    )


_COMMANDS: Final[Mapping[Outcome, type[Command]]] = {
    Outcome.COMPLETE: CompleteJob,
    Outcome.FAIL: FailJob,
    Outcome.ERROR: ThrowError,
    Outcome.EXTEND: UpdateJobTimeout,
}
