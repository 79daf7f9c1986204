"""A store that is away: what the ledger keeps for it, and how it finds back; the same for every store."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from typing import Any
from unittest.mock import AsyncMock

import pytest

from consumer.core.message import Reply
from consumer.ledger import Ledger, LedgerError, State
from tests.unit.consumer.ledger.promises import DIGEST, OTHER, limits, named
from tests.unit.consumer.ledger.shared_dict import DictStore, Shared


class UnreliableStore(DictStore):
    """A store that can go away, lose an answer, or keep one waiting; its ledger sleeps until it is woken."""

    def __init__(self) -> None:
        super().__init__(Shared())
        self.ledger = Ledger(self, limits(), lease=30, sleep=self._sleep)
        self.slept: list[float] = []
        self._wake = asyncio.Event()
        self.is_away = self.loses_answers = False
        self.go = asyncio.Event()
        self.go.set()
        self.asked: list[str] = []
        for name in ("open", "claim", "finish", "release", "renew"):
            setattr(self, name, partial(self._reach, name, getattr(self, name)))

    async def _reach(self, name: str, method: Callable[..., Awaitable[Any]], *arguments: Any) -> Any:
        self.asked.append(name)
        if name in ("finish", "release"):
            await self.go.wait()
        if self.is_away:
            raise OSError("nobody there")
        found = await method(*arguments)
        if name == "claim":
            await self.go.wait()
            if self.loses_answers:
                raise OSError("the answer was lost")
        return found

    async def _sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        await self._wake.wait()

    async def wake(self) -> None:
        """Let the sleep end, and what comes after it begin."""
        await turns()
        self._wake.set()
        await turns()
        self._wake.clear()
        await turns()


async def turns() -> None:
    """Let everything run that need not wait."""
    for _ in range(20):
        await asyncio.sleep(0)


@pytest.fixture
def store() -> UnreliableStore:
    return UnreliableStore()


@pytest.fixture
async def ledger(store: UnreliableStore) -> AsyncIterator[Ledger]:
    await store.ledger.start()
    await turns()
    yield store.ledger
    store.is_away = False
    store.go.set()
    await store.ledger.close()


def other(store: UnreliableStore) -> Ledger:
    """Another process at the same entries."""
    return Ledger(DictStore(store.shared), limits())


async def cancel(task: asyncio.Task[object]) -> None:
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_the_lease_is_renewed_thrice_in_its_time(ledger: Ledger, store: UnreliableStore) -> None:
    assert (store.slept, store.asked) == ([10], ["open", "renew"])
    await store.wake()
    assert (set(store.slept), store.asked.count("renew") > 1) == ({10}, True)


async def test_while_away_nothing_is_claimed_and_all_is_written_later(ledger: Ledger, store: UnreliableStore) -> None:
    failed = asyncio.create_task(ledger.wait_failed())
    for name in ("running", "later", "released"):
        await ledger.claim(named(name), DIGEST)
    assert (ledger.problem, failed.done()) == (None, False)
    store.is_away = True
    await ledger.finish(named("running"), Reply("x", 1))
    await failed
    await ledger.finish(named("later"), Reply("x", 1))
    await ledger.release(named("released"))
    await turns()
    assert store.slept[-1] == 1
    for store.is_away in (True, False):  # that it is back is found out after the sleep, and not by a request
        with pytest.raises(LedgerError, match="the ledger dict:// cannot be used: nobody there"):
            await ledger.claim(named("a"), DIGEST)
    await store.wake()
    await ledger.ready()
    assert ledger.problem is None
    states = [(await ledger.claim(named(name), DIGEST)).state for name in ("running", "later", "released", "a")]
    assert states == [State.DONE, State.DONE, State.NEW, State.NEW]


async def test_one_that_is_away_at_the_start_is_waited_for_and_told_once(store: UnreliableStore, caplog: Any) -> None:
    store.is_away, ledger = True, store.ledger
    await ledger.start()
    for _ in range(3):
        with pytest.raises(LedgerError):
            await ledger.claim(named("a"), DIGEST)
        await store.wake()
    assert caplog.text.count("no command runs until it can") == 1
    store.is_away = False
    await store.wake()
    await ledger.ready()
    assert (await ledger.claim(named("a"), DIGEST)).state is State.NEW
    await ledger.close()


async def test_one_that_cannot_be_used_is_closed_and_refused(store: UnreliableStore, monkeypatch: Any) -> None:
    close = AsyncMock()
    monkeypatch.setattr(store, "open", AsyncMock(side_effect=LedgerError("of a newer version")))
    monkeypatch.setattr(store, "close", close)
    with pytest.raises(LedgerError, match="of a newer version"):
        await store.ledger.start()
    close.assert_awaited_once_with()


async def test_a_claim_whose_answer_was_lost_is_new_here_and_elsewhere(ledger: Ledger, store: UnreliableStore) -> None:
    for name in ("here", "elsewhere"):
        store.loses_answers = True
        with pytest.raises(LedgerError, match="the ledger dict:// cannot be used: the answer was lost"):
            await ledger.claim(named(name), DIGEST)
        store.loses_answers = False
        await store.wake()
        await ledger.ready()
    assert (await ledger.claim(named("here"), DIGEST)).state is State.NEW
    assert (await other(store).claim(named("elsewhere"), OTHER)).state is State.NEW


async def test_a_cancelled_claim_is_released_before_the_next_one(ledger: Ledger, store: UnreliableStore) -> None:
    store.go.clear()
    for name in ("released", "claimed again"):
        claim = asyncio.create_task(ledger.claim(named(name), DIGEST))
        await turns()
        await cancel(claim)
    assert (await other(store).claim(named("released"), DIGEST)).state is State.RUNNING
    await turns()  # the releases are on their way
    again = asyncio.create_task(ledger.claim(named("claimed again"), DIGEST))
    await turns()
    store.go.set()
    assert (await again).state is State.NEW
    assert (await other(store).claim(named("claimed again"), DIGEST)).state is State.RUNNING
    assert (await other(store).claim(named("released"), OTHER)).state is State.NEW


async def test_a_release_that_fails_is_done_when_the_store_is_back(ledger: Ledger, store: UnreliableStore) -> None:
    store.go.clear()
    claim = asyncio.create_task(ledger.claim(named("a"), DIGEST))
    await turns()
    await cancel(claim)
    await turns()  # the release is on its way
    store.is_away = True
    store.go.set()
    await ledger.wait_failed()
    store.is_away = False
    await store.wake()
    assert (await other(store).claim(named("a"), OTHER)).state is State.NEW


async def test_a_cancelled_finish_is_written_all_the_same(ledger: Ledger, store: UnreliableStore) -> None:
    await ledger.claim(named("a"), DIGEST)
    store.go.clear()
    for operation in (ledger.finish(named("a"), Reply("x", 1)), ledger.claim(named("a"), DIGEST)):
        task: asyncio.Task[object] = asyncio.create_task(operation)
        await turns()
        await cancel(task)
    store.go.set()
    await ledger.claim(named("b"), DIGEST)
    compressing = asyncio.create_task(ledger.finish(named("b"), Reply("x", "y" * (1 << 20))))
    await asyncio.sleep(0)
    await cancel(compressing)
    await turns()
    assert [(await other(store).claim(named(name), DIGEST)).reply is not None for name in "ab"] == [True, True]


async def test_closing_writes_what_was_put_off_or_says_how_much_is_lost(store: UnreliableStore, caplog: Any) -> None:
    for name, lost in (("a", 0), ("b", 1)):
        ledger = Ledger(store, limits())
        await ledger.start()
        for each in (name, f"{name} released"):
            await ledger.claim(named(each), DIGEST)
        store.is_away = True
        await ledger.finish(named(name), Reply("x", 1))
        await ledger.release(named(f"{name} released"))
        store.is_away = bool(lost)
        await ledger.close()
        assert caplog.text.count("1 answers could not be written into the ledger dict://") == lost
    assert (await other(store).claim(named("a"), DIGEST)).reply is not None


async def test_a_store_that_fails_to_close_stops_nothing(store: UnreliableStore, monkeypatch: Any, caplog: Any) -> None:
    monkeypatch.setattr(store, "close", AsyncMock(side_effect=OSError("nobody there")))
    ledger = Ledger(store, limits())
    await ledger.start()
    await ledger.close()
    assert "failed: nobody there" in caplog.text
