"""Strict replies: an exchange in which each user has routing keys of its own, and may bind to no others.

Permissions at RabbitMQ limit exchanges, never a queue behind the default one. So requests go through an exchange of
their own, too, and nobody but the service needs the right to write anywhere else.
"""

from __future__ import annotations

from string import ascii_letters, digits
from typing import Final

from zeebe_amqp import wire

__all__ = ["PRIVATE", "encoded", "private_queues", "routing_key"]

PRIVATE: Final = "reply."
"""The names of the clients' own reply queues begin so; the encoded user follows."""
_KEPT: Final = frozenset((ascii_letters + digits + "_-").encode())


def encoded(user: str) -> str:
    """A user's name as one word of a routing key: letters, digits, `_` and `-` as they are, other bytes as `:2E`.

    A dot would make two words of it: `bob` could bind the replies of `bob.x`. The broker puts names into patterns as
    they are, so there they must be written encoded, too.
    """
    return "".join(chr(byte) if byte in _KEPT else f":{byte:02X}" for byte in user.encode())


def routing_key(user: str, reply_to: str) -> str:
    """The routing key of replies for a user's requests with this `reply_to`, and of the binding that gets them.

    Raises:
        ValueError: it is too long for a message.
    """
    key = f"{encoded(user)}.{reply_to}"
    size = len(key.encode())
    if size > wire.MAX_TEXT:
        raise ValueError(f"with the user's name it is a routing key of {size} bytes; accepted: {wire.MAX_TEXT}")
    return key


def private_queues(user: str) -> str:
    """How the names of a user's own reply queues begin."""
    return f"{PRIVATE}{encoded(user)}."
