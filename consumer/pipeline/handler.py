"""The innermost handler: decode, execute, answer."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Final

from consumer.core.call import Call, Engine
from consumer.core.delivery import Delivery, Handler, Reply
from consumer.core.limiter import AimdLimit
from consumer.pipeline.trace_variable import TraceVariable
from zeebe_amqp.commands import Command
from zeebe_amqp.commands.keys import refuse_impossible_keys
from zeebe_amqp.envelope import Request
from zeebe_amqp.errors import Code, CommandError, Outcome
from zeebe_amqp.lateness import refuse_past

__all__ = ["executing", "place"]

_UNLIMITED: Final[Mapping[str, AimdLimit]] = {}


def executing(
    engine: Engine,
    limits: Mapping[str, AimdLimit] = _UNLIMITED,
    clock: Callable[[], float] = time.time,
    trace: TraceVariable | None = None,
) -> Handler:
    """A handler that lets `engine` execute the command of a request.

    Args:
        engine: executes.
        limits: by the name of the queue, told how the engine bears what is sent. Commands that are exempt from the
            limit tell nothing: the engine takes them however busy it is, so that their success says nothing of others.
        clock: seconds since 1970.
        trace: puts the trace of a request into its variables; None = nobody does.
    """

    async def execute(delivery: Delivery) -> Reply:
        request, deadline = delivery.request, delivery.message.deadline
        command = request.command
        refuse_past(deadline, clock())
        refuse_impossible_keys(command)
        if trace is not None:
            command = await trace.command(delivery)
        call = delivery.call = Call(
            command,
            deadline,
            command.attempt_timeout(),
            command.is_idempotent(),
            request.keys_as_text,
            None if command.exempt_from_limit else limits.get(delivery.message.queue),
            delivery.large,
        )
        try:
            return Reply(request.operation, await engine.execute(call))
        except CommandError as error:
            place(error, request)
            _explain(error, command)
            raise

    return execute


def place(error: CommandError, request: Request) -> None:
    """Name an error's field where the caller wrote it: a file's tenant stands in the metadata."""
    field = str((error.details or {}).get("field", ""))
    name = field.removeprefix("data.")
    if name in request.command.in_metadata and name in request.metadata:
        error.message = error.message.replace(field, f"metadata.{name}", 1)
        error.details = {**(error.details or {}), "field": f"metadata.{name}"}


def _explain(error: CommandError, command: Command) -> None:
    if command.when_late and error.code is Code.DEADLINE_EXCEEDED and error.outcome is Outcome.UNKNOWN:
        error.message = f"{error.message}; {command.when_late}"
