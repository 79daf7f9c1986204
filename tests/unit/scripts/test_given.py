"""Servers of the environment: they are told, never with a password, and missed at once."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from typing import Any

import pytest

from scripts import given
from scripts.process import ServerError, free_port
from scripts.state import State
from tests.cases import check_all

ASK = {"AMQP_URL": given.broker, "ZEEBE_ADDRESS": given.engine}


@pytest.fixture
def listening() -> Iterator[str]:
    """A place at which something listens."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"127.0.0.1:{server.getsockname()[1]}"


def test_what_is_used_is_told_without_its_password_and_else_nothing(monkeypatch: Any, listening: str) -> None:
    said: list[str] = []
    monkeypatch.setenv("AMQP_URL", "")
    monkeypatch.delenv("ZEEBE_ADDRESS", raising=False)
    assert (given.broker(said.append), given.engine(said.append), said) == (None, None, [])
    url = f"amqp://somebody:secret@{listening}/orders"
    monkeypatch.setenv("AMQP_URL", url)
    monkeypatch.setenv("ZEEBE_ADDRESS", listening)
    assert (given.broker(said.append), given.engine(said.append)) == (url, listening)
    assert said == [
        f"using AMQP_URL=amqp://somebody@{listening}/orders from the environment",
        f"using ZEEBE_ADDRESS={listening} from the environment",
    ]
    monkeypatch.setenv("AMQP_URL", f"amqp://a:b@127.0.0.1:{free_port()},amqp://a:b@{listening}")
    assert given.broker(said.append), "one of several is enough"


def test_a_server_that_is_gone_is_named_with_its_variable_and_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also when an earlier stack used it."""
    place = f"127.0.0.1:{free_port()}"
    State().use(ZEEBE_ADDRESS=place)

    def is_named(variable: str, value: str, shown: str) -> None:
        monkeypatch.setenv(variable, value)
        with pytest.raises(ServerError) as raised:
            ASK[variable]()
        told = str(raised.value)
        assert told.startswith(f"{variable}={shown} is in the environment, but nothing listens there")
        assert f"`unset {variable}`" in told

    broker = ("AMQP_URL", f"amqp://somebody:secret@{place}", f"amqp://somebody@{place}")
    check_all([broker, ("ZEEBE_ADDRESS", place, place)], is_named)


def test_what_is_no_address_is_said_without_repeating_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def is_said(variable: str, value: str) -> None:
        monkeypatch.setenv(variable, value)
        with pytest.raises(ServerError) as raised:
            ASK[variable]()
        assert str(raised.value).startswith(f"{variable} in the environment is no address: ")
        assert "secret" not in str(raised.value)

    urls = ("secret", "http://secret@127.0.0.1", "amqp://a:secret@127.0.0.1:port")
    addresses = (":26500", "secret:port")
    check_all([*(("AMQP_URL", each) for each in urls), *(("ZEEBE_ADDRESS", each) for each in addresses)], is_said)


def test_places_are_read_from_every_form_of_an_address() -> None:
    assert given.broker_places("amqp://h,amqps://i:1/v") == [("h", 5672), ("i", 1)]
    assert given.broker_places("amqps://h") == [("h", 5671)]
    for value in ("h:1", "dns:///h:1", "https://h:1", "grpc://h:1/"):
        assert given.engine_places(value) == [("h", 1)], value
    assert given.engine_places("zeebe") == [("zeebe", 26500)]
    assert given.engine_places("[::1]:1") == [("::1", 1)]


def test_the_address_of_a_stack_that_was_stopped_is_nobodys(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    url = f"amqp://guest:guest@127.0.0.1:{free_port()}"
    State(environment={"AMQP_URL": url}).save()
    monkeypatch.setenv("AMQP_URL", url)
    assert given.broker(said.append) is None
    [line] = said
    assert line.startswith("not using AMQP_URL=amqp://guest@127.0.0.1:")
    assert "`make down` stopped" in line
