"""The Compose file and the image: valid, in step with the code, and careful."""

from __future__ import annotations

import json
import re
import shlex
from importlib import resources
from pathlib import Path
from typing import Any

import jsonschema

from consumer.config import VARIABLES
from tests.yaml_reader import read_yaml

ROOT = Path(__file__).parents[2]
COMPOSE: dict[str, Any] = read_yaml((ROOT / "docker-compose.yml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
CONSUMER = SERVICES["consumer"]
DOCKERFILE = (ROOT / "Dockerfile").read_text().replace("\\\n", "")
CHART = ROOT / "deploy/helm/zeebe-amqp"


def instructions(name: str) -> list[str]:
    """The arguments of every such instruction of the Dockerfile's last stage."""
    return re.findall(rf"^{name} +(.+?)$", DOCKERFILE.rpartition("\nFROM ")[2], re.MULTILINE)


IMAGE = dict(word.partition("=")[::2] for line in instructions("ENV") for word in shlex.split(line))
"""What the image sets."""


def test_compose_file_is_valid_by_the_compose_specification() -> None:
    schema = resources.files("check_jsonschema") / "builtin_schemas" / "vendor" / "compose-spec.json"
    jsonschema.validate(COMPOSE, json.loads(schema.read_text()))


def test_only_variables_are_set_that_the_consumer_knows() -> None:
    known = {spelling for variable in VARIABLES for spelling in variable.spellings}
    assert CONSUMER["environment"].keys() <= known
    assert IMAGE.keys() <= known | {"PATH", "PYTHONDONTWRITEBYTECODE", "PYTHONUNBUFFERED"}


def test_consumer_gets_more_time_to_stop_than_it_drains() -> None:
    [grace] = [int(str(each.default).removesuffix("s")) for each in VARIABLES if "SHUTDOWN_GRACE" in each.spellings]
    assert int(CONSUMER["stop_grace_period"].removesuffix("s")) > grace


def test_consumer_starts_after_healthy_servers_and_only_replicas_need_the_shared_ledger() -> None:
    needed = CONSUMER["depends_on"]
    assert set(needed) == {"rabbitmq", "zeebe", "ledger"}
    assert {each["condition"] for each in needed.values()} == {"service_healthy"}
    assert {each["healthcheck"]["test"][0] for each in SERVICES.values() if each is not CONSUMER} == {"CMD"}
    assert {name for name, each in needed.items() if not each.get("required", True)} == {"ledger"}
    optional = {name: each["profiles"] for name, each in SERVICES.items() if "profiles" in each}
    watching = {name: ["observability"] for name in ("prometheus", "grafana")}
    assert optional == {"ledger": ["replicas"], **watching}


def test_consumers_can_be_scaled() -> None:
    """Nothing of a consumer can exist only once: no name, no fixed port; and all can be told one ledger."""
    assert not {"container_name", "hostname"} & CONSUMER.keys()
    assert CONSUMER["ports"] == ["127.0.0.1:${HTTP_PORTS:-8080}:8080"]
    for name in ("LEDGER", "SIGNING_KEYS"):
        assert CONSUMER["environment"][name] == f"${{{name}:-}}"


def test_the_shared_ledger_is_one_that_forgets_nothing() -> None:
    command = " ".join(SERVICES["ledger"]["command"])
    assert "--appendonly yes" in command
    assert "--maxmemory-policy noeviction" in command
    assert "ledger:/data" in SERVICES["ledger"]["volumes"]


def test_the_page_about_compose_has_the_commands_of_the_file() -> None:
    """As the file's first lines say them."""
    told = re.findall(r"^#   (.+)$", (ROOT / "docker-compose.yml").read_text(), re.MULTILINE)
    page = (ROOT / "docs" / "compose.md").read_text()
    shown = re.findall(r"^(?:\w+=\S+ )*docker compose .*$", page, re.MULTILINE)
    assert len(shown) == 3
    assert set(shown) <= set(told)
    assert any("--scale consumer=" in each for each in shown)


def test_the_version_of_every_image_can_be_chosen() -> None:
    images = {name: each["image"] for name, each in SERVICES.items() if name != "consumer"}
    assert {name for name, image in images.items() if f":${{{name_of(image)}_VERSION:-" not in image} == set()


def name_of(image: str) -> str:
    """The variable of an image is named after it."""
    return image.partition(":")[0].rpartition("/")[2].upper()


def mounted(service: str, target: str) -> tuple[Path, Path]:
    """The file or folder of this repository that a service finds at a path: the mount's, and the rest of the path."""
    mounts = [mount.split(":") for mount in SERVICES[service]["volumes"]]
    [(source, inside)] = [(each[0], each[1]) for each in mounts if Path(target).is_relative_to(each[1])]
    return ROOT / source, Path(target).relative_to(inside)


def test_prometheus_scrapes_every_consumer_and_reads_the_alerts_of_the_chart() -> None:
    source, rest = mounted("prometheus", "/etc/prometheus/prometheus.yml")
    assert (source, rest) == (ROOT / "deploy/prometheus/prometheus.yml", Path())
    settings = read_yaml(source.read_text())
    assert [mounted("prometheus", file) for file in settings["rule_files"]] == [(CHART, Path("alerts.yaml"))]
    [job] = settings["scrape_configs"]
    [found] = job["dns_sd_configs"]
    assert SERVICES.keys() >= set(found["names"])
    assert f"{found['port']}" == IMAGE["HTTP_ADDRESS"].rpartition(":")[2]


def test_grafana_finds_prometheus_and_the_dashboards() -> None:
    environment = SERVICES["grafana"]["environment"]
    folder, inside = mounted("grafana", environment["GF_PATHS_PROVISIONING"])
    provisioning = folder / inside
    [source] = read_yaml((provisioning / "datasources" / "prometheus.yaml").read_text())["datasources"]
    assert (source["type"], source["isDefault"]) == ("prometheus", True)
    host, port = re.fullmatch(r"http://(\w+):(\d+)", source["url"]).groups()  # type: ignore[union-attr]
    assert SERVICES[host]["ports"] == [f"127.0.0.1:${{PROMETHEUS_PORT:-{port}}}:{port}"]
    [provider] = read_yaml((provisioning / "dashboards" / "zeebe-amqp.yaml").read_text())["providers"]
    assert mounted("grafana", provider["options"]["path"]) == (ROOT / "deploy/grafana", Path("dashboards"))
    home = Path(environment["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"])
    assert home.parent == Path(provider["options"]["path"])


def test_what_is_mounted_is_read_only_and_there() -> None:
    binds = [mount for service in SERVICES.values() for mount in service.get("volumes", []) if mount.startswith(".")]
    assert binds
    for mount in binds:
        source, _, rights = mount.partition(":")[0], *mount.rpartition(":")[1:]
        assert (ROOT / source).exists(), mount
        assert rights == "ro", mount


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
