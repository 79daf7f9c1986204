"""Puts the trace of a request into a variable of what it begins, so that the jobs that follow belong to it."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from consumer.core.delivery import Delivery
from consumer.core.large import offload
from zeebe_amqp import trace_variable as variables
from zeebe_amqp import wire
from zeebe_amqp.commands import Command

__all__ = ["TraceVariable"]


class TraceVariable:
    """Makes the command that an engine gets of the one that was sent.

    Args:
        context: the `traceparent` and `tracestate` of what is done for a delivery; empty without a trace.
        default: the variable of requests that name none (the setting TRACE_VARIABLE); None = they get none.
        max_depth: nesting of variables that is accepted.
    """

    def __init__(
        self,
        context: Callable[[Delivery], Mapping[str, str]],
        default: str | None = None,
        max_depth: int = wire.MAX_DEPTH,
    ) -> None:
        self._context = context
        self._default = default if max_depth >= variables.DEPTH else None

    async def command(self, delivery: Delivery) -> Command:
        """The command of a delivery, with the trace that it belongs to where that is wanted and there is one."""
        request = delivery.request
        if not request.command.carries_trace:
            return request.command
        name = request.metadata.get(wire.TRACE_VARIABLE)
        if name is None and not self._may_add(delivery):
            return request.command
        context = self._context(delivery)
        if wire.TRACEPARENT not in context:
            return request.command
        make = variables.insert if name is not None else _insert_if_free
        arguments = (request.command, name or self._default or "", context)
        return await offload(make, *arguments) if delivery.large else make(*arguments)

    def _may_add(self, delivery: Delivery) -> bool:
        """Whether a variable may be added that the sender did not ask for: that must not make a request too large."""
        return self._default is not None and delivery.message.size + variables.MAX_ADDED <= wire.MAX_MESSAGE


def _insert_if_free(command: Command, name: str, context: Mapping[str, str]) -> Command:
    """Where the sender uses the name for something else, it stays theirs: an operator asked for the trace, not they."""
    return command if variables.is_used(command, name) else variables.insert(command, name, context)
