"""A ledger in Redis: shared by several processes, survives the death of any."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import urlsplit

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError, ResponseError

from consumer.core.message import Reply
from consumer.ledger import codec, scripts
from consumer.ledger.entry import Claim, LedgerError, Limits, State, hash_identity

__all__ = ["RedisLedger"]

log = logging.getLogger(__name__)

LEASE = 30.0
"""Seconds after which a process that no longer renews its lease counts as dead."""

RETRY = 1.0
"""Seconds between two attempts while Redis does not answer."""

TIMEOUT = 5.0
"""Seconds for one command, and for connecting."""

CONNECTIONS = 32
"""At most; a command waits for a free one."""

CONNECTION_ERRORS = (RedisError, OSError)
"""What Redis and the way to it raise."""


class RedisLedger:
    """Entries that several processes share; each proves by a lease, renewed while it lives, that it still runs its own.

    Args:
        url: redis://user:password@host:port/database, or rediss:// for TLS.
        limits: how much is remembered, over all processes, and for how long.
        lease: seconds after which a process that is silent counts as dead.
    """

    def __init__(self, url: str, limits: Limits, lease: float = LEASE) -> None:
        self.problem: str | None = "not connected yet"
        self.size = 0
        self._name = f"redis://{urlsplit(url).netloc.rpartition('@')[2]}"
        self._limits = limits
        self._lease = lease
        self._owner = secrets.token_hex(8)
        self._owner_key = scripts.OWNER + self._owner
        self._running: dict[str, bytes] = {}
        self._unwritten: dict[str, Callable[[], Awaitable[Any]]] = {}
        self._well, self._ill, self._beat = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self._redis = Redis.from_pool(_pool(url))
        self._claim, self._finish, self._release = (
            self._redis.register_script(text) for text in (scripts.CLAIM, scripts.FINISH, scripts.RELEASE)
        )
        self._closing = False
        self._keeper: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """See `Ledger.start`; a Redis that does not answer yet is waited for."""
        await self._renew()
        self._keeper = asyncio.get_running_loop().create_task(self._keep())

    async def ready(self) -> None:
        """See `Ledger.ready`."""
        await self._well.wait()

    async def failed(self) -> None:
        """See `Ledger.failed`."""
        await self._ill.wait()

    async def claim(self, identity: str, digest: bytes, *, rerun: bool = True) -> Claim:
        """See `Ledger.claim`."""
        if self.problem is not None:
            raise LedgerError(self.problem)
        key = _key(identity)
        expiry, lease = _milliseconds(self._limits.running_ttl), _milliseconds(self._lease)
        try:
            answer = await self._claim(
                keys=[key, self._owner_key],
                args=[digest, self._owner, expiry, lease, int(rerun), scripts.OWNER],
            )
        except CONNECTION_ERRORS as error:
            self._fail(error)
            raise LedgerError(self.problem) from error
        except asyncio.CancelledError:
            # Whether it was claimed or not: nobody will run it.
            if key not in self._running:
                self._later(key, lambda: self._release(keys=[key], args=[self._owner]))
            raise
        state = self._state(key, answer[0].decode())
        if state is State.NEW or (state is State.ORPHANED and rerun):
            self._unwritten.pop(key, None)
            self._running[key] = digest
        return Claim(state, await codec.unpack(answer[1]) if state is State.DONE else None)

    def _state(self, key: str, name: str) -> State:
        if name != "OURS":
            return State[name]
        # Claimed by us, but never handed out: the claim's answer was lost.
        return State.ORPHANED if key in self._running else State.NEW

    async def finish(self, identity: str, reply: Reply) -> None:
        """See `Ledger.finish`."""
        key, record = _key(identity), await codec.pack(reply)
        digest, limits = self._running.pop(key), self._limits
        args: list[Any] = [digest, self._owner, _milliseconds(limits.ttl), record, limits.max_entries, limits.max_bytes]

        async def write() -> None:
            self.size = await self._finish(keys=[key, scripts.FINISHED, scripts.BYTES], args=args)

        await self._written(key, write)

    async def release(self, identity: str) -> None:
        """See `Ledger.release`."""
        key = _key(identity)
        if self._running.pop(key, None) is not None:
            await self._written(key, lambda: self._release(keys=[key], args=[self._owner]))

    async def _written(self, key: str, write: Callable[[], Awaitable[Any]]) -> None:
        """Write now, or later when Redis answers again: the caller gets its answer either way."""
        if self.problem is not None:
            self._later(key, write)
            return
        try:
            await write()
        except CONNECTION_ERRORS as error:
            self._later(key, write)
            self._fail(error)

    def _later(self, key: str, write: Callable[[], Awaitable[Any]]) -> None:
        self._unwritten[key] = write
        self._beat.set()

    async def close(self) -> None:
        """See `Ledger.close`."""
        await self._end_keeping()
        try:
            await self._flush()
            # Whoever takes over what we still ran need not wait for the lease to end.
            await self._redis.delete(self._owner_key)
        except CONNECTION_ERRORS as error:
            log.error("%d answers could not be written into the ledger %s: %s", len(self._unwritten), self._name, error)
        await self._redis.aclose()

    async def _end_keeping(self) -> None:
        self._closing = True
        self._beat.set()
        if self._keeper is not None:
            # Asked, not only cancelled: a library's own timeout may swallow a cancellation.
            await asyncio.wait([self._keeper], timeout=TIMEOUT)
            self._keeper.cancel()

    async def _keep(self) -> None:
        while not self._closing:
            try:
                async with asyncio.timeout(RETRY if self.problem else self._lease / 3):
                    await self._beat.wait()
            except TimeoutError:
                pass
            self._beat.clear()
            if not self._closing:
                await self._renew()

    async def _renew(self) -> None:
        """Prolong the lease and write what could not be written; with that the ledger is well again."""
        try:
            await self._redis.set(self._owner_key, 1, px=_milliseconds(self._lease))
            await self._flush()
            self.size = await self._redis.zcard(scripts.FINISHED)
            if self.problem is not None:
                await self._advise()
        except CONNECTION_ERRORS as error:
            self._fail(error)
            return
        if self.problem is not None:
            log.info("the ledger %s can be used", self._name)
            self.problem = None
            self._well.set()
            self._ill.clear()

    async def _flush(self) -> None:
        for key, write in list(self._unwritten.items()):
            if self._unwritten.get(key) is write:
                await write()
                self._unwritten.pop(key, None)

    def _fail(self, error: BaseException) -> None:
        problem = f"the ledger {self._name} cannot be used: {error}"
        if problem != self.problem:
            log.error("%s; nothing is run until it can", problem)
        self.problem = problem
        self._well.clear()
        self._ill.set()

    async def _advise(self) -> None:
        """Say what to set in a Redis that may forget."""
        found: dict[Any, Any] = {}
        try:
            found = await self._redis.config_get("appendonly", "maxmemory-policy")
        except ResponseError as error:  # hosted ones often forbid to ask
            log.info("the ledger %s does not tell its configuration: %s", self._name, error)
        settings = {_text(name): _text(value) for name, value in found.items()}
        for warning in advice(settings):
            log.warning("the ledger %s %s", self._name, warning)


def advice(settings: dict[str, str]) -> list[str]:
    """What is wrong for a ledger with Redis' settings, by their names in its configuration."""
    warnings = []
    if settings.get("appendonly") == "no":
        warnings.append(
            "may forget what ran when it restarts (appendonly is no): after that requests sent again run again; "
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


def _key(identity: str) -> str:
    return scripts.ENTRY + hash_identity(identity).hex()


def _milliseconds(seconds: float) -> int:
    return int(seconds * 1000)


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value
