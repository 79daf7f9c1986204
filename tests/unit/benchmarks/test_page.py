"""The pages about performance, sizes and replicas, and their charts, are made from the newest results."""

from __future__ import annotations

from dataclasses import replace

from benchmarks import chart, page, rounds, sharing

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


def test_the_size_of_one_replica_is_what_was_measured() -> None:
    _, results = rounds.read(page.newest())
    text = page.SIZING.read_text()
    assert page.filled(text, {page.ONE_REPLICA: page.one_replica(results)}) == text, "make bench-page"
    assert text.count(f"<!-- made: {page.ONE_REPLICA} -->") == 1


def test_the_figures_of_replicas_and_their_chart_are_those_that_are_kept() -> None:
    runs = sharing.read()
    text = sharing.PAGE.read_text()
    assert sharing.made(text, runs) == text, "make bench-page"
    assert sharing.CHART.read_text() == sharing.drawn(runs), "make bench-page"
    assert "(charts/replicas.svg)" in text
    first, second = runs
    for number, run in enumerate(runs, 1):
        assert text.count(f"<!-- made: replicas {number} -->") == 1
        assert f"{run.when}:" in text
    other = replace(first, cpu={**first.cpu, "one on Redis": [2 * 719, 82]})
    assert sharing.made(text, [other, second]) != text
    assert sharing.drawn([other, second]) != sharing.drawn(runs)


def test_the_parts_of_a_bar_stand_side_by_side_and_add_up() -> None:
    drawn = chart.bars("what", ("first", "second"), {"a & b": [1, 2], "c": [1, 0]})
    assert "a &amp; b" in drawn
    third = chart.WIDTH / 3
    assert f'x="{chart.NAMES:.1f}" y="34.0" width="{third:.1f}"' in drawn
    assert f'x="{chart.NAMES + third:.1f}" y="34.0" width="{2 * third:.1f}"' in drawn
    assert ">3.0</text>" in drawn
    assert all(f">{name}</text>" in drawn for name in ("what", "first", "second", "c"))
