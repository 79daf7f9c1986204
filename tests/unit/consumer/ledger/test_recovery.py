"""A store that is away: what the ledger keeps for it, and how it finds back; the same for every store."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from consumer.core.message import Reply
from consumer.ledger import Ledger, LedgerError, State
from consumer.ledger.store import Found, LedgerRow
from tests.unit.consumer.ledger.promises import DIGEST, OTHER, limits
from tests.unit.consumer.ledger.shared_dict import DictStore, Shared


class UnreliableStore(DictStore):
    """A store that can go away, lose an answer, or keep one waiting."""

    def __init__(self) -> None:
        super().__init__(Shared())
        self.is_away = self.loses_answers = False
        self.go = asyncio.Event()
        self.go.set()
        self.renewed = 0

    async def open(self, owner: bytes, lease: float) -> None:
        self._assert_there()
        await super().open(owner, lease)

    async def claim(self, row: LedgerRow, now: float, take_over: bool) -> Found | None:
        self._assert_there()
        found = await super().claim(row, now, take_over)
        await self.go.wait()
        if self.loses_answers:
            raise OSError("the answer was lost")
        return found

    async def finish(self, row: LedgerRow, now: float) -> None:
        self._assert_there()
        await self.go.wait()
        await super().finish(row, now)

    async def release(self, key: bytes, owner: bytes) -> None:
        self._assert_there()
        await self.go.wait()
        await super().release(key, owner)

    async def renew(self) -> None:
        self._assert_there()
        self.renewed += 1
        await super().renew()

    def _assert_there(self) -> None:
        if self.is_away:
            raise OSError("nobody there")


class Sleeper:
    """A sleep that ends when it is told to; `asked` holds the seconds."""

    def __init__(self) -> None:
        self.asked: list[float] = []
        self._wake = asyncio.Event()

    async def __call__(self, seconds: float) -> None:
        self.asked.append(seconds)
        await self._wake.wait()

    async def wake(self) -> None:
        """Let the sleep end, and what comes after it begin."""
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
def sleeper() -> Sleeper:
    return Sleeper()


@pytest.fixture
async def ledger(store: UnreliableStore, sleeper: Sleeper) -> AsyncIterator[Ledger]:
    ledger = Ledger(store, limits(), lease=30, sleep=sleeper)
    await ledger.start()
    await turns()
    yield ledger
    store.is_away = False
    store.go.set()
    await ledger.close()


def other(store: UnreliableStore) -> Ledger:
    """Another process at the same entries."""
    return Ledger(DictStore(store.shared), limits())


async def cancel(task: asyncio.Task[object]) -> None:
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_the_lease_is_renewed_thrice_in_its_time(
    ledger: Ledger, store: UnreliableStore, sleeper: Sleeper
) -> None:
    assert (sleeper.asked, store.renewed) == ([10], 1)
    await sleeper.wake()
    assert (set(sleeper.asked), store.renewed > 1) == ({10}, True)


async def test_while_it_is_away_nothing_is_claimed_and_what_ends_is_written_when_it_is_back(
    ledger: Ledger, store: UnreliableStore, sleeper: Sleeper
) -> None:
    for name in ("running", "released"):
        await ledger.claim(name, DIGEST)
    store.is_away = True
    with pytest.raises(LedgerError, match="the ledger dict:// cannot be used: nobody there"):
        await ledger.claim("a", DIGEST)
    await ledger.wait_failed()
    await ledger.finish("running", Reply("x", 1))
    await ledger.release("released")
    await turns()
    assert sleeper.asked[-1] == 1
    store.is_away = False
    with pytest.raises(LedgerError):  # that it is back is found out after the sleep, and not by a request
        await ledger.claim("a", DIGEST)
    await sleeper.wake()
    await ledger.ready()
    assert ledger.problem is None
    states = [(await ledger.claim(name, DIGEST)).state for name in ("running", "released", "a")]
    assert states == [State.DONE, State.NEW, State.NEW]


async def test_what_ends_in_the_moment_it_goes_is_written_later(
    ledger: Ledger, store: UnreliableStore, sleeper: Sleeper
) -> None:
    await ledger.claim("a", DIGEST)
    store.is_away = True
    await ledger.finish("a", Reply("x", 1))
    assert ledger.problem is not None
    await turns()
    store.is_away = False
    await sleeper.wake()
    assert (await ledger.claim("a", DIGEST)).reply is not None


async def test_one_that_is_not_there_at_the_start_is_waited_for(store: UnreliableStore, sleeper: Sleeper) -> None:
    store.is_away = True
    ledger = Ledger(store, limits(), sleep=sleeper)
    await ledger.start()
    with pytest.raises(LedgerError):
        await ledger.claim("a", DIGEST)
    await turns()
    store.is_away = False
    await sleeper.wake()
    await ledger.ready()
    assert (await ledger.claim("a", DIGEST)).state is State.NEW
    await ledger.close()


async def test_one_that_cannot_be_used_is_closed_and_refused(
    ledger: Ledger, store: UnreliableStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed: list[bool] = []

    async def refuse(*_: object) -> None:
        raise LedgerError("of a newer version")

    async def close() -> None:
        closed.append(True)

    second = DictStore(store.shared)
    monkeypatch.setattr(second, "open", refuse)
    monkeypatch.setattr(second, "close", close)
    with pytest.raises(LedgerError, match="of a newer version"):
        await Ledger(second, limits()).start()
    assert closed == [True]


async def test_a_problem_is_told_once(
    ledger: Ledger, store: UnreliableStore, sleeper: Sleeper, caplog: pytest.LogCaptureFixture
) -> None:
    store.is_away = True
    for _ in range(3):
        with pytest.raises(LedgerError):
            await ledger.claim("a", DIGEST)
        await sleeper.wake()
    assert caplog.text.count("nothing is run until it can") == 1


async def test_a_claim_whose_answer_was_lost_is_new_here_and_elsewhere(
    ledger: Ledger, store: UnreliableStore, sleeper: Sleeper
) -> None:
    for name in ("here", "elsewhere"):
        store.loses_answers = True
        with pytest.raises(LedgerError):
            await ledger.claim(name, DIGEST)
        store.loses_answers = False
        await turns()
        await sleeper.wake()
        await ledger.ready()
    assert (await ledger.claim("here", DIGEST)).state is State.NEW
    assert (await other(store).claim("elsewhere", OTHER)).state is State.NEW


async def test_a_cancelled_claim_is_released_at_once(ledger: Ledger, store: UnreliableStore) -> None:
    store.go.clear()
    claim = asyncio.create_task(ledger.claim("a", DIGEST))
    await turns()
    await cancel(claim)
    assert (await other(store).claim("a", DIGEST)).state is State.RUNNING
    store.go.set()
    await turns()
    assert (await other(store).claim("a", OTHER)).state is State.NEW


async def test_a_claim_does_not_overtake_the_release_before_it(ledger: Ledger, store: UnreliableStore) -> None:
    store.go.clear()
    first = asyncio.create_task(ledger.claim("a", DIGEST))
    await turns()
    await cancel(first)
    await turns()  # the release is on its way
    second = asyncio.create_task(ledger.claim("a", DIGEST))
    await turns()
    store.go.set()
    assert (await second).state is State.NEW
    assert (await other(store).claim("a", DIGEST)).state is State.RUNNING


async def test_a_cancelled_finish_is_written_all_the_same_also_when_its_next_claim_is_cancelled_too(
    ledger: Ledger, store: UnreliableStore
) -> None:
    await ledger.claim("a", DIGEST)
    store.go.clear()
    for operation in (ledger.finish("a", Reply("x", 1)), ledger.claim("a", DIGEST)):
        task: asyncio.Task[object] = asyncio.create_task(operation)
        await turns()
        await cancel(task)
    store.go.set()
    await turns()
    assert (await other(store).claim("a", DIGEST)).reply is not None


async def test_a_large_finish_that_is_cancelled_while_it_is_compressed_is_written_all_the_same(
    ledger: Ledger, store: UnreliableStore
) -> None:
    await ledger.claim("a", DIGEST)
    finishing: asyncio.Task[object] = asyncio.create_task(ledger.finish("a", Reply("x", "y" * (1 << 20))))
    await asyncio.sleep(0)
    await cancel(finishing)
    await turns()
    assert (await other(store).claim("a", DIGEST)).reply is not None


async def test_closing_writes_what_was_put_off(ledger: Ledger, store: UnreliableStore) -> None:
    await ledger.claim("a", DIGEST)
    store.is_away = True
    await ledger.finish("a", Reply("x", 1))
    await turns()
    store.is_away = False
    await ledger.close()
    assert (await other(store).claim("a", DIGEST)).reply is not None


async def test_closing_says_how_many_answers_are_lost(
    ledger: Ledger, store: UnreliableStore, caplog: pytest.LogCaptureFixture
) -> None:
    for name in "ab":
        await ledger.claim(name, DIGEST)
    store.is_away = True
    await ledger.finish("a", Reply("x", 1))
    await ledger.release("b")
    await ledger.close()
    assert "1 answers could not be written into the ledger dict://" in caplog.text


async def test_a_store_that_fails_to_close_stops_nothing(
    store: UnreliableStore, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def refuse() -> None:
        raise OSError("nobody there")

    monkeypatch.setattr(store, "close", refuse)
    ledger = Ledger(store, limits())
    await ledger.start()
    await ledger.close()
    assert "did not notice that it was closed: nobody there" in caplog.text
