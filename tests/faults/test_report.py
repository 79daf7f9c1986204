"""The tables on the terminal say what was found."""

from __future__ import annotations

import pytest

from tests.cases import for_each
from tests.faults.checker import Verdict
from tests.faults.faults import FAULTS
from tests.faults.jobs.checker import JobVerdict
from tests.faults.jobs.faults import JOB_FAULTS
from tests.faults.report import FaultResult, show

SOUND = Verdict(300, 300, 270, 0, 0, (), (), (), (), 4, 1.25, 2.5)
TWICE = Verdict(300, 300, 270, 0, 0, (), (), ("a",), (), 4, None, None)
STRICT = next(fault for fault in FAULTS if not fault.forgiving)
OF_JOBS = JOB_FAULTS[0]
ENDED = JobVerdict(240, 200, 12, 12, 40, 290, 1, 2, (), (), (), (), 0.5, 1.0)
OVERTAKEN = JobVerdict(240, 200, 12, 12, 40, 290, 1, 2, (), ("job 7",), (), (), None, None)
FORGIVING = next(fault for fault in FAULTS if fault.forgiving)


@for_each(
    [
        (FaultResult(STRICT, SOUND), [], "300 270 0 0 4 1.2 2.5 0 0 0 0 kept"),
        (FaultResult(STRICT, TWICE), ["1 executed twice: a"], "300 270 0 0 4   0 0 0 1 BROKEN"),
        (FaultResult(FORGIVING, TWICE), [], "300 270 0 0 4   0 0 0 1 kept"),
        (FaultResult(STRICT, failure="no"), ["no"], "           BROKEN"),
        (FaultResult(OF_JOBS, ENDED), [], "240 200 12 12 40 290 2 1 0.5 1.0 0 0 0 0 kept"),
        (FaultResult(OF_JOBS, OVERTAKEN), ["1 overtaken: job 7"], "240 200 12 12 40 290 2 1   0 1 0 0 BROKEN"),
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
