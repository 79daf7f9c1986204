"""Alerts, runbooks and dashboard belong together, and what they name exists."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest
from opentelemetry.sdk.resources import Resource

from consumer.cli import main
from consumer.config import VARIABLES
from consumer.telemetry.catalog import COUNTER, GAUGE, HISTOGRAM, METRICS
from consumer.telemetry.prometheus import PrometheusCollector
from consumer.telemetry.series import Counter, Family, Gauge, Histogram
from scripts import dashboard
from scripts.prometheus import RULES
from tests.cases import check_all
from tests.yaml_reader import read_yaml
from zeebe_amqp.errors import Code

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "runbooks.md").read_text()
RUNBOOKS = dict(re.findall(r"^## (ZeebeAmqp\w+)\n(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL))
BASE = "https://zeebe-amqp.example/runbooks/#"
BEGINNING = {"critical": "**Wake somebody", "warning": "**Can wait"}


def rules() -> dict[str, dict[str, Any]]:
    """Every rule by the name of its alert."""
    groups = read_yaml(RULES.read_text())["groups"]
    return {rule["alert"]: rule for group in groups for rule in group["rules"]}


def test_every_alert_says_how_bad_it_is_what_it_is_and_where_to_read_on() -> None:
    def is_complete(alert: str, rule: dict[str, Any]) -> None:
        assert rule.keys() <= {"alert", "expr", "for", "labels", "annotations"}
        assert rule["labels"].keys() == {"severity"}
        assert rule["labels"]["severity"] in BEGINNING
        assert rule["annotations"].keys() == {"summary", "description", "runbook_url"}
        assert rule["annotations"]["runbook_url"] == BASE + alert.lower()
        words = rule["annotations"]["summary"] + rule["annotations"]["description"]
        assert "{{" in words or alert == "ZeebeAmqpAbsent", "no value, and nobody named"

    check_all([*rules().items()], is_complete)


def test_every_alert_has_its_runbook_and_every_runbook_its_alert() -> None:
    assert [*RUNBOOKS] == [*rules()], "in the same order"


def test_a_runbook_says_whether_it_can_wait_what_is_likely_and_what_to_run() -> None:
    def is_complete(alert: str, text: str) -> None:
        assert text.lstrip().startswith(BEGINNING[rules()[alert]["labels"]["severity"]])
        assert "\nLikely" in text
        assert text.count("```\n") == 2
        assert "\n- " in text.rpartition("```\n")[2], "nothing to do"

    check_all(RUNBOOKS.items(), is_complete)


def commands() -> Iterator[str]:
    """Every command of the runbooks, in blocks and in the text."""
    yield from re.findall(r"^```\n(.+?)\n```$", PAGE, re.MULTILINE | re.DOTALL)
    for inside in re.findall(r"`([^`\n]+)`", PAGE):
        if inside.startswith(
            ("python", "rabbitmqctl ", "curl ", "kubectl ", "docker ", "zeebe-amqp-consumer ", "journalctl ")
        ):
            yield inside


def parse(arguments: list[str]) -> None:
    """Read a command line of the service without running it."""
    command: click.Command = main
    context = click.Context(main)
    while isinstance(command, click.Group):
        name = arguments.pop(0)
        found = command.get_command(context, name)
        assert found is not None, name
        command, context = found, click.Context(found, parent=context)
    command.parse_args(context, arguments)


def test_every_command_of_the_runbooks_exists() -> None:
    def exists(command: str) -> None:
        words = shlex.split(command)
        if "consumer" in words and "-m" in words:
            parse(words[words.index("-m") + 2 :])
        elif words[0] == "zeebe-amqp-consumer":
            parse(words[1:])
        elif words[0] == "curl":
            assert re.fullmatch(r"http://127\.0\.0\.1:8080/(livez|readyz|metrics)", words[-1])
        else:
            assert words[0] in {"kubectl", "docker", "journalctl", "rabbitmqctl"}, command

    found = [*commands()]
    assert len(found) > len(RUNBOOKS)
    check_all(found, exists)


def test_a_command_that_does_not_exist_is_seen() -> None:
    for wrong in (["dead", "lst"], ["dead", "list", "--older-then", "1h"], ["dead", "list", "--older-than", "1d"]):
        with pytest.raises((AssertionError, click.ClickException)):
            parse(wrong)


def test_the_settings_and_metrics_of_the_runbooks_exist() -> None:
    known = {variable.name for variable in VARIABLES}
    settings = set(re.findall(r"`([A-Z]+_[A-Z_]+|LEDGER|CONCURRENCY)`", PAGE))
    assert settings - {*Code} <= known
    metrics = set(re.findall(r"`(zeebe_amqp_\w+)`", PAGE))
    assert metrics <= shown_names()


def exposed(name: str) -> str:
    """A metric's name in Prometheus, as the service exposes it."""
    kind = METRICS[name].kind
    counters = {name: Family(name, Counter)} if kind == COUNTER else {}
    gauges = {name: Family(name, Gauge)} if kind == GAUGE else {}
    histograms = {name: Family(name, Histogram)} if kind == HISTOGRAM else {}
    for families in (counters, gauges, histograms):
        for each in families.values():
            each.at(())
    _, family = PrometheusCollector(Resource({}), counters, gauges, histograms).collect()
    return family.samples[0].name


def shown_names() -> set[str]:
    """Every metric's name in Prometheus."""
    return {exposed(name) for name in METRICS}


def test_the_dashboard_is_made_from_the_table() -> None:
    assert dashboard.FILE.read_text() == dashboard.text(), "make dashboard"


def test_the_dashboard_shows_every_metric() -> None:
    text = dashboard.FILE.read_text()
    assert [name for name in shown_names() if not re.search(rf"\b{name}\b", text)] == []


def test_every_panel_says_what_it_shows_in_which_unit() -> None:
    shown = json.loads(dashboard.FILE.read_text())["panels"]
    panels = [panel for panel in shown if panel["type"] != "row"]
    assert [panel["title"] for panel in panels if not panel["description"].endswith(".")] == []
    assert {panel["fieldConfig"]["defaults"]["unit"] for panel in panels} == {"short", "s", "ops", "bytes"}
    assert all(target["legendFormat"] for panel in panels for target in panel["targets"])
    assert all('job=~"$job",instance=~"$instance"' in each["expr"] for panel in panels for each in panel["targets"])
    assert {panel["datasource"]["uid"] for panel in panels} == {"${datasource}"}
    assert len({panel["id"] for panel in shown}) == len(shown)


def test_no_panels_lie_on_each_other_or_beside_the_page() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in json.loads(dashboard.FILE.read_text())["panels"]:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= dashboard.COLUMNS
        cells = {(place["x"] + x, place["y"] + y) for x in range(place["w"]) for y in range(place["h"])}
        assert not cells & taken, panel["title"]
        taken |= cells


def test_a_stale_dashboard_is_reported_and_mended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(dashboard, "FILE", tmp_path / "zeebe-amqp.json")
    monkeypatch.setattr("sys.argv", ["dashboard", "--check"])
    assert dashboard.main() == 1
    assert "make dashboard" in capsys.readouterr().err
    monkeypatch.setattr("sys.argv", ["dashboard"])
    assert dashboard.main() == 0
    monkeypatch.setattr("sys.argv", ["dashboard", "--check"])
    assert dashboard.main() == 0
