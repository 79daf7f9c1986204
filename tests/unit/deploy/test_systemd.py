"""The units for systemd: they start what the package has, wait for it to drain, and confine it."""

from __future__ import annotations

import io
import re
import shlex
import tomllib
from pathlib import Path

import pytest
from dotenv import dotenv_values

from consumer.cli import CONFIGURATION
from consumer.config import ARGUMENTS, VARIABLES
from consumer.config.loading import ConfigurationError, load
from tests.cases import check_all

ROOT = Path(__file__).parents[3]
FOLDER = ROOT / "deploy" / "systemd"
SINGLE, REPLICA = FOLDER / "zeebe-amqp.service", FOLDER / "zeebe-amqp@.service"
UNITS = [SINGLE, REPLICA]
EXAMPLE = FOLDER / "zeebe-amqp.env"
[GRACE] = [int(each.default.removesuffix("s")) for each in VARIABLES if each.name == "SHUTDOWN_GRACE"]
PAGE = (ROOT / "docs" / "running.md").read_text()

OWN = {"Description", "Environment", "ExecStart", "LogsDirectory", "StateDirectory"}
"""In what the two units differ."""


def entries(unit: Path) -> dict[str, list[str]]:
    """What a unit says; a name may come several times."""
    found: dict[str, list[str]] = {}
    for line in unit.read_text().splitlines():
        if line and not line.startswith(("#", "[")):
            name, _, value = line.partition("=")
            found.setdefault(name, []).append(value)
    return found


def command(unit: Path) -> list[str]:
    """What a unit starts."""
    [line] = entries(unit)["ExecStart"]
    return shlex.split(line)


def options(unit: Path, **replaced: str) -> dict[str, str]:
    """The settings among the options of the command; `replaced` is what systemd fills in."""
    words = command(unit)[2:]
    values = [re.sub(r"%(\w)", lambda match: replaced.get(match[1], match[0]), word) for word in words[1::2]]
    return {ARGUMENTS[option]: value for option, value in zip(words[::2], values, strict=True)}


def preset(unit: Path) -> dict[str, str]:
    """The variables that a unit sets by itself; the file wins over them."""
    words = (shlex.split(each)[0] for each in entries(unit).get("Environment", []))
    return dict(word.split("=", 1) for word in words)


def example(*, replicas: bool) -> dict[str, str]:
    """The settings of the file, for replicas with the lines that are meant for them."""
    text = EXAMPLE.read_text()
    if replicas:
        text = re.sub(r"^#(?=LEDGER=|SIGNING_KEYS=)", "", text, flags=re.MULTILINE)
    return {name: value or "" for name, value in dotenv_values(stream=io.StringIO(text)).items()}


def test_the_units_start_the_program_of_the_package_with_options_that_it_has() -> None:
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]

    def starts(unit: Path) -> None:
        program, verb, *_ = command(unit)
        assert Path(program).is_absolute()
        assert Path(program).name in scripts
        assert verb == "run"
        assert options(unit)["STATE_DIR"] == f"%S/{entries(unit)['StateDirectory'][0]}"

    check_all(UNITS, starts)


def test_the_units_differ_only_in_what_each_replica_has_of_its_own() -> None:
    single, replica = entries(SINGLE), entries(REPLICA)
    assert {name for name in single.keys() | replica.keys() if single.get(name) != replica.get(name)} == OWN
    assert all("%i" in options(REPLICA)[name] for name in ("HTTP_ADDRESS", "STATE_DIR"))


def test_the_service_starts_with_the_example(tmp_path: Path) -> None:
    one = load({**preset(SINGLE), **example(replicas=False)}, options(SINGLE, S=str(tmp_path)), tmp_path)
    assert one.settings.ledger == f"sqlite:///{tmp_path}/zeebe-amqp/ledger.db"
    shared = example(replicas=True)
    assert shared["SIGNING_KEYS"] == "", "a key that everybody knows is none"
    shared["SIGNING_KEYS"] = "k" * 32
    several = load({**preset(REPLICA), **shared}, options(REPLICA, S=str(tmp_path), i="8082"), tmp_path)
    assert several.settings.ledger.startswith("redis://")
    assert several.settings.http_address == ("127.0.0.1", 8082)


def test_replicas_without_a_shared_ledger_do_not_start(tmp_path: Path) -> None:
    """With a file each they would run a repeated request twice."""
    with pytest.raises(ConfigurationError) as refused:
        load({**preset(REPLICA), **example(replicas=False)}, options(REPLICA, S=str(tmp_path), i="8082"), tmp_path)
    [problem] = refused.value.problems
    assert problem.startswith("LEDGER: found 'missing in zeebe-amqp.env'; accepted: ")
    assert f"{CONFIGURATION}" in entries(REPLICA)["RestartPreventExitStatus"]


def test_the_lines_that_are_commented_out_are_settings() -> None:
    names = re.findall(r"^#?([A-Z0-9_]+)=", EXAMPLE.read_text(), re.MULTILINE)
    assert len(names) > len(example(replicas=True)) - 1
    assert set(names) <= {name for each in VARIABLES for name in each.spellings}


def test_a_process_has_more_time_to_stop_than_it_drains_and_is_started_again() -> None:
    def has_time(unit: Path) -> None:
        assert int(entries(unit)["TimeoutStopSec"][0]) > GRACE
        assert entries(unit)["Restart"] == ["always"]
        assert entries(unit)["RestartPreventExitStatus"] == [f"{CONFIGURATION}"]

    check_all(UNITS, has_time)


CONFINED = {
    "CapabilityBoundingSet": [""],
    "DynamicUser": ["yes"],
    "LockPersonality": ["yes"],
    "LogsDirectoryMode": ["0700"],
    "MemoryDenyWriteExecute": ["yes"],
    "NoNewPrivileges": ["yes"],
    "PrivateDevices": ["yes"],
    "PrivateTmp": ["yes"],
    "ProtectHome": ["yes"],
    "ProtectSystem": ["strict"],
    "RestrictAddressFamilies": ["AF_INET AF_INET6 AF_NETLINK AF_UNIX"],
    "RestrictNamespaces": ["yes"],
    "RestrictSUIDSGID": ["yes"],
    "StateDirectoryMode": ["0700"],
    "SystemCallArchitectures": ["native"],
    "SystemCallFilter": ["@system-service", "~@privileged"],
}


def test_a_process_is_confined() -> None:
    def is_confined(unit: Path) -> None:
        assert CONFINED.items() <= entries(unit).items()

    check_all(UNITS, is_confined)


def test_the_page_installs_the_files_where_the_units_look_for_them() -> None:
    for file in (EXAMPLE, SINGLE, REPLICA):
        assert file.relative_to(ROOT).as_posix() in PAGE, file.name
    [environment] = entries(REPLICA)["EnvironmentFile"]
    assert environment in PAGE
    assert Path(environment).name == EXAMPLE.name
    assert str(Path(command(SINGLE)[0]).parents[1]) in PAGE
    assert f"systemctl enable --now {REPLICA.name.removesuffix('.service')}{{" in PAGE
