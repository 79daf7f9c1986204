"""The page about performance and its charts are made from the newest results."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest

from benchmarks import chart, page, rounds
from benchmarks.chart import Panel

TEXT = page.PAGE.read_text()


def test_the_page_and_its_charts_show_the_newest_results_and_other_figures_make_another_page() -> None:
    kept, results = rounds.read(page.newest())
    assert page.made(TEXT, kept, results) == TEXT, "make bench-page"
    for name, draw in page.CHARTS.items():
        assert (page.DOCS / "charts" / name).read_text() == draw(results), f"{name}: make bench-page"
        assert f"(charts/{name})" in TEXT
    for name in (*page.TABLES, "when"):
        assert TEXT.count(f"<!-- made: {name} -->") == 1, name
    for program in results[0].programs.values():
        program["rate"] += 1000
    made = page.made(TEXT, kept, results)
    assert made != TEXT
    assert page.made(made, kept, results) == made


def test_rows_have_a_cell_for_every_column_also_without_a_figure() -> None:
    assert page.row("call", {"rate": 890.4, "cpu": 420.0}) == ("call", "890", "", "", "420", "")


def test_a_chart_is_sound_and_has_a_line_for_every_program() -> None:
    lines = {"a < b": [1.0, 20.0], "c": [3.0, 4.0]}
    drawn = chart.drawn("commands per second", "in flight", [Panel("one", "12", lines), Panel("two", "12", lines)])
    found = ElementTree.fromstring(drawn)
    assert len([each for each in found.iter() if each.tag.endswith("polyline")]) == 4
    assert "a < b" in [each.text for each in found.iter() if each.tag.endswith("text")]
    assert "prefers-color-scheme: dark" in drawn


def test_a_grid_has_round_distances() -> None:
    for highest, distance in {1: 0.2, 7: 1, 36: 10, 850: 200, 1666: 500, 12_000: 2000}.items():
        assert chart.step(highest) == pytest.approx(distance), highest
