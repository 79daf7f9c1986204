"""The ledger's tables in PostgreSQL: are they there, of our version, and in the history of the server that we know?"""

from __future__ import annotations

import logging
from typing import Final, NamedTuple

from psycopg import errors

from consumer.ledger import statements
from consumer.ledger.connections import Connection
from consumer.ledger.entry import LedgerError

__all__ = ["History", "accept", "compare", "find_history", "list_missing", "list_warnings", "prepare"]

log = logging.getLogger(__name__)

UNTOLD: Final = (
    errors.FeatureNotSupported,
    errors.InsufficientPrivilege,
    errors.ObjectNotInPrerequisiteState,
    errors.UndefinedFunction,
)
"""How servers refuse to say who they are: some that are hosted, and what only speaks like one."""


class History(NamedTuple):
    """Which server it is, and since when it goes its own way."""

    system: str
    """Of its making."""
    timeline: int
    """It grows when a standby is promoted, and when a backup is restored."""
    synchronous: bool
    """Whether another server has all that is written."""

    def __str__(self) -> str:
        return f"system {self.system}, timeline {self.timeline}"


async def prepare(connection: Connection, name: str, *, create: bool, advice: str) -> None:
    """Make the tables where they are missing.

    Args:
        connection: to the server.
        name: what people know it by.
        create: make them; otherwise they must be there.
        advice: what to do about tables that are missing.

    Raises:
        LedgerError: the server is too old, or the tables are of another version.
        LookupError: tables are missing.
        psycopg.Error: they could not be made.
    """
    version = connection.info.server_version
    if version < statements.OLDEST_SERVER * 10_000:
        raise LedgerError(
            f"LEDGER: {name} is PostgreSQL {version // 10_000}; accepted: {statements.OLDEST_SERVER} or newer"
        )
    missing = await list_missing(connection)
    if not missing:
        return
    if statements.LEDGER not in missing:
        await compare(connection, name)  # another version may have other tables
    if not create:
        raise LookupError(f"it has no {', '.join(missing)}: {advice}")
    try:
        async with connection.transaction():
            await connection.execute(statements.PREPARE, (statements.LEDGER,))
            await connection.execute(statements.CREATE)
    except errors.InsufficientPrivilege as error:
        problem = error.diag.message_primary
        raise LookupError(f"it has no {', '.join(missing)}, and we may not make them ({problem}): {advice}") from error
    fields = {"event": "ledger.created", "ledger": name}
    log.info("the tables of the ledger %s were made: %s", name, ", ".join(missing), extra=fields)


async def list_missing(connection: Connection) -> list[str]:
    """The tables that are not there."""
    found = await connection.execute(statements.THERE, (list(statements.TABLES),))
    return [row[0] for row in await found.fetchall()]


async def list_warnings(connection: Connection) -> list[str]:
    """What is wrong for a ledger with the server's settings."""
    settings: dict[str, str] = dict(await (await connection.execute(statements.SETTINGS)).fetchall())
    warnings = [
        f"may be broken after its machine crashed ({name} is off): set {name} on"
        for name in ("fsync", "full_page_writes")
        if settings.get(name) == "off"
    ]
    commit = settings.get("synchronous_commit", "on")
    if commit in ("off", "local"):
        warnings.append(
            f"may forget what ran when it crashes (synchronous_commit is {commit}), and repeated requests would run "
            "again: set synchronous_commit on, or let the pooler pass on our `options`"
        )
    return warnings


async def compare(connection: Connection, name: str) -> None:
    """See that the tables are of our version, and that the server has forgotten nothing since it was last seen.

    Raises:
        LedgerError: they are of another version.
        ConnectionError: another server has taken over, and may lack what was written last.
    """
    found = await (await connection.execute(statements.OURS)).fetchone()
    if found is None:
        raise LookupError(f"{statements.LEDGER} has no row: restore it")
    version, system, timeline, synchronous = found
    if version != statements.VERSION:
        raise LedgerError(
            f"LEDGER: the tables in {name} have version {version}; accepted: {statements.VERSION}, so start the "
            "release that made them, or name another database or schema"
        )
    now = await find_history(connection)
    if now is None or now == (system, timeline, synchronous):
        return
    known = None if system is None else History(system, timeline, synchronous)
    if known is not None and known[:2] != now[:2] and not (known.synchronous and known.system == now.system):
        raise ConnectionError(
            f"another server took over, or it was restored ({known}; now {now}), and it may have forgotten what ran "
            "last: see docs/running.md, and `consumer ledger accept` when it may go on"
        )
    await connection.execute(statements.ACCEPT, now)


async def accept(connection: Connection) -> tuple[History | None, History | None]:
    """Go on with the server as it is now; what was known before, and what is."""
    found = await (await connection.execute(statements.OURS)).fetchone()
    now = await find_history(connection)
    if now is not None:
        await connection.execute(statements.ACCEPT, now)
    return (History(*found[1:]) if found and found[1] is not None else None), now


async def find_history(connection: Connection) -> History | None:
    """What the server says; None when it does not say it."""
    try:
        found = await (await connection.execute(statements.CURRENT)).fetchone()
    except UNTOLD:
        return None
    return None if found is None else History(*found)
