"""An examination of the ledger's place, for `doctor`: facts, without a judgement. Nothing is written."""

from __future__ import annotations

import os
import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeAlias

from consumer.ledger.sqlite import SCHEME, path_of
from consumer.ledger.table import APPLICATION, MIGRATED, VERSION, files, in_use

__all__ = ["FORMAT", "READABLE", "Facts", "FileFacts", "MemoryFacts", "PostgresFacts", "RedisFacts", "examine_ledger"]

FORMAT: Final = VERSION
"""The version of the file that this release writes."""
READABLE: Final = (MIGRATED, VERSION)
"""The versions of a file that this release opens."""
_HEADER: Final = 100
"""Bytes at the beginning of a SQLite file that say what it is; its file format says where."""
_MAGIC: Final = b"SQLite format 3\0"
_WAL: Final = 2


@dataclass(frozen=True)
class MemoryFacts:
    """A ledger in the memory of each process: nobody else can look."""


@dataclass(frozen=True)
class FileFacts:
    """What was found of a ledger's file."""

    path: Path
    there: bool
    folder: Path
    """The nearest folder that is there: its own, unless that is still to be made."""
    writable: bool
    """Whether we may write the file, or make it in the folder."""
    free: int
    """Bytes on its disk that we may use."""
    size: int = 0
    """Bytes, with what SQLite keeps beside it."""
    used: bool = False
    """Whether a process holds it."""
    ours: bool = True
    """Whether it is marked as a ledger; one that is empty is."""
    format: int = FORMAT
    journal: str = ""
    """"wal" or "rollback"; empty for a file that is empty."""


@dataclass(frozen=True)
class RedisFacts:
    """What was found of a Redis; its own words, by the names in its INFO."""

    name: str
    """Its address without a password."""
    info: dict[str, Any]
    entries: int
    sent: float
    """Our time when it was asked for its own, seconds since 1970."""
    came: float
    """Our time when it had answered."""
    time: float
    """Its time between the two."""


@dataclass(frozen=True)
class PostgresFacts:
    """What was found of a PostgreSQL."""

    name: str
    """Its address without a password."""
    version: int
    """As it counts itself: 150018 is 15.18."""
    warnings: list[str]
    """What is wrong with its settings for a ledger."""
    tables: int | None
    """The version of the tables; None without tables."""
    may_create: bool
    """Whether we may make tables."""
    encrypted: bool
    local: bool
    """Whether the connection does not leave the machine."""
    synchronous: bool | None
    """Whether another server has all that is written; None when it does not say which server it is."""
    entries: int
    sent: float
    """As in `RedisFacts`, and so are the next two."""
    came: float
    time: float


Facts: TypeAlias = MemoryFacts | FileFacts | RedisFacts | PostgresFacts


async def examine_ledger(url: str) -> Facts:
    """Look at the place that `url` names.

    Raises:
        OSError: it was not reached.
        LedgerError: it does not let us in, or does not answer such questions.
    """
    if url.startswith(SCHEME):
        return _examine_file(path_of(url))
    if url.startswith("redis"):
        # Only who uses it pays for its import.
        from consumer.ledger.redis import ask_redis

        name, info, entries, (sent, its, came) = await ask_redis(url, time.time)
        return RedisFacts(name, info, entries, sent, came, its)
    if url.startswith("postgres"):
        from consumer.ledger.postgres import ask_postgres

        return PostgresFacts(**await ask_postgres(url, time.time))
    return MemoryFacts()


def _examine_file(path: Path) -> FileFacts:
    folder = next(each for each in path.absolute().parents if each.is_dir())
    free = shutil.disk_usage(folder).free
    if not path.is_file():
        return FileFacts(path, False, folder, os.access(folder, os.W_OK) and not path.exists(), free)
    size = sum(each.stat().st_size for each in files(path) if each.exists())
    header = _read_header(path)
    writable = os.access(path, os.W_OK) and os.access(folder, os.W_OK)
    return FileFacts(
        path,
        True,
        folder,
        writable,
        free,
        size,
        used=writable and in_use(path),
        ours=not header or (header.startswith(_MAGIC) and _number(header, 68) == APPLICATION),
        format=_number(header, 60) if header else FORMAT,
        journal=_journal(header),
    )


def _read_header(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(_HEADER)


def _number(header: bytes, at: int) -> int:
    return int.from_bytes(header[at : at + 4], "big")


def _journal(header: bytes) -> str:
    if len(header) < _HEADER:
        return ""
    return "wal" if header[18] == _WAL else "rollback"
