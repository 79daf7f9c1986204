"""Copies of new dead letters: the dead-letter queue itself stays as it is, and no delivery of it counts."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any, Final

from consumer.config import Settings
from consumer.core.key_file import known_keys
from consumer.core.seal import Seal
from consumer.dead_letters.letter import DeadLetter
from consumer.dead_letters.queue import connect_first, read_letter
from zeebe_amqp import wire
from zeebe_amqp.amqp.connection import (
    CONNECTION_ERRORS,
    RPC_TIMEOUT,
    BrokerError,
    close,
    logins,
    translated_errors,
)
from zeebe_amqp.amqp.hot import HotChannel
from zeebe_amqp.amqp.refusal import BIND, CONSUME, DECLARE, refusals

__all__ = ["Copies", "open_copies"]

_MAX_AT_ONCE: Final = 500
_BOUND: Final[dict[str, Any]] = {"x-max-length-bytes": 256 * 1024 * 1024}
"""Of copies that nobody has taken yet: the oldest are dropped, and nothing is refused, so no letter waits for us."""


class Copies:
    """The copies through one channel; made by `open_copies`."""

    def __init__(self, channel: HotChannel, queue: str, settings: Settings) -> None:
        self._channel = channel
        self._queue = queue
        self._logins = logins(settings.amqp.urls)
        self._seal = Seal(known_keys(settings))

    async def take(self) -> AsyncIterator[DeadLetter]:
        """What came since the last time, oldest first, so many at most that others get their turn.

        Raises:
            BrokerError: the connection was lost.
        """
        for _ in range(_MAX_AT_ONCE):
            with _translated():
                async with asyncio.timeout(RPC_TIMEOUT):
                    message = await self._channel.get(self._queue)
            if message is None:
                return
            self._channel.ack(message.tag)
            yield read_letter(message, self._logins, self._seal)


@asynccontextmanager
async def open_copies(settings: Settings) -> AsyncIterator[Copies]:
    """Copies of the letters that come from now on, in a queue of our own that goes with the connection.

    Raises:
        BrokerError: no host answered, or we may not declare the queue, bind or read it.
    """
    connection, _ = await connect_first(settings.amqp)
    name = f"{wire.DEAD_LETTER}.copies.{secrets.token_hex(8)}"
    try:
        with _translated():
            async with asyncio.timeout(RPC_TIMEOUT):
                channel = connection.channel(publisher_confirms=False)
                await channel.initialize()
                with refusals(DECLARE):
                    queue = await channel.declare_queue(name, exclusive=True, arguments=_BOUND)
                with refusals(BIND):
                    await queue.bind(wire.DEAD_LETTER)
                hot = await connection.hot(channel)
        yield Copies(hot, name, settings)
    finally:
        await close(connection)


@contextmanager
def _translated() -> Iterator[None]:
    try:
        with translated_errors(), refusals(CONSUME):
            yield
    except (TimeoutError, *CONNECTION_ERRORS) as error:
        raise BrokerError(str(error) or type(error).__name__) from error
