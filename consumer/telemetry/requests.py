"""Requests handled: how many, how they ended, how long they took and how long they waited."""

from __future__ import annotations

import time
from typing import Final

from consumer.core.delivery import Delivery, Handler, Reply
from consumer.telemetry import names
from consumer.telemetry.metrics import Metrics
from consumer.telemetry.series import Counter, Histogram, Label, Labels, Memo
from zeebe_amqp.commands import COMMANDS

__all__ = ["Requests"]


_MAX_WAIT: Final = 86_400.0
_HANDLING: Final[Labels] = ((names.SYSTEM, names.RABBITMQ), (names.OPERATION_NAME, names.PROCESS))
_OK: Final = "OK"


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
        self._commands: Memo[tuple[str, str], Counter] = Memo(lambda key: commands.at(_command(*key)))
        self._replayed: Memo[str, Counter] = Memo(lambda operation: replayed.at((("operation", operation),)))

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
            code = None if reply.error is None else reply.error.code.value
            self._ended[delivery.message.queue, code].record(time.perf_counter() - started)
            self._count_answer(reply, code or _OK)
            return reply

        return measure

    def _count_arrival(self, delivery: Delivery) -> None:
        self._consumed[delivery.message.queue].value += 1
        if delivery.message.redelivered:
            self._redelivered[delivery.message.queue].value += 1
        if delivery.message.timestamp is not None:
            wait = time.time() - delivery.message.timestamp
            if 0 <= wait < _MAX_WAIT:  # anything else is a wrong clock
                self._waits[delivery.message.queue].record(wait)

    def _count_answer(self, reply: Reply, code: str) -> None:
        operation = reply.operation
        if operation is None or operation not in COMMANDS:
            operation = names.OTHER
        self._commands[operation, code].value += 1
        if reply.replayed:
            self._replayed[operation].value += 1


def _from(queue: str) -> Label:
    return (names.DESTINATION, queue)


def _ended(queue: str, error: str | None) -> Labels:
    labels = (*_HANDLING, _from(queue))
    return labels if error is None else (*labels, (names.ERROR_TYPE, error))


def _command(operation: str, code: str) -> Labels:
    return (("operation", operation), ("code", code))
