"""A ledger in a SQLite file: survives the process, also its sudden death."""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from consumer.core.message import Reply
from consumer.ledger import codec
from consumer.ledger.entry import Claim, LedgerError, Limits, State, hash_identity
from consumer.ledger.table import GROUP, TRIMMED_AT_ONCE, Found, LedgerRow, Table
from consumer.ledger.thread import Worker

__all__ = ["SqliteLedger"]

log = logging.getLogger(__name__)

RETRY = 1.0
"""Seconds between two attempts to mend a ledger."""

SLACK = 100
"""A hundredth of what may be kept is written between two looks at how much there is, at most."""

PROBE: LedgerRow = (b"probe", b"", b"", 0.0, 0, None)
"""A release of nothing: written to see whether anything can be."""


@dataclass(eq=False, slots=True)
class _Order:
    row: LedgerRow
    answer: asyncio.Future[Found | None]

    @property
    def is_claim(self) -> bool:
        return self.row[4] is None


class SqliteLedger:
    """One file for one process. One thread does all that touches the file, so the event loop never waits for a disk.

    What is asked for while that thread writes waits together and is written in the next transaction.

    Args:
        path: the file.
        limits: how much is remembered, and for how long.
        clock: seconds since 1970.
    """

    def __init__(self, path: Path, limits: Limits, clock: Callable[[], float] = time.time) -> None:
        self.problem: str | None = None
        self._path = path
        self._limits = limits
        self._clock = clock
        self._owner = secrets.token_bytes(8)
        self._running: dict[bytes, bytes] = {}
        self._waiting: list[_Order] = []
        self._unwritten: list[LedgerRow] = []
        self._closing, self._well, self._ill = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self._rows_since = self._bytes_since = 0
        self._table: Table
        self._thread: Worker
        self._is_open = False
        self._writer: asyncio.Task[None] | None = None

    @property
    def size(self) -> int:
        """See `Ledger.size`."""
        return self._table.entries if self._is_open else 0

    async def start(self) -> None:
        """See `Ledger.start`."""
        self._thread = Worker("ledger")
        try:
            self._table = await self._thread.call(Table, self._path)
        except LedgerError:
            self._thread.close()
            raise
        self._is_open = True
        self._well.set()
        self._ill.clear()

    async def ready(self) -> None:
        """See `Ledger.ready`."""
        await self._well.wait()

    async def failed(self) -> None:
        """See `Ledger.failed`."""
        await self._ill.wait()

    async def claim(self, identity: str, digest: bytes, *, rerun: bool = True) -> Claim:
        """See `Ledger.claim`."""
        if self.problem is not None:
            raise LedgerError(self.problem)
        key, expires = hash_identity(identity), self._clock() + self._limits.running_ttl
        answer = self._put((key, digest, self._owner, expires, None, None))
        try:
            found = await answer
        except asyncio.CancelledError:
            if not answer.cancelled() and not answer.exception():  # it came in the very moment
                self._unclaim(key, digest, answer.result())
            raise
        state = self._state(key, digest, found)
        if state is State.NEW or (state is State.ORPHANED and rerun):
            self._running[key] = digest
        record = found.record if found is not None and state is State.DONE else None
        return Claim(state, None if record is None else await codec.unpack(record))

    def _state(self, key: bytes, digest: bytes, found: Found | None) -> State:
        if found is None:
            return State.NEW
        if found.digest != digest:
            return State.CONFLICT
        if found.record is not None:
            return State.DONE
        # Claimed by us, but never handed out: the claim's end was not told.
        return State.NEW if found.owner == self._owner and key not in self._running else State.ORPHANED

    async def finish(self, identity: str, reply: Reply) -> None:
        """See `Ledger.finish`."""
        key, record = hash_identity(identity), await codec.pack(reply)
        expires = self._clock() + self._limits.ttl
        await self._put((key, self._running.pop(key), self._owner, expires, len(record), record))

    async def release(self, identity: str) -> None:
        """See `Ledger.release`."""
        key = hash_identity(identity)
        digest = self._running.pop(key, None)
        if digest is not None:
            await self._put(self._release(key, digest))

    def _release(self, key: bytes, digest: bytes) -> LedgerRow:
        return (key, digest, self._owner, 0.0, 0, None)

    async def close(self) -> None:
        """See `Ledger.close`."""
        self._closing.set()
        if self._writer is not None:
            await self._writer
        if self._is_open:
            self._is_open = False
            await self._thread.call(self._table.close)
            self._thread.close()

    def _put(self, row: LedgerRow) -> asyncio.Future[Found | None]:
        order = _Order(row, asyncio.get_running_loop().create_future())
        if self.problem is not None:
            self._refuse(order)
        else:
            self._waiting.append(order)
            if self._writer is None:
                self._writer = asyncio.get_running_loop().create_task(self._write())
        return order.answer

    async def _write(self) -> None:
        while self._waiting:
            group, self._waiting = self._waiting[:GROUP], self._waiting[GROUP:]
            try:
                await self._write_group(group)
            # Whatever it is: if this task ended, every request would wait for ever.
            except Exception as error:
                self._fail(group, error)
                await self._mend()
        self._writer = None

    async def _write_group(self, group: list[_Order]) -> None:
        now = self._clock()
        answers = await self._thread.call(_written, self._table, group, now)
        for order, answer in zip(group, answers, strict=True):
            self._tell(order, answer)
        self._rows_since += len(group)
        self._bytes_since += sum(order.row[4] or 0 for order in group)
        if self._is_due:
            self._rows_since = self._bytes_since = 0
            await self._thread.call(self._table.trim, now, self._limits)

    @property
    def _is_due(self) -> bool:
        """Whether enough was written since it was last trimmed."""
        many = min(self._limits.max_entries // SLACK, TRIMMED_AT_ONCE // 2)
        return self._rows_since > many or self._bytes_since > self._limits.max_bytes // SLACK

    def _tell(self, order: _Order, answer: Found | None) -> None:
        if not order.answer.done():
            order.answer.set_result(answer)
            return
        if order.is_claim:
            self._unclaim(order.row[0], order.row[1], answer)

    def _unclaim(self, key: bytes, digest: bytes, found: Found | None) -> None:
        """Release what was claimed for somebody who was cancelled meanwhile, and so will not run it."""
        if self._state(key, digest, found) is State.NEW:
            self._put(self._release(key, digest))

    def _fail(self, group: list[_Order], error: Exception) -> None:
        self.problem = f"the ledger {self._path} cannot be written: {error}"
        self._well.clear()
        self._ill.set()
        log.error("%s; nothing is run until it can", self.problem)
        orders, self._waiting = [*group, *self._waiting], []
        for order in orders:
            self._refuse(order)

    def _refuse(self, order: _Order) -> None:
        if order.answer.done():
            return
        if order.is_claim:
            order.answer.set_exception(LedgerError(self.problem))
        else:
            # It ran, and its caller gets the answer; who asks again must wait until this is written.
            self._unwritten.append(order.row)
            order.answer.set_result(None)

    async def _mend(self) -> None:
        while self.problem is not None and not self._closing.is_set():
            rows = [PROBE, *self._unwritten]
            try:
                self._table = await self._thread.call(_reopened, self._table, self._path, rows)
            except Exception as error:
                self.problem = f"the ledger {self._path} cannot be written: {error}"
                await self._rest()
                continue
            del self._unwritten[: len(rows) - 1]
            if not self._unwritten:
                self.problem = None
                self._well.set()
                self._ill.clear()
                log.warning("the ledger %s can be written again", self._path)
        if self._unwritten:
            log.error("%d answers could not be written into the ledger %s", len(self._unwritten), self._path)

    async def _rest(self) -> None:
        try:
            await asyncio.wait_for(self._closing.wait(), RETRY)
        except TimeoutError:
            return


def _written(table: Table, group: Sequence[_Order], now: float) -> list[Found | None]:
    """Write a group; per order what a claim found in its place, None when it is new."""
    if table.write([order.row for order in group], now):
        return [None] * len(group)
    return [table.find(order.row[0]) if order.is_claim else None for order in group]


def _reopened(table: Table, path: Path, rows: list[LedgerRow]) -> Table:
    """The table anew, with `rows` written: a new connection mends more than an old one."""
    table.close()
    opened = Table(path, check=False)
    try:
        for start in range(0, len(rows), GROUP):
            opened.write(rows[start : start + GROUP], 0.0)
    except BaseException:
        opened.close()
        raise
    return opened
