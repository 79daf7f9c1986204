"""What every ledger promises, whatever it is kept in: one suite for all."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable
from typing import Any, Self

import orjson
import pytest

from consumer.core.activation import Activation
from consumer.core.message import Reply
from consumer.ledger import Allowance, Claim, Evicted, Identity, Ledger, Limits, State, codec, identify
from consumer.ledger import ledger as book
from consumer.ledger.slack import unbounded
from consumer.ledger.store import Store
from tests.cases import for_each
from tests.unit.consumer.errors import failed
from zeebe_amqp.errors import Outcome

DIGEST, OTHER = b"d" * 32, b"o" * 32
TTL = 0.2
"""Seconds; short for those that cannot be given a clock."""


class ClockedPlace:
    """Where ledgers are kept, for one test, with a clock that goes when it is told to."""

    def __init__(self, make: Callable[[], Store]) -> None:
        self._make = make
        self.now = time.time()
        self.opened: list[Ledger] = []

    async def open(self, limits: Limits, allowance: Allowance = unbounded) -> Ledger:
        ledger = Ledger(self._make(), limits, allowance=allowance, clock=self._tick)
        await ledger.start()
        self.opened.append(ledger)
        return ledger

    def _tick(self) -> float:
        """No two moments are the same, so that one of two is the older one."""
        self.now += 1e-5
        return self.now

    async def expire(self) -> None:
        self.now += TTL

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        for ledger in self.opened:
            await ledger.close()


def limits(**given: Any) -> Limits:
    return Limits(**{"ttl": 3600, **given})


def named(request_id: str, user: str | None = None) -> Identity:
    return identify(user, request_id)


def text(length: int) -> str:
    """Text that cannot be compressed by much."""
    return random.Random(length).randbytes(length // 2).hex()


REPLIES = {
    "result": Reply(
        "create-instance", {"processInstanceKey": 2**63 - 1, "ratio": 0.1, "text": "ä\u2028", "none": None}
    ),
    "nothing": Reply("cancel-instance"),
    "error": Reply("complete-job", error=failed(details={"intent": "COMPLETE", "attempts": 2})),
    "fragment": Reply("create-instance", {"raw": orjson.Fragment(b'{ "b":1.0, "a" : 1e2, "a": 2 }')}),
    "compressed": Reply("activate-jobs", [{"variables": "x" * 10_000}]),
    "long": Reply("activate-jobs", [{"variables": "x" * 1_000_000}]),
}


async def answer(ledger: Ledger, identity: Identity, length: int, queue: str = "") -> None:
    """Run a request whose answer is so long."""
    await ledger.claim(identity, DIGEST)
    await ledger.finish(identity, Reply("x", text(length)), queue)


class LedgerPromises:
    """Subclass it, and give a fixture `place`: it opens ledgers as new processes would, and lets a `TTL` pass."""

    @pytest.fixture
    async def ledger(self, place: Any) -> Ledger:
        opened: Ledger = await place.open(limits())
        return opened

    @for_each(REPLIES.items())
    async def test_a_reply_comes_back_byte_for_byte(self, name: str, reply: Reply, ledger: Ledger) -> None:
        await ledger.claim(named(name), DIGEST)
        await ledger.finish(named(name), reply)
        found = await ledger.claim(named(name), DIGEST)
        assert found.state is State.DONE
        assert found.reply is not None
        assert found.reply.encode() == reply.encode()
        assert (found.reply.type, found.reply.error, found.reply.ok) == (reply.type, reply.error, reply.ok)
        assert not found.reply.replayed

    async def test_a_reply_that_is_too_large_leaves_its_mark(self, ledger: Ledger, monkeypatch: Any) -> None:
        monkeypatch.setattr(codec, "MAX_PLAIN", 2_000_000)
        for name, length in (("compressed too large", 1_000_000), ("not worth compressing", 3_000_000)):
            await ledger.claim(named(name), DIGEST)
            await ledger.finish(named(name), Reply("activate-jobs", [text(length)]))
            found = await ledger.claim(named(name), DIGEST)
            assert (found.state, found.reply) == (State.DONE, None)

    async def test_who_asks_sees_what_runs_and_what_was_answered_to_whom(self, ledger: Ledger) -> None:
        began, reply = ledger._clock(), REPLIES["error"]
        assert await ledger.look(named("a")) is None
        assert (await ledger.claim(named("a"), DIGEST)).state is State.NEW, "looking claims nothing"
        running = await ledger.look(named("a"))
        assert running is not None
        assert (running.state, running.ours, running.reply) == (State.RUNNING, True, None)
        sightings = [running]
        for queue in ("replies.shop", "", "ä" * 127):
            await ledger.claim(named(queue), DIGEST)
            await ledger.finish(named(queue), reply, queue)
            done = await ledger.look(named(queue))
            assert done is not None, queue
            assert (done.state, done.ours, done.reply_to) == (State.DONE, False, queue)
            assert done.reply is not None, queue
            assert done.reply.encode() == reply.encode(), queue
            sightings.append(done)
        assert all(began - 5 < each.time < began + 60 for each in sightings), sightings
        await ledger.release(named("a"))
        assert await ledger.look(named("a")) is None

    async def test_an_identity_belongs_to_its_request_until_it_is_released(self, ledger: Ledger) -> None:
        for digest in (OTHER, DIGEST):
            assert (await ledger.claim(named("a"), digest)).state is State.NEW
            await ledger.release(named("a"))
        for again in (State.NEW, State.ORPHANED, State.DONE):
            assert (await ledger.claim(named("a"), DIGEST)).state is again
            assert (await ledger.claim(named("a"), OTHER)).state is State.CONFLICT
            assert (await ledger.claim(named(f"{again}"), OTHER)).state is State.NEW
            if again is State.ORPHANED:  # it runs, and nobody runs it
                await ledger.finish(named("a"), Reply("x"))
                await ledger.release(named("a"))

    async def test_of_many_claims_at_once_one_is_new(self, ledger: Ledger) -> None:
        claims = await asyncio.gather(*(ledger.claim(named("a"), DIGEST) for _ in range(50)))
        assert [claim.state for claim in claims].count(State.NEW) == 1

    async def test_many_requests_at_once_keep_their_answers(self, ledger: Ledger) -> None:
        async def run(number: int) -> None:
            assert (await ledger.claim(named(f"{number}"), DIGEST)).state is State.NEW
            await ledger.finish(named(f"{number}"), Reply("x", number))

        await asyncio.gather(*map(run, range(500)))
        found = await asyncio.gather(*(ledger.claim(named(f"{number}"), DIGEST) for number in range(500)))
        assert [claim.reply.data for claim in found if claim.reply] == list(range(500))

    async def test_answers_expire_and_running_entries_do_not_with_them(self, place: Any) -> None:
        ledger = await place.open(limits(ttl=TTL))
        for name in ("a", "running"):
            await ledger.claim(named(name), DIGEST)
        await ledger.finish(named("a"), Reply("x"))
        await place.expire()
        assert (await ledger.claim(named("a"), OTHER)).state is State.NEW
        assert (await ledger.claim(named("running"), DIGEST)).state is State.ORPHANED

    async def test_above_a_number_the_oldest_answers_go(self, place: Any) -> None:
        ledger = await place.open(limits(max_entries=2))
        await ledger.claim(named("running"), DIGEST)
        for name in "abcd":
            await answer(ledger, named(name), 230)
        states = [(await ledger.claim(named(name), DIGEST)).state for name in ("c", "d", "a", "b", "running")]
        assert states == [State.DONE, State.DONE, State.NEW, State.NEW, State.ORPHANED]
        assert ledger.evicted == Evicted(bodies=0, entries=2)

    async def test_above_a_size_the_oldest_bodies_go_and_what_ran_does_not_run_again(self, place: Any) -> None:
        ledger = await place.open(limits(max_bytes=600))
        for name in "abcd":
            await answer(ledger, named(name), 230, f"replies.{name}")
        await ledger.claim(named("after"), DIGEST)
        for name, kept in (("a", False), ("b", False), ("c", True), ("d", True)):
            found = await ledger.claim(named(name), DIGEST)
            assert (found.state, found.reply is not None, found.outcome) == (State.DONE, kept, None), name
            assert (await ledger.claim(named(name), OTHER)).state is State.CONFLICT, "its digest stays"
            seen = await ledger.look(named(name))
            assert seen is not None
            assert (seen.state, seen.reply_to, seen.reply is not None) == (State.DONE, f"replies.{name}", kept)
        assert (ledger.size, ledger.evicted) == (4, Evicted(bodies=2, entries=0))

    async def test_a_body_that_has_gone_leaves_how_the_command_ended(self, place: Any) -> None:
        ledger = await place.open(limits(max_bytes=1))
        for name, error in (
            ("executed", None),
            ("rejected", failed()),
            ("perhaps", failed(outcome=Outcome.UNKNOWN)),
        ):
            await ledger.claim(named(name), DIGEST)
            await ledger.finish(named(name), Reply("create-instance", error=error))
        await ledger.claim(named("after"), DIGEST)
        found = [await ledger.claim(named(name), DIGEST) for name in ("executed", "rejected", "perhaps")]
        assert found == [Claim(State.DONE, None, each) for each in (None, Outcome.NOT_EXECUTED, Outcome.UNKNOWN)]
        assert ledger.kept_bytes == 0
        seen = await ledger.look(named("rejected"))
        assert (seen and seen.outcome) is Outcome.NOT_EXECUTED

    async def test_its_bytes_are_those_of_the_answers_that_are_kept(self, place: Any) -> None:
        ledger = await place.open(limits(max_entries=2))
        assert (ledger.kept_bytes, ledger.evicted) == (0, Evicted())
        for name in "abc":
            await answer(ledger, named(name), 230)
            await ledger.claim(named(f"after {name}"), DIGEST)
        # One of them takes at least the text, and little more.
        assert 2 * 230 < ledger.kept_bytes < 3 * 230 + 90

    @pytest.mark.parametrize("bound", [{"max_entries": 20}, {"max_bytes": 20 * 1100}])
    async def test_a_user_below_his_share_loses_nothing_however_much_another_brings(
        self, bound: dict[str, int], place: Any
    ) -> None:
        ledger = await place.open(limits(**bound))
        ours = [named(f"{number}", "alice") for number in range(9)]
        for identity in ours:
            await answer(ledger, identity, 1000)
        before = [(await ledger.claim(identity, DIGEST)).reply for identity in ours]
        for number in range(100):
            for user in ("mallory", None):
                await answer(ledger, named(f"{number}", user), 1100)
        await ledger.claim(named("after"), DIGEST)
        alice, *others = [[named(f"{n}", user) for n in range(100)] for user in ("alice", "mallory", None)]
        # Three users: alice had less than half of it, and more than a third.
        kept = [[(await ledger.claim(each, DIGEST)).reply for each in user] for user in (alice[:9], *others)]
        third = 20 // 3
        assert kept[0][-third:] == before[-third:]
        assert all(reply is not None for reply in before)
        assert [sum(reply is not None for reply in replies) >= third for replies in kept[1:]] == [True, True]
        assert all(replies[-1] is not None for replies in kept), "the latest one of each"

    async def test_a_limit_of_a_user_costs_him_his_own_oldest_bodies(self, place: Any) -> None:
        allowed = {"alice": 600, "bob": None, None: 0}
        ledger = await place.open(limits(), allowed.get)
        for name in "abcd":
            for user in allowed:
                await answer(ledger, named(name, user), 230)
        await ledger.claim(named("after"), DIGEST)
        found = {user: [await ledger.claim(named(name, user), DIGEST) for name in "abcd"] for user in allowed}
        assert {claim.state for claims in found.values() for claim in claims} == {State.DONE}
        kept = {user: "".join("-+"[claim.reply is not None] for claim in claims) for user, claims in found.items()}
        assert kept == {"alice": "--++", "bob": "++++", None: "----"}
        assert ledger.evicted == Evicted(bodies=6)

    @pytest.mark.parametrize("seed", [1, 2, 3])
    async def test_whatever_is_brought_by_whom_bounds_hold_and_shares_too(self, seed: int, place: Any) -> None:
        """No user who never held more than an equal share has lost anything, and the sums are right."""
        rng = random.Random(seed)
        users = [f"user{number}" for number in range(rng.randint(2, 6))]
        bounds = limits(max_entries=99, max_bytes=60_000)
        ledger = await place.open(bounds)
        sizes: dict[str, list[int]] = {user: [] for user in users}
        for _ in range(400):
            user = rng.choices(users, [4.0**-place for place in range(len(users))])[0]
            size = rng.choice((20, 500, 1500))
            await answer(ledger, named(f"{len(sizes[user])}", user), size)
            sizes[user].append(size)
        await ledger.claim(named("after"), DIGEST)
        assert ledger.size <= bounds.max_entries
        assert ledger.kept_bytes <= bounds.max_bytes * 1.01 + 2000, "within a hundredth, and one answer"
        finished = kept = 0
        for user in users:
            found = [await ledger.look(named(f"{number}", user)) for number in range(len(sizes[user]))]
            there = [each for each in found if each is not None]
            finished += len(there)
            kept += sum(each.reply is not None for each in there)
            if len(found) <= bounds.max_entries // len(users):
                assert len(there) == len(found), user
                if sum(size + 90 for size in sizes[user]) <= bounds.max_bytes // len(users):
                    assert all(each.reply is not None for each in there), user
            assert not any(found[: len(found) - len(there)]), "the oldest go first"
            bodies = [each.reply is not None for each in there]
            assert bodies == sorted(bodies), "and so do their bodies"
        everything = sum(map(len, sizes.values()))
        assert (ledger.size, ledger.evicted.entries) == (finished, everything - finished)
        assert 0 < kept < finished

    async def test_its_size_is_what_finished_and_is_kept(self, place: Any) -> None:
        ledger = await place.open(limits(max_entries=3))
        assert ledger.size == 0
        await ledger.claim(named("running"), DIGEST)
        sizes = []
        for name in "abcde":
            await ledger.claim(named("released"), DIGEST)
            await ledger.release(named("released"))
            await ledger.claim(named(name), DIGEST)
            await ledger.finish(named(name), Reply("x"))
            await ledger.claim(named(f"after {name}"), DIGEST)  # by now a ledger that sweeps now and then has done so
            sizes.append(ledger.size)
        assert sizes == [1, 2, 3, 3, 3]

    async def test_the_newest_activation_of_a_job_is_the_one_that_began_last(self, ledger: Ledger) -> None:
        now = int(ledger._clock() * 1000)
        older, newer = (Activation(2**62, now + more, now + more - 100, "00-trace") for more in (100, 200))
        assert await ledger.newest_activation(2**62) is None
        for recorded, newest in (
            ([older], older),
            ([newer], newer),
            ([older], newer),
            ([newer._replace(extended=now + 900)], newer._replace(extended=now + 900)),
            ([older, newer._replace(key=5), newer._replace(deadline=now + 300)], newer._replace(deadline=now + 300)),
        ):
            await ledger.record_activations(recorded)
            assert await ledger.newest_activation(2**62) == newest
        assert await ledger.newest_activation(5) == newer._replace(key=5)
        assert ledger.size == 0

    async def test_activations_are_known_whatever_else_is_too_much(self, place: Any) -> None:
        ledger = await place.open(limits(max_entries=1, max_bytes=100))
        now = int(ledger._clock() * 1000)
        jobs = [Activation(key, now, now - 5) for key in range(1, 500)]
        await ledger.record_activations(jobs)
        for name in "abc":
            await answer(ledger, named(name), 500)
        await ledger.claim(named("after"), DIGEST)
        assert [await ledger.newest_activation(each.key) for each in jobs] == jobs

    async def test_activations_go_with_their_jobs_and_else_a_day_after_their_end(
        self, place: Any, monkeypatch: Any
    ) -> None:
        monkeypatch.setattr(book, "KEPT_ACTIVATION", TTL)
        ledger = await place.open(limits())
        now = int(ledger._clock() * 1000)
        ended, gone, extended, later = (Activation(key, now, now - 5) for key in range(1, 5))
        extended = extended._replace(extended=now + 60_000)
        later = later._replace(deadline=now + 60_000)
        await ledger.record_activations([ended, gone, extended, later])
        ledger.forget_activation(ended.key)
        await ledger.record_activations([extended._replace(extended=0)])
        assert [await ledger.newest_activation(key) for key in (1, 2)] == [None, gone]
        await place.expire()
        found = [await ledger.newest_activation(key) for key in range(1, 5)]
        assert found == [None, None, extended._replace(extended=0), later], "never forgotten earlier than it was to be"

    async def test_a_job_that_ended_and_is_recorded_again_is_known(self, ledger: Ledger) -> None:
        activation = Activation(1, int(ledger._clock() * 1000), 1)
        ledger.forget_activation(1)
        await ledger.record_activations([activation])
        await ledger.record_activations([activation._replace(key=2)])
        assert await ledger.newest_activation(1) == activation

    async def test_an_identity_may_be_any_text(self, ledger: Ledger) -> None:
        names = ["", "\0", "ä", "a" * 10_000, "\ud800", "5:a:b"]
        assert {(await ledger.claim(named(name), DIGEST)).state for name in names} == {State.NEW}


class SharedLedgerPromises(LedgerPromises):
    """For ledgers that survive the process."""

    async def test_activations_survive_the_process(self, place: Any) -> None:
        first = await place.open(limits())
        activation = Activation(7, int(first._clock() * 1000), 1, "00-trace")
        await first.record_activations([activation])
        await first.close()
        assert await (await place.open(limits())).newest_activation(7) == activation

    async def test_answers_survive_the_process_and_what_ran_when_it_ended_is_abandoned(self, place: Any) -> None:
        first = await place.open(limits())
        for name in ("done", "a", "released"):
            await first.claim(named(name), DIGEST)
        await first.finish(named("done"), REPLIES["result"])
        await first.close()
        second = await place.open(limits())
        found = await second.claim(named("done"), DIGEST)
        assert found.reply is not None
        assert found.reply.encode() == REPLIES["result"].encode()
        assert (await second.claim(named("a"), OTHER)).state is State.CONFLICT
        for rerun in (False, False, True):
            assert (await second.claim(named("a"), DIGEST, rerun=rerun)).state is State.ORPHANED
        await second.finish(named("a"), Reply("x", 2))
        assert (await second.claim(named("a"), DIGEST)).reply is not None
        await second.claim(named("released"), DIGEST)
        await second.release(named("released"))
        assert (await second.claim(named("released"), OTHER)).state is State.NEW

    async def test_a_cancelled_claim_leaves_nothing(self, place: Any) -> None:
        first = await place.open(limits())
        claims = [asyncio.create_task(first.claim(named(f"{number}"), DIGEST)) for number in range(8)]
        for claim in claims:
            await asyncio.sleep(0.0005)
            claim.cancel()
        for number, end in enumerate(await asyncio.gather(*claims, return_exceptions=True)):
            if not isinstance(end, BaseException):
                await first.release(named(f"{number}"))
        await first.close()
        second = await place.open(limits())
        assert [(await second.claim(named(f"{number}"), OTHER)).state for number in range(8)] == [State.NEW] * 8
