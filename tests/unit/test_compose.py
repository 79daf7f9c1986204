"""The Compose file and the image: valid, in step with the code, and careful."""

from __future__ import annotations

import json
import re
import shlex
from importlib import resources
from pathlib import Path
from typing import Any

import jsonschema
import yaml

from consumer.config import VARIABLES

ROOT = Path(__file__).parents[2]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
CONSUMER = SERVICES["consumer"]
DOCKERFILE = (ROOT / "Dockerfile").read_text().replace("\\\n", "")


def instructions(name: str) -> list[str]:
    """The arguments of every such instruction of the Dockerfile's last stage."""
    return re.findall(rf"^{name} +(.+?)$", DOCKERFILE.rpartition("\nFROM ")[2], re.MULTILINE)


ENVIRONMENT = dict(word.partition("=")[::2] for line in instructions("ENV") for word in shlex.split(line))
"""What the image sets."""


def test_compose_file_is_valid_by_the_compose_specification() -> None:
    schema = resources.files("check_jsonschema") / "builtin_schemas" / "vendor" / "compose-spec.json"
    jsonschema.validate(COMPOSE, json.loads(schema.read_text()))


def test_compose_and_the_image_set_only_variables_that_the_consumer_knows() -> None:
    known = {spelling for variable in VARIABLES for spelling in variable.spellings}
    assert CONSUMER["environment"].keys() <= known
    assert ENVIRONMENT.keys() <= known | {"PATH", "PYTHONDONTWRITEBYTECODE", "PYTHONUNBUFFERED"}


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
    assert f"consumer:{ENVIRONMENT['STATE_DIR']}" in CONSUMER["volumes"]
    assert instructions("VOLUME") == [ENVIRONMENT["STATE_DIR"]]


def test_consumer_gets_more_time_to_stop_than_it_drains() -> None:
    [grace] = [variable.default for variable in VARIABLES if "SHUTDOWN_GRACE" in variable.spellings]
    assert int(CONSUMER["stop_grace_period"].removesuffix("s")) > int(str(grace).removesuffix("s"))


def test_image_runs_the_program_and_asks_its_liveness_in_python() -> None:
    assert json.loads(instructions("ENTRYPOINT")[0]) == ["python", "-m", "consumer"]
    port = ENVIRONMENT["HTTP_ADDRESS"].rpartition(":")[2]
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
