"""The ledger: claims, recovery, expiry, bounds and health, over any store."""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, Protocol

from consumer.core.activation import Activation
from consumer.core.availability import Availability
from consumer.core.message import Reply
from consumer.ledger import codec
from consumer.ledger.entry import Claim, Identity, LedgerError, Limits, Sighting, State, hash_user
from consumer.ledger.slack import Allowance, Slack, unbounded
from consumer.ledger.store import ActivationRow, Evicted, Found, LedgerRow, Store

__all__ = ["KEPT_ACTIVATION", "LEASE", "Ledger", "Record", "ignore"]

log = logging.getLogger(__name__)

LEASE: Final = 30.0
"""Seconds after which a process that no longer renews its lease counts as dead."""

RETRY: Final = 1.0
"""Seconds between two attempts while the store is away."""

KEPT_ACTIVATION: Final = 86_400.0
"""Seconds for which the newest activation of a job is known after its end: its worker may answer late."""

MAX_ENDED: Final = 10_000
"""Jobs that have ended and whose activations wait to be removed; of more they are forgotten when they expire."""

MAX_CLOSING: Final = 5.0
"""Seconds to wait for an attempt that is going on."""


class Record(Protocol):
    """Adds to a histogram of durations: its name, seconds, and attributes by keyword."""

    def __call__(self, name: str, seconds: float, **attributes: str) -> None:
        """Record one measurement."""


def ignore(name: str, seconds: float, **attributes: str) -> None:
    """Record nothing."""


class Ledger(Availability):
    """Remembers per identity a digest of the request and, once it ran, its reply.

    One process asks for one identity at a time; other processes may ask for the same one.

    Args:
        store: keeps the entries.
        limits: how much is remembered, and for how long.
        record: gets the duration of each claim, finish, release and record of activations as `ledger.duration`.
        failed: is called each time the store cannot be used.
        allowance: tells how many bytes of answers are kept for a user.
        lease: seconds after which a process that is silent counts as dead, where several share a store.
        clock: seconds since 1970.
        sleep: waits for so many seconds.
    """

    def __init__(
        self,
        store: Store,
        limits: Limits,
        record: Record = ignore,
        *,
        failed: Callable[[], None] = lambda: None,
        allowance: Allowance = unbounded,
        lease: float = LEASE,
        clock: Callable[[], float] = time.time,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        super().__init__()
        self._store, self._limits, self._record = store, limits, record
        self._failed, self._lease, self._clock, self._sleep = failed, lease, clock, sleep
        self._owner = secrets.token_bytes(8)
        self._running: dict[bytes, bytes] = {}
        self._unwritten: dict[bytes, LedgerRow] = {}
        self._flushing = asyncio.Lock()
        self._ended: dict[int, None] = {}
        self._running_ttl = limits.running_ttl
        self._slack = Slack(limits, allowance)
        self._call = asyncio.Event()
        self._closing = False
        self._keeper: asyncio.Task[None] | None = None

    @property
    def name(self) -> str:
        """What people know it by, without passwords."""
        return self._store.name

    @property
    def size(self) -> int:
        """Finished entries that are kept, as last counted; what has expired is forgotten after a while."""
        return self._store.size

    @property
    def kept_bytes(self) -> int:
        """Bytes of those replies that are kept; with a server counted every ten seconds."""
        return self._store.kept_bytes

    @property
    def evicted(self) -> Evicted:
        """What this process has removed before its time, because there was too much."""
        return self._store.evicted

    # --- its life ---------------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Open the store; one that does not answer yet is waited for.

        Raises:
            LedgerError: what is there cannot be used, and waiting would not help.
        """
        try:
            await self._store.open(self._owner, self._lease)
        except LedgerError:
            await self._store.close()
            raise
        except Exception as error:
            self._fail(error)
        self._keeper = asyncio.get_running_loop().create_task(self._keep())

    async def close(self) -> None:
        """Write out what is pending and let go of the store."""
        await self._end_keeping()
        if self._unwritten:
            await self._tend()
        lost = sum(row.record is not None for row in self._unwritten.values())
        if lost:
            fields: dict[str, object] = {"event": "ledger.lost", "ledger": self._store.name, "answers": lost}
            log.error("%d answers could not be written into the ledger %s", lost, self._store.name, extra=fields)
        try:
            await self._store.close()
        except Exception as error:
            fields = {"event": "ledger.unclosed", "ledger": self._store.name, "error": str(error)}
            log.warning("closing the ledger %s failed: %s", self._store.name, error, extra=fields)

    # --- requests ---------------------------------------------------------------------------------------------------

    async def claim(self, identity: Identity, digest: bytes, *, rerun: bool = True) -> Claim:
        """Ask to run the request `identity` whose content has `digest`; atomic, and recorded when it returns.

        NEW makes it ours, and so does ORPHANED with `rerun`; then `finish` or `release` must follow.

        Raises:
            LedgerError: it could not be recorded, so the request must not run.
        """
        started = time.perf_counter()
        try:
            return await self._claim(identity, digest, rerun)
        finally:
            self._record("ledger.duration", time.perf_counter() - started, operation="claim")

    async def look(self, identity: Identity) -> Sighting | None:
        """What is known of a request; None when nothing is.

        Raises:
            LedgerError: the store cannot be read.
        """
        key = identity.key
        try:
            found = await self._store.find(key, self._clock())
        except Exception as error:
            raise LedgerError(f"the ledger {self._store.name} cannot be read: {error}") from error
        waiting = self._unwritten.get(key)
        if waiting is not None and waiting.record is not None:
            found = Found(waiting.digest, waiting.owner, waiting.record, True, waiting.expires)
        return None if found is None else await self._to_sighting(key, found)

    async def _to_sighting(self, key: bytes, found: Found) -> Sighting:
        if found.record is not None:
            ended, reply = found.expires - self._limits.ttl, await codec.unpack(found.record)
            outcome = None if reply else codec.outcome_of(found.record)
            return Sighting(State.DONE, ended, reply, outcome, codec.queue_of(found.record))
        ours = key in self._running
        state = State.RUNNING if ours or found.alive else State.ORPHANED
        return Sighting(state, found.expires - self._running_ttl, ours=ours)

    async def finish(self, identity: Identity, reply: Reply, queue: str = "") -> None:
        """Record that the claimed request ran and was answered with `reply` to `queue`.

        Never fails: while the store is away the answer is kept in memory and written later.
        """
        started = time.perf_counter()
        try:
            await self._finish(identity, reply, queue)
        finally:
            self._record("ledger.duration", time.perf_counter() - started, operation="finish")

    async def release(self, identity: Identity) -> None:
        """Forget the claim: the request had no effect and may be sent again. Never fails, as `finish`."""
        started = time.perf_counter()
        try:
            await self._release(identity)
        finally:
            self._record("ledger.duration", time.perf_counter() - started, operation="release")

    # --- activations of jobs ------------------------------------------------------------------------------------------

    async def record_activations(self, activations: Sequence[Activation]) -> None:
        """See `consumer.core.activation.Leases`."""
        if self.problem is not None:
            raise LedgerError(self.problem)
        ended, self._ended = self._ended, {}
        for each in activations:
            ended.pop(each.key, None)
        started = time.perf_counter()
        try:
            await self._store.write_activations(list(map(_to_row, activations)), list(ended), self._clock())
        except Exception as error:
            raise LedgerError(self._fail(error)) from error
        finally:
            self._record("ledger.duration", time.perf_counter() - started, operation="activations")

    async def newest_activation(self, key: int) -> Activation | None:
        """See `consumer.core.activation.Leases`."""
        if self.problem is not None:
            raise LedgerError(self.problem)
        try:
            found = await self._store.find_activation(key, self._clock())
        except Exception as error:
            raise LedgerError(self._fail(error)) from error
        return None if found is None else Activation(*found[:-1])

    def forget_activation(self, key: int) -> None:
        """See `consumer.core.activation.Leases`; it goes with the next ones that are recorded."""
        if len(self._ended) < MAX_ENDED:
            self._ended[key] = None

    # --- claiming ---------------------------------------------------------------------------------------------------

    async def _claim(self, identity: Identity, digest: bytes, rerun: bool) -> Claim:
        key = identity.key
        found = await self._find(key, digest, rerun)
        state = self._judge(key, digest, found)
        if state is State.NEW or (state is State.ORPHANED and rerun):
            self._running[key] = digest
        if found is None or found.record is None or state is not State.DONE:
            return Claim(state)
        reply = await codec.unpack(found.record)
        return Claim(state, reply, None if reply else codec.outcome_of(found.record))

    async def _find(self, key: bytes, digest: bytes, rerun: bool) -> Found | None:
        """Claim in the store; what it found there."""
        if self.problem is not None:
            raise LedgerError(self.problem)
        now = self._clock()
        row = LedgerRow(key, digest, self._owner, now + self._running_ttl)
        try:
            if key in self._unwritten:
                await self._flush()
            return await self._store.claim(row, now, rerun)
        except asyncio.CancelledError:
            self._unclaim(key)
            raise
        except Exception as error:
            self._unclaim(key)
            raise LedgerError(self._fail(error)) from error

    def _judge(self, key: bytes, digest: bytes, found: Found | None) -> State:
        if found is None:
            return State.NEW
        if found.digest != digest:
            return State.CONFLICT
        if found.record is not None:
            return State.DONE
        if found.owner == self._owner:
            # Claimed by us and perhaps never handed out: the claim's answer was lost.
            return State.ORPHANED if key in self._running else State.NEW
        return State.RUNNING if found.alive else State.ORPHANED

    def _unclaim(self, key: bytes) -> None:
        """Release what may have been claimed, or not: nobody will run it."""
        if key not in self._running and key not in self._unwritten:
            self._postpone(self._released(key))

    def _released(self, key: bytes) -> LedgerRow:
        return LedgerRow(key, b"", self._owner, 0.0)

    # --- writing, now or later --------------------------------------------------------------------------------------

    async def _finish(self, identity: Identity, reply: Reply, queue: str) -> None:
        key, expires = identity.key, self._clock() + self._limits.ttl
        digest = self._running.pop(key)
        head, user = (key, digest, self._owner, expires), hash_user(identity.user)
        what = reply.encode(), queue, codec.ending_of(reply)
        try:
            record = await codec.pack(*what) if len(what[0]) >= codec.OFF_THE_LOOP else codec.pack_body(*what)
        except asyncio.CancelledError:
            self._postpone(LedgerRow(*head, codec.pack_body(*what), user))
            raise
        await self._write(LedgerRow(*head, record, user), identity.user)

    async def _release(self, identity: Identity) -> None:
        key = identity.key
        if self._running.pop(key, None) is not None:
            await self._write(self._released(key), identity.user)

    async def _write(self, row: LedgerRow, user: str | None) -> None:
        """Write now, or later when the store is there again: the caller gets its answer either way."""
        if self.problem is not None:
            self._postpone(row)
            return
        try:
            await self._send(row)
            if self._slack.is_used_up(user, len(row.record or b"")):
                await self._store.trim(self._clock(), self._limits, self._slack.renew())
        except asyncio.CancelledError:
            self._postpone(row)
            raise
        except Exception as error:
            self._postpone(row)
            self._fail(error)

    def _send(self, row: LedgerRow) -> Awaitable[object]:
        if row.record is None:
            return self._store.release(row.key, row.owner)
        return self._store.finish(row, self._clock())

    def _postpone(self, row: LedgerRow) -> None:
        self._unwritten[row.key] = row
        if self.problem is None:
            self._call.set()

    async def _flush(self) -> None:
        async with self._flushing:  # a claim must not overtake the release before it
            while self._unwritten:
                rows = list(self._unwritten.values())
                outcomes = await asyncio.gather(*map(self._send, rows), return_exceptions=True)
                for row, outcome in zip(rows, outcomes, strict=True):
                    if isinstance(outcome, BaseException):
                        raise outcome
                    if self._unwritten.get(row.key) is row:
                        del self._unwritten[row.key]

    # --- health -----------------------------------------------------------------------------------------------------

    async def _keep(self) -> None:
        while True:
            await self._rest(RETRY if self.problem else self._lease / 3)
            if self._closing:
                return
            await self._tend()

    async def _rest(self, seconds: float) -> None:
        """Sleep until there is something to do."""
        waits = [asyncio.ensure_future(wait) for wait in (self._sleep(seconds), self._call.wait())]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
        self._call.clear()

    async def _tend(self) -> None:
        """Prolong the lease and write what could not be written; with that the ledger is well again."""
        try:
            if self.problem is None:
                await self._store.renew()
            else:
                await self._store.open(self._owner, self._lease)
            await self._flush()
        except Exception as error:
            self._fail(error)
            return
        self._restore()

    def _fail(self, error: BaseException) -> str:
        self._failed()
        problem = f"the ledger {self._store.name} cannot be {self._store.access}: {error}"
        if problem != self.problem:
            fields = {"event": "ledger.failed", "ledger": self._store.name, "error": str(error)}
            log.error("%s; no command runs until it can", problem, extra=fields)
        if self.problem is None:
            self._call.set()
        self._record_problem(problem)
        return problem

    async def _end_keeping(self) -> None:
        self._closing = True
        self._call.set()
        if self._keeper is not None:
            # Asked, not only cancelled: a library's own timeout may swallow a cancellation.
            await asyncio.wait([self._keeper], timeout=MAX_CLOSING)
            self._keeper.cancel()


def _to_row(activation: Activation) -> ActivationRow:
    ends = max(activation.deadline, activation.extended) / 1000
    return ActivationRow(*activation, expires=ends + KEPT_ACTIVATION)
