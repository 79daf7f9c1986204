"""What every ledger on a server promises to the replicas that share it, and how a test opens, ends and loses them."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import Any, Protocol

import pytest

from consumer.core.activation import Activation
from consumer.core.message import Reply
from consumer.ledger import Allowance, Ledger, LedgerError, Limits, State, Store
from consumer.ledger.ledger import LEASE as LONG
from consumer.ledger.slack import unbounded
from tests.unit.consumer.ledger.promises import DIGEST, OTHER, TTL, SharedLedgerPromises, answer, limits, named

LEASE = 0.6
"""Seconds; `LONG` is the service's own."""


class LedgerServer(Protocol):
    """A server that has ledgers."""

    def kill(self) -> None:
        """End it as a crash would."""

    def start(self) -> object:
        """Start it again with its data."""


class SharedLedgers:
    """The ledgers of one test on a server that was emptied before.

    Args:
        url: where they are.
        store: makes a store for that address.
        sleep: waits for so many seconds, or less.
        server: what is there, for who ends it.
    """

    AWAY: str
    """What a ledger says when there is no server, as a pattern."""

    def __init__(
        self,
        url: str,
        store: Callable[[str], Store],
        sleep: Callable[[float], Awaitable[object]],
        server: LedgerServer | None = None,
    ) -> None:
        self.url, self.server = url, server
        self._store, self._sleep = store, sleep
        self.opened: list[Ledger] = []

    async def open(self, limits: Limits, allowance: Allowance = unbounded) -> Ledger:
        return await self.leased(limits, LONG, allowance)

    async def leased(self, limits: Limits, lease: float = LEASE, allowance: Allowance = unbounded) -> Ledger:
        ledger = Ledger(self._store(self.url), limits, allowance=allowance, lease=lease, sleep=self._sleep)
        self.opened.append(ledger)
        await ledger.start()
        return ledger

    async def expire(self) -> None:
        await asyncio.sleep(2 * TTL)

    async def close(self) -> None:
        for ledger in self.opened:
            await ledger.close()

    async def forget_owner(self, owner: bytes) -> None:
        """Take the lease from a process."""
        raise NotImplementedError

    async def lose_answers(self) -> None:
        """Remove what tells which answers a user has, behind the ledger's back."""
        raise NotImplementedError

    def delay_counts(self, patch: pytest.MonkeyPatch, ledger: Ledger, meanwhile: Callable[[], Awaitable[None]]) -> None:
        """Have `meanwhile` happen after the server has counted for a renewal, and before the ledger hears of it."""
        raise NotImplementedError


async def die(ledger: Ledger) -> None:
    """End a ledger as kill -9 would: nothing is said, nothing is renewed."""
    await ledger._end_keeping()


async def change(ledger: Ledger, name: str, state: State) -> State:
    """What a claim finds once it finds something else than `state`."""
    found = state
    while found is state:
        found = (await ledger.claim(named(name), DIGEST, rerun=False)).state
    return found


async def remember(ledger: Ledger, user: str, *names: str) -> None:
    """Claim and answer a user's requests."""
    for name in names:
        await ledger.claim(named(name, user), DIGEST)
        await ledger.finish(named(name, user), Reply("topology"))


async def with_one_entry(place: Any) -> Ledger:
    """A ledger in which all but the newest entry have expired."""
    ledger: Ledger = await place.leased(limits(ttl=TTL, max_entries=99))  # so few that each answer is a reason to look
    for number in range(5):
        await ledger.claim(named(f"{number}"), DIGEST)
        await ledger.finish(named(f"{number}"), Reply("x", number))
    for _ in range(2):  # the same request again, with an answer of the same length
        await place.expire()
        await ledger.claim(named("0"), DIGEST)
        await ledger.finish(named("0"), Reply("x", 0))
    return ledger


class ServerLedgerPromises(SharedLedgerPromises):
    """For ledgers on a server, which several living processes share."""

    async def test_a_count_that_comes_late_does_not_replace_a_later_one(
        self, place: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        ledger = await place.open(limits(max_entries=2))
        await die(ledger)  # only this test renews
        await remember(ledger, "alice", *"abc")
        counted = ledger.size, ledger.kept_bytes

        async def meanwhile() -> None:
            await remember(ledger, "alice", *"def")
            await answer(ledger, named("longer", "alice"), 500)

        with monkeypatch.context() as patch:
            place.delay_counts(patch, ledger, meanwhile)
            await ledger._store.renew()
        size, kept = ledger.size, ledger.kept_bytes
        assert size == 2
        assert kept > counted[1]
        await ledger._store.renew()
        assert (ledger.size, ledger.kept_bytes) == (size, kept), "that was right"

    async def test_what_another_living_process_runs_is_running(self, place: Any) -> None:
        first, second = await place.leased(limits()), await place.leased(limits())
        await first.claim(named("a"), DIGEST)
        for _ in range(3):
            assert (await second.claim(named("a"), DIGEST)).state is State.RUNNING
            await asyncio.sleep(LEASE / 2)
        assert (await second.claim(named("a"), OTHER)).state is State.CONFLICT
        seen = await second.look(named("a"))
        assert seen is not None
        assert (seen.state, seen.ours) == (State.RUNNING, False)
        await first.finish(named("a"), Reply("x", 1))
        assert (await second.claim(named("a"), DIGEST)).reply == (await first.claim(named("a"), DIGEST)).reply

    async def test_when_its_owner_dies_it_is_abandoned_and_one_takes_it_over(self, place: Any) -> None:
        first, second, third = [await place.leased(limits()) for _ in range(3)]
        await first.claim(named("a"), DIGEST)
        await die(first)
        assert await change(second, "a", State.RUNNING) is State.ORPHANED
        assert (await second.claim(named("a"), OTHER)).state is State.CONFLICT
        claims = await asyncio.gather(second.claim(named("a"), DIGEST), third.claim(named("a"), DIGEST))
        assert {claim.state for claim in claims} == {State.ORPHANED, State.RUNNING}
        taker = second if claims[0].state is State.ORPHANED else third
        await first.finish(named("a"), Reply("x", "late"))  # who was taken over does not replace the answer
        await first.release(named("a"))
        await taker.finish(named("a"), Reply("x", "second"))
        reply = (await second.claim(named("a"), DIGEST)).reply
        assert reply is not None
        assert reply.data == "second"

    async def test_a_claim_is_a_sign_of_life(self, place: Any) -> None:
        first, second = await place.leased(limits()), await place.leased(limits())
        await die(first)
        await place.forget_owner(first._owner)
        await first.claim(named("a"), DIGEST)
        assert (await second.claim(named("a"), DIGEST)).state is State.RUNNING

    async def test_of_many_processes_one_runs_each_request(self, place: Any) -> None:
        """They claim the same ones at the same time, in different orders, and none waits for another for ever."""
        processes = [await place.leased(limits()) for _ in range(4)]
        wanted = [(each, number) for each in processes for number in range(100)]
        random.Random(1).shuffle(wanted)
        claims = await asyncio.gather(*(each.claim(named(f"{number}"), DIGEST) for each, number in wanted))
        assert [claim.state for claim in claims].count(State.NEW) == 100
        assert [each.problem for each in processes] == [None] * 4

    async def test_what_one_releases_while_another_claims_it_is_never_run_by_both(self, place: Any) -> None:
        processes = [await place.leased(limits()) for _ in range(3)]
        holders: set[Ledger] = set()
        runs = 0

        async def insist(ledger: Ledger) -> None:
            nonlocal runs
            for _ in range(40):
                if (await ledger.claim(named("a"), DIGEST)).state is State.NEW:
                    assert not holders
                    holders.add(ledger)
                    runs += 1
                    await asyncio.sleep(0)
                    holders.discard(ledger)
                    await ledger.release(named("a"))

        await asyncio.gather(*map(insist, processes))
        assert runs > 10

    async def test_what_was_lost_of_one_user_is_not_taken_from_the_others(self, place: Any) -> None:
        ledger = await place.open(limits(max_entries=4, max_bytes=10_000))
        await remember(ledger, "mallory", "1", "2", "3", "4")
        await place.lose_answers()
        await remember(ledger, "alice", "5", "6", "7")
        assert (ledger.size, ledger.evicted.entries, ledger.evicted.bodies) == (3, 0, 0)
        for name in ("5", "6", "7"):
            assert (await ledger.claim(named(name, "alice"), DIGEST)).reply is not None

    async def test_a_job_that_is_recorded_twice_at_once_is_the_later_one(self, place: Any) -> None:
        ledger = await place.open(limits())
        now = int(ledger._clock() * 1000)
        older, newer = (Activation(1, now + more, now + more - 100) for more in (100, 200))
        for both in ([older, newer], [newer, older]):
            await ledger.record_activations(both)
            assert await ledger.newest_activation(1) == newer
            ledger.forget_activation(1)
            await ledger.record_activations([newer._replace(key=2)])

    async def test_while_it_is_away_nothing_is_claimed_or_waited_for_and_afterwards_all_is_well(
        self, place: Any, caplog: pytest.LogCaptureFixture
    ) -> None:
        ledger, ending = await place.leased(limits(), lease=LONG), await place.leased(limits())
        for name in ("running", "at once", "released"):
            await ledger.claim(named(name), DIGEST)
        await ending.claim(named("lost"), DIGEST)
        place.server.kill()
        try:
            await ledger.finish(named("at once"), Reply("x", 1))  # in the moment it goes
            with pytest.raises(LedgerError, match=place.AWAY):
                await ledger.claim(named("a"), DIGEST)
            with pytest.raises(LedgerError):
                await ledger.claim(named("b"), DIGEST)
            await ledger.wait_failed()
            await ledger.finish(named("running"), Reply("x", 1))
            await ledger.release(named("released"))
            assert ledger.problem is not None
            await ending.finish(named("lost"), Reply("x", 1))
            await ending.close()
            assert "1 answers could not be written" in caplog.text
            late = await place.leased(limits())
            with pytest.raises(LedgerError):
                await late.claim(named("late"), DIGEST)
        finally:
            place.server.start()
        for each in (ledger, late):
            await each.ready()
            assert each.problem is None
        states = [(await ledger.claim(named(name), DIGEST)).state for name in ("running", "at once", "released", "a")]
        assert states == [State.DONE, State.DONE, State.NEW, State.NEW]
        assert (await late.claim(named("late"), DIGEST)).state is State.NEW
