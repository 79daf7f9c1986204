"""The ledger: which requests have run, and what was answered."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from consumer.ledger.entry import Claim, Identity, LedgerError, Limits, Sighting, State, identify, identify_by
from consumer.ledger.examination import Facts, FileFacts, MemoryFacts, PostgresFacts, RedisFacts, examine_ledger
from consumer.ledger.ledger import Ledger, Record, ignore
from consumer.ledger.memory import MemoryStore
from consumer.ledger.slack import Allowance, unbounded
from consumer.ledger.sqlite import SCHEME, SqliteStore, path_of
from consumer.ledger.store import Evicted, Store
from consumer.ledger.table import files, in_use

__all__ = [
    "Allowance",
    "Claim",
    "Evicted",
    "Facts",
    "FileFacts",
    "Identity",
    "Ledger",
    "LedgerError",
    "Limits",
    "MemoryFacts",
    "MemoryStore",
    "PostgresFacts",
    "RedisFacts",
    "Sighting",
    "State",
    "Store",
    "accept_failover",
    "examine_ledger",
    "has_entries",
    "identify",
    "identify_by",
    "is_shared",
    "open_ledger",
    "reset",
]


def _open_redis(url: str, _: bool) -> Store:
    # Only who uses it pays for its import.
    from consumer.ledger.redis import RedisStore

    return RedisStore(url)


def _open_postgres(url: str, create: bool) -> Store:
    from consumer.ledger.postgres import PostgresStore

    return PostgresStore(url, create)


STORES: Final[dict[str, Callable[[str, bool], Store]]] = {
    "memory": lambda url, _: MemoryStore(url),
    "postgres": _open_postgres,
    "postgresql": _open_postgres,
    "sqlite": lambda url, _: SqliteStore(url),
    "redis": _open_redis,
    "rediss": _open_redis,
}
"""What makes a store of a URL, by the URL's scheme; it is told whether tables may be made in a database."""


def open_ledger(
    url: str,
    limits: Limits,
    record: Record = ignore,
    failed: Callable[[], None] = lambda: None,
    allowance: Allowance = unbounded,
    *,
    create: bool = False,
) -> Ledger:
    """The ledger at `url`: `memory://`, `sqlite:///path` (four slashes for an absolute one), `redis://…` or
    `postgresql://…`.

    Nothing is opened before its `start`.

    Args:
        url: where the entries are.
        limits: how much is remembered, and for how long.
        record: gets the duration of each operation.
        failed: is called each time the store cannot be used.
        allowance: tells how many bytes of answers are kept for a user.
        create: make the tables where a database has none; a file is made in any case.
    """
    scheme, _, _ = url.partition(":")
    return Ledger(STORES[scheme](url, create), limits, record, failed=failed, allowance=allowance)


def is_shared(url: str) -> bool:
    """Whether several processes may use the ledger at `url` at a time."""
    return not url.startswith((SCHEME, MemoryStore.name))


def has_entries(url: str) -> bool:
    """Whether anything may be in the ledger at `url` that another process can read."""
    if not url.startswith(SCHEME):
        return is_shared(url)
    try:
        path_of(url).stat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:  # whoever opens it is told why
        return True
    return True


async def accept_failover(url: str) -> str:
    """Go on with the PostgreSQL at `url` as it is now, although it may have forgotten something; what was done.

    Raises:
        LedgerError: the ledger is in no PostgreSQL.
        ConnectionError: it was not reached, or has no tables of ours.
    """
    if not url.startswith("postgres"):
        raise LedgerError(f"LEDGER: {url.partition(':')[0]}:// knows no failover; accepted: postgresql://…")
    from consumer.ledger.postgres import accept_server

    return await accept_server(url)


def reset(url: str) -> Path | None:
    """Move the ledger's file aside; with it goes what is known of requests that ran.

    Returns:
        Its new name; None when there was none.

    Raises:
        LedgerError: the ledger is not a file, or another process uses it.
    """
    if not url.startswith(SCHEME):
        raise LedgerError(
            f"--reset-ledger: {url.partition(':')[0]}:// has no file; accepted with LEDGER={SCHEME}… only"
        )
    path = path_of(url)
    if not path.exists():
        return None
    if in_use(path):
        raise LedgerError(f"--reset-ledger: {path} is in use by another process; accepted: a file that nobody uses")
    aside = f"{path.name}.{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}"
    for file in files(path):
        if file.exists():
            file.rename(file.with_name(aside + file.name.removeprefix(path.name)))
    return path.with_name(aside)
