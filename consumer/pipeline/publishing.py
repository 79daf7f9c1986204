"""What the pipeline needs of whatever publishes replies and dead letters, and the ways in which that fails."""

from __future__ import annotations

from typing import Protocol

from consumer.core.delivery import Delivery, Reply
from consumer.core.message import Message

__all__ = ["PublishFailed", "Refused", "ReplyPublisher", "TooLarge"]


class PublishFailed(Exception):
    """The broker did not confirm a publish; it may or may not have taken the message."""


class Refused(PublishFailed):
    """The queue is the reason; the text says why.

    Args:
        text: why.
        stuck: whether it confirms nothing, which takes a while to find out; else it refuses at once.
    """

    def __init__(self, text: str, *, stuck: bool = False) -> None:
        super().__init__(text)
        self.stuck = stuck


class TooLarge(PublishFailed):
    """The broker takes no body of so many bytes, wherever it goes; `limit` is how many it takes."""

    def __init__(self, size: int, limit: int) -> None:
        super().__init__(f"it has {size} bytes, and the broker takes at most {limit} (its max_message_size)")
        self.size = size
        self.limit = limit


class ReplyPublisher(Protocol):
    """Where replies and dead letters leave; returns when the broker confirmed them."""

    async def reply(self, delivery: Delivery, reply: Reply) -> bool:
        """Publish the reply; false when its queue is not there, and so nobody who could get it.

        Raises:
            Refused: the caller's queue is the reason.
            TooLarge: the broker takes no reply of this size.
            PublishFailed: not confirmed.
        """

    async def dead_letter(self, message: Message, reply: Reply) -> None:
        """Publish the request with the reason to the dead-letter exchange; with as much of its body as fits.

        Raises:
            PublishFailed: not confirmed.
        """

    @property
    def is_ready(self) -> bool:
        """Whether something can be published now: connected, and not blocked by an alarm."""

    async def ready(self) -> None:
        """Wait until something can be published."""
