"""A ledger whose operations are timed."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from consumer.core.message import Reply
from consumer.ledger.entry import Claim, Ledger

__all__ = ["Record", "TimedLedger"]


class Record(Protocol):
    """Adds to a histogram of durations: its name, seconds, and attributes by keyword."""

    def __call__(self, name: str, seconds: float, **attributes: str) -> None:
        """Record one measurement."""


class TimedLedger:
    """Another ledger, with each claim, finish and release recorded as `ledger.duration`; failed ones too.

    Args:
        ledger: does the work.
        record: keeps the durations.
    """

    def __init__(self, ledger: Ledger, record: Record) -> None:
        self._ledger = ledger
        self._record = record
        self.start, self.ready, self.failed, self.close = ledger.start, ledger.ready, ledger.failed, ledger.close

    @property
    def problem(self) -> str | None:
        """See `Ledger.problem`."""
        return self._ledger.problem

    @property
    def size(self) -> int:
        """See `Ledger.size`."""
        return self._ledger.size

    async def claim(self, identity: str, digest: bytes, *, rerun: bool = True) -> Claim:
        """See `Ledger.claim`."""
        with self._timed("claim"):
            return await self._ledger.claim(identity, digest, rerun=rerun)

    async def finish(self, identity: str, reply: Reply) -> None:
        """See `Ledger.finish`."""
        with self._timed("finish"):
            await self._ledger.finish(identity, reply)

    async def release(self, identity: str) -> None:
        """See `Ledger.release`."""
        with self._timed("release"):
            await self._ledger.release(identity)

    @contextmanager
    def _timed(self, operation: str) -> Iterator[None]:
        started = time.perf_counter()
        try:
            yield
        finally:
            self._record("ledger.duration", time.perf_counter() - started, operation=operation)
