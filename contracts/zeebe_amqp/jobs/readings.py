"""How answers are read, by name: without an envelope, or in the one of a framework.

A framework that is made for calls wraps what a handler returned, and what it raised, in an envelope of its own. Read
without it, failed work would complete a job. A reading says what such an envelope means; each was made from what the
framework itself sends.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

import msgspec

from zeebe_amqp.jobs import names
from zeebe_amqp.jobs.answers import (
    MAX_REASON,
    AnswerMessage,
    GivenOut,
    NotAnAnswer,
    Outcome,
    Reading,
    Statement,
    members,
    plain,
)
from zeebe_amqp.schema.formatting import found, printable, truncate

__all__ = ["PLAIN", "READINGS", "aio_pika", "celery", "nameko", "nestjs", "spring"]

_NULL: Final = b"null"
_UNSAID: Final = "the handler failed and did not say why"
_BYTES: Final = 4
"""A character has at most so many in UTF-8."""


def nameko(message: AnswerMessage, job: GivenOut) -> Statement:
    """Nameko's: `{"result": …, "error": null}`, or an error `{"exc_type", "value", …}`."""
    told = _envelope(message, "error", "result")
    if _is_given(told, "error"):
        return _failed(_named(told["error"], "exc_type", "value"))
    return _completed(told, "result")


def celery(message: AnswerMessage, job: GivenOut) -> Statement:
    """Celery's, of its result backend `rpc://`: `{"status", "result", …}`.

    Raises:
        NotAnAnswer: no envelope, or a status with which a task has not ended.
    """
    told = _envelope(message, "status")
    status = _text(told["status"])
    if status == "SUCCESS":
        return _completed(told, "result")
    if status in ("FAILURE", "REVOKED"):
        return _failed(_named(told.get("result", _NULL), "exc_type", "exc_message"))
    raise NotAnAnswer(f"status: expected SUCCESS, FAILURE or REVOKED, found {found(status)}")


def nestjs(message: AnswerMessage, job: GivenOut) -> Statement:
    """That of NestJS: `{"response": …, "isDisposed": true}`, or `{"err": …, "isDisposed": true}`.

    Raises:
        NotAnAnswer: no envelope, or the handler goes on and returns more.
    """
    told = _envelope(message)
    if _is_given(told, "err"):
        return _failed(_named(told["err"], "status", "message"))
    if bytes(told.get("isDisposed", _NULL)) != b"true":
        raise NotAnAnswer("isDisposed: expected true; a job has one answer, and the handler returns several values")
    return _completed(told, "response")


def aio_pika(message: AnswerMessage, job: GivenOut) -> Statement:
    """That of aio-pika's `JsonRPC`: the property `type` is `result` or `error`, the body an error or what was returned.

    Raises:
        NotAnAnswer: the property says something else.
    """
    if message.type == "result":
        return plain(AnswerMessage(message.body, content_type=message.content_type), job)
    if message.type == "error":
        told = _envelope(message, "error")
        return _failed(_named(told["error"], "type", "message"))
    raise NotAnAnswer(f"type: expected result or error, found {found(message.type)}")


def spring(message: AnswerMessage, job: GivenOut) -> Statement:
    """Spring's, of listeners with `returnExceptions`: no envelope, except `{"value": null, "exception": {…}}`."""
    statement = plain(message, job)
    if statement.outcome is Outcome.COMPLETE:
        told = members(statement.document) or {}
        if told.keys() == {"value", "exception"} and _is_given(told, "exception"):
            return _failed(_named(told["exception"], "class", "message"))
    return statement


def _or_plain(reading: Reading, own: str = "") -> Reading:
    """An envelope has no word for most outcomes: a message that names one has none, unless its `type` is `own`."""

    def read(message: AnswerMessage, job: GivenOut) -> Statement:
        says = message.headers.get(names.OUTCOME) or (message.type in list(Outcome) and message.type != own)
        return plain(message, job) if says else reading(message, job)

    return read


def _envelope(message: AnswerMessage, *required: str) -> Mapping[str, msgspec.Raw]:
    """The members of an envelope.

    Raises:
        NotAnAnswer: there is no object, or a member that it must have is missing.
    """
    told = members(message.body)
    if told is None:
        raise NotAnAnswer("body: expected the framework's envelope, found nothing")
    for name in required:
        if name not in told:
            raise NotAnAnswer(f"body: expected the framework's envelope; {name} is missing")
    return told


def _is_given(told: Mapping[str, msgspec.Raw], name: str) -> bool:
    return bytes(told.get(name, _NULL)) != _NULL


def _completed(told: Mapping[str, msgspec.Raw], name: str) -> Statement:
    return Statement(Outcome.COMPLETE, bytes(told.get(name, _NULL)))


def _failed(reason: str) -> Statement:
    text = printable(truncate(reason.strip() or _UNSAID, MAX_REASON))
    return Statement(Outcome.FAIL, msgspec.json.encode({"errorMessage": text}))


def _named(raw: bytes, kind: str, text: str) -> str:
    """The text of an error: of its members `kind` and `text`, or of all of it when it has no such text."""
    try:
        told = members(bytes(raw)) or {}
    except NotAnAnswer:
        told = {}
    if text not in told:
        return _text(raw)
    named = [_text(told[each]) for each in (kind, text) if _is_given(told, each)]
    return ": ".join(each for each in named if each)


def _text(raw: bytes) -> str:
    """A JSON value as text for people: a text, or the only one of a list, as it is; anything else as it was written."""
    try:
        told = msgspec.json.decode(raw, type=str | tuple[str])
        return told if isinstance(told, str) else told[0]
    except (msgspec.DecodeError, UnicodeDecodeError):
        return bytes(raw)[: MAX_REASON * _BYTES].decode(errors="replace")


PLAIN: Final = "plain"
"""The reading where none is named."""
READINGS: Final[Mapping[str, Reading]] = MappingProxyType(
    {
        PLAIN: plain,
        "aio-pika": _or_plain(aio_pika, own="error"),
        "celery": _or_plain(celery),
        "nameko": _or_plain(nameko),
        "nestjs": _or_plain(nestjs),
        "spring": _or_plain(spring),
    }
)
"""By the name that a type's table gives."""
