"""The ledger: which requests have run, and what was answered."""

from __future__ import annotations

import time
from pathlib import Path

from consumer.ledger.entry import Claim, Ledger, LedgerError, Limits, State
from consumer.ledger.memory import MemoryLedger
from consumer.ledger.sqlite import SqliteLedger
from consumer.ledger.table import files, in_use
from consumer.ledger.timed import TimedLedger

__all__ = ["Claim", "Ledger", "LedgerError", "Limits", "MemoryLedger", "State", "TimedLedger", "open_ledger", "reset"]

SQLITE = "sqlite:///"


def open_ledger(url: str, limits: Limits) -> Ledger:
    """The ledger at `url`: `memory://`, `sqlite:///path` (four slashes for an absolute one) or `redis://…`.

    Nothing is opened before its `start`.
    """
    if url.startswith(SQLITE):
        return SqliteLedger(_path(url), limits)
    if url.startswith(("redis://", "rediss://")):
        # Only who uses it pays for its import.
        from consumer.ledger.redis import RedisLedger

        return RedisLedger(url, limits)
    return MemoryLedger(limits)


def reset(url: str) -> Path | None:
    """Move the ledger's file aside; with it goes what is known of requests that ran.

    Returns:
        Its new name; None when there was none.

    Raises:
        LedgerError: the ledger is not a file, or another process uses it.
    """
    if not url.startswith(SQLITE):
        raise LedgerError(
            f"--reset-ledger: {url.partition(':')[0]}:// has no file; accepted with LEDGER={SQLITE}… only"
        )
    path = _path(url)
    if not path.exists():
        return None
    if in_use(path):
        raise LedgerError(f"--reset-ledger: {path} is in use by another process; accepted: a file that nobody uses")
    aside = f"{path.name}.{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}"
    for file in files(path):
        if file.exists():
            file.rename(file.with_name(aside + file.name.removeprefix(path.name)))
    return path.with_name(aside)


def _path(url: str) -> Path:
    return Path(url.removeprefix(SQLITE)).expanduser()
