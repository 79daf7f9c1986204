"""The newest activations of jobs in a ledger's file; a table of its own, so that no bound of its entries counts it."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from typing import Final

from consumer.ledger.store import TRIMMED_AT_ONCE, ActivationRow

__all__ = ["ActivationTable"]

# Not of the schema's version: releases before go on with a file that has it, and need not know of it.
SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS activations (
    key      INTEGER PRIMARY KEY,
    deadline INTEGER NOT NULL,  -- milliseconds since 1970, and so are the next ones
    since    INTEGER NOT NULL,
    trace    TEXT NOT NULL,
    extended INTEGER NOT NULL,
    expires  REAL NOT NULL      -- seconds since 1970
);
CREATE INDEX IF NOT EXISTS activations_by_expiry ON activations (expires);
"""

# Each is one statement for all rows: sqlite3 gives up Python's lock for every one that it runs.
ENDED: Final = "DELETE FROM activations WHERE key IN (SELECT value FROM json_each(?))"
EXPIRED: Final = """
DELETE FROM activations WHERE key IN (SELECT key FROM activations WHERE expires <= ? LIMIT ?)
"""
WRITE: Final = """
INSERT INTO activations (key, deadline, since, trace, extended, expires)
SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5 FROM json_each(?) WHERE true
ON CONFLICT (key) DO UPDATE SET deadline = excluded.deadline, since = excluded.since, trace = excluded.trace,
    extended = excluded.extended, expires = max(activations.expires, excluded.expires)
    WHERE excluded.since >= activations.since
"""
FIND: Final = "SELECT key, deadline, since, trace, extended, expires FROM activations WHERE key = ?"


class ActivationTable:
    """The table in an open file.

    Args:
        connection: to the file; every statement is a transaction of its own.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        # Looked for first: making what is there takes a lock, and would be a write.
        [found] = connection.execute("SELECT count(*) FROM sqlite_schema WHERE name = 'activations'").fetchone()
        if not found:
            connection.executescript(f"BEGIN; {SCHEMA} COMMIT;")

    def write(self, rows: Sequence[ActivationRow], ended: Sequence[int], now: float) -> None:
        """See `consumer.ledger.store.Store.write_activations`.

        Raises:
            sqlite3.Error: nothing was written.
        """
        with self._connection as transaction:
            transaction.execute("BEGIN")
            if ended:
                transaction.execute(ENDED, (json.dumps(ended),))
            transaction.execute(EXPIRED, (now, TRIMMED_AT_ONCE))
            transaction.execute(WRITE, (json.dumps(rows),))

    def find(self, key: int) -> ActivationRow | None:
        """The activation of a job, expired or not."""
        row = self._connection.execute(FIND, (key,)).fetchone()
        return None if row is None else ActivationRow(*row)
