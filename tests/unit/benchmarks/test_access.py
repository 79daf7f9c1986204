"""The costs of a policy and the audit are measured for each step."""

from __future__ import annotations

from pathlib import Path

from benchmarks.access import SIDE_BY_SIDE, rows


def test_each_step_has_its_time_and_what_is_written_the_disks_as_well(tmp_path: Path) -> None:
    found = list(rows(20, 1, tmp_path))
    assert len(found) == 3 + len(SIDE_BY_SIDE)
    assert [float(used) >= 0 for _, used, _ in found] == [True] * len(found)
    assert [bool(passed) for *_, passed in found] == [False] * 3 + [True] * len(SIDE_BY_SIDE)
