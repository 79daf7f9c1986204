"""What is said of the ledger's place."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from consumer.config import Settings
from consumer.doctor.finding import Level
from consumer.doctor.ledger import judge_entries, judge_ledger, judge_sharing, unreached
from consumer.ledger import FileFacts, MemoryFacts, PostgresFacts, RedisFacts
from tests.cases import check_all, for_each
from tests.unit.consumer.doctor.facts import OK, PROBLEM, UNSEEN, WARNING, by_subject, expect, levels

PATH = Path("/state/ledger.db")
MIB = 2**20


def file(**changed: Any) -> FileFacts:
    """A file in which all is well."""
    found = {"path": PATH, "there": True, "folder": PATH.parent, "writable": True, "free": 2**40, "journal": "wal"}
    return FileFacts(**{**found, **changed})


def redis(**changed: Any) -> RedisFacts:
    """A Redis with which all is well, and these words of its INFO."""
    info = {"redis_version": "7.2.4", "redis_mode": "standalone", "role": "master", "aof_enabled": 1,
            "aof_last_write_status": "ok", "maxmemory_policy": "noeviction", "maxmemory": 0,
            "used_memory": 5 * MIB}  # fmt: skip
    return RedisFacts("redis://ledger:6379", {**info, **changed}, 3, 0.0, 0.0, 0.0)


def postgres(**changed: Any) -> PostgresFacts:
    """A PostgreSQL with which all is well."""
    found = {"name": "postgresql://ledger:5432/db", "version": 150018, "warnings": [], "tables": 1, "may_create": True,
             "encrypted": True, "local": False, "synchronous": True, "entries": 3, "sent": 0.0, "came": 0.0,
             "time": 0.0}  # fmt: skip
    return PostgresFacts(**{**found, **changed})


def test_where_all_is_well_everything_is() -> None:
    for facts in (file(), redis(), postgres()):
        assert levels(judge_ledger(facts, Settings())) == {OK}


SILENT = RedisFacts("redis://ledger:6379", {}, 0, 0.0, 0.0, 0.0)
CASES: list[tuple[Any, ...]] = [
    ("place", MemoryFacts(), WARNING, "ends with the process", "set LEDGER to sqlite:///path"),
    ("place", file(writable=False), PROBLEM, "/state/ledger.db may not be written", "set STATE_DIR", "does not start"),
    ("place", file(there=False), OK, "not there yet"),
    ("place", file(used=True), OK, "in use by a process"),
    ("place", file(), OK, "not in use"),
    ("format", file(ours=False), PROBLEM, "is no ledger", "run --reset-ledger"),
    ("format", file(format=4), PROBLEM, "version 4; this release writes 3", "run the release that wrote it"),
    ("format", file(format=1), PROBLEM, "version 1; this release writes 3", "move the file aside"),
    ("format", file(format=2), OK, "version 2, which the next start makes 3"),
    ("format", file(journal="rollback"), WARNING, "write-ahead log", "local disk"),
    ("format", file(), OK, "version 3, journal wal"),
    ("disk", file(free=64 * MIB - 1), PROBLEM, "64 MiB free", "make room", "nothing runs"),
    ("disk", file(free=511 * MIB), WARNING, "511 MiB free", "may take 512 MiB", "lower LEDGER_MAX_BYTES"),
    ("disk", file(free=511 * MIB, size=2 * MIB), OK, "511 MiB free, the ledger takes 2 MiB"),
    ("place", SILENT, UNSEEN, "does not tell its INFO", "appendonly yes"),
    ("place", redis(), OK, "Redis 7.2.4 at redis://ledger:6379, standalone"),
    ("place", redis(redis_version="4.0.14"), PROBLEM, "Redis 4.0.14", "5 or newer", "upgrade Redis"),
    ("place", redis(redis_version="5.0.0"), OK, "Redis 5.0.0"),
    ("place", redis(redis_mode="cluster"), PROBLEM, "cluster", "name a Redis that is no cluster"),
    ("role", redis(role="slave", master_host="other"), PROBLEM, "slave of other", "name the master in LEDGER"),
    ("role", redis(), OK, "master"),
    ("persistence", redis(aof_enabled=0), WARNING, "appendonly is no", "config set appendonly yes", "run again"),
    ("persistence", redis(aof_last_write_status="err"), PROBLEM, "its last write failed", "make room"),
    ("persistence", redis(), OK, "appendonly is yes"),
    ("eviction", redis(maxmemory_policy="allkeys-lru"), WARNING, "allkeys-lru", "set maxmemory-policy noeviction"),
    ("eviction", redis(), OK, "noeviction"),
    ("memory", redis(maxmemory=100 * MIB), WARNING, "5 MiB used of 100 MiB", "raise maxmemory above LEDGER_MAX_BYTES"),
    ("memory", redis(maxmemory=512 * MIB), OK, "5 MiB used of 512 MiB"),
    ("memory", redis(), OK, "no maxmemory"),
    ("place", postgres(), OK, "PostgreSQL 15.18 at postgresql://ledger:5432/db"),
    ("place", postgres(version=120022), PROBLEM, "PostgreSQL 12.22", "13 or newer", "upgrade PostgreSQL"),
    ("format", postgres(), OK, "version 1"),
    ("format", postgres(tables=2), PROBLEM, "version 2; this release writes 1", "run the release that made"),
    ("format", postgres(tables=None), OK, "the service makes them"),
    ("format", postgres(tables=None, may_create=False), PROBLEM, "we may not make them", "`consumer ledger ddl`"),
    ("persistence", postgres(), OK, "was written"),
    ("persistence", postgres(warnings=["may forget"]), WARNING, "may forget", "change the settings", "run again"),
    ("failover", postgres(), OK, "another server gets all that is written"),
    ("failover", postgres(synchronous=False), OK, "no synchronous standby", "`consumer ledger accept`"),
    ("failover", postgres(synchronous=None), UNSEEN, "does not say which server it is"),
    ("encryption", postgres(), OK, "TLS"),
    ("encryption", postgres(encrypted=False, local=True), OK, "stays on the machine"),
    ("encryption", postgres(encrypted=False), WARNING, "none", "sslmode=verify-full"),
]  # fmt: skip


def test_each_fact_has_its_finding() -> None:
    def is_found(subject: str, facts: Any, level: Level, *words: str) -> None:
        expect(by_subject(judge_ledger(facts, Settings()))[subject], level, *words)

    check_all(CASES, is_found)


def test_tables_that_the_service_may_not_make_must_be_made() -> None:
    found = by_subject(judge_ledger(postgres(tables=None), Settings(ledger_create=False)))["format"]
    expect(found, PROBLEM, "LEDGER_CREATE is false", "`consumer ledger ddl`", "grant")


@for_each([
    ("sqlite:///ledger.db", 2, PROBLEM, "2 consumers on one request queue"), ("memory://", 3, PROBLEM, "memory://"),
    ("sqlite:///ledger.db", 1, OK, "for one process"), ("memory://", 0, OK, "at most 0 consumers"),
    ("sqlite:///ledger.db", None, UNSEEN, "the queues were not seen"), ("redis://ledger:6379/0", 9, OK, "at most 9"),
    ("rediss://ledger:6379/0", None, OK, "an unknown number of consumers"),
    ("postgresql://ledger/db", 9, OK, "one PostgreSQL for all replicas; at most 9"),
])  # fmt: skip
def test_replicas_need_one_ledger(url: str, consumers: int | None, level: Level, words: str) -> None:
    found = judge_sharing(url, consumers)
    expect(found, level, words)
    if level is PROBLEM:
        expect(found, level, "set LEDGER=redis://host:port/database", "may run twice")


@for_each([(None, UNSEEN, "zeebe_amqp_ledger_size"), (89, OK, "89, 89 % of LEDGER_MAX_ENTRIES (100)"),
           (90, WARNING, "raise LEDGER_MAX_ENTRIES"), (101, WARNING, "101 %")])  # fmt: skip
def test_a_ledger_that_is_nearly_full_forgets_early(entries: int | None, level: Level, words: str) -> None:
    expect(judge_entries(entries, Settings(ledger_max_entries=100)), level, words)


def test_a_ledger_that_is_not_reached_says_what_to_do() -> None:
    expect(unreached("redis://***@ledger:6379", "refused"), PROBLEM, "***@ledger:6379: refused", "correct LEDGER")
