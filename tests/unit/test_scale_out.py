"""What the page about running says of several replicas can be used as it stands."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

from consumer.cli import CONFIGURATION
from consumer.config import VARIABLES

ROOT = Path(__file__).parents[2]
SECTION = (ROOT / "docs" / "running.md").read_text().partition("## Several replicas\n")[2].partition("\n## ")[0]


def block(language: str) -> str:
    """The only block of code in that language."""
    [found] = re.findall(rf"^```{language}\n(.*?)^```$", SECTION, re.MULTILINE | re.DOTALL)
    return str(found)


SERVICE = block("ini").partition("[Service]\n")[2].partition("\n[")[0]
UNIT = dict(re.findall(r"^(?!Environment)(\w+)=(.+)$", SERVICE, re.MULTILINE))
UNIT_ENVIRONMENT = dict(re.findall(r"^Environment=(\w+)=(.*)$", SERVICE, re.MULTILINE))
POD: dict[str, Any] = yaml.safe_load(block("yaml"))["spec"]["template"]["spec"]
[CONTAINER] = POD["containers"]
POD_ENVIRONMENT = {each["name"]: each["value"] for each in CONTAINER["env"]}


def test_replicas_on_one_machine_have_an_address_and_a_folder_each() -> None:
    assert set(UNIT_ENVIRONMENT) == {"HTTP_ADDRESS", "STATE_DIR"}
    assert all("%i" in value for value in UNIT_ENVIRONMENT.values())
    assert UNIT_ENVIRONMENT["STATE_DIR"] == f"%S/{UNIT['StateDirectory']}"


def test_the_unit_starts_the_program_of_the_package_and_not_again_where_its_configuration_is_wrong() -> None:
    assert UNIT["ExecStart"].split()[0].endswith("/bin/zeebe-amqp-consumer")
    assert "zeebe-amqp-consumer = " in (ROOT / "pyproject.toml").read_text()
    assert UNIT["RestartPreventExitStatus"] == str(CONFIGURATION)


def test_a_replica_has_more_time_to_stop_than_it_drains() -> None:
    [grace] = [int(str(each.default).removesuffix("s")) for each in VARIABLES if "SHUTDOWN_GRACE" in each.spellings]
    assert int(UNIT["TimeoutStopSec"]) > grace
    assert POD["terminationGracePeriodSeconds"] > grace


def test_only_variables_are_set_that_the_consumer_knows() -> None:
    known = {spelling for variable in VARIABLES for spelling in variable.spellings}
    assert POD_ENVIRONMENT.keys() | UNIT_ENVIRONMENT.keys() <= known


def test_pods_share_a_ledger_and_tell_their_health() -> None:
    assert POD_ENVIRONMENT["LEDGER"].startswith("redis://")
    assert CONTAINER["livenessProbe"]["httpGet"]["path"] == "/livez"
    assert CONTAINER["readinessProbe"]["httpGet"]["path"] == "/readyz"


def test_the_command_that_scales_is_the_one_in_the_compose_file() -> None:
    [command] = re.findall(r"^LEDGER=.*docker compose .*$", SECTION, re.MULTILINE)
    assert f"#   {command}\n" in (ROOT / "docker-compose.yml").read_text()
    assert "--scale consumer=" in command
