"""Entries in Redis: shared by several processes, survive the death of any."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final
from urllib.parse import urlsplit

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import AuthenticationError, RedisError, ResponseError

from consumer.ledger import scripts
from consumer.ledger.codec import size_of, to_mark
from consumer.ledger.entry import LedgerError, Limits
from consumer.ledger.store import TRIMMED_AT_ONCE, ActivationRow, Evicted, Found, LedgerRow

__all__ = ["RedisStore", "ask_redis", "list_warnings"]

log = logging.getLogger(__name__)

TIMEOUT: Final = 5.0
"""Seconds for one command, and for connecting."""

CONNECTIONS: Final = 32
"""At most; a command waits for a free one."""


class RedisStore:
    """See `Store`. A process proves by a lease, renewed while it lives, that it still runs what it owns.

    Args:
        url: redis://user:password@host:port/database, or rediss:// for TLS.
    """

    access = "used"

    def __init__(self, url: str) -> None:
        self.name = _name(url)
        self.size = self.kept_bytes = self._counted = 0
        self.evicted = Evicted()
        self._owner_key = ""
        self._lease = 0
        self._redis = Redis.from_pool(_pool(url))
        register = self._redis.register_script
        self._claim, self._finish = register(scripts.CLAIM), register(scripts.FINISH)
        self._find = register(scripts.FIND)
        self._release, self._trim = register(scripts.RELEASE), register(scripts.TRIM)
        self._activate = register(scripts.ACTIVATE)

    async def open(self, owner: bytes, lease: float) -> None:
        """See `Store.open`; warns of settings with which Redis may forget."""
        self._owner_key, self._lease = scripts.OWNER + owner.hex(), _milliseconds(lease)
        await self.renew()
        for warning in list_warnings(await self._settings()):
            fields = {"event": "ledger.forgetful", "ledger": self.name}
            log.warning("the ledger %s %s", self.name, warning, extra=fields)

    async def claim(self, row: LedgerRow, now: float, take_over: bool) -> Found | None:
        """See `Store.claim`; it is a sign of life too."""
        keys = [_key(row.key), self._owner_key]
        expiry, owner = _milliseconds(row.expires - now), row.owner.hex()
        found = await self._claim(keys, [row.digest, owner, expiry, self._lease, int(take_over), scripts.OWNER])
        if found is None:
            return None
        digest, owner, record, alive = found
        return Found(digest, _owner(owner), record, bool(alive))

    async def find(self, key: bytes, now: float) -> Found | None:
        """See `Store.find`."""
        found = await self._find([_key(key)], [scripts.OWNER])
        if found is None:
            return None
        digest, owner, record, alive, left = found
        return Found(digest, _owner(owner), record, bool(alive), now + left / 1000)

    async def finish(self, row: LedgerRow, now: float) -> None:
        """See `Store.finish`."""
        record = row.record or b""
        args: list[Any] = [row.digest, row.owner.hex(), _milliseconds(row.expires - now), record]
        args += [row.user.hex(), row.key.hex(), to_mark(record), size_of(record)]
        self._count(*await self._finish([_key(row.key)], args))

    async def release(self, key: bytes, owner: bytes) -> None:
        """See `Store.release`."""
        await self._release([_key(key)], [owner.hex()])

    async def trim(self, now: float, limits: Limits, allowed: Mapping[bytes, int]) -> None:
        """See `Store.trim`; the bounds are those of all processes together."""
        args: list[Any] = [limits.max_entries, limits.max_bytes, TRIMMED_AT_ONCE]
        for user, most in allowed.items():
            args += [user.hex(), most]
        keys = [scripts.FINISHED, scripts.BYTES]
        size, kept_bytes, bodies, entries = await self._trim(keys, args)
        self._count(size, kept_bytes)
        self.evicted.bodies += bodies
        self.evicted.entries += entries

    async def write_activations(self, rows: Sequence[ActivationRow], ended: Sequence[int], now: float) -> None:
        """See `Store.write_activations`; what has expired is gone by itself."""
        keys = [f"{scripts.ACTIVATION}{key}" for key in (*(row.key for row in rows), *ended)]
        args: list[Any] = []
        for row in rows:
            args += [row.deadline, row.since, row.trace, row.extended, _milliseconds(row.expires - now)]
        await self._activate(keys, args)

    async def find_activation(self, key: int, now: float) -> ActivationRow | None:
        """See `Store.find_activation`."""
        async with self._redis.pipeline(transaction=True) as both:
            name = f"{scripts.ACTIVATION}{key}"
            both.hmget(name, "deadline", "since", "trace", "extended")
            both.pttl(name)
            (deadline, since, trace, extended), left = await both.execute()
        try:
            return ActivationRow(key, int(deadline), int(since), trace.decode(), int(extended), now + left / 1000)
        except (TypeError, ValueError, AttributeError):  # there is none, or one that no service wrote
            return None

    async def renew(self) -> None:
        """See `Store.renew`."""
        await self._redis.set(self._owner_key, 1, px=self._lease)
        before = self._counted
        size, kept_bytes = await self._redis.mget(scripts.FINISHED, scripts.BYTES)
        if before == self._counted:  # otherwise another connection may have brought a later count
            self._count(int(size or 0), int(kept_bytes or 0))

    async def close(self) -> None:
        """See `Store.close`: who takes over what we still ran need not wait for the lease to end."""
        try:
            if self._owner_key:
                await self._redis.delete(self._owner_key)
        finally:
            await self._redis.aclose()

    def _count(self, size: int, kept_bytes: int) -> None:
        self.size, self.kept_bytes = size, kept_bytes
        self._counted += 1

    async def _settings(self) -> dict[str, str]:
        try:
            found: dict[Any, Any] = await self._redis.config_get("appendonly", "maxmemory-policy")
        except ResponseError as error:  # hosted ones often forbid to ask
            fields = {"event": "ledger.unchecked", "ledger": self.name, "error": str(error)}
            log.info("the ledger %s does not show its configuration: %s", self.name, error, extra=fields)
            return {}
        return {_text(name): _text(value) for name, value in found.items()}


async def ask_redis(
    url: str, clock: Callable[[], float]
) -> tuple[str, dict[str, Any], int, tuple[float, float, float]]:
    """Look at a Redis, and write nothing.

    Args:
        url: as for `RedisStore`.
        clock: our time, seconds since 1970.

    Returns:
        Its name without a password, its INFO (empty when that may not be asked for), how many entries have finished,
        and three times: ours before it was asked for its own, its own, and ours after that.

    Raises:
        OSError: it was not reached.
        LedgerError: it does not let us in, or does not answer such questions.
    """
    name = _name(url)
    redis = Redis.from_pool(_pool(url))
    try:
        info = await _info(redis)
        entries = int(await redis.get(scripts.FINISHED) or 0)
        sent = clock()
        seconds, micro = await redis.time()
        return name, info, entries, (sent, seconds + micro / 1e6, clock())
    # The library's own, which are no OSError.
    except (AuthenticationError, ResponseError) as error:
        raise LedgerError(f"{name} refuses: {error}") from error
    except RedisError as error:
        raise ConnectionError(f"{name} was not reached: {error}") from error
    finally:
        await redis.aclose()


async def _info(redis: Redis) -> dict[str, Any]:
    try:
        found: dict[str, Any] = await redis.info()
    except ResponseError:  # hosted ones often forbid to ask
        return {}
    return found


def list_warnings(settings: dict[str, str]) -> list[str]:
    """What is wrong for a ledger with Redis' settings, by their names in its configuration."""
    warnings = []
    if settings.get("appendonly") == "no":
        warnings.append(
            "may forget what ran when it restarts (appendonly is no), and repeated requests would run again: "
            "set appendonly yes"
        )
    policy = settings.get("maxmemory-policy", "noeviction")
    if policy != "noeviction":
        warnings.append(
            f"may forget what ran when its memory is full (maxmemory-policy is {policy}): "
            "set maxmemory-policy noeviction; LEDGER_MAX_BYTES bounds what we keep there"
        )
    return warnings


def _pool(url: str) -> BlockingConnectionPool:
    return BlockingConnectionPool.from_url(
        url,
        max_connections=CONNECTIONS,
        timeout=None,  # waiting for a free connection is no trouble: who holds one has a limit
        socket_timeout=TIMEOUT,
        socket_connect_timeout=TIMEOUT,
        # A connection that broke while nobody used it is no trouble; every script may run twice.
        retry=Retry(NoBackoff(), 1),
    )


def _name(url: str) -> str:
    """The address without user and password."""
    return f"redis://{urlsplit(url).netloc.rpartition('@')[2]}"


def _key(key: bytes) -> str:
    return scripts.ENTRY + key.hex()


def _owner(text: bytes | None) -> bytes:
    """Who owns an entry. One that we did not write is somebody's, too; as an outage it would stop everything."""
    try:
        return bytes.fromhex((text or b"").decode("ascii"))
    except ValueError:
        return text or b""


def _milliseconds(seconds: float) -> int:
    return int(seconds * 1000)


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value
