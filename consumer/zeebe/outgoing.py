"""A request on its way to the gateway, and the size of what comes back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

from google.protobuf.message import Message

from consumer.core.call import Call, CallSpan
from consumer.zeebe.polls import Poll
from consumer.zeebe.rpcs import Rpc
from zeebe_amqp.errors import Code, CommandError
from zeebe_amqp.wire import MAX_MESSAGE

__all__ = ["Answer", "End", "Outgoing", "serialize", "size"]

Answer: TypeAlias = Message | list[Message]
"""The response; of a stream all responses, in order."""


class End(NamedTuple):
    """When an attempt ends."""

    at: float
    """On the clock that nobody sets."""
    is_callers: bool
    """It is its caller's deadline."""


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

    def end(self, now: float, monotonic: float) -> End:
        """When an attempt ends that begins now.

        Somebody may set the clock meanwhile, so its time passes on the other one.

        Args:
            now: seconds since 1970.
            monotonic: the same moment on the clock that nobody sets.
        """
        timeout, deadline = self.attempt_timeout, self.call.deadline
        left = timeout if deadline is None else deadline - now
        return End(monotonic + min(timeout, left), deadline is not None and left <= timeout)

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
