"""No secret on a command line, where every user of the machine can read it: each option of both programs that could."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import click
import pytest
from click.testing import CliRunner

from consumer.config import ARGUMENTS, VARIABLES, ConfigurationError, load
from scripts import rabbitmq
from scripts.rabbitmq import RabbitMQ
from tests.cases import check_all, for_each
from tests.unit.contracts.cli.program import refused
from tests.unit.test_help import EVERY, PROGRAMS
from zeebe_amqp.amqp.address import shows_password

ADDRESSES = {"--management"} | {
    option for option, name in ARGUMENTS.items() if re.search(r"_URL\Z|_ADDRESS\Z|LEDGER\Z|_SERVER", name)
}
"""Those of the service that take one; all others are numbers, names, files and choices."""
SHOWN = (
    "amqp://ann:secret@host", "amqps://host,amqps://ann:se@cr/et@host", "redis://:secret@host/0",
    "rediss://ann:secret@host", "postgresql://ann:secret@host/db", "postgresql://host/db?user=ann&password=secret",
    "postgresql://host/db?sslpassword=secret", "https://ann:secret@host/engine-rest", "https://host/?client_secret=secret",
    "amqp://guest:secret@host", "amqp://ann:guest@host",
)  # fmt: skip
HARMLESS = ("amqp://host", "amqp://ann@host", "amqp://guest:guest@127.0.0.1:5672", "amqp://ann:@host", "redis://host/0",
            "postgresql://ann@host/db?passfile=/x", "sqlite:///x:y@z", "host:5672", "a:b@c", "")  # fmt: skip


def test_a_password_in_an_address_is_recognised() -> None:
    found = {text for text in (*SHOWN, *HARMLESS) if shows_password(text)}
    assert found == set(SHOWN)


@for_each([option for option in ARGUMENTS if not option.endswith("-file") or ARGUMENTS[option] in {"JOBS_FILE"}])
def test_no_option_of_the_service_takes_a_password_in_an_address(option: str, tmp_path: Path) -> None:
    for text in SHOWN:
        with pytest.raises(ConfigurationError) as raised:
            load({}, {ARGUMENTS[option]: text}, tmp_path)
        [told] = [each for each in raised.value.problems if "no password here" in each]
        assert told.startswith(f"{option}: found ")
        assert "use the variable " in told
        assert not re.search(r"(?<!client[_-])secret", str(raised.value)), text


def test_the_same_is_taken_from_the_environment_and_what_is_no_secret_from_the_command_line(tmp_path: Path) -> None:
    ann, guest = "amqp://ann:secret@host", "amqp://guest:guest@127.0.0.1:5672"
    assert load({"AMQP_URL": ann}, {}, tmp_path).settings.amqp.urls == (ann,)
    (file := tmp_path / "url").write_text(ann)
    assert load({}, {"AMQP_URL_FILE": str(file)}, tmp_path).settings.amqp.urls == (ann,)
    assert load({}, {"AMQP_URL": guest}, tmp_path).settings.amqp.urls == (guest,)
    with pytest.raises(ConfigurationError, match=r"use the variable AMQP_URL or --amqp-url-file\Z"):
        load({}, {"AMQP_URL": ann}, tmp_path)


def given(command: click.Command) -> set[str]:
    """The options of a command by their longest names."""
    return {max(each.opts, key=len) for each in command.params if isinstance(each, click.Option)}


def test_every_option_that_takes_an_address_is_known() -> None:
    """Whoever adds one adds it here, and lets it refuse passwords."""
    looks = re.compile(r"url|address|host|broker|ledger|management|server|uri|dsn")
    switches = {"--reset-ledger", "--ledger-create", "--ledger-ttl", "--ledger-max-entries", "--ledger-max-bytes"}
    files = {option for option in ARGUMENTS if option.endswith("-file")}
    for name, command in EVERY.items():
        found = {option for option in given(command) if looks.search(option)} - switches - files
        known = {"--url"} if name.startswith("zeebe-amqp") else ADDRESSES
        assert found <= known, name
    assert {each.name for each in VARIABLES if each.secret} & set(ARGUMENTS.values()) == set()


def test_the_management_api_is_not_asked_with_a_password_in_its_address() -> None:
    for command in ("check", "doctor"):
        ended = CliRunner().invoke(PROGRAMS["python -m consumer"], [command, "--management", "http://ann:secret@host"])
        assert (ended.exit_code, "without user and password" in ended.output) == (2, True), ended.output
        assert "secret" not in ended.output


def test_no_command_for_callers_takes_a_password_in_its_address() -> None:
    at_broker = [
        name for name, command in EVERY.items() if name.startswith("zeebe-amqp ") and "--url" in given(command)
    ]
    assert len(at_broker) > 20

    def refuses(name: str) -> None:
        said = refused(*name.removeprefix("zeebe-amqp ").split(), "--url", "amqp://ann:secret@127.0.0.1:1")
        assert "no password here" in said
        assert "use the variable AMQP_URL" in " ".join(said.split())
        assert "secret" not in said

    check_all(at_broker, refuses)


def test_the_cookie_of_a_node_is_no_argument(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever reads it runs programs as the user who started the node."""
    ran: Any = Mock(return_value=subprocess.CompletedProcess([], 0, "{ok, 1}", ""))
    monkeypatch.setattr(rabbitmq.subprocess, "run", ran)
    node = RabbitMQ(tmp_path)
    (tmp_path / ".erlang.cookie").write_text("the-cookie")
    assert node.evaluate("1") == "1"
    [call] = ran.call_args_list
    assert "the-cookie" not in str(call.args)
    assert call.kwargs["env"]["HOME"] == str(tmp_path)
