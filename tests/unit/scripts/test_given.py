"""Servers of the environment: they are told, never with a password, and missed at once."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from scripts import given
from scripts.process import ServerError, free_port
from scripts.state import State


@pytest.fixture(autouse=True)
def stack_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder without a `make up`."""
    monkeypatch.setenv("STACK_DIR", str(tmp_path))
    return tmp_path


@pytest.fixture
def listening() -> Iterator[int]:
    """A port on which something listens."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@pytest.fixture
def said() -> list[str]:
    """What was told."""
    return []


def test_without_variables_private_servers_are_wanted(monkeypatch: pytest.MonkeyPatch, said: list[str]) -> None:
    monkeypatch.setenv("AMQP_URL", "")
    monkeypatch.delenv("ZEEBE_ADDRESS", raising=False)
    assert (given.broker(said.append), given.engine(said.append)) == (None, None)
    assert said == []


def test_what_is_used_is_told_without_its_password(
    monkeypatch: pytest.MonkeyPatch, listening: int, said: list[str]
) -> None:
    url = f"amqp://somebody:secret@127.0.0.1:{listening}/orders"
    monkeypatch.setenv("AMQP_URL", url)
    monkeypatch.setenv("ZEEBE_ADDRESS", f"127.0.0.1:{listening}")
    assert given.broker(said.append) == url
    assert given.engine(said.append) == f"127.0.0.1:{listening}"
    assert said == [
        f"using AMQP_URL=amqp://somebody@127.0.0.1:{listening}/orders from the environment",
        f"using ZEEBE_ADDRESS=127.0.0.1:{listening} from the environment",
    ]


def test_one_broker_of_several_is_enough(monkeypatch: pytest.MonkeyPatch, listening: int, said: list[str]) -> None:
    monkeypatch.setenv("AMQP_URL", f"amqp://a:b@127.0.0.1:{free_port()},amqp://a:b@127.0.0.1:{listening}")
    assert given.broker(said.append)


def test_a_server_that_is_gone_is_named_with_its_variable_and_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    port = free_port()
    monkeypatch.setenv("AMQP_URL", f"amqp://somebody:secret@127.0.0.1:{port}")
    monkeypatch.setenv("ZEEBE_ADDRESS", f"127.0.0.1:{port}")
    for ask, told in (
        (
            given.broker,
            rf"AMQP_URL=amqp://somebody@127\.0\.0\.1:{port} is in .*, but nothing listens.*`unset AMQP_URL`",
        ),
        (given.engine, rf"ZEEBE_ADDRESS=127\.0\.0\.1:{port} is in .*, but nothing listens.*`unset ZEEBE_ADDRESS`"),
    ):
        with pytest.raises(ServerError, match=told):
            ask()


def test_what_is_no_address_is_said_without_repeating_it(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable, value in (
        ("AMQP_URL", "secret"),
        ("AMQP_URL", "http://secret@127.0.0.1"),
        ("AMQP_URL", "amqp://a:secret@127.0.0.1:port"),
        ("ZEEBE_ADDRESS", ":26500"),
        ("ZEEBE_ADDRESS", "secret:port"),
    ):
        with monkeypatch.context() as patch:
            patch.setenv(variable, value)
            with pytest.raises(ServerError) as raised:
                given.broker() if variable == "AMQP_URL" else given.engine()
            assert str(raised.value).startswith(f"{variable} in the environment is no address: "), value
            assert "secret" not in str(raised.value), value


def test_places_are_read_from_every_form_of_an_address() -> None:
    assert given.broker_places("amqp://h,amqps://i:1/v") == [("h", 5672), ("i", 1)]
    assert given.broker_places("amqps://h") == [("h", 5671)]
    for value in ("h:1", "dns:///h:1", "https://h:1", "grpc://h:1/"):
        assert given.engine_places(value) == [("h", 1)], value
    assert given.engine_places("zeebe") == [("zeebe", 26500)]
    assert given.engine_places("[::1]:1") == [("::1", 1)]


def test_the_address_of_a_stack_that_was_stopped_is_nobodys(monkeypatch: pytest.MonkeyPatch, said: list[str]) -> None:
    url = f"amqp://guest:guest@127.0.0.1:{free_port()}"
    State(environment={"AMQP_URL": url}).save()
    monkeypatch.setenv("AMQP_URL", url)
    assert given.broker(said.append) is None
    [line] = said
    assert line.startswith("not using AMQP_URL=amqp://guest@127.0.0.1:")
    assert "`make down` stopped" in line


def test_a_server_of_the_user_is_missed_also_when_an_earlier_stack_used_it(monkeypatch: pytest.MonkeyPatch) -> None:
    address = f"127.0.0.1:{free_port()}"
    State().use(ZEEBE_ADDRESS=address)
    monkeypatch.setenv("ZEEBE_ADDRESS", address)
    with pytest.raises(ServerError, match="nothing listens"):
        given.engine()
