"""What was found is kept, and the documentation shows it."""

from __future__ import annotations

from pathlib import Path

from tests.faults import heat_map, page, results
from tests.faults.faults import FAULTS
from tests.faults.jobs.faults import JOB_FAULTS
from tests.faults.report import FaultResult
from tests.faults.results import KeptResult
from tests.faults.tables import REQUESTS, TABLES
from tests.faults.test_report import FORGIVING, SOUND, STRICT, TWICE

MACHINE = "a machine"


def kept(fault: str, broker: str, day: int = 1, **numbers: float | None) -> KeptResult:
    """One row of that day."""
    return KeptResult(fault, broker, f"2026-01-{day:02}", MACHINE, {"requests": 300, **numbers}, [])


def test_the_page_shows_what_is_kept_and_other_results_make_another_page() -> None:
    text, found = page.PAGE.read_text(), results.read()
    assert page.made(text, found) == text, "make faults PAGE=yes"
    for table in TABLES:
        assert text.count(f"<!-- made: {table.name} -->") == 1, table.name
    for name, draw in heat_map.CHARTS.items():
        assert (page.CHARTS / name).read_text() == draw(found), f"{name}: make faults PAGE=yes"
        assert f"(charts/{name})" in (page.PAGE.parent / "reliability.md").read_text()
    made = page.made(text, [*found, kept(FAULTS[0].title, "99.1.2")])
    assert "99.1.2" in made
    assert page.made(made, found) == text


def test_rows_that_are_played_alone_replace_theirs(tmp_path: Path) -> None:
    """The same fault with a newer version of the same release is the same row."""
    file = tmp_path / "results.jsonl"
    file.write_text("")
    first, second = FAULTS[0].title, FAULTS[1].title
    of_jobs = JOB_FAULTS[0].title
    results.write(
        [kept(of_jobs, "3.10.8"), kept(second, "3.10.8"), kept(first, "3.10.8"), kept("gone", "3.10.8")], file
    )
    results.write([kept(first, "10.0.1"), kept(second, "4.0.5")], file)
    found = results.write([kept(second, "4.0.6", 2)], file)
    assert results.read(file) == found
    assert [(each.release, each.fault) for each in found] == [
        ("3.10", first),
        ("3.10", second),
        ("3.10", of_jobs),
        ("4.0", second),
        ("10.0", first),
    ]
    assert [each.date for each in found if each.broker == "4.0.6"] == ["2026-01-02"]


def test_releases_stand_side_by_side() -> None:
    """One value where it is the same with all, and a dash where there is none."""
    first, second = FAULTS[0].title, FAULTS[1].title
    lines = page.block(
        REQUESTS,
        [
            kept(first, "3.10.8", 1, recovery=1.25, gap=None, doubled=0, answered=270),
            kept(second, "3.10.8", 3),
            kept(first, "4.0.5", 2, recovery=3.0, gap=2.0, doubled=3, answered=270),
        ],
    ).splitlines()
    assert "**3.10 / 4.0**" in lines[0]
    assert lines[2:4] == [
        f"- RabbitMQ 3.10.8: 2026-01-01 to 2026-01-03 ({MACHINE})",
        f"- RabbitMQ 4.0.5: 2026-01-02 ({MACHINE})",
    ]
    promises, nothing = "kept / kept (3 executed twice)", "-"
    assert lines[-2:] == [
        f"| {first} | {promises} | 300 | 270 | {nothing} | {nothing} | {nothing} | 1.2 / 3.0 | - / 2.0 |",
        f"| {second} | kept / - | 300 / - | {' | '.join([nothing] * 6)} |",
    ]
    alone = page.block(REQUESTS, [kept(first, "4.0.5")])
    assert "/" not in alone
    assert page.block(REQUESTS, []) == "Not measured yet."


def test_a_row_says_what_broke() -> None:
    def row(result: FaultResult) -> str:
        return page.block(REQUESTS, [result.kept("4.0.5")]).splitlines()[-1]

    assert row(FaultResult(STRICT, SOUND)).startswith(f"| {STRICT.title} | kept | 300 | 270 | 0 | 0 | 4 | 1.2 | 2.5 |")
    assert row(FaultResult(FORGIVING, TWICE)).startswith(f"| {FORGIVING.title} | kept (1 executed twice) |")
    assert row(FaultResult(STRICT, TWICE)).startswith(f"| {STRICT.title} | **broken**: 1 executed twice |")
    failed = row(FaultResult(STRICT, failure="Error: a | b\nc" + "d" * 200))
    assert failed.startswith(f"| {STRICT.title} | **broken**: Error: a \\| b cd")
    assert failed.endswith("dd |" + " - |" * 7)


def test_a_field_of_the_heat_map_shows_the_worst_of_all_moments() -> None:
    first, moment = (
        f"{FAULTS[0].title}",
        next(each.title for each in FAULTS if each.title.startswith("consumer killed")),
    )
    assert heat_map.field([], "lost") == heat_map.Field(heat_map.Finding.ABSENT)
    quiet = [kept(first, "4.0.5", doubled=0), kept(moment, "4.0.5", doubled=None)]
    assert heat_map.field(quiet, "doubled") == heat_map.Field(heat_map.Finding.KEPT)
    allowed = [*quiet, kept(first, "4.0.5", doubled=3), kept(first, "4.0.5", doubled=12)]
    assert heat_map.field(allowed, "doubled") == heat_map.Field(heat_map.Finding.ALLOWED, 12)
    failed = KeptResult(first, "4.0.5", "2026-01-01", MACHINE, {}, ["it could not be played"])
    assert heat_map.field([*allowed, failed], "doubled") == heat_map.Field(heat_map.Finding.UNKNOWN)
    broken = KeptResult(first, "4.0.5", "2026-01-01", MACHINE, {"doubled": 1}, ["executed twice"])
    assert heat_map.field([failed, broken, *allowed], "doubled") == heat_map.Field(heat_map.Finding.BROKEN, 1)


def test_a_row_of_the_heat_map_is_a_fault_at_all_its_moments_with_each_release() -> None:
    titles = [each.title for each in FAULTS if each.title.startswith("broker killed")]
    assert len(titles) > 2
    found = [kept(each, "4.0.5", lost=0) for each in titles] + [kept(titles[0], "4.3.6", wrong=2)]
    [row] = heat_map.rows(REQUESTS, found, ["4.0", "4.3"])
    assert (row.name, row.moments) == ("broker killed", len(titles))
    assert [each.finding.name for each in row.fields["wrong"]] == ["KEPT", "ALLOWED"]
    drawn = heat_map.drawn({"All": [row]}, ["4.0", "4.3"])
    assert f">broker killed ({len(titles)})</text>" in drawn
    assert drawn.count('class="allowed"') == 2, "the field, and the legend"
    assert drawn == heat_map.drawn({"All": [row]}, ["4.0", "4.3"])
