"""What the Compose file, the image and the page about running offer: valid, in step with the code, and careful."""

from __future__ import annotations

import json
import re
import shlex
from importlib import resources
from pathlib import Path
from typing import Any

import jsonschema
import yaml

from consumer.cli import CONFIGURATION
from consumer.config import VARIABLES

ROOT = Path(__file__).parents[2]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
CONSUMER = SERVICES["consumer"]
DOCKERFILE = (ROOT / "Dockerfile").read_text().replace("\\\n", "")
SECTION = (ROOT / "docs" / "running.md").read_text().partition("## Several replicas\n")[2].partition("\n## ")[0]


def instructions(name: str) -> list[str]:
    """The arguments of every such instruction of the Dockerfile's last stage."""
    return re.findall(rf"^{name} +(.+?)$", DOCKERFILE.rpartition("\nFROM ")[2], re.MULTILINE)


def block(language: str) -> str:
    """The only block of code in that language on the page."""
    [found] = re.findall(rf"^```{language}\n(.*?)^```$", SECTION, re.MULTILINE | re.DOTALL)
    return str(found)


IMAGE = dict(word.partition("=")[::2] for line in instructions("ENV") for word in shlex.split(line))
"""What the image sets."""
SERVICE = block("ini").partition("[Service]\n")[2].partition("\n[")[0]
UNIT_LINES = re.findall(r"^(?!Environment)(\w+)=(.+)$", SERVICE, re.MULTILINE)
UNIT = dict(UNIT_LINES)
UNIT_SETS = dict(re.findall(r"^Environment=(\w+)=(.*)$", SERVICE, re.MULTILINE))
POD: dict[str, Any] = yaml.safe_load(block("yaml"))["spec"]["template"]["spec"]
[CONTAINER] = POD["containers"]
POD_SETS = {each["name"]: each["value"] for each in CONTAINER["env"]}


def test_compose_file_is_valid_by_the_compose_specification() -> None:
    schema = resources.files("check_jsonschema") / "builtin_schemas" / "vendor" / "compose-spec.json"
    jsonschema.validate(COMPOSE, json.loads(schema.read_text()))


def test_only_variables_are_set_that_the_consumer_knows() -> None:
    known = {spelling for variable in VARIABLES for spelling in variable.spellings}
    assert CONSUMER["environment"].keys() | POD_SETS.keys() | UNIT_SETS.keys() <= known
    assert IMAGE.keys() <= known | {"PATH", "PYTHONDONTWRITEBYTECODE", "PYTHONUNBUFFERED"}


def test_consumer_gets_more_time_to_stop_than_it_drains() -> None:
    [grace] = [int(str(each.default).removesuffix("s")) for each in VARIABLES if "SHUTDOWN_GRACE" in each.spellings]
    assert int(CONSUMER["stop_grace_period"].removesuffix("s")) > grace
    assert int(UNIT["TimeoutStopSec"]) > grace
    assert POD["terminationGracePeriodSeconds"] > grace


def test_consumer_starts_after_healthy_servers_and_only_replicas_need_the_shared_ledger() -> None:
    needed = CONSUMER["depends_on"]
    assert set(needed) == {"rabbitmq", "zeebe", "ledger"}
    assert {each["condition"] for each in needed.values()} == {"service_healthy"}
    assert {SERVICES[name]["healthcheck"]["test"][0] for name in needed} == {"CMD"}
    assert {name for name, each in needed.items() if not each.get("required", True)} == {"ledger"}
    assert {name for name, each in SERVICES.items() if "profiles" in each} == {"ledger"}


def test_consumers_can_be_scaled() -> None:
    """Nothing of a consumer can exist only once: no name, no fixed port; and all can be told one ledger."""
    assert not {"container_name", "hostname"} & CONSUMER.keys()
    assert CONSUMER["ports"] == ["127.0.0.1:${HTTP_PORTS:-8080}:8080"]
    assert CONSUMER["environment"]["LEDGER"] == "${LEDGER:-}"
    [command] = re.findall(r"^LEDGER=.*docker compose .*$", SECTION, re.MULTILINE)
    assert f"#   {command}\n" in (ROOT / "docker-compose.yml").read_text()
    assert "--scale consumer=" in command


def test_the_shared_ledger_is_one_that_forgets_nothing() -> None:
    command = " ".join(SERVICES["ledger"]["command"])
    assert "--appendonly yes" in command
    assert "--maxmemory-policy noeviction" in command
    assert "ledger:/data" in SERVICES["ledger"]["volumes"]


def test_ports_are_open_to_this_machine_only_and_the_container_is_confined() -> None:
    ports = [port for service in SERVICES.values() for port in service.get("ports", [])]
    assert len(ports) > 2
    assert [port for port in ports if not port.startswith("127.0.0.1:")] == []
    assert CONSUMER["read_only"]
    assert CONSUMER["cap_drop"] == ["ALL"]
    assert CONSUMER["security_opt"] == ["no-new-privileges:true"]
    assert int(instructions("USER")[0]) > 0


def test_every_volume_is_used_and_the_state_of_the_consumer_survives_its_container() -> None:
    mounts = [mount for service in SERVICES.values() for mount in service.get("volumes", [])]
    assert COMPOSE["volumes"].keys() <= {mount.partition(":")[0] for mount in mounts}
    assert f"consumer:{IMAGE['STATE_DIR']}" in CONSUMER["volumes"]
    assert instructions("VOLUME") == [IMAGE["STATE_DIR"]]


def test_image_runs_the_program_and_asks_its_liveness_in_python() -> None:
    assert json.loads(instructions("ENTRYPOINT")[0]) == ["python", "-m", "consumer"]
    port = IMAGE["HTTP_ADDRESS"].rpartition(":")[2]
    assert instructions("EXPOSE") == [port]
    command = json.loads(instructions("HEALTHCHECK")[0].partition("CMD ")[2])
    assert command[:2] == ["python", "-c"]
    assert f"http://127.0.0.1:{port}/livez" in command[2]
    compile(command[2], "HEALTHCHECK", "exec")


def test_everything_that_the_image_copies_exists_and_is_sent_to_the_builder() -> None:
    copied = " ".join(re.findall(r"^COPY (?!--from)(.+) \S+$", DOCKERFILE, re.MULTILINE)).split()
    sent = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    assert copied
    assert set(copied) <= sent
    assert [name for name in copied if not (ROOT / name).exists()] == []


def test_replicas_on_one_machine_have_an_address_and_a_folder_each() -> None:
    assert len(UNIT) == len(UNIT_LINES), "nothing is set twice"
    assert set(UNIT_SETS) == {"HTTP_ADDRESS", "STATE_DIR"}
    assert all("%i" in value for value in UNIT_SETS.values())
    assert UNIT_SETS["STATE_DIR"] == f"%S/{UNIT['StateDirectory']}"


def test_the_unit_starts_the_program_of_the_package_and_not_again_where_its_configuration_is_wrong() -> None:
    assert UNIT["ExecStart"].split()[0].endswith("/bin/zeebe-amqp-consumer")
    assert UNIT["RestartPreventExitStatus"] == str(CONFIGURATION)


def test_pods_share_a_ledger_and_tell_their_health() -> None:
    assert POD_SETS["LEDGER"].startswith("redis://")
    assert CONTAINER["livenessProbe"]["httpGet"]["path"] == "/livez"
    assert CONTAINER["readinessProbe"]["httpGet"]["path"] == "/readyz"
