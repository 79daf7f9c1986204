"""What the ledger says to PostgreSQL: its tables, and each thing that is done with them in one statement.

Nothing comes between reading an entry and writing it, because an insertion that meets a row locks it and looks at its
newest version, whatever the statement saw before. All take rows in the order of their keys, or only rows that nobody
holds, so no two wait for each other. The server's own clock counts.

An entry is a row with `digest`, `owner` and, once it ran, `record`, `size` and `user`; `size` is null while it runs.
`was_owner`, `was_size` and `was_user` are what the last writing took the place of: it tells what it did by them. A
release leaves a row that has expired. A process lives as long as its row among the owners. What each user holds is the
sum of the holdings: each writing adds a row, so nobody waits to count, and now and then they are added up. The newest
activation of a job has a table of its own, so that no bound of the entries counts it.
"""

from __future__ import annotations

from typing import Final, LiteralString

__all__ = [
    "ACCEPT",
    "ACTIVATE",
    "BODIES",
    "CREATE",
    "CURRENT",
    "ENTRY_COUNT",
    "EXPIRE",
    "FIND_ACTIVATION",
    "HOLDINGS",
    "HOLDINGS_TABLE",
    "LEAVE",
    "LEDGER",
    "OLDEST",
    "OLDEST_SERVER",
    "OURS",
    "OWNERS",
    "PREPARE",
    "RECOUNT",
    "RENEW",
    "SETTINGS",
    "SOLE",
    "TABLES",
    "THERE",
    "TIME",
    "TOLD",
    "VERSION",
    "WRITE",
]

VERSION: Final = 1
"""Of the tables."""

OLDEST_SERVER: Final = 13
"""The oldest PostgreSQL that we speak to."""

LEDGER: Final = "zeebe_amqp_ledger"
ENTRIES: Final = "zeebe_amqp_entries"
OWNERS: Final = "zeebe_amqp_owners"
HOLDINGS_TABLE: Final = "zeebe_amqp_holdings"
ACTIVATIONS: Final = "zeebe_amqp_activations"
TABLES: Final = (LEDGER, ENTRIES, OWNERS, HOLDINGS_TABLE, ACTIVATIONS)

CREATE: Final = f"""\
CREATE TABLE IF NOT EXISTS {ENTRIES} (
    key       bytea PRIMARY KEY,
    digest    bytea NOT NULL,
    owner     bytea NOT NULL,        -- the process that claimed it
    expires   timestamptz NOT NULL,
    size      integer,               -- bytes of the record; 0 when its body is not kept, null while it runs
    record    bytea,                 -- the reply
    "user"    bytea NOT NULL,        -- whose it is
    was_owner bytea,
    was_size  integer,
    was_user  bytea
);
ALTER TABLE {ENTRIES} ALTER COLUMN record SET STORAGE EXTERNAL;  -- a long one is compressed already
CREATE INDEX IF NOT EXISTS {ENTRIES}_by_expiry ON {ENTRIES} (expires);
CREATE INDEX IF NOT EXISTS {ENTRIES}_bodies ON {ENTRIES} ("user", expires) WHERE size > 0;
CREATE INDEX IF NOT EXISTS {ENTRIES}_marks ON {ENTRIES} ("user", expires) WHERE size = 0;
CREATE TABLE IF NOT EXISTS {OWNERS} (
    owner   bytea PRIMARY KEY,
    expires timestamptz NOT NULL
);
CREATE TABLE IF NOT EXISTS {HOLDINGS_TABLE} (
    "user"  bytea NOT NULL,
    entries bigint NOT NULL,
    bytes   bigint NOT NULL
);
CREATE TABLE IF NOT EXISTS {ACTIVATIONS} (
    key      bigint PRIMARY KEY,
    deadline bigint NOT NULL,        -- milliseconds since 1970, and so are the next ones
    since    bigint NOT NULL,
    trace    text NOT NULL,
    extended bigint NOT NULL,
    expires  timestamptz NOT NULL
);
CREATE INDEX IF NOT EXISTS {ACTIVATIONS}_by_expiry ON {ACTIVATIONS} (expires);
CREATE TABLE IF NOT EXISTS {LEDGER} (
    sole        boolean PRIMARY KEY DEFAULT true CHECK (sole),
    version     integer NOT NULL,
    system      text,                -- which server wrote it, and in which of its histories
    timeline    bigint,
    synchronous boolean NOT NULL DEFAULT false  -- whether another server had all that was written
);
INSERT INTO {LEDGER} (version) VALUES ({VERSION}) ON CONFLICT DO NOTHING;
"""

PREPARE: Final = "SELECT pg_advisory_xact_lock(hashtext(%s))"
"""Of processes that start together one makes the tables."""

THERE: Final = "SELECT name FROM unnest(%s::text[]) AS name WHERE to_regclass(name) IS NULL"
"""Which of the tables are missing."""

OURS: Final = f"SELECT version, system, timeline, synchronous FROM {LEDGER}"

CURRENT: Final = """
SELECT system_identifier::text, ('x' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8))::bit(32)::bigint,
    current_setting('synchronous_standby_names') <> ''
    AND current_setting('synchronous_commit') NOT IN ('off', 'local')
FROM pg_control_system()
"""
"""Which server this is, in which of its histories, and whether another one gets all that is written. A standby that is
promoted begins a new timeline, and so does a server that is restored from a backup."""

SETTINGS: Final = """
SELECT name, setting FROM pg_settings WHERE name IN ('fsync', 'full_page_writes', 'synchronous_commit')
"""

TOLD: Final = """
SELECT has_schema_privilege(current_schema(), 'CREATE'),
    (SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()), inet_server_addr() IS NULL
"""
"""May we make tables, is the connection encrypted, and does it stay on the machine?"""

ENTRY_COUNT: Final = f"SELECT coalesce(sum(entries), 0)::int8 FROM {HOLDINGS_TABLE}"

TIME: Final = "SELECT extract(epoch FROM clock_timestamp())::float8"

ACCEPT: Final = f"UPDATE {LEDGER} SET system = %s, timeline = %s, synchronous = %s"

_LIVES: Final = f"""
EXISTS (SELECT FROM {OWNERS} WHERE {OWNERS}.owner = there.owner AND {OWNERS}.expires > clock_timestamp())
"""

_SIGN_OF_LIFE: Final = f"""
signed AS (
    INSERT INTO {OWNERS} (owner, expires) VALUES (%(owner)s, clock_timestamp() + make_interval(secs => %(lease)s))
    ON CONFLICT (owner) DO UPDATE SET expires = excluded.expires
)
"""

# Of the rows that something was written into or removed from: what each user holds more, or less.
_COUNT: Final = f"""
counted AS (
    INSERT INTO {HOLDINGS_TABLE} ("user", entries, bytes)
    SELECT "user", sum(entries), sum(bytes) FROM changes GROUP BY "user"
    HAVING sum(entries) <> 0 OR sum(bytes) <> 0
)
"""

WRITE: Final = f"""
WITH {_SIGN_OF_LIFE},
wanted AS (
    SELECT * FROM unnest(
        %(keys)b::bytea[], %(digests)b::bytea[], %(seconds)b::float8[], %(sizes)b::int8[], %(records)b::bytea[],
        %(users)b::bytea[], %(take_over)b::bool[]
    ) AS wanted (key, digest, seconds, size, record, "user", take_over)
),
written AS (
    INSERT INTO {ENTRIES} AS there (key, digest, owner, expires, size, record, "user")
    SELECT key, digest, %(owner)s,
        CASE WHEN seconds > 0 THEN clock_timestamp() + make_interval(secs => seconds) ELSE '-infinity' END,
        CASE WHEN size >= 0 THEN size END, CASE WHEN size >= 0 THEN record END, "user"
    FROM wanted ORDER BY key
    ON CONFLICT (key) DO UPDATE SET
        digest = excluded.digest, owner = excluded.owner, expires = excluded.expires, size = excluded.size,
        record = excluded.record, "user" = excluded."user", was_size = there.size, was_user = there."user",
        was_owner = CASE WHEN there.expires > clock_timestamp() THEN there.owner END
    WHERE CASE
        -- A release takes the place of its owner's claim, and of nothing else.
        WHEN excluded.expires = '-infinity' THEN there.owner = excluded.owner AND there.size IS NULL
        WHEN there.expires <= clock_timestamp() THEN true
        WHEN excluded.size IS NOT NULL THEN there.owner = excluded.owner
        ELSE there.size IS NULL AND there.digest = excluded.digest AND there.owner <> excluded.owner
            AND (SELECT take_over FROM wanted WHERE wanted.key = there.key) AND NOT {_LIVES}
    END
    RETURNING key, size, "user", was_owner, was_size, was_user
),
changes AS (
    SELECT "user", 1 AS entries, size AS bytes FROM written WHERE size IS NOT NULL
    UNION ALL SELECT was_user, -1, -was_size FROM written WHERE was_size IS NOT NULL
),
{_COUNT}
SELECT key, was_owner, (size IS NOT NULL)::int - (was_size IS NOT NULL)::int,
    coalesce(size, 0) - coalesce(was_size, 0)
FROM written
"""
"""Writes claims, ends and releases, each key once; the keys that were written. What is about to run has a size of -1, a
release no seconds. Another owner's entry stays, but for a claim that takes over what a dead one ran."""

FIND: Final = f"""
SELECT key, digest, owner, record, {_LIVES}, extract(epoch FROM expires - clock_timestamp())::float8
FROM {ENTRIES} AS there WHERE key = ANY(%s::bytea[]) AND expires > clock_timestamp()
"""

SOLE: Final = f"SELECT FROM {LEDGER} FOR UPDATE SKIP LOCKED"
"""One process at a time removes what is too much: two would remove twice as much."""


def _removing(chosen: LiteralString, which: LiteralString) -> LiteralString:
    # Whether each is still such a row is asked again when it is locked: somebody may have claimed it.
    return f"""
WITH gone AS (
    DELETE FROM {ENTRIES} WHERE {which} AND key = ANY (ARRAY(
        SELECT key FROM {ENTRIES} WHERE {which} AND {chosen} FOR UPDATE SKIP LOCKED
    )) RETURNING size, "user"
),
changes AS (SELECT "user", -1 AS entries, -size AS bytes FROM gone WHERE size IS NOT NULL),
{_COUNT}
SELECT count(*), coalesce(sum(size), 0)::int8 FROM gone
"""


EXPIRE: Final = _removing("true LIMIT %(limit)s", "expires <= statement_timestamp()")

OLDEST: Final = _removing(
    f"""key IN (
        SELECT key FROM (
            (SELECT key, expires FROM {ENTRIES} WHERE size > 0 AND "user" = %(user)s ORDER BY expires LIMIT %(limit)s)
            UNION ALL
            (SELECT key, expires FROM {ENTRIES} WHERE size = 0 AND "user" = %(user)s ORDER BY expires LIMIT %(limit)s)
        ) AS candidates ORDER BY expires LIMIT %(limit)s
    )""",
    "size IS NOT NULL",
)
"""Removes so many of the oldest answers of a user."""

BODIES: Final = f"""
WITH dropped AS (
    UPDATE {ENTRIES} AS there SET size = 0, was_size = there.size,
        record = set_byte(substr(record, 1, 2 + get_byte(record, 1)), 0, get_byte(record, 0) & 240 | %(mark)s)
    WHERE size > 0 AND key = ANY (ARRAY(
        SELECT key FROM {ENTRIES} WHERE size > 0 AND key IN (
            SELECT key FROM (
                SELECT key, sum(size) OVER (ORDER BY expires, key) - size AS before FROM (
                    SELECT key, expires, size FROM {ENTRIES} WHERE size > 0 AND "user" = %(user)s
                    ORDER BY expires LIMIT %(limit)s
                ) AS oldest
            ) AS summed WHERE before < %(size)s
        ) FOR UPDATE SKIP LOCKED
    ))
    RETURNING was_size, "user"
),
changes AS (SELECT "user", 0 AS entries, -was_size AS bytes FROM dropped),
{_COUNT}
SELECT count(*), coalesce(sum(was_size), 0)::int8 FROM dropped
"""
"""Gives up the oldest bodies of a user until he holds so much less, as `codec.to_mark` does."""

HOLDINGS: Final = f"""
WITH gone AS (
    DELETE FROM {HOLDINGS_TABLE} WHERE ctid = ANY (ARRAY(
        SELECT ctid FROM {HOLDINGS_TABLE}
        WHERE "user" IN (SELECT "user" FROM {HOLDINGS_TABLE} GROUP BY "user" HAVING count(*) > 10)
        FOR UPDATE SKIP LOCKED
    )) RETURNING "user", entries, bytes
),
changes AS (SELECT * FROM gone),
{_COUNT}
SELECT "user", sum(entries)::int8, sum(bytes)::int8 FROM {HOLDINGS_TABLE} GROUP BY "user"
"""
"""What each user holds; what is in many rows is added up on the way."""

RECOUNT: Final = f"""
WITH gone AS (DELETE FROM {HOLDINGS_TABLE}),
changes AS (SELECT "user", 1 AS entries, size AS bytes FROM {ENTRIES} WHERE size IS NOT NULL),
{_COUNT}
SELECT
"""
"""Counts anew; by one process at a time. What others write meanwhile is in neither of the two."""

RENEW: Final = f"""
WITH {_SIGN_OF_LIFE},
gone AS (
    DELETE FROM {OWNERS} WHERE owner = ANY (ARRAY(
        SELECT owner FROM {OWNERS} WHERE expires < statement_timestamp() - interval '1 hour' AND owner <> %(owner)s
        FOR UPDATE SKIP LOCKED
    ))
)
SELECT coalesce(sum(entries), 0)::int8, coalesce(sum(bytes), 0)::int8 FROM {HOLDINGS_TABLE}
"""

LEAVE: Final = f"DELETE FROM {OWNERS} WHERE owner = %s"

ACTIVATE: Final = f"""
WITH ended AS (
    DELETE FROM {ACTIVATIONS} WHERE key = ANY (ARRAY(
        SELECT key FROM {ACTIVATIONS} WHERE key = ANY(%(ended)b::int8[]) ORDER BY key FOR UPDATE
    ))
),
expired AS (
    DELETE FROM {ACTIVATIONS} WHERE expires <= statement_timestamp() AND key = ANY (ARRAY(
        SELECT key FROM {ACTIVATIONS} WHERE expires <= statement_timestamp()
            AND key <> ALL(%(ended)b::int8[]) AND key <> ALL(%(keys)b::int8[])
        LIMIT %(limit)s FOR UPDATE SKIP LOCKED
    ))
)
INSERT INTO {ACTIVATIONS} AS there (key, deadline, since, trace, extended, expires)
SELECT key, deadline, since, trace, extended, clock_timestamp() + make_interval(secs => seconds) FROM unnest(
    %(keys)b::int8[], %(deadlines)b::int8[], %(sinces)b::int8[], %(traces)s::text[], %(extended)b::int8[],
    %(seconds)b::float8[]
) AS wanted (key, deadline, since, trace, extended, seconds) ORDER BY key
ON CONFLICT (key) DO UPDATE SET deadline = excluded.deadline, since = excluded.since, trace = excluded.trace,
    extended = excluded.extended, expires = greatest(there.expires, excluded.expires)
    WHERE excluded.since >= there.since
"""

FIND_ACTIVATION: Final = f"""
SELECT deadline, since, trace, extended, extract(epoch FROM expires - clock_timestamp())::float8
FROM {ACTIVATIONS} WHERE key = %s AND expires > clock_timestamp()
"""
