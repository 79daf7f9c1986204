"""`make up`, `down`, `status` and `env` without servers: ports, what is told, what is remembered."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import Any

import pytest

from scripts import stack
from scripts.process import free_port
from scripts.rabbitmq import RabbitMQ
from scripts.state import State

Printed = pytest.CaptureFixture[str]


def test_a_free_port_is_taken_as_it_is_and_for_a_taken_one_there_is_another_and_one_line(capsys: Printed) -> None:
    wanted = free_port()
    assert stack.port(wanted, "RabbitMQ") == wanted
    assert capsys.readouterr().out == ""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        wanted = taken.getsockname()[1]
        found = stack.port(wanted, "RabbitMQ")
    assert found != wanted
    assert capsys.readouterr().out == f"port {wanted} is taken: RabbitMQ on {found}\n"


def test_without_a_stack_down_is_quiet_and_the_others_say_so(capsys: Printed) -> None:
    for command, told in (("down", ""), ("env", ""), ("status", "nothing runs: `make up` starts it\n")):
        assert stack.main([command]) == 0, command
        assert capsys.readouterr().out == told, command
    assert stack.main(["sideways"]) == 2
    assert "up|down|status|env; found ['sideways']" in capsys.readouterr().err


def test_a_process_that_is_not_ours_is_no_server_and_after_down_no_address_is_offered(capsys: Printed) -> None:
    """Process ids are used again."""
    state = State(environment={"AMQP_URL": "amqp://h"}, pids={"rabbitmq": os.getpid()})
    assert not state.runs("rabbitmq")
    assert not state.running
    state.save()
    stack.down()
    assert State.load() == State(environment={"AMQP_URL": "amqp://h"})
    stack.env()
    assert capsys.readouterr().out == ""


def test_addresses_of_a_user_are_shown_without_password_and_exported_with_it(monkeypatch: Any, capsys: Printed) -> None:
    """A variable that a running stack does not use is named, too."""
    State(pids={"consumer": os.getpid()}).use(AMQP_URL="amqp://a:secret@h:1")
    stack.status()
    assert "AMQP_URL is yours: amqp://a@h:1\n" in capsys.readouterr().out
    stack.env()
    assert capsys.readouterr().out == "export AMQP_URL='amqp://a:secret@h:1'\n"
    monkeypatch.setenv("AMQP_URL", "amqp://a:secret@other:1")
    monkeypatch.setenv("ZEEBE_ADDRESS", "h:2")
    stack.tell_unused(State(environment={"AMQP_URL": "amqp://guest:guest@h:1", "ZEEBE_ADDRESS": "h:2"}))
    told = "not using AMQP_URL=amqp://a@other:1 from the environment: `make down` first\n"
    assert capsys.readouterr().out == told


def test_a_node_has_a_port_of_its_own_and_with_a_name_its_data_on_any_port(tmp_path: Path) -> None:
    first, second = RabbitMQ(tmp_path / "a"), RabbitMQ(tmp_path / "b")
    assert first.url == f"amqp://guest:guest@127.0.0.1:{first.port}" != second.url
    names = {RabbitMQ(tmp_path, port, name="same")._environment["RABBITMQ_NODENAME"] for port in (1, 2)}
    assert names == {"same@localhost"}
    assert RabbitMQ(tmp_path, 1)._environment["RABBITMQ_NODENAME"] == "node-1@localhost"
