"""Bugs of the service, planted one at a time while a simulation runs: each must be found.

Each is a patch of the service's own code, of the kind that a person would make.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from typing import Any, Final, TypeAlias
from unittest.mock import patch

from consumer.core.limiter import ConcurrencyLimiter
from consumer.ledger import Identity, Ledger, LedgerError, State
from consumer.ledger.store import Found, LedgerRow
from consumer.pipeline import idempotency
from consumer.pipeline.publishing import PublishFailed
from consumer.pipeline.repetitions import conflict
from consumer.pipeline.settlement import Settlement
from consumer.pipeline.worker import QueueWorker
from consumer.zeebe import retries
from consumer.zeebe.failures import FailureKind
from zeebe_amqp.reply import Reply

Bug: TypeAlias = Callable[[], AbstractContextManager[object]]


def _ack_before_publish() -> AbstractContextManager[object]:
    finish = QueueWorker._finish

    async def acked(self: Any, delivery: Any, settlement: Settlement, reply: Reply) -> bool:
        delivery.ack()
        return await finish(self, delivery, settlement, reply)

    return patch.object(QueueWorker, "_finish", acked)


def _unconfirmed_is_sent() -> AbstractContextManager[object]:
    finish = QueueWorker._finish

    async def believing(self: Any, delivery: Any, settlement: Settlement, reply: Reply) -> bool:
        try:
            return await finish(self, delivery, settlement, reply)
        except PublishFailed:
            delivery.ack()
            return True

    return patch.object(QueueWorker, "_finish", believing)


def _claim_not_atomic() -> AbstractContextManager[object]:
    async def find(self: Any, key: bytes, digest: bytes, rerun: bool) -> Found | None:
        if self.problem is not None:
            raise LedgerError(self.problem)
        now = self._clock()
        try:
            found: Found | None = await self._store.find(key, now)
            if found is None:
                await self._store.claim(LedgerRow(key, digest, self._owner, now + self._running_ttl), now, rerun)
        except (OSError, asyncio.CancelledError) as error:
            self._unclaim(key)
            if isinstance(error, OSError):
                raise LedgerError(self._fail(error)) from error
            raise
        return found

    return patch.object(Ledger, "_find", find)


def _lease_never_renewed() -> AbstractContextManager[object]:
    tend = Ledger._tend

    async def nothing() -> None:
        """The lease goes on to its end."""

    async def not_renewing(self: Any) -> None:
        self._store.renew = nothing
        await tend(self)

    return patch.object(Ledger, "_tend", not_renewing)


def _taken_for_new(mistaken: State) -> AbstractContextManager[object]:
    """Whatever the ledger knows of a run in that state counts for nothing."""
    judge = Ledger._judge

    def careless(self: Any, key: bytes, digest: bytes, found: Found | None) -> State:
        state = judge(self, key, digest, found)
        return State.NEW if state is mistaken else state

    return patch.object(Ledger, "_judge", careless)


def _digest_is_ignored() -> AbstractContextManager[object]:
    judge = Ledger._judge

    def believing(self: Any, key: bytes, digest: bytes, found: Found | None) -> State:
        return judge(self, key, found.digest if found is not None else digest, found)

    return patch.object(Ledger, "_judge", believing)


@contextmanager
def _answer_is_remembered_later() -> Iterator[None]:
    finish, tasks = Ledger.finish, set()

    async def later(self: Ledger, identity: Identity, reply: Reply, queue: str = "") -> None:
        async def write() -> None:
            await asyncio.sleep(0.2)
            await finish(self, identity, reply, queue)

        task = asyncio.ensure_future(write())
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    with patch.object(Ledger, "finish", later):
        yield
    tasks.clear()


def _unknown_is_forgotten() -> AbstractContextManager[object]:
    return patch.object(Reply, "is_final", lambda self, idempotent: self.error is None)


def _claim_is_kept() -> AbstractContextManager[object]:
    async def keep(self: Any, identity: Identity) -> None:
        self._running.pop(identity.key, None)

    return patch.object(Ledger, "release", keep)


def _late_is_sent_again() -> AbstractContextManager[object]:
    return patch.object(retries, "_FOR_ALL", retries._FOR_ALL | {FailureKind.LATE, FailureKind.UNCERTAIN})


def _repetition_runs_beside() -> AbstractContextManager[object]:
    class Forgetful(dict[bytes, Any]):
        def get(self, key: bytes, default: Any = None) -> Any:
            return None

        def __delitem__(self, key: bytes) -> None:
            self.pop(key, None)

    init = idempotency._Idempotency.__init__

    def forgetful(self: Any, *arguments: Any) -> None:
        init(self, *arguments)
        self._running = Forgetful()

    return patch.object(idempotency._Idempotency, "__init__", forgetful)


def _second_run_is_not_told() -> AbstractContextManager[object]:
    return patch.object(idempotency, "hedge", lambda delivery, reply: reply)


def _first_is_owner() -> AbstractContextManager[object]:
    async def refuse(self: Any, delivery: Any, run: Any) -> None:
        raise conflict(delivery)

    return patch.object(idempotency._Idempotency, "_wait_for_verdict", refuse)


def _redelivery_is_new() -> AbstractContextManager[object]:
    return patch.object(idempotency, "_may_have_run", lambda delivery, idempotent: delivery.may_have_run)


def _slot_is_kept() -> AbstractContextManager[object]:
    acquire = ConcurrencyLimiter.acquire

    async def twice(self: Any, user: str | None = None) -> None:
        await acquire(self, user)
        self._inside += 1

    return patch.object(ConcurrencyLimiter, "acquire", twice)


def _defect_is_kept() -> AbstractContextManager[object]:
    async def nothing(self: Any, delivery: Any) -> None:
        """It stays unacknowledged."""

    return patch.object(QueueWorker, "_return", nothing)


BUGS: Final[Mapping[str, Bug]] = {
    "acks before it publishes": _ack_before_publish,
    "takes what was not confirmed for sent": _unconfirmed_is_sent,
    "claims in two steps": _claim_not_atomic,
    "never renews its lease": _lease_never_renewed,
    "takes an orphan for new": partial(_taken_for_new, State.ORPHANED),
    "takes what runs elsewhere for new": partial(_taken_for_new, State.RUNNING),
    "compares no contents": _digest_is_ignored,
    "remembers an answer after it was sent": _answer_is_remembered_later,
    "forgets that an outcome is unknown": _unknown_is_forgotten,
    "keeps a claim that came to nothing": _claim_is_kept,
    "sends again what may have been executed": _late_is_sent_again,
    "runs a repetition beside the first one": _repetition_runs_beside,
    "does not tell that a run before may have done it": _second_run_is_not_told,
    "takes whoever came first for the owner of an id": _first_is_owner,
    "takes a redelivery for the first delivery": _redelivery_is_new,
    "takes two slots where it waited for one": _slot_is_kept,
    "never gives back what it does not run": _defect_is_kept,
}
"""What is wrong, by what the service does then."""
