"""The ledger in PostgreSQL: the promises of all ledgers on a server, and a server that is not as it should be."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psycopg
import pytest
import trustme

from consumer.check import check
from consumer.config import Amqp, Settings, Zeebe
from consumer.doctor import examine
from consumer.doctor.finding import Level
from consumer.ledger import (
    Ledger,
    LedgerError,
    PostgresFacts,
    State,
    connections,
    examine_ledger,
    statements,
)
from consumer.ledger.postgres import PostgresStore
from scripts.postgres import SEGMENT, Postgres
from tests.integration.postgres_ledgers import Database, changed, emptied, hurry, postgres_says, wait_for
from tests.integration.shared_ledgers import ServerLedgerPromises, with_one_entry
from tests.unit.consumer.ledger.promises import DIGEST, OTHER, answer, limits, named


@contextmanager
def full_disk(server: Postgres) -> Iterator[None]:
    """No file of its tables can grow beyond the size that its log's files have from the beginning."""
    server.limit_files(SEGMENT * 2**20)
    try:
        yield
    finally:
        server.limit_files(None)


@pytest.fixture
async def place(postgres: Postgres) -> AsyncIterator[Database]:
    async with emptied(postgres) as database:
        yield database


class TestPostgres(ServerLedgerPromises):
    pass


async def test_its_bookkeeping_ends_with_the_entries(place: Database) -> None:
    ledger = await with_one_entry(place)
    held = f"SELECT sum(entries)::int, sum(bytes)::int FROM {statements.HOLDINGS_TABLE}"
    [(entries, size)] = await place.run(held)
    [(rows, length)] = await place.run(f"SELECT count(*), sum(length(record)) FROM {statements.ENTRIES}")
    assert (entries, size) == (rows, length) == (ledger.size, ledger.kept_bytes)
    assert rows == 1
    await place.expire()
    await ledger._store.renew()
    assert [(await place.run(query))[0] for query in (held, f"SELECT count(*) FROM {statements.ENTRIES}")] == [
        (0, 0),
        (0,),
    ]


async def test_a_restart_while_nothing_is_asked_is_no_trouble(place: Database, postgres: Postgres) -> None:
    ledger = await place.open(limits())
    await asyncio.gather(*(ledger.claim(named(name), DIGEST) for name in "abc"))
    await asyncio.to_thread(postgres.restart)
    assert (await ledger.claim(named("a"), OTHER)).state is State.CONFLICT
    assert ledger.problem is None


async def test_a_server_that_says_nothing_is_away(
    place: Database, postgres: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "TIMEOUT", 0)
    ledger = await place.open(limits())
    assert postgres.process is not None
    postgres.process.pause()
    try:
        with pytest.raises(LedgerError, match="no answer within 1 s"):
            await ledger.claim(named("a"), DIGEST)
    finally:
        postgres.process.resume()
    monkeypatch.undo()
    await ledger.ready()
    assert (await ledger.claim(named("a"), DIGEST)).state is State.NEW


# --- a server that is not as it should be ---


async def test_one_that_takes_no_writes_stops_everything_until_it_does(place: Database, postgres: Postgres) -> None:
    ledger = await place.open(limits())
    postgres.reload("default_transaction_read_only = on")
    await asyncio.to_thread(wait_for, lambda: postgres_says(postgres, "SHOW default_transaction_read_only") == "on")
    try:
        with pytest.raises(LedgerError, match="in a read-only transaction"):
            await ledger.claim(named("a"), DIGEST)
        await changed(ledger, "session is read-only")
    finally:
        postgres.reload("")
    await ledger.ready()
    assert (await ledger.claim(named("a"), DIGEST)).state is State.NEW


async def test_a_full_disk_stops_everything_until_there_is_room(place: Database, postgres: Postgres) -> None:
    ledger = await place.open(limits())
    await ledger.claim(named("before"), DIGEST)
    with full_disk(postgres):
        written = 0
        while ledger.problem is None:
            await answer(ledger, named(f"{written}"), 200_000)
            written += 1
        await changed(ledger, "could not extend file")
        with pytest.raises(LedgerError, match="could not extend file"):
            await ledger.claim(named("full"), DIGEST)
    await ledger.ready()
    assert (await ledger.claim(named("after"), DIGEST)).state is State.NEW
    last = await ledger.claim(named(f"{written - 1}"), DIGEST)
    assert last.reply is not None, "the answer that could not be written was kept, and is written now"


async def test_tables_of_a_newer_version_are_refused_also_while_it_runs(place: Database) -> None:
    ledger = await place.open(limits())
    await place.run(f"UPDATE {statements.LEDGER} SET version = 2")
    await place.run(f"ALTER TABLE {statements.OWNERS} RENAME TO others")
    with pytest.raises(
        LedgerError, match=r"LEDGER: the tables in .* have version 2; accepted: 1, so start the release"
    ):
        await place.open(limits())
    assert await place.run(f"SELECT to_regclass('{statements.OWNERS}')") == [(None,)], "nothing was made"
    await place.run(f"ALTER TABLE others RENAME TO {statements.OWNERS}")
    await ledger._tend()
    with pytest.raises(LedgerError, match="have version 2"):
        await ledger.claim(named("a"), DIGEST)
    await place.run(f"UPDATE {statements.LEDGER} SET version = 1")
    await ledger.ready()
    assert (await ledger.claim(named("a"), DIGEST)).state is State.NEW


async def test_tables_that_go_while_it_runs_are_not_made_anew(place: Database) -> None:
    """With new ones it would run again what ran before, and nobody would have said so."""
    ledger = await place.open(limits())
    await place.run(f"ALTER TABLE {statements.ENTRIES} RENAME TO hidden")
    with pytest.raises(LedgerError, match=f'relation "{statements.ENTRIES}" does not exist'):
        await ledger.claim(named("a"), DIGEST)
    await changed(ledger, f"it has no {statements.ENTRIES}: restore them")
    await place.run(f"ALTER TABLE hidden RENAME TO {statements.ENTRIES}")
    await ledger.ready()
    assert (await ledger.claim(named("a"), DIGEST)).state is State.NEW
    await place.run(f"DROP TABLE {', '.join(statements.TABLES)}")
    with pytest.raises(LedgerError):
        await ledger.claim(named("b"), DIGEST)
    again = await place.open(limits())
    assert (await again.claim(named("a"), DIGEST)).state is State.NEW
    await ledger.ready()


async def test_without_leave_to_make_tables_it_waits_for_them(place: Database) -> None:
    await place.run("CREATE ROLE plain LOGIN PASSWORD 'hush'")
    mine = place.url.replace("ledger:ledger@", "plain:hush@")
    waiting = [Ledger(PostgresStore(url, create), limits(), sleep=hurry)
               for url, create in ((place.url, False), (mine, True))]  # fmt: skip
    place.opened += waiting
    try:
        for ledger, words in zip(waiting, ("it has no zeebe_amqp_ledger", "we may not make them"), strict=True):
            await ledger.start()
            assert words in str(ledger.problem)
            assert "`consumer ledger ddl`" in str(ledger.problem)
        await place.run(statements.CREATE)
        await place.run(f"GRANT SELECT, INSERT, UPDATE, DELETE ON {', '.join(statements.TABLES)} TO plain")
        for ledger in waiting:
            await ledger.ready()
        assert {(await each.claim(named("a"), DIGEST)).state for each in waiting} == {State.NEW, State.RUNNING}
        for ledger in waiting:
            await ledger.close()
    finally:
        await place.run(f"DROP TABLE IF EXISTS {', '.join(statements.TABLES)}")
        await place.run("DROP ROLE plain")


async def test_a_wrong_password_is_told_without_it(place: Database) -> None:
    wrong = Ledger(PostgresStore(place.url.replace(":ledger@", ":hush@")), limits())
    await wrong.start()
    assert 'password authentication failed for user "ledger"' in str(wrong.problem)
    assert "hush" not in str(wrong.problem)
    assert "\n" not in str(wrong.problem)
    await wrong.close()


async def test_over_tls_it_is_the_server_that_the_authority_vouches_for(
    place: Database, postgres: Postgres, tmp_path: Path
) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    trustme.CA().cert_pem.write_to_path(str(tmp_path / "other.pem"))
    mine = authority.issue_cert("127.0.0.1")
    plain = f"{place.url}?sslmode=disable"
    cases = [
        (f"{place.url}?sslmode=verify-full&sslrootcert={tmp_path / 'ca.pem'}", None),
        (f"{place.url}?sslmode=verify-full&sslrootcert={tmp_path / 'other.pem'}", "certificate verify failed"),
        (plain, "no encryption"),
    ]
    said = await problem_of(f"{place.url}?sslmode=require")
    assert "server does not support SSL" in str(said)
    postgres.write("server.pem", mine.cert_chain_pems[0].bytes())
    postgres.write("server.key", mine.private_key_pem.bytes())
    rules = postgres.data / "pg_hba.conf"
    before = rules.read_text()
    postgres.write("pg_hba.conf", b"hostssl all all 127.0.0.1/32 scram-sha-256\n")
    try:
        postgres.reload("ssl = on\nssl_cert_file = 'server.pem'\nssl_key_file = 'server.key'")
        await asyncio.to_thread(wait_for, lambda: not usable_in_plaintext(plain))  # it takes its time to read them
        for url, words in cases:
            problem = await problem_of(url)
            assert words in str(problem) if words else problem is None, url
        found = await examine_ledger(cases[0][0])
        assert isinstance(found, PostgresFacts)
        assert found.encrypted
    finally:
        postgres.write("pg_hba.conf", before.encode())
        postgres.reload("")
        await asyncio.to_thread(wait_for, lambda: usable_in_plaintext(plain))


async def problem_of(url: str) -> str | None:
    """What a ledger says is wrong after its start."""
    ledger = Ledger(PostgresStore(url), limits())
    await ledger.start()
    problem = ledger.problem
    await ledger.close()
    return problem


def usable_in_plaintext(url: str) -> bool:
    with suppress(psycopg.OperationalError), psycopg.connect(url):
        return True
    return False


async def test_settings_with_which_it_may_forget_are_named(
    place: Database, postgres: Postgres, caplog: pytest.LogCaptureFixture
) -> None:
    await place.leased(limits())
    assert "set synchronous_commit on" not in caplog.text
    forgetful = f"{place.url}?options=-c%20synchronous_commit%3Doff"
    assert await problem_of(forgetful) is None
    assert caplog.text.count("set synchronous_commit on") == 1
    found = await examine_ledger(forgetful)
    assert isinstance(found, PostgresFacts)
    assert ["synchronous_commit is off" in each for each in found.warnings] == [True]


async def test_in_a_schema_of_its_own_it_sees_no_other(place: Database) -> None:
    await place.run("CREATE SCHEMA IF NOT EXISTS elsewhere")
    try:
        first = await place.open(limits())
        other = Ledger(PostgresStore(f"{place.url}?options=-c%20search_path%3Delsewhere"), limits())
        await other.start()
        assert [(await each.claim(named("a"), DIGEST)).state for each in (first, other)] == [State.NEW] * 2
        await other.close()
    finally:
        await place.run("DROP SCHEMA elsewhere CASCADE")


async def test_what_is_seen_from_outside_is_left_as_it_is(place: Database) -> None:
    before = await examine_ledger(place.url)
    assert isinstance(before, PostgresFacts)
    assert (before.tables, before.may_create, before.encrypted, before.local) == (None, True, False, True)
    assert (before.version // 10_000 >= statements.OLDEST_SERVER, before.warnings, before.synchronous) == (
        True,
        [],
        False,
    )
    ledger = await place.open(limits())
    await answer(ledger, named("a"), 100)
    after = await examine_ledger(place.url)
    assert isinstance(after, PostgresFacts)
    assert (after.tables, after.entries) == (statements.VERSION, 1)
    assert after.sent <= after.came
    with pytest.raises(OSError, match="refused") as raised:
        await examine_ledger("postgresql://ann:geheim@127.0.0.1:1/db")
    assert "geheim" not in str(raised.value)


async def forget_prepared(connection: connections.Connection) -> None:
    """So that the library does not notice, which would begin anew."""
    await connection.execute("DO $$ BEGIN EXECUTE 'DEALLOCATE ALL'; END $$", prepare=False)


async def test_behind_a_pooler_that_knows_no_prepared_statements_none_are_prepared(
    place: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another server connection for each transaction: there what was prepared is not there."""
    ledger = await place.open(limits())
    for number in range(20):
        await ledger.claim(named(f"{number}"), DIGEST)
        if number == 9:
            await ledger._store._connections.run(forget_prepared)  # type: ignore[attr-defined]
    assert ledger.problem is None
    assert (await ledger.claim(named("19"), DIGEST)).state is State.ORPHANED


async def test_the_oldest_of_a_user_are_found_without_looking_at_the_others(place: Database) -> None:
    await place.open(limits())
    cut = {"user": b"u", "limit": 1, "size": 1, "mark": 2}
    async with await psycopg.AsyncConnection.connect(place.url) as connection:
        await connection.execute("SET enable_seqscan = off")  # as good as it gets in a table of a few rows
        for statement in (statements.EXPIRE, statements.OLDEST, statements.BODIES, statements.FIND):
            values: Any = ([b"k"],) if statement is statements.FIND else cut
            plan = await (await connection.execute(f"EXPLAIN {statement}".encode(), values)).fetchall()
            assert not [step for (step,) in plan if f"Seq Scan on {statements.ENTRIES}" in step], plan


# --- for who looks after it ---


async def test_check_and_the_doctor_name_what_is_wrong(place: Database) -> None:
    nowhere = {"amqp": Amqp(urls=("amqp://127.0.0.1:1",)), "zeebe": Zeebe("127.0.0.1:1", plaintext=True)}

    async def checked(url: str, **settings: Any) -> dict[str, tuple[bool, bool, str]]:
        found = await check(Settings(ledger=url, **nowhere, **settings))
        return {each.part: (each.ok, each.warning, each.found) for each in found if each.part.startswith("ledger: ")}

    found = await checked(place.url)
    assert {(ok, warning) for ok, warning, _ in found.values()} == {(True, False)}
    assert "PostgreSQL 1" in found["ledger: place"][2]
    assert "`consumer ledger ddl`" in (await checked(place.url, ledger_create=False))["ledger: format"][2]
    forgetful = await checked(f"{place.url}?options=-c%20synchronous_commit%3Doff")
    assert forgetful["ledger: persistence"][:2] == (True, True)
    [(ok, _, words)] = (await checked("postgresql://ann:geheim@127.0.0.1:1/db")).values()
    assert (ok, "refused" in words, "geheim" in words) == (False, True, False)
    assert await checked("memory://") == {}
    examined = await examine(Settings(ledger=place.url, **nowhere), environ={})
    clock = [each for each in examined if each.subject == "clock of PostgreSQL"]
    assert [each.level for each in clock] == [Level.OK]
    assert "0, 0 %" in next(each.found for each in examined if each.subject == "entries")
