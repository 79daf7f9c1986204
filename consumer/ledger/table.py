"""The table of a ledger in one SQLite file; for one process, and within it for one thread."""

from __future__ import annotations

import fcntl
import json
import os
import sqlite3
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

from consumer.ledger.activation_table import ActivationTable
from consumer.ledger.codec import MAX_MARK, size_of, to_mark
from consumer.ledger.entry import LedgerError, Limits
from consumer.ledger.holdings import Holdings
from consumer.ledger.store import TRIMMED_AT_ONCE, ActivationRow, Evicted, Found, LedgerRow

__all__ = ["APPLICATION", "GROUP", "MIGRATED", "VERSION", "Table", "files", "in_use"]

GROUP: Final = 128
"""Rows written in one transaction, at most."""

RECOUNT: Final = 20
"""A 20th of the rows is written between two exact counts, at least; so much of what may be kept may go early."""

APPLICATION: Final = 0x5A424C47
"""Marks a file as ours ("ZBLG")."""

VERSION: Final = 3
"""Of the schema."""
MIGRATED: Final = 2
"""The version that is brought to this one in its place."""

INDEXES: Final = """
CREATE INDEX by_expiry ON entries (expires);
CREATE INDEX bodies ON entries (user, expires, size) WHERE size > 0;
CREATE INDEX marks ON entries (user, expires, size) WHERE size = 0;
"""

SCHEMA: Final = f"""
CREATE TABLE entries (
    key     BLOB PRIMARY KEY,
    digest  BLOB NOT NULL,
    owner   BLOB NOT NULL,  -- the process that claimed it
    expires REAL NOT NULL,  -- seconds since 1970
    size    INTEGER,        -- bytes of the record; 0 when its body is not kept, null while it runs
    record  BLOB,           -- the reply
    user    BLOB NOT NULL DEFAULT x''  -- whose it is
);
{INDEXES}
PRAGMA application_id = {APPLICATION};
PRAGMA user_version = {VERSION};
"""

MIGRATION: Final = f"""
ALTER TABLE entries ADD COLUMN user BLOB NOT NULL DEFAULT x'';
UPDATE entries SET size = 0, record = CAST(x'12' || substr(record, 2) AS BLOB) WHERE substr(record, 1, 1) = x'02';
DROP INDEX by_expiry;
{INDEXES}
PRAGMA user_version = {VERSION};
"""
"""From the version before. Nobody knows whose its entries are; of what was not kept, everything was executed."""

LOCKED: Final = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)

SMALLEST: Final = 512
"""Bytes of a page, at least."""

LOCK_START: Final = 0x40000000
"""Where in the file SQLite puts its locks (its file format says so)."""
LOCK_LENGTH: Final = 512
"""How many bytes they are."""

EXPIRED: Final = """
DELETE FROM entries WHERE rowid IN (SELECT rowid FROM entries WHERE expires <= ? LIMIT ?) RETURNING user, size
"""

OLDEST: Final = """
DELETE FROM entries WHERE rowid IN (
    SELECT id FROM (
        SELECT * FROM (
            SELECT rowid AS id, expires FROM entries WHERE size > 0 AND user = ?1 ORDER BY expires LIMIT ?2
        ) UNION ALL SELECT * FROM (
            SELECT rowid AS id, expires FROM entries WHERE size = 0 AND user = ?1 ORDER BY expires LIMIT ?2
        )
    ) ORDER BY expires LIMIT ?2
) RETURNING user, size
"""
"""Removes so many of the oldest answers of a user."""

BODIES: Final = "SELECT rowid, size FROM entries WHERE size > 0 AND user = ? ORDER BY expires LIMIT ?"
"""The oldest answers of a user whose bodies are kept."""

DROP: Final = f"""
UPDATE entries SET size = 0, record = to_mark(substr(record, 1, {MAX_MARK}))
WHERE rowid IN (SELECT value FROM json_each(?))
"""
"""Gives up the bodies of some answers."""

COUNT: Final = """
SELECT user, count(*), sum(size) FROM entries WHERE size > 0 GROUP BY user
UNION ALL SELECT user, count(*), 0 FROM entries WHERE size = 0 GROUP BY user
"""


@lru_cache(maxsize=GROUP)
def _upsert(rows: int) -> str:
    # One statement for a whole group, whatever is in it: sqlite3 gives up Python's lock for every statement it
    # runs, and getting it back from a busy event loop takes longer than the writing.
    return (
        "INSERT INTO entries (key, digest, owner, expires, size, record, user) VALUES "
        + ", ".join(["(?, ?, ?, ?, ?, ?, ?)"] * rows)
        + " ON CONFLICT (key) DO UPDATE SET digest = excluded.digest, owner = excluded.owner,"
        " expires = excluded.expires, size = excluded.size, record = excluded.record, user = excluded.user"
        # What has finished is written in any case. A claim takes the place of what has expired, and of nothing else. A
        # release is a claim that has expired already; it takes the place of its owner's claim.
        " WHERE excluded.size IS NOT NULL"
        " OR (excluded.expires > 0 AND entries.expires <= ?)"
        " OR (excluded.expires = 0 AND entries.size IS NULL AND entries.owner = excluded.owner)"
    )


class Table:
    """An open ledger file.

    Args:
        path: the file; it and its folder are made, readable by this user only, when they are missing.
        check: read all of the file to see whether it is sound; takes about a second per gigabyte.

    Raises:
        LedgerError: the file is in use, broken, not ours, of a newer version, or cannot be written.
    """

    activations: ActivationTable
    """The newest activations of jobs; `write_activations` writes them."""
    entries: Holdings
    """Finished ones that are in it, also those that have expired and were not removed yet."""
    kept_bytes: Holdings
    """Of their records, as far as the bodies are kept."""

    def __init__(self, path: Path, *, check: bool = True) -> None:
        self._path = path
        try:
            self._create()
            # Every statement is a transaction of its own: a group is one statement.
            self._connection = sqlite3.connect(
                path, timeout=1, isolation_level=None, check_same_thread=False, cached_statements=2 * GROUP
            )
        except (OSError, sqlite3.Error) as error:
            raise LedgerError(f"LEDGER: {path} cannot be opened: {error}; accepted: a file we may write") from error
        try:
            self._open()
            if check:
                self._check_pages()
            self._file = _identity(path)
            self.evicted = Evicted()
            self._count()
        except BaseException:
            self._connection.close()
            raise

    def _create(self) -> None:
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        # Replies are the callers' business data. SQLite gives its other files the same mode.
        os.close(os.open(self._path, os.O_CREAT | os.O_RDWR, 0o600))
        # SQLite takes what is shorter than its smallest page for an empty file, and would write over it.
        if 0 < self._path.stat().st_size < SMALLEST and not files(self._path)[1].exists():
            raise LedgerError(_refusal(self._path, sqlite3.DatabaseError("it is cut off")))

    def _open(self) -> None:
        try:
            # The lock ends with the process, however that ends.
            self._connection.execute("PRAGMA locking_mode = EXCLUSIVE")
            self._connection.execute("BEGIN EXCLUSIVE").execute("COMMIT")
            # Before anything is changed: it may not be ours.
            self._check()
            self._connection.create_function("to_mark", 1, to_mark, deterministic=True)
            self._connection.execute("PRAGMA journal_mode = WAL")
            # What is written survives the process; only a crash of the machine may lose the last entries.
            self._connection.execute("PRAGMA synchronous = NORMAL")
            self._connection.execute("PRAGMA cache_size = -4096")
            self.activations = ActivationTable(self._connection)
        except sqlite3.Error as error:
            raise LedgerError(_refusal(self._path, error)) from error

    def _check(self) -> None:
        [application], [version] = (
            self._connection.execute(f"PRAGMA {name}").fetchone() for name in ("application_id", "user_version")
        )
        [tables] = self._connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
        if (application, version, tables) == (0, 0, 0):
            self._connection.executescript(f"BEGIN; {SCHEMA} COMMIT;")
        elif application != APPLICATION:
            raise LedgerError(f"LEDGER: {self._path} is the database of another program; accepted: a file of our own")
        elif version == MIGRATED:
            self._connection.executescript(f"BEGIN; {MIGRATION} COMMIT;")
        elif version != VERSION:
            raise LedgerError(
                f"LEDGER: {self._path} has version {version}; accepted: {MIGRATED} and {VERSION}, so start the release "
                "that wrote it, or move it aside with --reset-ledger"
            )

    def _check_pages(self) -> None:
        try:
            [verdict] = self._connection.execute("PRAGMA quick_check(1)").fetchone()
            if verdict != "ok":
                raise sqlite3.DatabaseError(verdict)
        except sqlite3.Error as error:
            raise LedgerError(_refusal(self._path, error)) from error

    def write(self, rows: Sequence[LedgerRow], now: float) -> bool:
        """Write a group of rows in one transaction; one without a record that expires at 0 is a release.

        Returns:
            Whether every row was written: false when something else is in a claim's place.

        Raises:
            sqlite3.Error: nothing was written.
        """
        self._assert_there()
        sizes = [None if row.record is None else size_of(row.record) for row in rows]
        values = [value for row, size in zip(rows, sizes, strict=True) for value in (*row[:4], size, *row[4:])]
        written = self._connection.execute(_upsert(len(rows)), [*values, now]).rowcount
        brought: dict[bytes, list[int]] = {}
        for row, size in zip(rows, sizes, strict=True):
            if size is not None:
                brought.setdefault(row.user, []).append(size)
        for user, of_user in brought.items():
            self._uncounted += len(of_user)
            self.entries.add(user, len(of_user))
            self.kept_bytes.add(user, sum(of_user))
        return written == len(rows)

    def write_activations(self, rows: Sequence[ActivationRow], ended: Sequence[int], now: float) -> None:
        """See `ActivationTable.write`."""
        self._assert_there()
        self.activations.write(rows, ended, now)

    def _assert_there(self) -> None:
        # SQLite would go on writing into a file that has no name any more.
        if _identity(self._path) != self._file:
            raise sqlite3.OperationalError("the file was removed or replaced")

    def find(self, key: bytes) -> Found | None:
        """The entry of `key`, expired or not."""
        query = "SELECT digest, owner, record, 0, expires FROM entries WHERE key = ?"
        row = self._connection.execute(query, (key,)).fetchone()
        return None if row is None else Found(*row)

    def take_over(self, key: bytes, owner: bytes) -> None:
        """Make `owner` the owner of the entry `key`."""
        self._connection.execute("UPDATE entries SET owner = ? WHERE key = ?", (owner, key))

    def trim(self, now: float, limits: Limits, allowed: Mapping[bytes, int]) -> None:
        """Remove what has expired, and the oldest of what is too much, as `Store.trim` says; so many at once, at most.

        Raises:
            sqlite3.Error: it could not be removed.
        """
        left = TRIMMED_AT_ONCE - self._remove(EXPIRED, (now, TRIMMED_AT_ONCE))
        if self._exceeds(limits, allowed) and self._uncounted > self.entries.total // RECOUNT:
            # What we added up is too high by what a claim took the place of. Counting takes as long as there are rows,
            # so it is done when as many were written as may be wrong.
            self._count()
        for user, most in allowed.items():
            left -= self._drop(user, self.kept_bytes.of(user) - most, left)
        left -= self.entries.reduce(limits.max_entries, left, self._evict)
        self.kept_bytes.reduce(limits.max_bytes, left, self._drop)

    def _drop(self, user: bytes, size: int, limit: int) -> int:
        """Give up the oldest bodies of a user until he holds so much less; how many."""
        if size <= 0 or limit <= 0:
            return 0
        rows, dropped = [], 0
        for row, length in self._connection.execute(BODIES, (user, limit)).fetchall():
            if dropped >= size:
                break
            rows.append(row)
            dropped += length
        self._connection.execute(DROP, (json.dumps(rows),))
        self._doubt(dropped < size and len(rows) < limit)
        self.kept_bytes.add(user, -dropped)
        self.evicted.bodies += len(rows)
        return len(rows)

    def _evict(self, user: bytes, count: int, limit: int) -> int:
        """Remove so many of the oldest entries of a user; how many."""
        removed = self._remove(OLDEST, (user, min(count, limit)))
        self._doubt(removed < min(count, limit))
        self.evicted.entries += removed
        return removed

    def _remove(self, statement: str, values: tuple[Any, ...]) -> int:
        # An unfinished entry has no size, and was never counted.
        found = [row for row in self._connection.execute(statement, values) if row[1] is not None]
        for user, size in found:
            self.entries.add(user, -1)
            self.kept_bytes.add(user, -size)
        return len(found)

    def _doubt(self, wrong: bool) -> None:
        """Count again before the next ones go, if what we added up is wrong."""
        if wrong:
            self._uncounted += self.entries.total + 1

    def _exceeds(self, limits: Limits, allowed: Mapping[bytes, int]) -> bool:
        return (
            self.entries.total > limits.max_entries
            or self.kept_bytes.total > limits.max_bytes
            or any(self.kept_bytes.of(user) > most for user, most in allowed.items())
        )

    def _count(self) -> None:
        entries: Counter[bytes] = Counter()
        sizes: Counter[bytes] = Counter()
        for user, count, size in self._connection.execute(COUNT):
            entries[user] += count
            sizes[user] += size
        self.entries, self.kept_bytes = Holdings(entries.items()), Holdings(sizes.items())
        self._uncounted = 0

    def close(self) -> None:
        """Write everything into the file and let go of it."""
        self._connection.close()


def files(path: Path) -> list[Path]:
    """The file and those that SQLite keeps beside it."""
    return [path, *(path.with_name(path.name + ending) for ending in ("-wal", "-shm", "-journal"))]


def in_use(path: Path) -> bool:
    """Whether another process holds the file; also for one that is broken, and without changing anything."""
    with path.open("r+b") as file:
        try:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB, LOCK_LENGTH, LOCK_START)
        except BlockingIOError:
            return True
    return False


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _refusal(path: Path, error: sqlite3.Error) -> str:
    code = _code(error)
    if code in LOCKED:
        return (
            f"LEDGER: {path} is in use by another process; accepted: a file of its own for each process "
            "(STATE_DIR decides where), or redis:// or postgresql:// for several"
        )
    if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
        return (
            f"LEDGER: {path} is broken ({error}); accepted: a sound file: restore it, or move it aside with "
            "--reset-ledger, after which requests that ran before may run again when they are sent again"
        )
    return f"LEDGER: {path} cannot be used: {error}; accepted: a file that can be read and written"


def _code(error: sqlite3.Error) -> int:
    # The lowest byte of an extended code is the plain one; our own verdict has none.
    return int(getattr(error, "sqlite_errorcode", sqlite3.SQLITE_CORRUPT)) & 0xFF
