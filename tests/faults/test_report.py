"""The table says what was found, and the documentation keeps it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cases import for_each
from tests.faults.checker import Verdict
from tests.faults.faults import FAULTS
from tests.faults.report import BEGIN, COLUMNS, END, PAGE, FaultResult, show, write

SOUND = Verdict(300, 300, 270, 0, 0, (), (), (), (), 4, 1.25, 2.5)
TWICE = Verdict(300, 300, 270, 0, 0, (), (), ("a",), (), 4, None, None)
STRICT = next(fault for fault in FAULTS if not fault.forgiving)
FORGIVING = next(fault for fault in FAULTS if fault.forgiving)


@for_each(
    [
        (FaultResult(STRICT, SOUND), [], "300 270 0 0 0 0 0 0 4 1.2 2.5 kept"),
        (FaultResult(STRICT, TWICE), ["1 executed twice: a"], "300 270 0 0 0 0 0 1 4   BROKEN"),
        (FaultResult(FORGIVING, TWICE), [], "300 270 0 0 0 0 0 1 4   kept"),
        (FaultResult(STRICT, failure="no"), ["no"], "           BROKEN"),
    ]
)
def test_a_row_says_what_came_of_it_and_whether_the_promises_were_kept(
    row: FaultResult, problems: list[str], cells: str
) -> None:
    assert row.problems == problems
    assert row.cells() == [row.fault.title, *cells.split(" ")]
    assert len(row.cells()) == len(COLUMNS)


def test_the_terminal_shows_the_table_and_names_what_broke(capsys: pytest.CaptureFixture[str]) -> None:
    show([FaultResult(STRICT, SOUND), FaultResult(STRICT, TWICE)])
    printed = capsys.readouterr().out
    assert STRICT.title in printed
    assert f"{STRICT.title}: 1 executed twice: a" in printed


def test_the_page_has_one_place_for_the_table_and_rows_that_are_played_alone_replace_theirs(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n")
    first, second, third = FAULTS[:3]
    for _ in range(2):
        write([FaultResult(first, failure="no"), FaultResult(second, failure="no")], page)
    text = page.read_text()
    assert text.startswith(f"before\n{BEGIN}\n")
    assert text.endswith(f"{END}\nafter\n")
    assert "old" not in text
    assert text.count(f"| {first.title} | ") == 1
    write([FaultResult(second, SOUND), FaultResult(third, SOUND)], page, whole=False)
    lines = [line for line in page.read_text().splitlines() if line.startswith("| ")][2:]
    assert [line.split(" | ")[0] for line in lines] == [f"| {each.title}" for each in (first, second, third)]
    assert [line.endswith("| kept |") for line in lines] == [False, True, True]
    write([FaultResult(third, SOUND)], page)
    assert f"| {first.title} |" not in page.read_text()
    assert [PAGE.read_text().count(mark) for mark in (BEGIN, END)] == [1, 1]
