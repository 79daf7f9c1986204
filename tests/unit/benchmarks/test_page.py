"""The page about performance and its charts are made from the newest results."""

from __future__ import annotations

from benchmarks import page, rounds

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
