"""A flood of one event is a few lines: what is left out is counted and said."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from consumer.telemetry.events import EVENTS

__all__ = ["MAX_LINES", "WINDOW", "Bounded"]

MAX_LINES: Final = 10
"""Lines of one kind in a window; the rest is counted."""
WINDOW: Final = 60.0
"""Seconds."""


@dataclass(slots=True)
class _Window:
    """A minute of one event, from its first line on."""

    logger: str
    level: int
    began: float
    lines: int = 1
    left_out: int = 0


class Bounded(logging.Filter):
    """Lets pass `MAX_LINES` lines of an event in `WINDOW` seconds; the next line, at its end, counts the others.

    Lines at debug, lines without an event and events with a bound of their own pass. The names of events are ours, so
    there are no more windows than rows in the table.

    Args:
        clock: seconds that only grow.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._clock = clock
        self._windows: dict[str, _Window] = {}
        # Threads log as well.
        self._lock = threading.Lock()

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the line is written."""
        event = EVENTS.get(getattr(record, "event", ""))
        if event is None or event.bound or record.levelno <= logging.DEBUG or hasattr(record, "left_out"):
            return True
        name = str(vars(record)["event"])
        with self._lock:
            window = self._windows.get(name)
            if window is None or self._clock() - window.began >= WINDOW:
                self._begin(name, record, window)
                return True
            return self._has_room(name, window)

    def _begin(self, name: str, record: logging.LogRecord, before: _Window | None) -> None:
        """A new minute; where no timer has said what the last one left out, its first line does."""
        self._windows[name] = _Window(record.name, record.levelno, self._clock())
        if before is not None and before.left_out:
            vars(record)["left_out"] = before.left_out

    def _has_room(self, name: str, window: _Window) -> bool:
        if window.lines < MAX_LINES:
            window.lines += 1
            return True
        window.left_out += 1
        if window.left_out == 1:
            with suppress(RuntimeError):  # a thread without an event loop: the next line says it
                left = window.began + WINDOW - self._clock()
                asyncio.get_running_loop().call_later(left, self._end, name, window)
        return False

    def _end(self, name: str, window: _Window) -> None:
        with self._lock:
            if self._windows.get(name) is not window:
                return
            del self._windows[name]
        fields = {"event": name, "left_out": window.left_out}
        logging.getLogger(window.logger).log(
            window.level, "%s: %d more within a minute", name, window.left_out, extra=fields
        )
