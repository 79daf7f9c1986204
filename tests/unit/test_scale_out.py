"""What the page about running says of several replicas can be used as it stands."""

from __future__ import annotations

import configparser
import re
from pathlib import Path
from typing import Any

import yaml

from consumer.config import VARIABLES

ROOT = Path(__file__).parents[2]
SECTION = (ROOT / "docs" / "running.md").read_text().partition("## Several replicas\n")[2].partition("\n## ")[0]
KNOWN = {spelling for variable in VARIABLES for spelling in variable.spellings}
[GRACE] = [int(str(each.default).removesuffix("s")) for each in VARIABLES if "SHUTDOWN_GRACE" in each.spellings]


def block(language: str) -> str:
    """The only block of code in that language."""
    [found] = re.findall(rf"^```{language}\n(.*?)^```$", SECTION, re.MULTILINE | re.DOTALL)
    return str(found)


def unit() -> dict[str, list[str]]:
    """The settings of the service in the unit, each with its values; one may come several times."""
    parser = configparser.RawConfigParser(strict=True)
    parser.optionxform = str  # type: ignore[assignment, method-assign]
    text, environment = block("ini"), re.findall(r"^Environment=(.+)$", block("ini"), re.MULTILINE)
    parser.read_string(re.sub(r"^Environment=.*\n", "", text, flags=re.MULTILINE))
    return {**{name: [value] for name, value in parser["Service"].items()}, "Environment": environment}


def pod() -> dict[str, Any]:
    """The pod of the Deployment."""
    return dict(yaml.safe_load(block("yaml"))["spec"]["template"]["spec"])


def test_replicas_on_one_machine_have_an_address_and_a_folder_each() -> None:
    given = dict(each.partition("=")[::2] for each in unit()["Environment"])
    assert set(given) == {"HTTP_ADDRESS", "STATE_DIR"}
    assert all("%i" in value for value in given.values())
    assert given["STATE_DIR"] == f"%S/{unit()['StateDirectory'][0]}"


def test_a_wrong_configuration_is_not_started_again_and_again() -> None:
    from consumer.cli import CONFIGURATION

    assert unit()["RestartPreventExitStatus"] == [f"{CONFIGURATION}"]


def test_a_replica_has_more_time_to_stop_than_it_drains() -> None:
    assert int(unit()["TimeoutStopSec"][0]) > GRACE
    assert pod()["terminationGracePeriodSeconds"] > GRACE


def test_the_program_that_is_started_is_one_that_the_package_has() -> None:
    assert unit()["ExecStart"][0].split()[0].endswith("/bin/zeebe-amqp-consumer")
    assert "zeebe-amqp-consumer = " in (ROOT / "pyproject.toml").read_text()


def test_only_variables_are_set_that_the_consumer_knows() -> None:
    [container] = pod()["containers"]
    names = {each["name"] for each in container["env"]} | {each.partition("=")[0] for each in unit()["Environment"]}
    assert names <= KNOWN


def test_pods_share_a_ledger_and_tell_their_health() -> None:
    [container] = pod()["containers"]
    assert {each["name"]: each["value"] for each in container["env"]}["LEDGER"].startswith("redis://")
    assert container["livenessProbe"]["httpGet"]["path"] == "/livez"
    assert container["readinessProbe"]["httpGet"]["path"] == "/readyz"


def test_the_command_that_scales_is_the_one_in_the_compose_file() -> None:
    [command] = re.findall(r"^LEDGER=.*docker compose .*$", SECTION, re.MULTILINE)
    compose = (ROOT / "docker-compose.yml").read_text()
    assert f"#   {command}\n" in compose
    assert "--scale consumer=" in command
