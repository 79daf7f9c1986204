"""A request on its way to the gateway, and the size of what comes back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from google.protobuf.message import Message

from consumer.core.call import Call, CallSpan
from consumer.zeebe.polls import Poll
from consumer.zeebe.rpcs import Rpc
from zeebe_amqp.errors import Code, CommandError
from zeebe_amqp.wire import MAX_MESSAGE

__all__ = ["Answer", "Outgoing", "serialize", "size"]

Answer: TypeAlias = Message | list[Message]
"""The response; of a stream all responses, in order."""


@dataclass(slots=True)
class Outgoing:
    """A request to the gateway, the same for all attempts of its call."""

    rpc: Rpc
    message: Message
    payload: bytes
    call: Call
    attempt_timeout: float
    """Seconds."""
    span: CallSpan
    poll: Poll | None = None
    """Of an RPC with many responses."""

    def metadata(self, authorization: str | None) -> tuple[tuple[str, str], ...]:
        """The gRPC metadata to send along."""
        carried = self.span.metadata
        return carried if authorization is None else (("authorization", authorization), *carried)


def size(answer: Answer) -> int:
    """Bytes of an answer."""
    return sum(map(size, answer)) if isinstance(answer, list) else answer.ByteSize()


def serialize(message: Message) -> bytes:
    """The bytes of a request.

    Raises:
        CommandError: they are more than the gateway accepts.
    """
    payload = message.SerializeToString()
    if len(payload) > MAX_MESSAGE:
        raise CommandError(
            Code.RESOURCE_EXHAUSTED,
            f"data: {len(payload)} bytes as a message to the gateway; accepted are at most {MAX_MESSAGE}",
            details={"field": "data"},
        )
    return payload
