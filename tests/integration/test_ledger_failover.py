"""A PostgreSQL that takes over: it is used if nothing can be missing in it, and else when somebody says so."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import psycopg
import pytest
from click.testing import CliRunner

from consumer import cli
from consumer.core.message import Reply
from consumer.ledger import Ledger, LedgerError, State, accept_failover, connections, statements
from scripts.postgres import Postgres
from tests.integration.postgres_ledgers import Database, changed, emptied, postgres_says, wait_for
from tests.unit.consumer.ledger.promises import DIGEST, limits, named


@pytest.fixture
async def place(postgres: Postgres) -> AsyncIterator[Database]:
    async with emptied(postgres) as database:
        yield database


@pytest.mark.parametrize("synchronous", [False, True])
async def test_a_server_that_takes_over_is_used_if_it_has_everything_and_else_when_somebody_says_so(
    synchronous: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = "synchronous_standby_names = '*'" if synchronous else ""
    with Postgres(tmp_path / "first") as first, Postgres(tmp_path / "second", of=first) as second:
        await asyncio.to_thread(wait_for, lambda: postgres_says(first, "SELECT count(*) FROM pg_stat_replication") == 1)
        first.reload(names)
        url = first.url.replace("127.0.0.1:", f"127.0.0.1:{second.port},127.0.0.1:")
        place = Database(url)
        ledger = await place.open(limits())
        await ledger.claim(named("running"), DIGEST)
        if synchronous:
            await assert_nothing_runs_without_the_standby(ledger, first, second, monkeypatch)
        await asyncio.to_thread(wait_for, lambda: has_all(first, second))
        first.kill()
        second.promote()
        if not synchronous:
            with pytest.raises(LedgerError):
                await ledger.claim(named("a"), DIGEST)
            await changed(ledger, "it may have forgotten what ran last")
            late = await place.open(limits())
            assert "timeline 1; now" in str(late.problem)
            assert "is accepted" in await accept_failover(url)
            assert "was accepted already" in await accept_failover(url)
        await ledger.finish(named("running"), Reply("x", 1))
        await ledger.ready()
        claim = ledger.claim(named("running"), DIGEST)
        with suppress(LedgerError):  # the first that it asks is gone
            assert (await claim).state is State.DONE
        await ledger.ready()
        assert (await ledger.claim(named("running"), DIGEST)).state is State.DONE
        assert (await ledger.claim(named("b"), DIGEST)).state is State.NEW
        for each in place.opened:
            await each.close()


async def assert_nothing_runs_without_the_standby(
    ledger: Ledger, first: Postgres, second: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(connections, "TIMEOUT", 0)
        second.kill()
        for _ in range(5):
            with pytest.raises(LedgerError, match="no answer within 1 s"):
                await ledger.claim(named("alone"), DIGEST)
            await ledger._tend()
        waiting = postgres_says(first, "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep'")
        assert waiting <= 2, "what nobody waits for any more is cancelled"
    await asyncio.to_thread(second.start)
    await ledger.ready()
    assert (await ledger.claim(named("alone"), DIGEST)).state is State.NEW


def has_all(first: Postgres, second: Postgres) -> bool:
    """Whether the second has all that was written."""
    written = postgres_says(first, "SELECT pg_current_wal_lsn()")
    return bool(postgres_says(second, f"SELECT pg_last_wal_replay_lsn() >= '{written}'"))


async def test_a_server_that_does_not_say_who_it_is_is_used(
    place: Database, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    monkeypatch.setattr(statements, "CURRENT", "SELECT no_such_function()")
    ledger = await place.open(limits())
    assert (await ledger.claim(named("a"), DIGEST)).state is State.NEW
    assert "a failover is not noticed" in caplog.text
    assert "there is nothing to accept" in await accept_failover(place.url)


async def test_only_postgresql_knows_a_failover() -> None:
    for url in ("memory://", "redis://127.0.0.1:1/0"):
        with pytest.raises(LedgerError, match="knows no failover"):
            await accept_failover(url)


def test_the_commands_print_the_tables_and_accept_a_server(
    postgres: Postgres, monkeypatch: Any, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    printed = CliRunner().invoke(cli.main, ["ledger", "ddl"])
    with psycopg.connect(postgres.url, autocommit=True) as connection:
        connection.execute(f"DROP TABLE IF EXISTS {', '.join(statements.TABLES)}".encode())
        accept = ["ledger", "accept"]
        environment = {"LEDGER": postgres.url, "SIGNING_KEYS": "k" * 32}
        refused = CliRunner().invoke(cli.main, accept, env=environment)
        assert (refused.exit_code, "does not exist" in refused.output) == (1, True)
        connection.execute(printed.output.encode())
        accepted = CliRunner().invoke(cli.main, accept, env=environment)
        assert (accepted.exit_code, "is accepted" in accepted.output) == (0, True), accepted.output
    elsewhere = CliRunner().invoke(cli.main, ["ledger", "accept", "--ledger", "memory://"])
    assert (elsewhere.exit_code, "knows no failover" in elsewhere.output) == (1, True)
