"""Servers that the environment names, to be used instead of private ones.

A variable that was set long ago is easily forgotten: it is told when it is used, and missed at once when nothing
listens there.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from typing import TypeAlias

from yarl import URL

from scripts.process import ServerError
from scripts.state import State

BROKER, ENGINE = "AMQP_URL", "ZEEBE_ADDRESS"
PORTS = {"amqp": 5672, "amqps": 5671}
ENGINE_PORT = 26500
TIMEOUT = 2.0
"""Seconds for a connection: the servers of a developer are near."""

Say: TypeAlias = Callable[[str], object]


def broker(say: Say = print) -> str | None:
    """What `AMQP_URL` says; None when a private RabbitMQ is wanted.

    Raises:
        ServerError: nothing listens there, or it is no address.
    """
    return _given(BROKER, broker_places, say)


def engine(say: Say = print) -> str | None:
    """What `ZEEBE_ADDRESS` says; None when a private engine is wanted.

    Raises:
        ServerError: nothing listens there, or it is no address.
    """
    return _given(ENGINE, engine_places, say)


def shown(value: str) -> str:
    """An address without its password; what is no URL stays as it is."""
    return ",".join(_shown(each) for each in value.split(","))


def _shown(address: str) -> str:
    return str(URL(address).with_password(None)).removesuffix("/") if "@" in address else address


def broker_places(value: str) -> list[tuple[str, int]]:
    """Host and port of each broker in `AMQP_URL`.

    Raises:
        ValueError: one is none.
    """
    urls = [URL(each.strip()) for each in value.split(",")]
    if not all(url.scheme in PORTS and url.host for url in urls):
        raise ValueError("expected an address such as amqp://user:password@host:5672")
    return [(str(url.host), url.port or PORTS[url.scheme]) for url in urls]


def engine_places(value: str) -> list[tuple[str, int]]:
    """Host and port of each gateway in `ZEEBE_ADDRESS`, whatever scheme is in front.

    Raises:
        ValueError: one is none.
    """
    urls = [URL(f"//{each.rstrip('/').rpartition('/')[2]}") for each in value.split(",")]
    if not all(url.host for url in urls):
        raise ValueError("expected an address such as 127.0.0.1:26500")
    return [(str(url.host), url.port or ENGINE_PORT) for url in urls]


def _given(variable: str, places: Callable[[str], list[tuple[str, int]]], say: Say) -> str | None:
    value = os.environ.get(variable)
    if not value:
        return None
    try:
        served = any(listens(*place) for place in places(value))
    except ValueError as error:  # the value may hold a password
        raise ServerError(f"{variable} in the environment is no address: {error}") from None
    if served:
        say(f"using {variable}={shown(value)} from the environment")
        return value
    if value == State.load().own(variable):
        say(f"not using {variable}={shown(value)} from the environment: `make down` stopped that server")
        return None
    raise ServerError(
        f"{variable}={shown(value)} is in the environment, but nothing listens there:"
        f" start that server, or `unset {variable}` to do without it"
    )


def listens(host: str, port: int) -> bool:
    """Whether something takes connections there."""
    try:
        with socket.create_connection((host, port), timeout=TIMEOUT):
            return True
    except OSError:
        return False
