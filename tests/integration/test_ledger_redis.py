"""The ledger in Redis: the promises of all ledgers, several processes, and a Redis that is away."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis as Client
from redis.exceptions import ConnectionError as Refused
from redis.exceptions import ResponseError

from consumer.core.message import Reply
from consumer.ledger import Ledger, LedgerError, State, open_ledger, scripts
from consumer.ledger.ledger import LEASE as LONG
from consumer.ledger.redis import RedisStore, list_warnings
from scripts.redis import Redis
from tests.cases import for_each
from tests.integration.shared_ledgers import LEASE, SharedLedgers, change, die
from tests.unit.consumer.ledger.promises import DIGEST, OTHER, TTL, SharedLedgerPromises, limits, named


async def hurry(seconds: float) -> None:
    """Sleep, but not as long as the ledger does while Redis is away."""
    await asyncio.sleep(min(seconds, 0.05))


@pytest.fixture
async def place(redis: Redis) -> AsyncIterator[SharedLedgers]:
    async with Client.from_url(redis.url) as client:
        await client.flushdb()
    ledgers = SharedLedgers(redis.url, RedisStore, hurry)
    yield ledgers
    await ledgers.close()


class TestRedis(SharedLedgerPromises):
    pass


async def test_what_another_living_process_runs_is_running(place: SharedLedgers) -> None:
    first, second = await place.leased(limits()), await place.leased(limits())
    await first.claim(named("a"), DIGEST)
    for _ in range(3):
        assert (await second.claim(named("a"), DIGEST)).state is State.RUNNING
        await asyncio.sleep(LEASE / 2)
    assert (await second.claim(named("a"), OTHER)).state is State.CONFLICT
    await first.finish(named("a"), Reply("x", 1))
    assert (await second.claim(named("a"), DIGEST)).reply == (await first.claim(named("a"), DIGEST)).reply


async def test_when_its_owner_dies_it_is_abandoned_and_one_takes_it_over(place: SharedLedgers) -> None:
    first, second, third = [await place.leased(limits()) for _ in range(3)]
    await first.claim(named("a"), DIGEST)
    await die(first)
    assert await change(second, "a", State.RUNNING) is State.ORPHANED
    claims = await asyncio.gather(second.claim(named("a"), DIGEST), third.claim(named("a"), DIGEST))
    assert {claim.state for claim in claims} == {State.ORPHANED, State.RUNNING}
    taker = second if claims[0].state is State.ORPHANED else third
    await first.finish(named("a"), Reply("x", "late"))  # who was taken over does not replace the answer
    await taker.finish(named("a"), Reply("x", "second"))
    reply = (await second.claim(named("a"), DIGEST)).reply
    assert reply is not None
    assert reply.data == "second"


async def test_a_claim_is_a_sign_of_life(place: SharedLedgers) -> None:
    first, second = await place.leased(limits()), await place.leased(limits())
    await die(first)
    async with Client.from_url(place.url) as client:
        await client.delete(scripts.OWNER + first._owner.hex())
    await first.claim(named("a"), DIGEST)
    assert (await second.claim(named("a"), DIGEST)).state is State.RUNNING


async def test_of_many_processes_one_runs_each_request(place: SharedLedgers) -> None:
    processes = [await place.leased(limits()) for _ in range(4)]
    claims = await asyncio.gather(
        *(each.claim(named(f"{number}"), DIGEST) for number in range(100) for each in processes)
    )
    assert [claim.state for claim in claims].count(State.NEW) == 100


async def test_its_bookkeeping_ends_with_the_entries(place: SharedLedgers) -> None:
    ledger = await place.leased(limits(ttl=TTL, max_entries=99))  # so few that each answer is a reason to look
    for number in range(5):
        await ledger.claim(named(f"{number}"), DIGEST)
        await ledger.finish(named(f"{number}"), Reply("x", number))
    for _ in range(2):  # the same request again, with an answer of the same length
        await place.expire()
        await ledger.claim(named("0"), DIGEST)
        await ledger.finish(named("0"), Reply("x", 0))
    async with Client.from_url(place.url, decode_responses=True) as client:
        [(_, entries)] = await client.zrange(f"{scripts.PREFIX}shares:entries", 0, -1, withscores=True)
        [(_, size)] = await client.zrange(f"{scripts.PREFIX}shares:bytes", 0, -1, withscores=True)
        [body] = await client.zrange(f"{scripts.PREFIX}bodies:", 0, -1)
        assert [await client.zcard(f"{scripts.PREFIX}{key}") for key in ("entries:", "shares:expiry")] == [1, 1]
        assert await client.get(scripts.FINISHED) == "1"
        assert (await client.get(scripts.BYTES), entries) == (body.partition(":")[0], 1)
        assert size == int(body.partition(":")[0])


async def test_what_redis_lost_of_one_user_is_not_taken_from_the_others(place: SharedLedgers) -> None:
    """It evicts keys where it is told to, also those that say which answers a user has."""
    bounds = limits(max_entries=4, max_bytes=10_000)
    ledger = await place.open(bounds)

    async def remember(user: str, *names: str) -> None:
        for name in names:
            await ledger.claim(named(name, user), DIGEST)
            await ledger.finish(named(name, user), Reply("topology"))

    await remember("mallory", "1", "2", "3", "4")
    async with Client.from_url(place.url) as client:
        lost = [key async for key in client.scan_iter() if b":entries:" in key or b":bodies:" in key]
        assert len(lost) == 2
        await client.delete(*lost)
    await remember("alice", "5", "6", "7")
    assert (ledger.size, ledger.evicted.entries, ledger.evicted.bodies) == (3, 0, 0)
    for name in ("5", "6", "7"):
        assert (await ledger.claim(named(name, "alice"), DIGEST)).reply is not None


async def test_while_redis_is_away_nothing_is_claimed_or_waited_for_and_afterwards_all_is_well(
    place: SharedLedgers, redis: Redis, caplog: pytest.LogCaptureFixture
) -> None:
    ledger, ending = await place.leased(limits(), lease=LONG), await place.leased(limits())
    for name in ("running", "at once", "released"):
        await ledger.claim(named(name), DIGEST)
    await ending.claim(named("lost"), DIGEST)
    redis.kill()
    try:
        await ledger.finish(named("at once"), Reply("x", 1))  # in the moment it goes
        with pytest.raises(LedgerError, match=r"redis://127\.0\.0\.1:\d+ cannot be used"):
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
        redis.start()
    for each in (ledger, late):
        await each.ready()
        assert each.problem is None
    states = [(await ledger.claim(named(name), DIGEST)).state for name in ("running", "at once", "released", "a")]
    assert states == [State.DONE, State.DONE, State.NEW, State.NEW]
    assert (await late.claim(named("late"), DIGEST)).state is State.NEW


async def test_a_claim_whose_answer_was_lost_is_still_new(
    place: SharedLedgers, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger = await place.leased(limits())
    claim = ledger._store.claim

    async def lost(*arguments: Any) -> Any:
        await claim(*arguments)
        raise Refused("the answer was lost")

    with monkeypatch.context() as patch:
        patch.setattr(ledger._store, "claim", lost)
        with pytest.raises(LedgerError):
            await ledger.claim(named("a"), DIGEST)
    await ledger.ready()
    assert (await ledger.claim(named("a"), DIGEST)).state is State.NEW


async def test_no_password_is_told(tmp_path: Path) -> None:
    ledger = open_ledger("redis://user:hush@127.0.0.1:1/0", limits())
    await ledger.start()
    assert "hush" not in str(ledger.problem)
    assert "127.0.0.1:1" in str(ledger.problem)
    await ledger.close()


@for_each(
    [
        ({}, []),
        ({"appendonly": "yes", "maxmemory-policy": "noeviction"}, []),
        ({"appendonly": "no"}, ["set appendonly yes"]),
        ({"maxmemory-policy": "allkeys-lru"}, ["set maxmemory-policy noeviction"]),
        ({"appendonly": "no", "maxmemory-policy": "volatile-ttl"}, ["set appendonly yes", "set maxmemory-policy"]),
    ]
)
def test_it_is_said_what_to_set(settings: dict[str, str], words: list[str]) -> None:
    found = list_warnings(settings)
    assert len(found) == len(words)
    assert all(word in warning for word, warning in zip(words, found, strict=True))


async def test_a_redis_that_forgets_is_warned_about_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with Redis(tmp_path / "forgetful", appendonly=False) as forgetful:
        async with Client.from_url(forgetful.url) as client:
            await client.config_set("maxmemory-policy", "allkeys-lru")
        ledger = Ledger(RedisStore(forgetful.url), limits(), lease=LEASE)
        await ledger.start()
        await asyncio.sleep(LEASE)
        await ledger.close()
    assert caplog.text.count("set appendonly yes") == caplog.text.count("set maxmemory-policy noeviction") == 1


async def test_a_redis_that_does_not_tell_its_settings_is_used(
    place: SharedLedgers, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = RedisStore(place.url)
    ledger = Ledger(store, limits())

    async def refuse(*_: object) -> Any:
        raise ResponseError("NOPERM")

    monkeypatch.setattr(store._redis, "config_get", refuse)
    await ledger.start()
    assert (await ledger.claim(named(uuid.uuid4().hex), DIGEST)).state is State.NEW
    await ledger.close()
