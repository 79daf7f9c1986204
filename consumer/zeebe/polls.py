"""Long polls: a service that stops answers them as soon as they are quiet, with the jobs that have arrived."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from math import inf
from operator import attrgetter
from typing import Any, Final, Protocol, TypeVar

from google.protobuf.message import Message

from zeebe_amqp.cancellation import being_cancelled

__all__ = ["Poll", "Polls", "ResponseStream"]

log = logging.getLogger(__name__)

READING: Final = 0.1
"""Seconds before the calls are cancelled: the library drops a response that has come, but was not read."""

QUIET: Final = 1.0
"""Seconds after its beginning, or its last response, in which a poll is not cancelled: while jobs wait, the gateway has
locked some and is about to answer. Later it most likely waits itself."""

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
        self.heard = -inf
        """When its call began or was last answered, in the time of the event loop; long ago while there is none."""
        self.timeout = asyncio.timeout(None)
        """Around all attempts."""
        self.is_ended = False
        self._stream: ResponseStream | None = None

    async def collect(self, stream: ResponseStream) -> None:
        """Take its responses, or add them to what has arrived; errors of the stream are raised."""
        clock = asyncio.get_running_loop().time
        self._stream, self.heard = stream, clock()
        try:
            async for response in stream:
                self.heard = clock()
                if (rest := self._take(response)) is not None:
                    await rest
        finally:
            self._stream, self.heard = None, -inf
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
        self._changed = asyncio.Event()
        """Set when a poll has ended."""

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
            self._changed.set()

    async def end(self, within: float = inf) -> None:
        """End all that are out, the quietest first; later ones end before their first attempt.

        Args:
            within: seconds that there are for this and for what the polls bring; no poll is waited for longer than
                half of them.
        """
        if self._are_over:
            return
        self._are_over = True
        if self._open:
            fields = {"event": "polls.ended", "polls": len(self._open)}
            log.info("long polls that end early, with the jobs that have arrived: %d", len(self._open), extra=fields)
            await asyncio.sleep(READING)
        clock = asyncio.get_running_loop().time
        latest = clock() + min(QUIET, within / 2)
        while self._open:
            poll = min(self._open, key=attrgetter("heard"))
            if (left := min(poll.heard + QUIET, latest) - clock()) > 0:
                await self._change(left)
                continue
            self._open.discard(poll)
            poll.end()
            await asyncio.sleep(0)  # in between others are read

    async def _change(self, seconds: float) -> None:
        """Wait until a poll has ended by itself, or so long."""
        self._changed.clear()
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._changed.wait()
