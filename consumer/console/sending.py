"""Sending a request as any caller does: through the queue, with a deadline, and a reply of one's own."""

from __future__ import annotations

import asyncio
import secrets
import time
from dataclasses import dataclass
from typing import Final

from consumer.config import Settings
from consumer.console.letters import Busy
from zeebe_amqp import envelope, wire
from zeebe_amqp.amqp.connection import tls_context
from zeebe_amqp.client import Client
from zeebe_amqp.errors import CommandError
from zeebe_amqp.reply import Reply

__all__ = ["MAX_AT_ONCE", "Sender", "Sent"]

MAX_AT_ONCE: Final = 4
"""Requests that wait for their replies; each holds a connection."""
CONNECT: Final = 10.0
"""Seconds for connecting and closing, beside those for the reply."""
OK: Final = "OK"


@dataclass(frozen=True)
class Sent:
    """A request that was sent, and how it ended."""

    operation: str
    """As the reply names it; empty when it names none."""
    code: str
    """OK, or that of the error."""
    reply: bytes
    """The reply as it came; empty when none did."""
    problem: str
    """Why no reply came."""
    request_id: str
    trace_id: str
    seconds: float

    @property
    def ok(self) -> bool:
        """Whether it was executed."""
        return self.code == OK


class Sender:
    """Sends requests to the queues of the service, in the name of its login.

    Args:
        settings: those of the service.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        amqp = settings.amqp
        short = [queue for queue in amqp.queues if not amqp.waits(queue)]
        long = [queue for queue in amqp.queues if amqp.waits(queue)]
        self._commands, self._polls = (short or long)[0], (long or short)[0]
        self._places = asyncio.Semaphore(MAX_AT_ONCE)

    async def send(self, body: bytes, request_id: str, seconds: float) -> Sent:
        """Send a body and wait so long for its reply.

        Raises:
            Busy: too many wait already.
        """
        if self._places.locked():
            raise Busy
        trace_id, began = secrets.token_hex(16), time.monotonic()
        headers = {wire.TRACEPARENT: f"00-{trace_id}-{secrets.token_hex(8)}-01"}
        reply, problem = b"", ""
        async with self._places:
            try:
                async with asyncio.timeout(seconds + CONNECT), self._client() as client:
                    long_poll = self._waits(body)
                    reply = await client.call_raw(
                        body, timeout=seconds, request_id=request_id, headers=headers, long_poll=long_poll
                    )
            except CommandError as error:
                problem = str(error)
            except (TimeoutError, ValueError, OSError) as error:
                problem = str(error) or f"the broker did not answer within {seconds + CONNECT:g} s"
        operation, code = _read(reply)
        return Sent(operation, code, reply, problem, request_id, trace_id, time.monotonic() - began)

    def _client(self) -> Client:
        amqp = self._settings.amqp
        tls = tls_context(amqp.ca, amqp.cert, amqp.key)
        return Client(
            amqp.urls, commands=self._commands, polls=self._polls, tls=tls, reply_exchange=amqp.reply_exchange
        )

    def _waits(self, body: bytes) -> bool:
        """Whether it is long-running; what is no request gets its error from the service."""
        try:
            return envelope.decode(body, max_depth=self._settings.max_depth).command.wait() > 0
        except CommandError:
            return False


def _read(reply: bytes) -> tuple[str, str]:
    """What a reply names as its operation, and its code."""
    try:
        read = Reply.decode(reply)
    except ValueError:
        return "", "no reply"
    return read.operation or "", OK if read.error is None else read.error.code.value
