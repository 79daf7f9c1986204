"""Errors of requests, and what callers decide by when one failed."""

from __future__ import annotations

from typing import Any

from zeebe_amqp.errors import Code, CommandError, Error, Outcome, Source


def failed(
    code: Code = Code.NOT_FOUND,
    source: Source = Source.GATEWAY,
    outcome: Outcome = Outcome.NOT_EXECUTED,
    retryable: bool = False,
    message: str = "no",
    **more: Any,
) -> Error:
    """An error of a reply; of the gateway, final and certain unless told otherwise."""
    return Error(code=code, message=message, source=source, outcome=outcome, retryable=retryable, **more)


def verdict(error: CommandError | Error) -> tuple[Code, Source, Outcome, bool]:
    """Everything but the words."""
    return error.code, error.source, error.outcome, error.retryable
