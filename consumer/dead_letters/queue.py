"""The dead-letter queue as an operator sees it: look, send again, drop.

Letters are taken one by one and held, so that each is seen once; what is still held at the end goes back. Brokers count
every return, and from version 4 on drop what came back 20 times: so what has come back often is put anew.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import Final

from consumer.config import Amqp, Settings
from consumer.core.key_file import known_keys
from consumer.core.seal import Seal
from consumer.dead_letters.letter import DeadLetter
from zeebe_amqp import wire
from zeebe_amqp.amqp.connection import (
    CONFIRM_TIMEOUT,
    CONNECTION_ERRORS,
    RPC_TIMEOUT,
    BrokerError,
    LoginRefused,
    Unreachable,
    close,
    connect,
    first_answer,
    login,
    logins,
    tls_context,
    translated_errors,
)
from zeebe_amqp.amqp.hot import ChannelEnded, HotChannel, Incoming, Nacked, Returned
from zeebe_amqp.amqp.properties import NAMES, NO_HEADERS, Properties
from zeebe_amqp.amqp.refusal import CONSUME, PUBLISH, refusal
from zeebe_amqp.amqp.table import MAX_NAME, encoded_size
from zeebe_amqp.amqp.tap import TappedConnection

__all__ = ["MAX_RETURNS", "DeadLetters", "NotSent", "connect_first", "open_dead_letters", "read_letter"]

MAX_RETURNS: Final = 10
"""How often a letter goes back to its queue before it is put anew; half of what brokers allow."""

_MISSING: Final = "the service declares it when it starts: is AMQP_URL the right broker and virtual host?"
_NOT_FOUND: Final = 404
"""The broker's reason for closing a channel when there is no such queue."""
_RIGHTS: Final = {**CONSUME, **PUBLISH}
_STILL: Final = f"what was not reported as done is still in {wire.DEAD_LETTER!r}"
_KEPT: Final = f"{_STILL}: try again"


class NotSent(Exception):
    """A letter was not sent again and is still in its queue; the text says why and what to do."""


class DeadLetters:
    """The dead-letter queue through one channel; made by `opened`."""

    def __init__(
        self, channel: HotChannel, name: str | None, logins: Collection[str], seal: Seal, *, strict: bool = False
    ) -> None:
        self._channel = channel
        self._strict = strict
        """Whether what goes to a queue goes through an exchange of ours."""
        self._name = name
        self._logins = logins
        self._seal = seal
        self._held: set[int] = set()
        self._worn: dict[int, DeadLetter] = {}
        self.total = 0
        """How many letters were in the queue when the first was taken."""

    async def letters(self, limit: int) -> AsyncIterator[DeadLetter]:
        """Take the letters that are there now, oldest first, at most `limit`; each is held until it is sent or dropped.

        What comes in meanwhile, a replay that failed again for one, is not taken.

        Raises:
            BrokerError: the queue is missing, or may not be read.
        """
        room = limit
        while room > 0 and (message := await self._take()) is not None:
            _, _, behind = message.address
            self.total = self.total or behind + 1
            room = min(room - 1, behind)
            letter = read_letter(message, self._logins, self._seal)
            self._held.add(letter.tag)
            if letter.returns >= MAX_RETURNS and not letter.malformed_properties:
                self._worn[letter.tag] = letter
            yield letter

    async def _take(self) -> Incoming | None:
        async with _translate_errors(RPC_TIMEOUT):
            return await self._channel.get(wire.DEAD_LETTER)

    async def replay(self, letter: DeadLetter, queue: str, *, keep_deadline: bool = True) -> None:
        """Publish a held letter to `queue` and, once the broker has it, take it out of its own.

        Raises:
            NotSent: there is no such queue, it takes no more, or the letter cannot be written; it stays.
        """
        # The broker vouches that it was us who sent it; the signature, for what we say about the first sender.
        sender = self.resent_as(letter)
        headers = letter.replayed(queue, sender, keep_deadline=keep_deadline)
        user_id = None if sender is None else self._name
        written = replace(letter.replayed_properties, user_id=user_id, headers=headers)
        await self._move(letter, wire.REQUESTS_EXCHANGE, queue, written)

    async def _move(self, letter: DeadLetter, exchange: str, queue: str, written: Properties) -> None:
        await self._publish(letter, exchange if self._strict else "", queue, written)
        self.drop(letter)

    def drop(self, letter: DeadLetter) -> None:
        """Take a held letter out of its queue for good."""
        if not self._channel.ack(letter.tag):
            raise BrokerError(f"{self._channel.ended}; {_KEPT}")
        self._held.discard(letter.tag)
        self._worn.pop(letter.tag, None)

    async def requeue(self) -> None:
        """Put everything that is still held back into the queue."""
        for letter in list(self._worn.values()):
            try:
                written = replace(letter.written_properties, user_id=None, headers=letter.renewed())
                await self._move(letter, wire.DEAD_LETTER, wire.DEAD_LETTER, written)
            except NotSent:  # then it goes back as it is
                continue
        if self._held:
            self._channel.nack(0, multiple=True)
            self._held.clear()

    async def _publish(self, letter: DeadLetter, exchange: str, queue: str, written: Properties) -> None:
        for name, value in (written.headers or {}).items():
            if encoded_size(name, value) is None:
                raise NotSent(f"its header {name[:MAX_NAME]!r} cannot be written again as it was; drop it")
        written.delivery_mode = 2
        try:
            async with _translate_errors(CONFIRM_TIMEOUT):
                # One at a time: the broker's returns are matched by the message id, and letters keep theirs.
                await self._channel.publish(exchange, queue, written, letter.body, mandatory=True)
        except Returned as error:
            raise NotSent(f"queue {queue!r} is not there; declare it, or name another with --queue") from error
        except Nacked as error:
            raise NotSent(f"queue {queue!r} is full (the broker rejected the message); try again later") from error

    def resent_as(self, letter: DeadLetter) -> str | None:
        """Whose request the service takes the replay of a letter for; None when for nobody's."""
        return letter.sender if self._name is not None and self._seal and not letter.is_doubtful else None


def read_letter(message: Incoming, logins: Collection[str], seal: Seal) -> DeadLetter:
    """The dead letter in a message; `logins` are ours, `seal` verifies what it says."""
    found, (_, routing_key, _) = message.properties, message.address
    values = {name: getattr(found, name) for name in NAMES if name != "headers"}
    if found.timestamp is not None:
        values["timestamp"] = datetime.fromtimestamp(found.timestamp, UTC)
    return DeadLetter(
        body=message.body,
        headers=dict(found.headers or NO_HEADERS),
        properties={name: value for name, value in values.items() if value not in (None, "")},
        routing_key=routing_key,
        tag=message.tag,
        malformed_properties=found.malformed,
        logins=logins,
        seal=seal,
    )


@asynccontextmanager
async def open_dead_letters(settings: Settings) -> AsyncIterator[DeadLetters]:
    """The dead-letter queue at the first host that answers; what is still held at the end goes back into it.

    Signatures are verified with the keys of the service that has these settings.

    Raises:
        BrokerError: no host answered, the connection was lost, or the queue is missing or may not be used.
        KeyFileError: the key in STATE_DIR cannot be trusted.
    """
    seal = Seal(known_keys(settings))
    connection, name = await connect_first(settings.amqp)
    try:
        channel = connection.channel(publisher_confirms=True)
        async with _translate_errors(RPC_TIMEOUT):
            await channel.initialize()
            hot = await connection.hot(channel)
        strict = settings.amqp.reply_exchange is not None
        letters = DeadLetters(hot, name, logins(settings.amqp.urls), seal, strict=strict)
        try:
            yield letters
        finally:
            if hot.ended is None:
                await letters.requeue()
                # Its answer says that the broker has put everything back.
                async with _translate_errors(RPC_TIMEOUT):
                    await channel.close()
    finally:
        await close(connection)


async def connect_first(amqp: Amqp) -> tuple[TappedConnection, str | None]:
    """A connection to the first host that answers, and our login there.

    Raises:
        BrokerError: none answered, or one refused us.
    """

    async def attempt(url: str) -> tuple[TappedConnection, str | None]:
        tls = tls_context(amqp.ca, amqp.cert, amqp.key)
        return await connect(url, "zeebe-amqp dead letters", tls), login(url)

    try:
        return await first_answer(amqp.urls, attempt)
    except LoginRefused as error:
        raise BrokerError(f"{error.code}: {error}; check {amqp.names['AMQP_URL']}") from error
    except Unreachable as error:
        raise BrokerError(f"{error}; check {amqp.names['AMQP_URL']}") from error


@asynccontextmanager
async def _translate_errors(seconds: float) -> AsyncIterator[None]:
    """Give a call to the broker some time, and say in words why it failed."""
    try:
        with translated_errors():
            async with asyncio.timeout(seconds):
                yield
    except ChannelEnded as error:
        raise BrokerError(_describe(error)) from error
    except TimeoutError as error:
        raise BrokerError(f"no answer within {seconds:g} s (an alarm of the broker?); {_KEPT}") from error
    except CONNECTION_ERRORS as error:
        raise BrokerError(f"{str(error) or type(error).__name__}; {_KEPT}") from error


def _describe(error: ChannelEnded) -> str:
    if error.code == _NOT_FOUND:
        return f"queue {wire.DEAD_LETTER!r} is missing; {_MISSING}"
    refused = refusal(error, _RIGHTS)
    # To try again does not help then.
    return f"{error}; {_KEPT}" if refused is None else f"{refused}; {_STILL}"
