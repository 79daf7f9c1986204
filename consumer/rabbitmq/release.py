"""What a broker says of itself, and whether it is new enough for our queues."""

from __future__ import annotations

import re
from typing import Final

from aio_pika.abc import AbstractConnection

from zeebe_amqp.amqp.connection import place
from zeebe_amqp.amqp.refusal import BrokerRefusal
from zeebe_amqp.amqp.tap import TappedConnection
from zeebe_amqp.errors import Code

__all__ = ["OLDEST", "PRODUCT", "check_release", "server_property", "version"]

PRODUCT: Final = "RabbitMQ"
OLDEST: Final = (3, 10)
"""The first version with what our queues need."""


def server_property(connection: AbstractConnection, name: str) -> str:
    """What the broker says of itself, such as its "version"; empty when it does not say."""
    transport = connection.transport
    assert transport is not None
    found = transport.connection.server_properties.get(name, "")
    return found.decode(errors="replace") if isinstance(found, bytes) else str(found)


def version(text: str) -> tuple[int, int] | None:
    """Major and minor number; None for what does not begin like a version."""
    found = re.match(r"(\d{1,4})\.(\d{1,4})", text)
    return (int(found[1]), int(found[2])) if found else None


def check_release(connection: TappedConnection) -> None:
    """Refuse a broker that would take our declarations and not keep what they promise.

    Raises:
        BrokerRefusal: it is a RabbitMQ that is too old.
    """
    text = server_property(connection, "version")
    found = version(text)
    if server_property(connection, "product") == PRODUCT and found is not None and found < OLDEST:
        accepted = ".".join(map(str, OLDEST))
        raise BrokerRefusal(
            f"the broker at {place(str(connection.url))} is {PRODUCT} {text}; accepted: {accepted} or newer. An older "
            "one has no dead-lettering at least once, so a request that it gives up may be lost: upgrade it",
            Code.FAILED_PRECONDITION,
        )
