"""How dead letters are shown: to people without what their terminal would obey, to programs as JSON."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from unittest.mock import Mock

import orjson
import pytest

from consumer.dead_letters import view
from consumer.dead_letters.letter import DeadLetter
from consumer.dead_letters.view import Report, age, details, pretty, row
from tests.cases import for_each

LETTER = DeadLetter(
    b'{"operation":"topology"}',
    headers={"request-id": "r\x1b[31m", "failed-at": "2026-01-02T03:04:05+00:00", "number": 2**40},
    properties={"message_id": "m", "timestamp": datetime(2026, 1, 1, tzinfo=UTC)},
    routing_key="commands",
    malformed_properties=("type is not UTF-8 text",),
)
CUT = DeadLetter(b"xyz", {"request-id": "cut", "failed-at": "", "truncated": True, "original-size": 20 << 20})
LEFT = "first 3 of 20971520 bytes"


@for_each([(-5, "0s"), (0, "0s"), (59, "59s"), (60, "1m 0s"), (3725, "1h 2m"), (86_400 * 3 + 3600 * 4 + 59, "3d 4h")])
def test_an_age_is_told_in_its_two_largest_units(seconds: int, shown: str) -> None:
    now = datetime(2026, 1, 2, tzinfo=UTC)
    assert age(now - timedelta(seconds=seconds), now) == shown


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
    for options in ({"numbered": True}, {"silent": True}):
        with Report(**options) as report:
            report.advance(1)
            report.tell(row(LETTER))
    [line] = capsys.readouterr().out.splitlines()
    assert (orjson.loads(line)["number"], orjson.loads(line)["failed-at"]) == (1, "2026-01-02T03:04:05.000+00:00")


def test_people_get_sections_of_a_letter_and_rows_as_a_table(capsys: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr(view, "sys", Mock(**{"stdout.isatty.return_value": True}))
    monkeypatch.setenv("COLUMNS", "200")
    shown = details(LETTER)
    assert "\x1b" not in shown
    assert "undecodable  type is not UTF-8 text" in shown
    assert shown.endswith('body (24 bytes)\n{\n  "operation": "topology"\n}')
    assert f"truncated  {LEFT}" in details(CUT)
    assert details(CUT).endswith(f"body (truncated: {LEFT})\nxyz")
    with Report() as report:
        for each in (LETTER, CUT):
            report.tell(row(each))
        report.tell({**row(DeadLetter(b"")), "result": "refused", "problem": "[red]two\nlines"})
    table = capsys.readouterr().out
    for cell in ("r\ufffd[31m", LEFT, "[red]two lines"):
        assert cell in table
    assert '{"' not in table
