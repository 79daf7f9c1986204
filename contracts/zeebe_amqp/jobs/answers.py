"""The answer of a worker: a message whose property `type` says what becomes of the job."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Any, Final, NamedTuple, TypeAlias

import msgspec

from zeebe_amqp import wire
from zeebe_amqp.body_section import refusal_of
from zeebe_amqp.commands import Command, CompleteJob, FailJob, ThrowError, UpdateJobTimeout
from zeebe_amqp.commands.command import DATA
from zeebe_amqp.errors import CommandError
from zeebe_amqp.jobs import names
from zeebe_amqp.schema.fields import KeyNumber
from zeebe_amqp.schema.formatting import found, found_in, json_error, printable, quoted, truncate
from zeebe_amqp.schema.json_members import OBJECT

__all__ = [
    "MAX_REASON",
    "AnswerMessage",
    "GivenOut",
    "Interpretation",
    "NotAnAnswer",
    "Outcome",
    "Reading",
    "Statement",
    "fail",
    "interpret",
    "members",
    "plain",
    "to_command",
]

MAX_REASON: Final = 1000
"""Characters of the text with which a job fails whose answer is none."""
_UNASKED: Final = ("text/plain", "application/octet-stream")
"""Content types that many clients set when nobody chose one: they say nothing."""
_ENCODINGS: Final = ("", "identity", "utf-8")
_NULL: Final = b"null"
_SPACE: Final = b" \t\r\n"
"""What JSON allows around a value."""
_VARIABLES: Final = f"{DATA}.variables"
_RESULT: Final = f"{DATA}.result"


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
    content_encoding: str | None = None


class NotAnAnswer(Exception):
    """What came says nothing of the job; the text says what is wrong with it."""


class Statement(NamedTuple):
    """An outcome and the JSON document that comes with it."""

    outcome: Outcome
    document: bytes


class Interpretation(NamedTuple):
    """What an answer comes to."""

    command: Command
    outcome: Outcome | None
    """What the worker said; None where that cannot be used, and the command fails the job."""


Reading: TypeAlias = Callable[[AnswerMessage, GivenOut], Statement]
"""How answers are read: as this module says, or in the envelope of a framework. It may raise `NotAnAnswer`."""


def plain(message: AnswerMessage, job: GivenOut) -> Statement:
    """An answer without an envelope. The header `outcome` comes before the property `type`: frameworks set that one.

    Raises:
        NotAnAnswer: the outcome is unknown, or the content is not JSON.
    """
    outcome = _outcome(message, job)
    media = (message.content_type or wire.CONTENT_TYPE).partition(";")[0].strip().lower()
    if message.body.strip() and media not in (wire.CONTENT_TYPE, *_UNASKED):
        raise NotAnAnswer(f"content_type: expected {wire.CONTENT_TYPE} or none, found {quoted(media)}")
    return Statement(outcome, message.body)


def _outcome(message: AnswerMessage, job: GivenOut) -> Outcome:
    where, named = f"header {names.OUTCOME}", message.headers.get(names.OUTCOME)
    if named is None or named == "":
        where, named = "type", message.type
        if not named or named == job.type + names.COMPLETED:
            return Outcome.COMPLETE
    # Of a header of another type nobody knows what it means: taken for none, it would complete a job that failed.
    if not isinstance(named, str) or named not in list(Outcome):
        accepted = f"expected one of {', '.join(Outcome)}, or none to complete"
        raise NotAnAnswer(f"{where}: {accepted}; found {found(named)}")
    return Outcome(named)


def to_command(
    message: AnswerMessage, job: GivenOut, *, reading: Reading = plain, max_depth: int = wire.MAX_DEPTH
) -> Command:
    """The command of `interpret`."""
    return interpret(message, job, reading=reading, max_depth=max_depth).command


def interpret(
    message: AnswerMessage, job: GivenOut, *, reading: Reading = plain, max_depth: int = wire.MAX_DEPTH
) -> Interpretation:
    """The command to which an answer comes. What is none fails the job: it would be given out for ever.

    Args:
        message: the answer.
        job: what it is for.
        reading: how its framework writes answers.
        max_depth: how many levels variables may be nested.
    """
    try:
        if (message.content_encoding or "").lower() not in _ENCODINGS:
            known = 'expected none, "identity" or "utf-8"'
            raise NotAnAnswer(f"content_encoding: {known}, found {quoted(message.content_encoding or '')}")
        if (refusal := refusal_of(message.body, message.type)) is not None:
            raise NotAnAnswer(f"body: {refusal}")
        outcome, document = reading(message, job)
        data = _data(outcome, document, job, message.headers.get(names.JOB_RESULT))
        try:
            return Interpretation(_COMMANDS[outcome].from_wire(data, {}, max_depth=max_depth), outcome)
        except CommandError as problem:
            raise NotAnAnswer(_in_words_of(outcome, problem)) from None
    except NotAnAnswer as problem:
        return Interpretation(fail(job, f"the answer cannot be used: {problem}"), None)


def fail(job: GivenOut, reason: str) -> FailJob:
    """The command that takes one retry of a job."""
    text, retries = printable(truncate(reason, MAX_REASON)), max(0, job.retries - 1)
    return FailJob(job_key=KeyNumber(job.key), retries=retries, error_message=text)


def _data(outcome: Outcome, document: bytes, job: GivenOut, result: object) -> bytes:
    """The `data` of the command, the worker's documents in it byte for byte.

    Raises:
        NotAnAnswer: the document is not a JSON object, or names the job.
    """
    told = members(document)
    if outcome is Outcome.COMPLETE:
        parts: dict[str, Any] = {} if told is None else {"variables": msgspec.Raw(document)}
        if result is not None:
            parts["result"] = msgspec.Raw(_json_text(result))
    else:
        parts = {**(told or {})}
        if "jobKey" in parts:
            raise NotAnAnswer("body.jobKey: not accepted; the correlation id says which job it is")
        if outcome is Outcome.FAIL:
            parts.setdefault("retries", max(0, job.retries - 1))
    return msgspec.json.encode({"jobKey": job.key, **parts})


def members(document: bytes) -> Mapping[str, msgspec.Raw] | None:
    """The members of a JSON object; None for nothing.

    Raises:
        NotAnAnswer: it is something else.
    """
    if document.strip(_SPACE) in (b"", _NULL):
        return None
    try:
        return OBJECT.decode(document)
    except msgspec.ValidationError:
        raise NotAnAnswer(f"body: expected a JSON object, found {_kind(document)}") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as problem:
        raise NotAnAnswer(f"body: {json_error(problem, document)}") from None
    except RecursionError:
        raise NotAnAnswer("body: nested too deep") from None


def _kind(document: bytes) -> str:
    """What stands there in place of an object, as far as that is JSON."""
    try:
        return found_in(document.strip(_SPACE))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return "something else"


def _json_text(result: object) -> bytes:
    where = f"header {names.JOB_RESULT}"
    if not isinstance(result, str):
        raise NotAnAnswer(f"{where}: expected JSON text, found {found(result)}")
    document = result.encode("utf-8", "surrogatepass")
    try:
        OBJECT.decode(document)
    except msgspec.ValidationError:
        raise NotAnAnswer(f"{where}: expected a JSON object, found {_kind(document)}") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as problem:
        raise NotAnAnswer(f"{where}: {json_error(problem, document)}") from None
    except RecursionError:
        raise NotAnAnswer(f"{where}: nested too deep") from None
    return document


def _in_words_of(outcome: Outcome, problem: CommandError) -> str:
    """A refusal of a command, for who knows neither of our commands nor of their `data`: it wrote a body."""
    field = str((problem.details or {}).get("field", ""))
    name = field
    if outcome is Outcome.COMPLETE and field.startswith(_RESULT):
        name = field.replace(_RESULT, f"header {names.JOB_RESULT}", 1)
    elif outcome is Outcome.COMPLETE and field.startswith(_VARIABLES):
        name = field.replace(_VARIABLES, "body", 1)
    elif field.startswith(DATA):
        name = field.replace(DATA, "body", 1)
    return problem.message.replace(field, name, 1) if field else problem.message


_COMMANDS: Final[Mapping[Outcome, type[Command]]] = {
    Outcome.COMPLETE: CompleteJob,
    Outcome.FAIL: FailJob,
    Outcome.ERROR: ThrowError,
    Outcome.EXTEND: UpdateJobTimeout,
}
