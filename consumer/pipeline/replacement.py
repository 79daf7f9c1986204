"""What stands for a reply that the broker takes from nobody: it is larger than any message may be."""

from __future__ import annotations

from typing import Final

import msgspec

from consumer.core.message import Reply
from zeebe_amqp.errors import Code, Error, Outcome, Source

__all__ = ["replace_large"]

MAX_TEXT: Final = 200
"""Characters of an error's text that are told where the whole error is too large."""


def replace_large(reply: Reply, size: int, limit: int) -> Reply:
    """The reply to publish instead.

    Args:
        reply: the one that is too large.
        size: bytes of its body.
        limit: bytes of a body that the broker takes.
    """
    if reply.error is not None:  # what it says of the command stays
        error = msgspec.structs.replace(reply.error, message=reply.error.message[:MAX_TEXT], details=None)
        return Reply(reply.operation, error=error, replayed=reply.replayed)
    error = Error(
        code=Code.RESOURCE_EXHAUSTED,
        message=f"{reply.operation} was executed, and its result is too large for the broker: it has {size} bytes, and "
        f"a message has at most {limit} (max_message_size)",
        source=Source.CONSUMER,
        outcome=Outcome.UNKNOWN,
        retryable=False,
        details={"executed": True, "suggestion": "ask for less at a time: fewer jobs, or fewer variables"},
    )
    return Reply(reply.operation, error=error, replayed=reply.replayed)
