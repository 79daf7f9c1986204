"""The audit: every command is recorded before its message is acknowledged, or the message stays."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Coroutine
from typing import Any, Final

from consumer.core.availability import Availability
from consumer.core.batches import Batches, End
from consumer.core.clock import Clock
from consumer.core.delivery import Delivery, Reply
from consumer.core.large import offload
from consumer.pipeline.authorization import MAX_AT_ONCE
from consumer.pipeline.ending import Ending
from consumer.security.audit_record import Record, Recorder
from consumer.security.audit_sinks import AuditError, Sink

__all__ = ["MAX_BATCH", "Audit"]

log = logging.getLogger(__name__)

MAX_BATCH: Final = 256
"""Records that are written at once, at most."""
RETRY: Final = 1.0
"""Seconds between two attempts while nothing can be written."""
SLOW: Final = 5.0
"""Seconds after which a write that is going on counts as a failure: nobody reads, or the disk hangs."""
MAX_OPENING: Final = 10.0
"""Seconds that the first look at a sink on this machine may take."""


class Audit(Availability):
    """Writes records, as many at a time as there are, until they are written; mends itself.

    Args:
        sink: where they go.
        recorder: makes them.
        timing: gets the seconds that each write took.
        clock: what waits uses it.
    """

    def __init__(
        self,
        sink: Sink,
        recorder: Recorder,
        timing: Callable[[float], None] = lambda _: None,
        clock: Clock | None = None,
    ) -> None:
        super().__init__()
        self.records = self.failures = 0
        """Records that were written, and attempts that failed."""
        self._sink, self._recorder, self._timing = sink, recorder, timing
        self._clock = clock or Clock()
        self._batches: Batches[Record, None] = Batches(self._begin, MAX_BATCH)
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def name(self) -> str:
        """What people know the sink by."""
        return self._sink.name

    async def start(self) -> None:
        """See that records can be written; a broker that is away is waited for, but not here.

        Raises:
            AuditError: they cannot, so nothing may run.
        """
        if self._sink.is_remote:
            self._record_problem("not connected yet")
            self._run(self._open())
            return
        try:
            async with asyncio.timeout(MAX_OPENING):
                await self._sink.open()
        except TimeoutError as error:
            raise AuditError(f"AUDIT: {self.name} did not answer within {MAX_OPENING:g} s") from error

    async def record(self, delivery: Delivery, reply: Reply, ending: Ending) -> None:
        """Record a command that has ended; returns when that is written, however long it takes."""
        make = self._recorder.command
        if delivery.decision is None and delivery.message.size > MAX_AT_ONCE:
            record = await offload(make, delivery, reply, ending)
        else:
            record = make(delivery, reply, ending)
        await self._batches.put(record)

    async def close(self) -> None:
        """Let go of the sink. What waits is not written: its messages went back to their queues."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._sink.close()

    def _begin(self, batch: list[Record], end: End[None]) -> None:
        self._run(self._write(batch, end))

    def _run(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _open(self) -> None:
        while True:
            try:
                await self._sink.open()
            except Exception as error:
                self._record_problem(f"the audit {self.name} cannot be written: {str(error) or type(error).__name__}")
                await self._clock.sleep(RETRY)
            else:
                self._restore()
                return

    async def _write(self, batch: list[Record], end: End[None]) -> None:
        # Nobody's message is acknowledged before, so there is nothing better to do than to try again.
        while not await self._is_written(batch):
            await self._clock.sleep(RETRY)
        self.records += len(batch)
        end([None] * len(batch), None)

    async def _is_written(self, batch: list[Record]) -> bool:
        started = time.perf_counter()
        slow = asyncio.get_running_loop().call_later(SLOW, self._fail, f"nothing is taken for {SLOW:g} s")
        try:
            await self._sink.write(batch)
        except Exception as error:
            self._fail(str(error) or type(error).__name__)
            return False
        finally:
            slow.cancel()
            self._timing(time.perf_counter() - started)
        self._restore()
        return True

    def _fail(self, reason: str) -> None:
        self.failures += 1
        problem = f"the audit {self.name} cannot be written: {reason}"
        if problem != self.problem:
            fields = {"event": "audit.failed", "sink": self.name, "error": reason}
            log.error("%s; the service acknowledges no request until it can", problem, extra=fields)
        self._record_problem(problem)
