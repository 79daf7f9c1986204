"""The ledger's place: does it keep what it is given, and is it one for all replicas."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from consumer.config import Settings
from consumer.doctor.finding import Finding, Section
from consumer.ledger import Facts, FileFacts, MemoryFacts, PostgresFacts, RedisFacts, is_shared
from consumer.ledger.examination import FORMAT, READABLE
from consumer.ledger.statements import OLDEST_SERVER, VERSION

__all__ = ["judge_entries", "judge_ledger", "judge_sharing", "unreached"]

LEDGER: Final = Section("ledger")
OLDEST_REDIS: Final = 5
"""Older ones do not write in a script that has asked for the time."""
MIN_FREE: Final = 64 * 2**20
"""Bytes on the disk below which the next burst may fill it."""
NEARLY: Final = 90
"""Percent of LEDGER_MAX_ENTRIES from which on entries may go before their time."""
_AGAIN: Final = "requests that are sent again run again when their first run is forgotten"


def unreached(name: str, problem: str) -> Finding:
    """The ledger's place does not answer; `name` has no password."""
    return LEDGER.problem(
        "connection",
        f"{name}: {problem}",
        "start it, or correct LEDGER, its user and its password",
        "while the ledger is away nothing runs",
    )


def judge_ledger(facts: Facts, settings: Settings) -> Iterator[Finding]:
    """Everything about the place itself."""
    if isinstance(facts, MemoryFacts):
        yield LEDGER.warning(
            "place",
            "memory://: it ends with the process",
            "set LEDGER to sqlite:///path, or to redis://host:port/database or postgresql://host:port/database for "
            "several replicas",
            f"after a restart of the service {_AGAIN}",
        )
    elif isinstance(facts, FileFacts):
        yield from _file(facts, settings)
    elif isinstance(facts, PostgresFacts):
        yield from _postgres(facts, settings)
    else:
        yield from _redis(facts, settings)


def judge_sharing(url: str, consumers: int | None) -> Finding:
    """Whether all replicas have one ledger, by how many consumers a request queue has; None is not known."""
    if is_shared(url):
        server = "Redis" if url.startswith("redis") else "PostgreSQL"
        return LEDGER.ok("sharing", f"one {server} for all replicas; {_count(consumers)} on the request queues")
    kind = url.partition(":")[0]
    if consumers is None:
        return LEDGER.unseen(
            "sharing",
            "the queues were not seen",
            "`rabbitmqctl list_queues name consumers` must show one consumer at most for each request queue",
            f"a {kind} ledger is for one process",
        )
    if consumers > 1:
        return LEDGER.problem(
            "sharing",
            f"{consumers} consumers on one request queue, and the ledger is {kind}://, for one process",
            "set LEDGER=redis://host:port/database or postgresql://host:port/database, the same for all replicas, or "
            "run one replica; `rabbitmqctl list_consumers` shows whose they are (one that a service has cancelled "
            "counts until its requests end)",
            "each replica knows its own requests only: one that is delivered again to another replica may run twice",
        )
    return LEDGER.ok("sharing", f"for one process; {_count(consumers)} on the request queues")


def _count(consumers: int | None) -> str:
    return "an unknown number of consumers" if consumers is None else f"at most {consumers} consumers"


def judge_entries(entries: int | None, settings: Settings) -> Finding:
    """How many answers it remembers; None is not known."""
    most_allowed = settings.ledger_max_entries
    if entries is None:
        return LEDGER.unseen(
            "entries",
            "only the running service knows",
            f"the metric `zeebe_amqp_ledger_size` must be below LEDGER_MAX_ENTRIES ({most_allowed})",
            _AGAIN,
        )
    found = f"{entries}, {entries * 100 // most_allowed} % of LEDGER_MAX_ENTRIES ({most_allowed})"
    if entries * 100 >= most_allowed * NEARLY:
        return LEDGER.warning(
            "entries",
            found,
            "raise LEDGER_MAX_ENTRIES, or lower LEDGER_TTL",
            f"the user with the most loses his oldest entries before LEDGER_TTL ({settings.ledger_ttl:g} s): {_AGAIN}",
        )
    return LEDGER.ok("entries", found)


def _file(facts: FileFacts, settings: Settings) -> Iterator[Finding]:
    yield _place(facts)
    yield _kind(facts)
    yield _disk(facts, settings)


def _place(facts: FileFacts) -> Finding:
    if not facts.writable:
        return LEDGER.problem(
            "place",
            f"{facts.path} may not be written by this user",
            f"give the service's user the right to write {facts.path} and its folder {facts.folder}, or set STATE_DIR; "
            "or run this command as that user",
            "the service does not start without its ledger",
        )
    if not facts.there:
        return LEDGER.ok("place", f"{facts.path} is not there yet; the service makes it")
    return LEDGER.ok("place", f"{facts.path}, {'in use by a process' if facts.used else 'not in use'}")


def _kind(facts: FileFacts) -> Finding:
    if not facts.ours:
        return LEDGER.problem(
            "format",
            f"{facts.path} is no ledger of this service",
            "set LEDGER to another file, or move this one aside with `run --reset-ledger`",
            "the service does not start with it",
        )
    if facts.format not in READABLE:
        return LEDGER.problem(
            "format",
            f"version {facts.format}; this release writes {FORMAT}",
            "run the release that wrote it, or move the file aside with `run --reset-ledger`",
            "the service does not start with it",
        )
    if facts.journal == "rollback":
        return LEDGER.warning(
            "format",
            "its journal is not a write-ahead log",
            "keep the file on a local disk; start the service, which sets it",
            "on file systems without shared memory, such as network ones, SQLite cannot keep what it promises",
        )
    found = f"version {facts.format}" + ("" if facts.format == FORMAT else f", which the next start makes {FORMAT}")
    return LEDGER.ok("format", found + (f", journal {facts.journal}" if facts.journal else ""))


def _disk(facts: FileFacts, settings: Settings) -> Finding:
    free, bound = facts.free, settings.ledger_max_bytes
    found = f"{_mib(free)} free, the ledger takes {_mib(facts.size)} and may take {_mib(bound)} (LEDGER_MAX_BYTES)"
    change = f"make room on the disk of {facts.folder}, or lower LEDGER_MAX_BYTES"
    why = "while the ledger cannot be written nothing runs"
    if free < MIN_FREE:
        return LEDGER.problem("disk", found, change, why)
    if free < bound - facts.size:
        return LEDGER.warning("disk", found, change, why)
    return LEDGER.ok("disk", found)


def _mib(size: int) -> str:
    return f"{size / 2**20:.0f} MiB"


def _redis(facts: RedisFacts, settings: Settings) -> Iterator[Finding]:
    info = facts.info
    if not info:
        yield LEDGER.unseen(
            "place",
            f"{facts.name} answers, and does not tell its INFO",
            "it needs appendonly yes and maxmemory-policy noeviction, and must be a master",
            _AGAIN,
        )
        return
    yield _server(facts)
    yield _role(facts)
    yield _persistence(facts)
    yield _eviction(facts)
    yield _memory(facts, settings)


def _server(facts: RedisFacts) -> Finding:
    version, mode = str(facts.info.get("redis_version", "")), facts.info.get("redis_mode", "standalone")
    found = f"Redis {version} at {facts.name}, {mode}"
    major = version.partition(".")[0]
    if major.isdecimal() and int(major) < OLDEST_REDIS:
        return LEDGER.problem(
            "place",
            f"{found}; accepted: Redis 5 or newer",
            "upgrade Redis",
            "older ones refuse the scripts of the ledger",
        )
    if mode == "cluster":
        return LEDGER.problem(
            "place",
            f"{found}; accepted: one Redis, with replicas if you like",
            "name a Redis that is no cluster in LEDGER",
            "the ledger's scripts use several keys at once, which a cluster spreads over its nodes",
        )
    return LEDGER.ok("place", found)


def _role(facts: RedisFacts) -> Finding:
    role = facts.info.get("role", "master")
    if role != "master":
        return LEDGER.problem(
            "role",
            f"{role} of {facts.info.get('master_host', 'another')}",
            "name the master in LEDGER",
            "a replica takes no writes, and nothing runs without them",
        )
    return LEDGER.ok("role", "master")


def _persistence(facts: RedisFacts) -> Finding:
    info = facts.info
    if not info.get("aof_enabled", 0):
        return LEDGER.warning(
            "persistence",
            "appendonly is no",
            "`redis-cli config set appendonly yes`, and the same in redis.conf",
            f"when Redis restarts it forgets what was since its last snapshot: {_AGAIN}",
        )
    if info.get("aof_last_write_status", "ok") != "ok":
        return LEDGER.problem(
            "persistence",
            "appendonly is yes, and its last write failed",
            "make room on the disk of Redis; its log says more",
            "Redis takes no writes until it can, and nothing runs without them",
        )
    return LEDGER.ok("persistence", "appendonly is yes")


def _eviction(facts: RedisFacts) -> Finding:
    policy = facts.info.get("maxmemory_policy", "noeviction")
    if policy != "noeviction":
        return LEDGER.warning(
            "eviction",
            f"maxmemory-policy is {policy}",
            "`redis-cli config set maxmemory-policy noeviction`, and the same in redis.conf; LEDGER_MAX_BYTES bounds "
            "what the ledger keeps",
            f"when its memory is full Redis forgets what ran: {_AGAIN}",
        )
    return LEDGER.ok("eviction", "maxmemory-policy is noeviction")


def _memory(facts: RedisFacts, settings: Settings) -> Finding:
    most_allowed, used = int(facts.info.get("maxmemory", 0)), int(facts.info.get("used_memory", 0))
    bound = settings.ledger_max_bytes
    found = (
        f"{_mib(used)} used of {_mib(most_allowed) if most_allowed else 'no maxmemory'}; LEDGER_MAX_BYTES {_mib(bound)}"
    )
    if 0 < most_allowed < bound:
        return LEDGER.warning(
            "memory",
            found,
            "raise maxmemory above LEDGER_MAX_BYTES, or lower that",
            "when its memory is full Redis takes no writes, and nothing runs without them",
        )
    return LEDGER.ok("memory", found)


def _postgres(facts: PostgresFacts, settings: Settings) -> Iterator[Finding]:
    yield _postgres_server(facts)
    yield _tables(facts, settings)
    yield _durability(facts)
    yield _failover(facts)
    yield _encryption(facts)


def _postgres_server(facts: PostgresFacts) -> Finding:
    major, minor = divmod(facts.version, 10_000)
    found = f"PostgreSQL {major}.{minor} at {facts.name}"
    if major < OLDEST_SERVER:
        return LEDGER.problem(
            "place",
            f"{found}; accepted: PostgreSQL {OLDEST_SERVER} or newer",
            "upgrade PostgreSQL",
            "the service does not start with it",
        )
    return LEDGER.ok("place", found)


def _tables(facts: PostgresFacts, settings: Settings) -> Finding:
    if facts.tables == VERSION:
        return LEDGER.ok("format", f"version {facts.tables}")
    if facts.tables is not None:
        return LEDGER.problem(
            "format",
            f"version {facts.tables}; this release writes {VERSION}",
            "run the release that made the tables, or name another database or schema in LEDGER",
            "the service does not start with them",
        )
    if settings.ledger_create and facts.may_create:
        return LEDGER.ok("format", "no tables yet; the service makes them")
    why = "we may not make them" if settings.ledger_create else "LEDGER_CREATE is false"
    return LEDGER.problem(
        "format",
        f"no tables, and {why}",
        "have them made with what `consumer ledger ddl` prints, and grant the service's user SELECT, INSERT, UPDATE "
        "and DELETE on them",
        "nothing runs without them",
    )


def _durability(facts: PostgresFacts) -> Finding:
    if facts.warnings:
        return LEDGER.warning(
            "persistence", "; ".join(facts.warnings), "change the settings of the server, or of its pooler", _AGAIN
        )
    return LEDGER.ok("persistence", "what is answered was written")


def _failover(facts: PostgresFacts) -> Finding:
    if facts.synchronous is None:
        return LEDGER.unseen(
            "failover",
            "it does not say which server it is",
            "whoever runs it must know that a server that takes over has all that was written",
            f"after a failover that lost something {_AGAIN}",
        )
    if facts.synchronous:
        return LEDGER.ok("failover", "another server gets all that is written")
    return LEDGER.ok(
        "failover",
        "no synchronous standby: after a failover nothing runs until `consumer ledger accept`, because what ran last "
        "may be forgotten",
    )


def _encryption(facts: PostgresFacts) -> Finding:
    if facts.encrypted or facts.local:
        return LEDGER.ok("encryption", "TLS" if facts.encrypted else "none, and the connection stays on the machine")
    return LEDGER.warning(
        "encryption",
        "none",
        "add ?sslmode=verify-full&sslrootcert=PATH to LEDGER",
        "answers, and what they say of business, can be read on their way",
    )
