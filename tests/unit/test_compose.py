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
DOCKERFILE = (ROOT / "Dockerfile").read_text().replace("\\\n", "")
KNOWN = {spelling for variable in VARIABLES for spelling in variable.spellings}


def instructions(name: str) -> list[str]:
    """The arguments of every such instruction of the Dockerfile's last stage."""
    last = DOCKERFILE.rpartition("\nFROM ")[2]
    return re.findall(rf"^{name} +(.+?)$", last, re.MULTILINE)


def image_environment() -> dict[str, str]:
    """What the image sets."""
    pairs = [word.partition("=") for line in instructions("ENV") for word in shlex.split(line)]
    return {name: value for name, _, value in pairs}


def test_compose_file_is_valid_by_the_compose_specification() -> None:
    schema = resources.files("check_jsonschema") / "builtin_schemas" / "vendor" / "compose-spec.json"
    jsonschema.validate(COMPOSE, json.loads(schema.read_text()))


def test_compose_and_the_image_set_only_variables_that_the_consumer_knows() -> None:
    of_python = {"PATH", "PYTHONDONTWRITEBYTECODE", "PYTHONUNBUFFERED"}
    for variables in (SERVICES["consumer"]["environment"].keys(), image_environment().keys() - of_python):
        assert variables
        assert set(variables) <= set(KNOWN)


def test_consumer_starts_after_healthy_servers() -> None:
    conditions = SERVICES["consumer"]["depends_on"]
    assert {name: condition["condition"] for name, condition in conditions.items()} == {
        "rabbitmq": "service_healthy",
        "zeebe": "service_healthy",
        "ledger": "service_healthy",
    }


def test_only_replicas_start_and_need_the_shared_ledger() -> None:
    optional = {name for name, each in SERVICES.items() if "profiles" in each}
    assert optional == {"ledger"}
    needed = {name for name, each in SERVICES["consumer"]["depends_on"].items() if each.get("required", True)}
    assert needed == {"rabbitmq", "zeebe"}


def test_consumers_can_be_scaled() -> None:
    """Nothing of a consumer can exist only once: no name, no fixed port; and all can be told one ledger."""
    consumer = SERVICES["consumer"]
    assert not {"container_name", "hostname"} & consumer.keys()
    assert consumer["ports"] == ["127.0.0.1:${HTTP_PORTS:-8080}:8080"]
    assert consumer["environment"]["LEDGER"] == "${LEDGER:-}"


def test_the_shared_ledger_is_one_that_forgets_nothing() -> None:
    command = " ".join(SERVICES["ledger"]["command"])
    assert "--appendonly yes" in command
    assert "--maxmemory-policy noeviction" in command
    assert "ledger:/data" in SERVICES["ledger"]["volumes"]


def test_servers_tell_their_health() -> None:
    tests = {name: SERVICES[name]["healthcheck"]["test"][0] for name in ("rabbitmq", "zeebe", "ledger")}
    assert set(tests.values()) == {"CMD"}, tests


def test_ports_are_open_to_this_machine_only() -> None:
    ports = {(name, port) for name, service in SERVICES.items() for port in service.get("ports", [])}
    assert ports
    assert {(name, port) for name, port in ports if not port.startswith("127.0.0.1:")} == set()


def test_every_volume_is_used() -> None:
    mounts = [mount for service in SERVICES.values() for mount in service.get("volumes", [])]
    assert COMPOSE["volumes"].keys() <= {mount.partition(":")[0] for mount in mounts}


def test_state_of_the_consumer_survives_its_container() -> None:
    state = image_environment()["STATE_DIR"]
    assert f"consumer:{state}" in SERVICES["consumer"]["volumes"]
    assert instructions("VOLUME") == [state]


def test_consumer_gets_more_time_to_stop_than_it_drains() -> None:
    grace = next(variable.default for variable in VARIABLES if "SHUTDOWN_GRACE" in variable.spellings)
    allowed = SERVICES["consumer"]["stop_grace_period"]
    assert int(allowed.removesuffix("s")) > int(str(grace).removesuffix("s"))


def test_container_is_confined() -> None:
    consumer = SERVICES["consumer"]
    assert consumer["read_only"]
    assert consumer["cap_drop"] == ["ALL"]
    assert consumer["security_opt"] == ["no-new-privileges:true"]
    assert int(instructions("USER")[0]) > 0


def test_image_runs_the_program_and_asks_its_liveness() -> None:
    assert json.loads(instructions("ENTRYPOINT")[0]) == ["python", "-m", "consumer"]
    assert (ROOT / "consumer" / "__main__.py").exists()
    port = image_environment()["HTTP_ADDRESS"].rpartition(":")[2]
    assert instructions("EXPOSE") == [port]
    assert f"http://127.0.0.1:{port}/livez" in instructions("HEALTHCHECK")[0]


def test_health_check_of_the_image_is_a_python_program() -> None:
    command = json.loads(instructions("HEALTHCHECK")[0].partition("CMD ")[2])
    assert command[:2] == ["python", "-c"]
    compile(command[2], "HEALTHCHECK", "exec")


def test_everything_that_the_image_copies_exists_and_is_sent_to_the_builder() -> None:
    copied = re.findall(r"^COPY (?!--from)(.+) \S+$", DOCKERFILE, re.MULTILINE)
    sent = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    for name in " ".join(copied).split():
        assert (ROOT / name).exists(), name
        assert name in sent
