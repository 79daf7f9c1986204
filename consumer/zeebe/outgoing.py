"""A request to the gateway, the same for all attempts of its call."""

from __future__ import annotations

from dataclasses import dataclass

from google.protobuf.message import Message

from consumer.core.call import Call, CallSpan
from consumer.zeebe.polls import Poll
from consumer.zeebe.rpcs import Rpc
from zeebe_amqp.errors import Code, CommandError
from zeebe_amqp.wire import MAX_MESSAGE

__all__ = ["Outgoing", "serialize"]


@dataclass(slots=True)
class Outgoing:
    """What is sent, and on which terms."""

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
        return self.span.metadata if authorization is None else (("authorization", authorization), *self.span.metadata)


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
