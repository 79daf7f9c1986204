"""One line for each request that did not end well, and at debug for each other: why was there no answer?"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from consumer.core.delivery import Delivery, Reply
from consumer.jobs.signed_id import hide_signature
from consumer.pipeline.ending import Ending
from consumer.telemetry.logs import mask
from consumer.telemetry.storms import MAX_LINES, WINDOW
from zeebe_amqp import wire
from zeebe_amqp.errors import Error, Outcome

__all__ = ["MAX_KINDS", "MAX_LINES", "WINDOW", "RequestLog"]

log = logging.getLogger(__name__)

MAX_KINDS: Final = 1000
"""Kinds of which windows are open at a time; all others share one for each event and code."""
MAX_REASON: Final = 200
"""Characters of an error's text; it may quote the caller's document."""

_Kind: TypeAlias = tuple[str, str, str]
"""Event, code, and for a dropped reply its queue."""


@dataclass(slots=True)
class _Window:
    level: int
    lines: int = 0
    left_out: int = 0


class RequestLog:
    """A `consumer.pipeline.ending.Report` that writes to the log, for each kind of ending a few lines a minute.

    Args:
        trace_id: the trace that a request belongs to.
    """

    def __init__(self, trace_id: Callable[[Delivery], str | None]) -> None:
        self._trace_id = trace_id
        self._windows: dict[_Kind, _Window] = {}

    def __call__(self, delivery: Delivery, reply: Reply, ending: Ending, reason: str = "") -> None:
        """See `Report`."""
        event, level = _classify(reply.error, ending)
        if not log.isEnabledFor(level):
            return
        queue = delivery.message.reply_to or "" if ending is Ending.DROPPED else ""
        if level > logging.DEBUG and not self._opens(event, _code(reply), queue, level):
            return
        words = _describe(delivery, reply, ending, reason)
        log.log(level, "%s", words, extra={"event": event, **self._fields(delivery, reply, ending)})

    def _opens(self, event: str, code: str, queue: str, level: int) -> bool:
        """Whether there is room for a line of this kind; otherwise it is counted."""
        kind = (event, code, queue)
        if kind not in self._windows and len(self._windows) >= MAX_KINDS:
            kind = (event, code, "")
        window = self._windows.get(kind)
        if window is None:
            window = self._windows[kind] = _Window(level)
            asyncio.get_running_loop().call_later(WINDOW, self._end, kind)
        if window.lines < MAX_LINES:
            window.lines += 1
            return True
        window.left_out += 1
        return False

    def _end(self, kind: _Kind) -> None:
        window = self._windows.pop(kind, None)
        if window is None or not window.left_out:
            return
        event, code, queue = kind
        where = f" to {queue[: wire.MAX_NAME]!r}" if queue else ""
        fields = {"event": event, "code": code, "left_out": window.left_out}
        log.log(window.level, "%s %s%s: %d more within a minute", event, code, where, window.left_out, extra=fields)

    def close(self) -> None:
        """Say what is still untold."""
        for kind in list(self._windows):
            self._end(kind)

    def _fields(self, delivery: Delivery, reply: Reply, ending: Ending) -> dict[str, Any]:
        message, call, error = delivery.message, delivery.call, reply.error
        fields = {
            "request_id": hide_signature(message.known_request_id),
            "correlation_id": hide_signature(message.correlation_id),
            "operation": _operation(reply),
            "queue": message.queue,
            "code": _code(reply),
            "outcome": None if error is None else error.outcome.value,
            "attempts": _attempts(error, 0 if call is None else call.attempts),
            "duration": round(max(time.time() - message.received, 0.0), 3),
            "replayed": reply.replayed or None,
            "app_id": message.app_id,
            "user_id": message.user_id,
            "reply_to": message.reply_to,
            "trace_id": self._trace_id(delivery),
        }
        return {name: value for name, value in fields.items() if value is not None}


def _classify(error: Error | None, ending: Ending) -> tuple[str, int]:
    if ending is Ending.DROPPED:
        return "reply.dropped", logging.WARNING
    if ending is Ending.DEAD_LETTERED:
        return "request.dead_lettered", logging.WARNING
    if error is None:
        return "request.done", logging.DEBUG
    if error.outcome is Outcome.UNKNOWN:
        return "request.unknown", logging.WARNING
    return "request.failed", logging.INFO


def _describe(delivery: Delivery, reply: Reply, ending: Ending, reason: str) -> str:
    operation, error = _operation(reply) or "a request", reply.error
    words = f"{operation}: {_code(reply)}"
    if error is not None:
        # Masked before it is cut: half a password is not known for one.
        words += f", {mask(error.message)[:MAX_REASON]}"
    if ending is Ending.DEAD_LETTERED:
        words += "; it is in the dead-letter queue"
    if ending is Ending.DROPPED:
        queue = (delivery.message.reply_to or "")[: wire.MAX_NAME]
        words += f"; reply queue {queue!r}: {reason}; the reply is dropped"
    return words


def _operation(reply: Reply) -> str | None:
    return None if reply.operation is None else reply.operation[: wire.MAX_NAME]


def _code(reply: Reply) -> str:
    return "OK" if reply.error is None else reply.error.code.value


def _attempts(error: Error | None, sent: int) -> int:
    """How often it was tried: what failed before anything was sent counts too."""
    told = (error.details or {}).get("attempts") if error is not None else None
    return told if isinstance(told, int) else sent
