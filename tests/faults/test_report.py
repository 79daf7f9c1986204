"""The table says what was found, and the documentation keeps it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cases import for_each
from tests.faults.checker import Verdict
from tests.faults.faults import FAULTS
from tests.faults.jobs.checker import JobVerdict
from tests.faults.jobs.faults import JOB_FAULTS
from tests.faults.report import JOBS, PAGE, REQUESTS, TABLES, FaultResult, show, write

SOUND = Verdict(300, 300, 270, 0, 0, (), (), (), (), 4, 1.25, 2.5)
TWICE = Verdict(300, 300, 270, 0, 0, (), (), ("a",), (), 4, None, None)
STRICT = next(fault for fault in FAULTS if not fault.forgiving)
OF_JOBS = JOB_FAULTS[0]
ENDED = JobVerdict(240, 200, 12, 12, 40, 290, 1, 2, (), (), (), (), 0.5, 1.0)
OVERTAKEN = JobVerdict(240, 200, 12, 12, 40, 290, 1, 2, (), ("job 7",), (), (), None, None)
FORGIVING = next(fault for fault in FAULTS if fault.forgiving)


@for_each(
    [
        (FaultResult(STRICT, SOUND), [], "300 270 0 0 0 0 0 0 4 1.2 2.5 kept"),
        (FaultResult(STRICT, TWICE), ["1 executed twice: a"], "300 270 0 0 0 0 0 1 4   BROKEN"),
        (FaultResult(FORGIVING, TWICE), [], "300 270 0 0 0 0 0 1 4   kept"),
        (FaultResult(STRICT, failure="no"), ["no"], "           BROKEN"),
        (FaultResult(OF_JOBS, ENDED), [], "240 200 12 12 40 290 2 1 0 0 0 0 0.5 1.0 kept"),
        (FaultResult(OF_JOBS, OVERTAKEN), ["1 overtaken: job 7"], "240 200 12 12 40 290 2 1 0 1 0 0   BROKEN"),
    ]
)
def test_a_row_says_what_came_of_it_and_whether_the_promises_were_kept(
    row: FaultResult, problems: list[str], cells: str
) -> None:
    assert row.problems == problems
    assert row.cells() == [row.fault.title, *cells.split(" ")]
    assert len(row.cells()) == len(row.table.columns)


def test_the_terminal_shows_a_table_of_each_kind_and_names_what_broke(capsys: pytest.CaptureFixture[str]) -> None:
    show([FaultResult(STRICT, SOUND), FaultResult(STRICT, TWICE)])
    printed = capsys.readouterr().out
    assert STRICT.title in printed
    assert f"{STRICT.title}: 1 executed twice: a" in printed
    assert "stuck" not in printed
    show([FaultResult(STRICT, SOUND), FaultResult(OF_JOBS, OVERTAKEN)])
    printed = capsys.readouterr().out
    assert f"{OF_JOBS.title}: 1 overtaken: job 7" in printed
    assert "stuck" in printed


def test_the_page_has_one_place_for_each_table_and_rows_that_are_played_alone_replace_theirs(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"before\n{REQUESTS.begin}\nold\n{REQUESTS.end}\nafter\n{JOBS.begin}\nold jobs\n{JOBS.end}\nend\n")
    first, second, third = FAULTS[:3]
    for _ in range(2):
        write([FaultResult(first, failure="no"), FaultResult(second, failure="no")], page)
    text = page.read_text()
    assert text.startswith(f"before\n{REQUESTS.begin}\n")
    assert text.endswith(f"{REQUESTS.end}\nafter\n{JOBS.begin}\nold jobs\n{JOBS.end}\nend\n")
    assert "old\n" not in text
    assert text.count(f"| {first.title} | ") == 1
    write([FaultResult(second, SOUND), FaultResult(third, SOUND)], page, whole=False)
    lines = [line for line in page.read_text().splitlines() if line.startswith("| ")][2:]
    assert [line.split(" | ")[0] for line in lines] == [f"| {each.title}" for each in (first, second, third)]
    assert [line.endswith("| kept |") for line in lines] == [False, True, True]
    write([FaultResult(third, SOUND), FaultResult(OF_JOBS, ENDED)], page)
    text = page.read_text()
    assert f"| {first.title} |" not in text
    assert "old jobs" not in text
    assert f"| {OF_JOBS.title} | 240 |" in text.partition(JOBS.begin)[2]
    marks = [mark for table in TABLES for mark in (table.begin, table.end)]
    assert [PAGE.read_text().count(mark) for mark in marks] == [1, 1, 1, 1]
