"""How dead letters are shown: to people without what their terminal would obey, to programs as JSON."""

from __future__ import annotations

import re
import unicodedata
import uuid
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from unittest.mock import Mock

import orjson
import pytest

from consumer.dead_letters import view
from consumer.dead_letters.group import Group, Groups
from consumer.dead_letters.letter import DeadLetter
from consumer.dead_letters.view import (
    Report,
    age,
    details,
    group_lines,
    group_row,
    is_called,
    letter_lines,
    pretty,
    row,
)
from tests.cases import for_each
from tests.unit.consumer.dead_letters.signed import signed
from zeebe_amqp import wire

LETTER = signed(
    DeadLetter(
        b'{"operation":"topology"}',
        headers={"request-id": "r\x1b[31m", "failed-at": "2026-01-02T03:04:05+00:00", "number": 2**40},
        properties={"message_id": "m", "timestamp": datetime(2026, 1, 1, tzinfo=UTC)},
        routing_key="commands",
        malformed_properties=("type is not UTF-8 text",),
    )
)
CUT = DeadLetter(b"xyz", {"request-id": "cut", "failed-at": "", "truncated": True, "original-size": 20 << 20})
LEFT = "first 3 of 20971520 bytes"


@for_each([(-5, "0s"), (0, "0s"), (59, "59s"), (60, "1m 0s"), (3725, "1h 2m"), (86_400 * 3 + 3600 * 4 + 59, "3d 4h")])
def test_an_age_is_told_in_its_two_largest_units(seconds: int, shown: str) -> None:
    now = datetime(2026, 1, 2, tzinfo=UTC)
    since = now - timedelta(seconds=seconds)
    assert age(since, now) == shown
    assert age(since, now, units=1) == shown.split()[0]


@for_each([
    (b'{"a":1.10,"b":123456789012345678901234567890}', '{\n  "a": 1.10,\n  "b": 123456789012345678901234567890\n}'),
    (b"<bpmn/>", "<bpmn/>"),
    (b"\xff{", "\\xff{"),
    (b"[" * 100_000, "[" * 100_000),
    (b"", ""),
])  # fmt: skip
def test_a_body_is_shown_as_it_was_written(body: bytes, shown: str) -> None:
    assert pretty(body) == shown


def test_a_program_gets_one_object_of_a_letter_and_rows_as_lines(capsys: pytest.CaptureFixture[str]) -> None:
    shown, cut = (orjson.loads(details(letter)) for letter in (LETTER, CUT))
    assert (shown["body"], shown["headers"]["number"]) == ('{"operation":"topology"}', 2**40)
    assert (shown["id"], shown["queue"], shown["properties"]["message_id"]) == ("r\x1b[31m", "commands", "m")
    assert ("truncated" in shown, cut["truncated"]) == (False, LEFT)
    assert orjson.loads(details(DeadLetter(b"\xff")))["body-hex"] == "ff"
    for silent in (False, True):
        with Report(silent=silent) as report:
            report.advance(1)
            report.await_outcome(0, 1)
            report.tell(row(LETTER))
    [line] = capsys.readouterr().out.splitlines()
    assert orjson.loads(line) == orjson.loads(orjson.dumps(row(LETTER)))
    assert orjson.loads(line)["failed-at"] == "2026-01-02T03:04:05.000+00:00"


@pytest.fixture
def people(monkeypatch: pytest.MonkeyPatch) -> None:
    """Standard output is a terminal."""
    monkeypatch.setattr(view, "sys", Mock(**{"stdout.isatty.return_value": True}))


def test_people_get_sections_of_a_letter_and_two_lines_of_each(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, people: None
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    shown = details(LETTER)
    assert "\x1b" not in shown
    assert "undecodable  type is not UTF-8 text" in shown
    assert shown.endswith('body (24 bytes)\n{\n  "operation": "topology"\n}')
    assert f"truncated  {LEFT}" in details(CUT)
    assert details(CUT).endswith(f"body (truncated: {LEFT})\nxyz")
    with Report() as report:
        for each in (LETTER, CUT):
            report.tell(row(each))
        report.tell({**row(DeadLetter(b"")), "result": "refused", "problem": "[red]two\nlines " + "long " * 20})
    lines = capsys.readouterr().out.strip().splitlines()
    assert re.fullmatch(r"r\ufffd\[31m  \d+d  -  -  0x  commands", lines[0])
    unsigned = "  unsigned"
    assert lines[1:4] == ["cut  -  -  -  0x  -", f"  truncated: {LEFT}", unsigned]
    assert lines[4] == f"{DeadLetter(b'').id}  -  -  -  0x  -"
    assert lines[5].startswith("  refused: [red]two lines long long")
    assert lines[7:] == [unsigned]


WIDE = "\u5bbf\u820d" * 200
HOSTILE = [
    "\x1b[31m\x1b]0;title\x07" * 50,
    "\u202e\u200b\u200f" * 90,
    WIDE,
    "a\u0301" * 300,
    "x" * 9000,
    "\x00",
    "\ud800",
]
ODD: list[Any] = [None, 5, 2**63, True, 1.5, b"\xff", [1, ["a"]], {"a": {"b": None}}, datetime(2026, 1, 1, tzinfo=UTC)]
NAMES = (wire.REQUEST_ID, wire.FAILED_AT, wire.OPERATION, wire.ERROR_CODE, wire.ERROR_MESSAGE, wire.ORIGINAL_USER_ID,
         wire.REPLAYS, wire.TRUNCATED, wire.ORIGINAL_SIZE, wire.ORIGINAL_QUEUE, "x-death")  # fmt: skip


def letters() -> list[DeadLetter]:
    """With anything in any header, as the service wrote it and as the broker did."""
    found = [DeadLetter(b"")]
    for value in (*HOSTILE, *ODD):
        found.append(DeadLetter(b"", dict.fromkeys(NAMES, value), {"message_id": value, "user_id": value}, str(value)))
        ours = {**dict.fromkeys(NAMES[:6], value), wire.FAILED_AT: "2026-01-02T03:04:05+00:00"}
        found.append(DeadLetter(b"", ours, routing_key=str(value)))
        found.append(DeadLetter(b"", {"x-death": [{"queue": value, "reason": value, "time": value}]}))
    return found


@for_each([24, 40, 80, 200])
def test_whatever_a_letter_says_fits_the_terminal_and_commands_it_nothing(columns: int) -> None:
    for letter in letters():
        groups = Groups()
        groups.add(letter)
        [group] = groups.ordered()
        told = {**row(letter), "result": "failed again", "problem": letter.message or "p" * 300}
        each, done = letter_lines(row(letter), columns), letter_lines(told, columns)
        # Also as a program gets it: JSON has no lone surrogates, which AMQP does not carry either.
        for line in (*each, *done, *group_lines(group_row(group), columns)):
            assert line.isprintable(), line
            assert width(line) <= columns, line
        assert len(each) - bool(letter.truncation) <= 2


def width(line: str) -> int:
    """Columns of a terminal, counted without the library that cut it."""
    return sum(
        0 if unicodedata.combining(char) else 2 if unicodedata.east_asian_width(char) in "WF" else 1 for char in line
    )


def test_usual_names_are_shown_whole_on_eighty_columns() -> None:
    name = str(uuid.UUID(int=2**127))
    letter = signed(DeadLetter(b"", {**LETTER.headers, "request-id": name, "operation": "create-instance",
                                     "error-code": "NOT_FOUND", "replays": 2}, routing_key="commands"))  # fmt: skip
    [line] = letter_lines(row(letter), 80)
    assert re.fullmatch(rf"{name}  \d+d  create-instance  NOT_FOUND  2x  com.*", line)


@for_each([
    ("Command 'CREATE' rejected with code 'NOT_FOUND': no process 'a'", "no process 'a'"),
    ("Command 'CREATE' rejected with code 'NOT_FOUND': ", "Command 'CREATE' rejected with code 'NOT_FOUND':"),
    ("no: Command 'A' rejected with code 'B': x", "no: Command 'A' rejected with code 'B': x"),
])  # fmt: skip
def test_the_room_is_for_what_the_code_does_not_say(message: str, shown: str) -> None:
    said = DeadLetter(b"", {**LETTER.headers, wire.ERROR_MESSAGE: message})
    forged = replace(said, headers={name: value for name, value in said.headers.items() if name != wire.SIGNATURE})
    for letter, mark in ((signed(said), ""), (said, "signature wrong: "), (forged, "unsigned: ")):
        groups = Groups()
        groups.add(letter)
        assert letter_lines(row(letter), 80)[1] == f"  {mark}{shown}"
        assert group_lines(group_row(groups.ordered()[0]), 80)[1] == f"      {mark}{shown}"
        assert row(letter)["message"] == message


def test_a_group_tells_how_many_and_since_when() -> None:
    now = datetime.now(UTC)
    group = Group(
        "NOT_FOUND", "no #", "create-instance", "4711", 12, now - timedelta(days=2), now - timedelta(minutes=5)
    )
    first, *rest = group_lines(group_row(group), 80)
    assert re.fullmatch(r"  12  NOT_FOUND  create-instance  5m \ds to 2d 0h old", first)
    assert rest == ["      no #", "      such as 4711"]


@for_each([
    ("4711", "4711", True), ("4711", "47", False), ("4711", "47…", True), ("4711", "4711…", True),
    ("4711", "8…", False),
    ("r\x1b[31m", "r\ufffd[31m", True), ("r\x1b[31m", "r\x1b[31m", True), ("x" * 9000, "x" * 20 + "…", True),
    ("a…", "a…", True),
])  # fmt: skip
def test_a_letter_is_found_by_its_id_as_it_was_shown(name: str, given: str, found: bool) -> None:
    assert is_called(DeadLetter(b"", {"request-id": name}), given) is found
