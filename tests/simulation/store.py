"""The store of the ledger as a process reaches it: over a network, which delays, fails, and loses answers.

The ledger is the service's own. What keeps the rows is a place: one in memory here, which all replicas share, or a real
one (`stores.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Protocol, TypeAlias

from consumer.ledger import Evicted, Limits
from consumer.ledger.store import ActivationRow, Found, LedgerRow
from tests.simulation.history import History
from tests.simulation.loop import Process, VirtualLoop
from tests.simulation.network import Delays

TIMEOUT = 5.0
"""Seconds after which a process takes an answer that has not come for lost."""


class Place(Protocol):
    """Where one process finds the rows; see `consumer.ledger.store.Store`. Nothing waits, anything may raise."""

    def open(self, owner: bytes, lease: float) -> None:
        """See `Store.open`."""

    def claim(self, row: LedgerRow, now: float, take_over: bool) -> Found | None:
        """See `Store.claim`."""

    def find(self, key: bytes, now: float) -> Found | None:
        """See `Store.find`."""

    def finish(self, row: LedgerRow, now: float) -> None:
        """See `Store.finish`."""

    def release(self, key: bytes, owner: bytes) -> None:
        """See `Store.release`."""

    def renew(self) -> None:
        """See `Store.renew`."""

    def close(self) -> None:
        """See `Store.close`."""

    def end(self) -> None:
        """The process died: what it held open is closed, and nothing else happens."""


MakePlaces: TypeAlias = Callable[[Callable[[], float]], Callable[[], Place]]
"""Given the clock of a run, makes what gives each process its way to the rows of that run."""


class Rows:
    """What all replicas share; a process lives while its lease does."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self.clock = clock
        self.rows: dict[bytes, tuple[LedgerRow, float]] = {}
        """With the moment at which each expires, on this clock."""
        self.leases: dict[bytes, float] = {}


class SharedPlace:
    """A process's way to `Rows`: what Redis and a database do, in a dictionary."""

    def __init__(self, shared: Rows) -> None:
        self._shared = shared
        self._owner, self._lease = b"", 0.0

    def open(self, owner: bytes, lease: float) -> None:
        self._owner, self._lease = owner, lease
        self.renew()

    def claim(self, row: LedgerRow, now: float, take_over: bool) -> Found | None:
        self.renew()
        found = self.find(row.key, now)
        if found is None or (take_over and (found.digest, found.record, found.alive) == (row.digest, None, False)):
            self._put(row, now)
        return found

    def _put(self, row: LedgerRow, now: float) -> None:
        self._shared.rows[row.key] = row, self._shared.clock() + row.expires - now

    def find(self, key: bytes, now: float) -> Found | None:
        row, expires = self._shared.rows.get(key, (None, 0.0))
        left = expires - self._shared.clock()
        if row is None or left <= 0:
            return None
        alive = self._shared.leases.get(row.owner, 0.0) > self._shared.clock()
        return Found(row.digest, row.owner, row.record, alive, now + left)

    def finish(self, row: LedgerRow, now: float) -> None:
        there = self.find(row.key, now)
        if there is None or (there.owner == row.owner and there.record is None):
            self._put(row, now)

    def release(self, key: bytes, owner: bytes) -> None:
        row, _ = self._shared.rows.get(key, (None, 0.0))
        if row is not None and (row.owner, row.record) == (owner, None):
            del self._shared.rows[key]

    def renew(self) -> None:
        self._shared.leases[self._owner] = self._shared.clock() + self._lease

    def close(self) -> None:
        self._shared.leases.pop(self._owner, None)

    def end(self) -> None:
        """Its lease ends by itself."""


class NetworkStore:
    """See `consumer.ledger.store.Store`.

    Args:
        place: where the rows are.
        loop: whose time passes.
        delays: how long a way takes.
        process: who asks.
        is_away: whether the store cannot be reached now.
        history: is told.
    """

    name, access = "simulated", "used"
    size = kept_bytes = 0

    def __init__(
        self,
        place: Place,
        loop: VirtualLoop,
        delays: Delays,
        process: Process,
        is_away: Callable[[], bool],
        history: History,
    ) -> None:
        self.place = place
        self.evicted = Evicted()
        self._loop, self._delays, self._process = loop, delays, process
        self._is_away, self._history = is_away, history
        self.ended = False

    async def open(self, owner: bytes, lease: float) -> None:
        await self._reach("open", partial(self.place.open, owner, lease))

    async def claim(self, row: LedgerRow, now: float, take_over: bool) -> Found | None:
        found: Found | None = await self._reach("claim", partial(self.place.claim, row, now, take_over))
        return found

    async def find(self, key: bytes, now: float) -> Found | None:
        found: Found | None = await self._reach("find", partial(self.place.find, key, now))
        return found

    async def finish(self, row: LedgerRow, now: float) -> None:
        await self._reach("finish", partial(self.place.finish, row, now))

    async def release(self, key: bytes, owner: bytes) -> None:
        await self._reach("release", partial(self.place.release, key, owner))

    async def renew(self) -> None:
        await self._reach("renew", self.place.renew)

    async def close(self) -> None:
        await self._reach("close", self.place.close)
        self._loop.outside(0.0, self.end)

    async def trim(self, now: float, limits: Limits, allowed: Mapping[bytes, int]) -> None:
        """There is never too much."""

    async def write_activations(self, rows: Sequence[ActivationRow], ended: Sequence[int], now: float) -> None:
        raise NotImplementedError

    async def find_activation(self, key: int, now: float) -> ActivationRow | None:
        raise NotImplementedError

    def end(self) -> None:
        """The process is gone; also when it was gone before."""
        if not self.ended:
            self.ended = True
            self.place.end()

    async def _reach(self, name: str, do: Callable[[], Any]) -> Any:
        answer = self._loop.create_future()
        if self._is_away():
            # Refused at once, or silent.
            self._loop.outside(min(TIMEOUT, self._delays() * 50), self._fail, answer)
        else:
            self._loop.outside(self._delays(), self._arrive, name, do, answer)
        return await answer

    def _arrive(self, name: str, do: Callable[[], Any], answer: Any) -> None:
        """At the store; the process may be dead by now."""
        if self._is_away() or self.ended:
            self._loop.outside(TIMEOUT, self._fail, answer)
            return
        try:
            found = do()
        except Exception as error:
            self._history.note("store", "failed", self._process.name, name, type(error).__name__)
            self._loop.outside(self._delays(), self._fail, answer)
            return
        self._history.note("store", name, self._process.name, *_shown(found))
        self._loop.outside(self._delays(), self._answer, answer, found)

    def _answer(self, answer: Any, found: Any) -> None:
        if self._is_away():
            self._loop.outside(TIMEOUT, self._fail, answer)
        elif not answer.done():
            answer.set_result(found)

    def _fail(self, answer: Any) -> None:
        if not answer.done():
            answer.set_exception(OSError("nobody there"))


def _shown(found: Any) -> tuple[str, ...]:
    if not isinstance(found, Found):
        return ()
    return ("done",) if found.record is not None else ("running",) if found.alive else ("orphaned",)
