"""Requests handled: how many, how they ended, how long they took and how long they waited."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Final

from consumer.core.delivery import Delivery, Handler, Reply
from consumer.core.message import Message
from consumer.telemetry import names
from consumer.telemetry.metrics import Metrics
from consumer.telemetry.series import Counter, Histogram, Label, Labels, Memo
from zeebe_amqp.commands import COMMANDS
from zeebe_amqp.errors import Error, Outcome

__all__ = ["Requests", "queue_wait"]


_MAX_WAIT: Final = 86_400.0
_HANDLING: Final[Labels] = ((names.SYSTEM, names.RABBITMQ), (names.OPERATION_NAME, names.PROCESS))
_OK: Final = "OK"
_EXECUTED: Final = "executed"
_OUTCOMES: Final = (_EXECUTED, Outcome.NOT_EXECUTED.value, Outcome.UNKNOWN.value)


class Requests:
    """Counts and times requests into `metrics`; every time series is looked up by one short key."""

    def __init__(self, metrics: Metrics) -> None:
        consumed, durations = metrics.counter(names.CONSUMED), metrics.histogram(names.PROCESS_DURATION)
        redelivered, waits = metrics.counter(names.REDELIVERED_MESSAGES), metrics.histogram(names.QUEUE_WAIT)
        commands, replayed = metrics.counter(names.COMMANDS), metrics.counter(names.REPLAYED_REPLIES)
        self._consumed: Memo[str, Counter] = Memo(lambda queue: consumed.at((*_HANDLING, _from(queue))))
        self._redelivered: Memo[str, Counter] = Memo(lambda queue: redelivered.at((_from(queue),)))
        self._waits: Memo[str, Histogram] = Memo(lambda queue: waits.at((_from(queue),)))
        self._ended: Memo[tuple[str, str | None], Histogram] = Memo(lambda key: durations.at(_ended(*key)))
        outcomes, times = metrics.counter(names.OUTCOMES), metrics.histogram(names.COMMAND_DURATION)
        self._commands: Memo[tuple[str, str, str, str], Counter] = Memo(lambda key: commands.at(_command(*key)))
        self._outcomes: Memo[tuple[str, str], Counter] = Memo(lambda key: outcomes.at(_outcome(*key)))
        self._times: Memo[str, Histogram] = Memo(lambda operation: times.at(_of(operation)))
        self._replayed: Memo[str, Counter] = Memo(lambda operation: replayed.at(_of(operation)))
        # A series that begins at 1 has no increase: an alert would not see the first of its kind.
        for operation in (*COMMANDS, names.OTHER):
            self._commands[operation, _OK, "", ""].value = self._replayed[operation].value = 0
            for outcome in _OUTCOMES:
                self._outcomes[operation, outcome].value = 0

    def expect(self, queues: Iterable[str]) -> None:
        """Make the series of requests from these queues, at zero."""
        for queue in queues:
            self._consumed[queue].value = self._redelivered[queue].value = 0

    def measured(self, handler: Handler) -> Handler:
        """Count and time what `handler` does."""

        async def measure(delivery: Delivery) -> Reply:
            started = time.perf_counter()
            self._count_arrival(delivery)
            try:
                reply = await handler(delivery)
            except BaseException as error:
                self._ended[delivery.message.queue, type(error).__name__].record(time.perf_counter() - started)
                raise
            took, refusal = time.perf_counter() - started, reply.error
            self._ended[delivery.message.queue, None if refusal is None else refusal.code.value].record(took)
            self._count_answer(reply, refusal, took)
            return reply

        return measure

    def _count_arrival(self, delivery: Delivery) -> None:
        self._consumed[delivery.message.queue].value += 1
        if delivery.message.redelivered:
            self._redelivered[delivery.message.queue].value += 1
        if delivery.message.timestamp is not None and (wait := queue_wait(delivery.message, time.time())) is not None:
            self._waits[delivery.message.queue].record(wait)

    def _count_answer(self, reply: Reply, error: Error | None, took: float) -> None:
        operation = reply.operation
        if operation is None or operation not in COMMANDS:
            operation = names.OTHER
        if error is None:
            key, outcome = (operation, _OK, "", ""), _EXECUTED
        else:
            outcome = error.outcome.value
            key = (operation, error.code.value, error.source.value, outcome)
        self._commands[key].value += 1
        self._outcomes[operation, outcome].value += 1
        self._times[operation].record(took)
        if reply.replayed:
            self._replayed[operation].value += 1


def queue_wait(message: Message, until: float) -> float | None:
    """Seconds that a request has waited, as far as it says when it was sent; None where its clock must be wrong."""
    wait = None if message.timestamp is None else until - message.timestamp
    return wait if wait is not None and 0 <= wait < _MAX_WAIT else None


def _from(queue: str) -> Label:
    return (names.DESTINATION, queue)


def _ended(queue: str, error: str | None) -> Labels:
    labels = (*_HANDLING, _from(queue))
    return labels if error is None else (*labels, (names.ERROR_TYPE, error))


def _of(operation: str) -> Labels:
    return (("operation", operation),)


def _outcome(operation: str, outcome: str) -> Labels:
    return (*_of(operation), ("outcome", outcome))


def _command(operation: str, code: str, source: str, outcome: str) -> Labels:
    labels = (*_of(operation), ("code", code))
    return (*labels, ("source", source), ("outcome", outcome)) if source else labels
