"""Panels over time as SVG."""

from __future__ import annotations

import re
from math import nan
from xml.etree import ElementTree

from benchmarks import outage
from benchmarks.timeline import COLUMNS, Plot, amount, drawn, spacing
from tests.cases import check_all

SVG = "{http://www.w3.org/2000/svg}"


def lines(picture: str) -> list[str]:
    """The points of every line."""
    return [line.attrib["points"] for line in ElementTree.fromstring(picture).iter(f"{SVG}polyline")]


def test_a_line_has_a_gap_where_there_is_no_value() -> None:
    picture = drawn("t", [Plot("p", "s", {"a": {0: 1, 1: 2, 2: nan, 3: 1, 4: 1}})], {}, 4)
    assert [points.count(",") for points in lines(picture)] == [2, 2]


def test_the_highest_lines_are_shown_in_the_order_in_which_they_came() -> None:
    given = {"low": {0.0: 1.0}, "high": {0.0: 9.0}, "nothing": {0.0: nan}, "higher": {0.0: 10.0}, "middle": {0.0: 5.0}}
    picture = drawn("t", [Plot("p", "short", given)], {}, 4)
    assert re.findall(r">(low|high|nothing|higher|middle)<", picture) == ["high", "higher", "middle"]


def test_every_panel_is_there_with_its_marks_and_its_threshold_if_that_is_in_sight() -> None:
    plots = [Plot(f"panel <{number}>", "s", {"a": {0: 10.0}}, warn) for number, warn in enumerate((None, 5, 500, 9))]
    picture = drawn("t", plots, {"stopped": 1, "back": 3}, 4)
    assert picture.count('class="mark"') == 2 * len(plots)
    assert picture.count('class="warn"') == 2
    titles = [each.text for each in ElementTree.fromstring(picture).iter(f"{SVG}text")]
    assert [each for each in titles if each and each.startswith("panel")] == [plot.title for plot in plots]
    assert len(plots) > COLUMNS, "more than one row"


def test_a_panel_without_values_is_drawn() -> None:
    assert lines(drawn("t", [Plot("p", "s", {})], {}, 4)) == []


def test_an_amount_has_its_unit() -> None:
    cases = [
        (0.25, "s", "250 ms"),
        (0, "s", "0 s"),
        (90, "s", "90 s"),
        (300, "s", "5 min"),
        (200, "s", "200 s"),
        (1.5, "ops", "1.5/s"),
        (2 << 20, "bytes", "2 MiB"),
        (1000, "short", "1000"),
        (1, "", ""),
    ]

    def is_shown(value: float, unit: str, shown: str) -> None:
        assert amount(value, unit) == shown

    check_all(cases, is_shown)


def test_a_grid_has_three_to_five_lines() -> None:
    for tenths in range(1, 5000):
        assert 2 <= int(tenths / 10 / spacing(tenths / 10)) <= 4, tenths


def test_the_panels_of_the_picture_of_an_outage_are_on_the_dashboard() -> None:
    assert [panel["title"] for panel in outage.panels()] == [*outage.SHOWN]


def test_the_picture_of_an_outage_shows_them_and_the_alerts_and_nothing_of_the_machine() -> None:
    picture = outage.FILE.read_text()
    titles = re.findall(r'text-anchor="start">([^<]+)<', picture)
    assert titles == [*outage.SHOWN, "Alerts that fire"]
    assert re.findall(r">(ZeebeAmqp\w+)<", picture) == ["ZeebeAmqpOutcomeUnknown", "ZeebeAmqpPausedByGateway"]
