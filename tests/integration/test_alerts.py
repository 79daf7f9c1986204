"""The alerts by Prometheus' own tool: each fires in its case and stays silent in the neighbouring ones."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from scripts.process import ServerError
from scripts.prometheus import JOB, ROOT, RULES, promtool
from scripts.rabbitmq_release import release
from tests.yaml_reader import read_yaml

CASES: dict[str, dict[str, Any]] = read_yaml((Path(__file__).parent / "alerts.yaml").read_text())
OURS = {"job": JOB, "instance": "a:8080"}


def rules() -> dict[str, dict[str, Any]]:
    """Every rule by the name of its alert."""
    groups = read_yaml(RULES.read_text())["groups"]
    return {rule["alert"]: rule for group in groups for rule in group["rules"]}


def series(values: Mapping[str, str]) -> list[dict[str, str]]:
    """Series as promtool wants them, with the labels that a scrape gives."""
    target = ",".join(f'{name}="{value}"' for name, value in OURS.items())
    named = {f"{name.rstrip('}')}{',' if '{' in name else '{'}{target}}}": value for name, value in values.items()}
    assert all(isinstance(value, str) for value in values.values()), f"to YAML a bare 0x5 is a number: {values}"
    return [{"series": name, "values": value} for name, value in named.items()]


def expected(alert: str, case: Mapping[str, Any]) -> dict[str, Any]:
    """The alert with all its labels and words."""
    rule = rules()[alert]
    kept = {name: OURS[name] for name in case.get("keeps", OURS)}
    words = {"summary": case["says"], "description": case["details"], "runbook_url": rule["annotations"]["runbook_url"]}
    return {"exp_labels": {**rule["labels"], **kept, **case.get("labels", {})}, "exp_annotations": words}


PACES = {"m": "1m", "h": "30m"}
"""How often rules are evaluated in a case of minutes, and in one of hours: every minute of a day takes promtool 4 s."""


def trial(name: str, alert: str, at: str, values: Mapping[str, str], alerts: list[Any]) -> dict[str, Any]:
    """A unit test of promtool."""
    assert at[-1] in PACES, at
    checked = {"eval_time": at, "alertname": alert, "exp_alerts": alerts}
    return {"name": name, "interval": "1m", "input_series": series(values), "alert_rule_test": [checked]}


def trials() -> Iterator[dict[str, Any]]:
    """All cases."""
    for alert, case in CASES.items():
        for name, values in {"fires": case["fires"], **case.get("also", {})}.items():
            yield trial(f"{alert}, {name}", alert, case["at"], values, [expected(alert, case)])
        for name, values in case["silent"].items():
            yield trial(f"{alert}, silent: {name}", alert, case["at"], values, [])


def run(folder: Path, tests: list[dict[str, Any]]) -> str:
    """What promtool says to unit tests."""
    files = []
    for unit, pace in PACES.items():
        alike = [each for each in tests if each["alert_rule_test"][0]["eval_time"].endswith(unit)]
        document = {"rule_files": [str(RULES)], "evaluation_interval": pace, "tests": alike}
        files.append(f"{unit}.yaml")
        (folder / files[-1]).write_text(yaml.safe_dump(document))
    return promtool("test", "rules", *files, folder=folder)


def test_the_rules_are_valid() -> None:
    assert f"SUCCESS: {len(rules())} rules found" in promtool("check", "rules", str(RULES))


def test_every_alert_has_a_case() -> None:
    assert CASES.keys() == rules().keys()
    assert all(case["silent"] for case in CASES.values())


def test_every_alert_fires_in_its_case_and_is_silent_in_the_neighbouring_ones(tmp_path: Path) -> None:
    assert run(tmp_path, list(trials())).count("SUCCESS") == len(PACES)


def test_a_case_that_is_wrong_is_seen(tmp_path: Path) -> None:
    alert, case = "ZeebeAmqpHeldBytes", CASES["ZeebeAmqpHeldBytes"]
    for values, alerts in ((case["fires"], []), (case["silent"]["half"], [expected(alert, case)])):
        with pytest.raises(ServerError, match=alert):
            run(tmp_path, [trial("wrong", alert, case["at"], values, alerts)])


def test_every_command_of_the_broker_that_the_runbooks_name_exists() -> None:
    told = subprocess.run(
        [*release().command("rabbitmqctl"), "help"], check=True, capture_output=True, text=True, timeout=60
    )
    known = set(re.findall(r"^ +(\w+) ", told.stdout, re.MULTILINE))
    named = set(re.findall(r"(?<=rabbitmqctl )\w+", (ROOT / "docs" / "runbooks.md").read_text()))
    assert len(named) >= 3
    assert named <= known
