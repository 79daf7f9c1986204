"""The address of a queue in AMQP 1.0: `/queues/` and its name, percent-encoded.

RabbitMQ hands over the `reply-to` of a caller in AMQP 1.0: as it is in 4.0, later as the name of the queue. Both must
mean the same queue, to what judges it and to what publishes to it.
"""

from __future__ import annotations

from typing import Final
from urllib.parse import unquote

__all__ = ["is_exchange", "queue_of"]

_QUEUES: Final = "/queues/"
_EXCHANGES: Final = "/exchanges/"


def queue_of(address: str) -> str:
    """The name of the queue; what is no such address is a name already."""
    if not address.startswith(_QUEUES):
        return address
    try:
        return unquote(address.removeprefix(_QUEUES), errors="strict")
    except UnicodeDecodeError:
        return address


def is_exchange(address: str) -> bool:
    """Whether it is the address of an exchange."""
    return address.startswith(_EXCHANGES)
