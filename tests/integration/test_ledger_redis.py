"""The ledger in Redis: the promises of all ledgers, several processes, and a Redis that is away."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis as Client
from redis.exceptions import ConnectionError as Refused
from redis.exceptions import ResponseError

from consumer.ledger import Ledger, LedgerError, State, open_ledger, scripts
from consumer.ledger.redis import RedisStore, list_warnings
from scripts.redis import Redis
from tests.cases import for_each
from tests.integration.shared_ledgers import LEASE, ServerLedgerPromises, SharedLedgers, with_one_entry
from tests.unit.consumer.ledger.promises import DIGEST, limits, named


async def hurry(seconds: float) -> None:
    """Sleep, but not as long as the ledger does while Redis is away."""
    await asyncio.sleep(min(seconds, 0.05))


class Database(SharedLedgers):
    """A Redis for one test."""

    AWAY = r"redis://127\.0\.0\.1:\d+ cannot be used"

    async def forget_owner(self, owner: bytes) -> None:
        async with Client.from_url(self.url) as client:
            await client.delete(scripts.OWNER + owner.hex())

    async def lose_answers(self) -> None:
        """It evicts keys where it is told to, also those that say which answers a user has."""
        async with Client.from_url(self.url) as client:
            lost = [key async for key in client.scan_iter() if b":entries:" in key or b":bodies:" in key]
            assert len(lost) == 2
            await client.delete(*lost)

    def delay_counts(self, patch: pytest.MonkeyPatch, ledger: Ledger, meanwhile: Callable[[], Awaitable[None]]) -> None:
        redis = ledger._store._redis  # type: ignore[attr-defined]
        mget = redis.mget

        async def late(*keys: str) -> Any:
            counts = await mget(*keys)
            await meanwhile()
            return counts

        patch.setattr(redis, "mget", late)


@pytest.fixture
async def place(redis: Redis) -> AsyncIterator[Database]:
    async with Client.from_url(redis.url) as client:
        await client.flushdb()
    ledgers = Database(redis.url, RedisStore, hurry, redis)
    yield ledgers
    await ledgers.close()


class TestRedis(ServerLedgerPromises):
    pass


async def test_its_bookkeeping_ends_with_the_entries(place: Database) -> None:
    await with_one_entry(place)
    async with Client.from_url(place.url, decode_responses=True) as client:
        [(_, entries)] = await client.zrange(f"{scripts.PREFIX}shares:entries", 0, -1, withscores=True)
        [(_, size)] = await client.zrange(f"{scripts.PREFIX}shares:bytes", 0, -1, withscores=True)
        [body] = await client.zrange(f"{scripts.PREFIX}bodies:", 0, -1)
        assert [await client.zcard(f"{scripts.PREFIX}{key}") for key in ("entries:", "shares:expiry")] == [1, 1]
        assert await client.get(scripts.FINISHED) == "1"
        assert (await client.get(scripts.BYTES), entries) == (body.partition(":")[0], 1)
        assert size == int(body.partition(":")[0])


async def test_a_claim_whose_answer_was_lost_is_still_new(place: Database, monkeypatch: pytest.MonkeyPatch) -> None:
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


async def test_an_entry_that_no_service_wrote_stops_nobody(place: Database) -> None:
    ledger = await place.leased(limits())
    async with Client.from_url(place.url) as client:
        for owner in (b"\xff", b"nobody", None):
            fields = {"digest": DIGEST, **({} if owner is None else {"owner": owner})}
            await client.delete(scripts.ENTRY + named("a").key.hex())
            await client.hset(scripts.ENTRY + named("a").key.hex(), mapping=fields)
            assert (await ledger.claim(named("a"), DIGEST)).state is State.ORPHANED, owner
            assert await ledger.look(named("a")), owner
            assert ledger.problem is None
        for fields in ({"deadline": "soon", "since": 1, "trace": "", "extended": 1}, {"deadline": 1}):
            await client.hset(f"{scripts.ACTIVATION}7", mapping=fields)
            assert await ledger.newest_activation(7) is None, fields
            await client.delete(f"{scripts.ACTIVATION}7")


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
    place: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = RedisStore(place.url)
    ledger = Ledger(store, limits())

    async def refuse(*_: object) -> Any:
        raise ResponseError("NOPERM")

    monkeypatch.setattr(store._redis, "config_get", refuse)
    await ledger.start()
    assert (await ledger.claim(named(uuid.uuid4().hex), DIGEST)).state is State.NEW
    await ledger.close()
