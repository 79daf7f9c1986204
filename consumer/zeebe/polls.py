"""Long polls: a service that stops answers them at once, with the jobs that have arrived."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, Final, Protocol, TypeVar

from google.protobuf.message import Message

from zeebe_amqp.cancellation import being_cancelled

__all__ = ["Poll", "Polls", "ResponseStream"]

log = logging.getLogger(__name__)

READING: Final = 0.1
"""Seconds before the calls are cancelled: the library drops a response that has come, but was not read."""

T = TypeVar("T")


class ResponseStream(Protocol):
    """The gRPC call of an RPC with many responses."""

    def __aiter__(self) -> AsyncIterator[Any]:
        """The responses, in order."""

    def cancel(self) -> bool:
        """End it: whoever reads gets `asyncio.CancelledError`."""


class Poll:
    """A request for jobs: its attempts, and what they wait for.

    Args:
        take: is given each response as it comes, and may have the next one wait; None: they are kept until the end.
    """

    def __init__(self, take: Callable[[Any], Awaitable[None] | None] | None = None) -> None:
        self.arrived: list[Any] = []
        """The responses so far that are kept, in order; their jobs are locked for the caller."""
        self._take = take or self.arrived.append
        self.timeout = asyncio.timeout(None)
        """Around all attempts."""
        self.is_ended = False
        self._stream: ResponseStream | None = None

    async def collect(self, stream: ResponseStream) -> None:
        """Take its responses, or add them to what has arrived; errors of the stream are raised."""
        self._stream = stream
        try:
            async for response in stream:
                if (rest := self._take(response)) is not None:
                    await rest
        finally:
            self._stream = None
            if self.is_ended:  # it may have failed by itself, and nothing else may follow
                self._expire()

    def end(self) -> None:
        """Wait no longer."""
        self.is_ended = True
        if self._stream is None:
            self._expire()
        else:
            self._stream.cancel()

    def _expire(self) -> None:
        self.timeout.reschedule(asyncio.get_running_loop().time())


class Polls:
    """The long polls that are out."""

    def __init__(self) -> None:
        self._open: set[Poll] = set()
        self._are_over = False

    async def run(self, poll: Poll, attempts: Callable[[], Awaitable[T]]) -> T | list[Message]:
        """The answer of `attempts`; what has arrived when `end` comes first."""
        if self._are_over:
            return poll.arrived
        self._open.add(poll)
        try:
            async with poll.timeout:
                return await attempts()
        except (asyncio.CancelledError, TimeoutError):
            if not poll.is_ended or being_cancelled():
                raise
            return poll.arrived
        finally:
            self._open.discard(poll)

    async def end(self) -> None:
        """End all that are out; later ones end before their first attempt."""
        if self._are_over:
            return
        self._are_over = True
        if self._open:
            fields = {"event": "polls.ended", "polls": len(self._open)}
            log.info("long polls that end early, with the jobs that have arrived: %d", len(self._open), extra=fields)
            await asyncio.sleep(READING)
        while self._open:
            self._open.pop().end()
            await asyncio.sleep(0)  # in between others are read
