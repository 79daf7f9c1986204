"""Ledgers in a PostgreSQL, and what a test asks that server."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import psycopg
import pytest

from consumer.ledger import Ledger, postgres, statements
from consumer.ledger.ledger import RETRY
from consumer.ledger.postgres import PostgresStore
from scripts.postgres import Postgres
from tests.integration.shared_ledgers import SharedLedgers


class Database(SharedLedgers):
    """A database for one test."""

    AWAY = r"postgresql://127\.0\.0\.1:\d+/postgres cannot be used: .*refused"

    def __init__(self, url: str, server: Postgres | None = None) -> None:
        super().__init__(url, PostgresStore, hurry, server)

    async def forget_owner(self, owner: bytes) -> None:
        await self.run(f"DELETE FROM {statements.OWNERS} WHERE owner = '\\x{owner.hex()}'")

    async def lose_answers(self) -> None:
        await self.run(f"DELETE FROM {statements.ENTRIES}")

    def delay_counts(self, patch: pytest.MonkeyPatch, ledger: Ledger, meanwhile: Callable[[], Awaitable[None]]) -> None:
        one = postgres._one

        async def late(connection: Any, statement: str, **arguments: Any) -> Any:
            found = await one(connection, statement, **arguments)
            if statement == statements.RENEW:
                patch.undo()
                await meanwhile()
            return found

        patch.setattr(postgres, "_one", late)

    async def run(self, statement: Any) -> list[tuple[Any, ...]]:
        async with await psycopg.AsyncConnection.connect(self.url, autocommit=True) as connection:
            found = await connection.execute(statement)
            return await found.fetchall() if found.description else []


def postgres_says(server: Postgres, question: str) -> Any:
    with psycopg.connect(server.url) as connection:
        [answer] = connection.execute(question.encode()).fetchone() or [None]
        return answer


def wait_for(condition: Callable[[], bool]) -> None:
    while not condition():
        time.sleep(0.02)


async def changed(ledger: Ledger, words: str) -> None:
    """Return when that is what the ledger says is wrong."""
    while words not in str(ledger.problem):  # noqa: ASYNC110 - nothing tells of it
        await asyncio.sleep(0.02)


async def hurry(seconds: float) -> None:
    """Sleep, but not as long as the ledger does while the server is away."""
    await asyncio.sleep(seconds if seconds > RETRY else 0.05)


@asynccontextmanager
async def emptied(server: Postgres) -> AsyncIterator[Database]:
    """The database of a server, without our tables; its ledgers end with the block."""
    database = Database(server.url, server)
    await database.run(f"DROP TABLE IF EXISTS {', '.join(statements.TABLES)}")
    yield database
    await database.close()
