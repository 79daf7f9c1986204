"""How dead letters are shown: to people without what their terminal would obey, to programs as JSON."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import orjson
import pytest

from consumer.dead_letters import view as dead_view
from consumer.dead_letters.letter import DeadLetter
from consumer.dead_letters.view import Report, age, details, pretty, row
from tests.cases import for_each

LETTER = DeadLetter(
    b'{"operation":"topology"}',
    headers={"request-id": "r\x1b[31m", "failed-at": "2026-01-02T03:04:05+00:00", "number": 2**40},
    properties={"message_id": "m", "timestamp": datetime(2026, 1, 1, tzinfo=UTC)},
    routing_key="commands",
)


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the view take the output for a terminal, wide enough for a table."""
    monkeypatch.setattr(dead_view, "sys", SimpleNamespace(stdout=SimpleNamespace(isatty=lambda: True)))
    monkeypatch.setenv("COLUMNS", "200")


@for_each([(-5, "0s"), (0, "0s"), (59, "59s"), (60, "1m 0s"), (3725, "1h 2m"), (86_400 * 3 + 3600 * 4 + 59, "3d 4h")])
def test_an_age_is_told_in_its_two_largest_units(seconds: int, shown: str) -> None:
    now = datetime(2026, 1, 2, tzinfo=UTC)
    assert age(now - timedelta(seconds=seconds), now) == shown


@for_each(
    [
        (b'{"a":1.10,"b":123456789012345678901234567890}', '{\n  "a": 1.10,\n  "b": 123456789012345678901234567890\n}'),
        (b"<bpmn/>", "<bpmn/>"),
        (b"\xff{", "\\xff{"),
        (b"[" * 100_000, "[" * 100_000),
        (b"", ""),
    ]
)
def test_a_body_is_shown_as_it_was_written(body: bytes, shown: str) -> None:
    assert pretty(body) == shown


def test_a_program_gets_one_object() -> None:
    shown = orjson.loads(details(LETTER))
    assert (shown["body"], shown["headers"]["number"]) == ('{"operation":"topology"}', 2**40)
    assert (shown["id"], shown["queue"], shown["properties"]["message_id"]) == ("r\x1b[31m", "commands", "m")
    assert orjson.loads(details(DeadLetter(b"\xff")))["body-hex"] == "ff"


@pytest.mark.usefixtures("terminal")
def test_people_get_sections() -> None:
    flawed = DeadLetter(
        LETTER.body, LETTER.headers, LETTER.properties, malformed_properties=("type is not UTF-8 text",)
    )
    shown = details(flawed)
    assert "\x1b" not in shown
    assert "undecodable  type is not UTF-8 text" in shown
    assert shown.endswith('body (24 bytes)\n{\n  "operation": "topology"\n}')


CUT = DeadLetter(b"xyz", {"request-id": "cut", "failed-at": "", "truncated": True, "original-size": 20 << 20})


def test_a_truncated_letter_says_so_in_its_row_and_its_details(
    capsys: pytest.CaptureFixture[str], request: pytest.FixtureRequest
) -> None:
    assert row(CUT)["truncated"] == orjson.loads(details(CUT))["truncated"] == "first 3 of 20971520 bytes"
    assert "truncated" not in row(LETTER)
    request.getfixturevalue("terminal")
    shown = details(CUT)
    assert "truncated  first 3 of 20971520 bytes" in shown
    assert shown.endswith("body (truncated: first 3 of 20971520 bytes)\nxyz")
    with Report() as report:
        for each in (LETTER, CUT):
            report.tell(row(each))
    assert "first 3 of 20971520 bytes" in capsys.readouterr().out


def test_rows_are_lines_when_piped(capsys: pytest.CaptureFixture[str]) -> None:
    with Report(numbered=True) as report:
        report.advance(1)
        report.tell(row(LETTER))
    [line] = capsys.readouterr().out.splitlines()
    assert (orjson.loads(line)["number"], orjson.loads(line)["failed-at"]) == (1, "2026-01-02T03:04:05.000+00:00")


@pytest.mark.usefixtures("terminal")
def test_rows_are_a_table_for_people(capsys: pytest.CaptureFixture[str]) -> None:
    with Report() as report:
        report.tell(row(LETTER))
        report.tell({**row(DeadLetter(b"")), "result": "refused", "problem": "[red]two\nlines"})
    shown = capsys.readouterr().out
    assert "r\ufffd[31m" in shown
    assert "[red]two lines" in shown
    assert '{"' not in shown


def test_a_silent_report_says_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    with Report(silent=True) as report:
        report.advance(1)
        report.tell(row(LETTER))
    assert capsys.readouterr().out == ""
