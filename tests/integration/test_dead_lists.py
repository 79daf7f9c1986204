"""`python -m consumer dead list`: causes and letters, for programs and on terminals, whatever the letters say."""

from __future__ import annotations

import asyncio
import os
import re
import sys
import unicodedata
import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson

from scripts.consumer import ROOT, SIGNING_KEY
from tests.cases import for_each
from tests.integration.cli import on_a_terminal
from tests.integration.dead_letter_queue import DeadLetterQueue
from tests.integration.rawamqp import RawPublisher, content, entry, table, text
from zeebe_amqp import wire

ESCAPES = re.compile(r"\x1b(?:\[[0-9;?]*[A-Za-z]|\][^\x07]*\x07)")
"""What our own progress bar says to the terminal."""
EVIL = "\x1b[31m\x1b]0;title\x07\u202e\x00"


async def on_columns(dead: DeadLetterQueue, folder: Path, columns: int, *words: str) -> tuple[int, list[str]]:
    """The exit code, and the lines that a terminal of so many columns is left with; none is wider, nothing commands."""
    python = {"PATH": os.environ["PATH"], "PYTHONPATH": f"{ROOT}:{ROOT / 'contracts'}"}
    settings = {**python, "TERM": "xterm", "SIGNING_KEYS": SIGNING_KEY}
    command = [sys.executable, "-P", "-m", "consumer", "dead", *words, "--amqp-url", dead.url]
    ended, shown = await asyncio.to_thread(on_a_terminal, command, settings, columns=columns, cwd=folder)
    lines = [ESCAPES.sub("", line) for line in re.split(r"[\r\n]+", shown)]
    for line in lines:
        assert line.isprintable(), line
        assert width(line) <= columns, line
    return ended, [line for line in lines if line.strip() and "dead letters \u2501" not in line]


def width(line: str) -> int:
    """Columns of a terminal."""
    return sum(
        0 if unicodedata.combining(char) else 2 if unicodedata.east_asian_width(char) in "WF" else 1 for char in line
    )


async def test_letters_of_one_cause_are_counted_together(dead: DeadLetterQueue) -> None:
    names = [await dead.add(headers={wire.ERROR_MESSAGE: f"no job {key}"}) for key in (1, 22, 333)]
    other = await dead.add(headers={wire.OPERATION: "cancel-instance"})
    newest = await dead.add(headers={wire.ERROR_MESSAGE: "no job 4", wire.FAILED_AT: "2026-01-02T04:00:00+00:00"})
    code, rows, said = await dead.run("list")
    assert (code, said) == (0, "")
    assert rows[0] == {
        "count": 4,
        "code": "NOT_FOUND",
        "signature": "valid",
        "operation": "topology",
        "reason": "no job #",
        "oldest": "2026-01-02T03:04:05.678+00:00",
        "newest": "2026-01-02T04:00:00.000+00:00",
        "example": newest,
    }
    assert [(row["count"], row["operation"], row["example"]) for row in rows[1:]] == [(1, "cancel-instance", other)]
    assert await dead.ids() == [*names, other, newest]
    [row] = (await dead.run("list", "--operation", "cancel-instance")).rows
    assert row["example"] == other


async def test_users_and_ages_narrow_what_is_listed_replayed_and_dropped(dead: DeadLetterQueue) -> None:
    young = (datetime.now(UTC) - timedelta(minutes=5)).isoformat()
    hers = await dead.add(headers={wire.ORIGINAL_USER_ID: "alice"})
    his = await dead.add(headers={wire.ORIGINAL_USER_ID: "bob", wire.FAILED_AT: young})
    nobodys = await dead.add(headers={wire.FAILED_AT: young})
    forged = await dead.add(user_id="guest", headers={wire.FAILED_AT: young, "user": "alice"})
    assert await dead.ids("--user", "alice") == [hers]
    assert await dead.ids("--newer-than", "1h") == [his, nobodys, forged]
    assert await dead.ids("--newer-than", "1h", "--user", "bob") == [his]
    assert await dead.ids("--newer-than", "1m") == await dead.ids("--newer-than", "1h", "--older-than", "10m") == []
    assert [row["count"] for row in (await dead.run("list", "--older-than", "1h")).rows] == [1]
    assert (await dead.resend("--all", "--user", "alice")).rows[0]["id"] == hers
    assert (await dead.run("drop", "--all", "--yes", "--newer-than", "1h", "--user", "bob")).rows[0]["id"] == his
    assert (await dead.run("drop", hers, "--yes", "--user", "bob")).code == 1
    assert await dead.ids() == [nobodys, forged]


async def add_hostile(dead: DeadLetterQueue) -> None:
    """Letters that would command a terminal, fill it, or break who reads them."""
    long = "名" * 3000
    await dead.add(headers={wire.REQUEST_ID: EVIL * 9, wire.ERROR_MESSAGE: EVIL * 99, wire.ERROR_CODE: EVIL})
    await dead.add(headers={wire.REQUEST_ID: long, wire.OPERATION: long, wire.ERROR_CODE: long, "x": long})
    await dead.add(origin="q" * 255, headers={wire.ERROR_MESSAGE: "two\nlines\r\n" + "and more " * 100})
    odd: list[Any] = [
        None,
        2**62,
        True,
        1.5,
        bytearray(b"\xff"),
        [1, ["a"]],
        {"a": {"b": None}},
        datetime(2026, 1, 1, tzinfo=UTC),
    ]
    names = (wire.REQUEST_ID, wire.FAILED_AT, wire.OPERATION, wire.ERROR_CODE, wire.ERROR_MESSAGE, wire.REPLAYS)
    for value in odd:
        await dead.add(headers=dict.fromkeys(names, value))
    await dead.add(b"\x00\xff" * (4 << 20), headers={wire.ERROR_MESSAGE: "large"})
    async with RawPublisher(dead.url) as publisher:
        await publisher.publish(wire.DEAD_LETTER, b"no headers", content())
        spoiled = table(entry(b"request-id", b"S", text(b"\xff\xfe")), entry(b"error-code", b"T", b"\xff" * 8))
        await publisher.publish(wire.DEAD_LETTER, b"\xff", content(headers=spoiled))


@for_each([40, 80])
async def test_hostile_letters_are_shown_in_the_columns_there_are(
    columns: int, dead: DeadLetterQueue, tmp_path: Path
) -> None:
    await (await dead.channel.get_queue(wire.DEAD_LETTER)).purge()
    await add_hostile(dead)
    for words in (["list"], ["list", "--each"], ["drop", "--all", "--dry-run"], ["replay", "--all", "--dry-run"]):
        code, lines = await on_columns(dead, tmp_path, columns, *words)
        assert code == (1 if words[0] == "replay" else 0), lines  # queues that are not ours are refused
        assert any("large" in line for line in lines), words
    assert len(await dead.ids()) == 14
    assert sum(row["count"] for row in (await dead.run("list")).rows) == 14


@for_each([40, 80])
async def test_a_terminal_gets_causes_and_two_lines_of_each_letter(
    columns: int, dead: DeadLetterQueue, tmp_path: Path
) -> None:
    await (await dead.channel.get_queue(wire.DEAD_LETTER)).purge()
    longest = f"{uuid.uuid4()}-{'x' * 200}"
    named = {
        wire.OPERATION: "evaluate-conditional",
        wire.ERROR_CODE: "RESOURCE_EXHAUSTED",
        wire.ERROR_MESSAGE: "m" * 500,
    }
    for name in (longest, "plain"):
        await dead.add(b'{"the":"body"}', headers={wire.REQUEST_ID: name, **named})
    _, lines = await on_columns(dead, tmp_path, columns, "list")
    assert re.match(r"   2  RESOURCE_E\S*  evaluate-c\S*", lines[0]), lines
    assert lines[1] == "      " + "m" * (min(200, columns - 6) - 1) + "…"
    assert lines[2] == "      such as plain"
    assert lines[3].startswith("2 dead letters; `dead list --each`")
    _, lines = await on_columns(dead, tmp_path, columns, "list", "--each")
    cut, message, plain, _ = lines[:4]
    assert message == "  " + "m" * (columns - 3) + "…"
    assert plain.startswith("plain  ")
    # What was cut is reached by what was shown.
    shown = cut.split()[0]
    assert shown.endswith("…")
    code, lines = await on_columns_of_details(dead, tmp_path, shown)
    assert (code, any(longest in line for line in lines), any("m" * 500 in line for line in lines)) == (0, True, True)
    assert [orjson.loads(row["body"]) for row in (await dead.run("show", shown)).rows] == [{"the": "body"}]


async def on_columns_of_details(dead: DeadLetterQueue, folder: Path, name: str) -> tuple[int, list[str]]:
    """Everything about a letter is not cut, so the terminal wraps it."""
    return await on_columns(dead, folder, 2000, "show", name)
