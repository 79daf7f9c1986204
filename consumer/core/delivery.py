"""What happens to a message: decoded, run, answered, acknowledged. And the one signature of the service."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from enum import StrEnum
from typing import Final, NamedTuple, TypeAlias, cast

from consumer.core.access import Decision
from consumer.core.call import Call
from consumer.core.large import LARGE, offload
from consumer.core.limiter import ConcurrencyLimiter
from consumer.core.message import Message
from zeebe_amqp import wire
from zeebe_amqp.commands import Command
from zeebe_amqp.envelope import Request
from zeebe_amqp.errors import CommandError
from zeebe_amqp.jobs.names import RESULTS
from zeebe_amqp.reply import Reply

__all__ = ["Decoder", "Delivery", "Handler", "Middleware", "Reply", "Wait", "Waiting"]

NOTED: Final = 0.001
"""Seconds of the shortest wait that is noted."""
MAX_WAITS: Final = 32
"""Waits that are kept; the oldest go first."""


Decoder: TypeAlias = Callable[[Message, int, int], Request]
"""Finds the command in a message of a queue, given how deep variables may be nested and how large the body may be.

It raises `CommandError` for what is no request.
"""


class Waiting(StrEnum):
    """What a request waits for."""

    SLOT = "slot"
    """Others run, as many as may."""
    GATEWAY = "gateway"
    """No gateway is reached."""
    BROKER = "broker"
    """No reply can be published."""
    RETRY = "retry"
    """The next try follows after a pause."""
    BODY = "body"
    """It is large, and is fetched and decoded."""
    RUN = "run"
    """Another delivery of the same request runs."""
    LEDGER = "ledger"
    """Nothing can be remembered."""


class Wait(NamedTuple):
    """How long a request waited for something."""

    reason: Waiting
    began: float
    """Seconds since 1970."""
    seconds: float


class Delivery:
    """A request message that the broker waits for. The room at the broker derives from it: it can acknowledge.

    Args:
        message: what arrived.
        max_depth: nesting of variables that is accepted.
        decoder: finds its command; None for a request of the contract.
    """

    # Of the class, because few requests have one of their own.
    waits: tuple[Wait, ...] = ()
    """For what it has waited and nobody has told of yet; telemetry takes them."""
    decision: Decision | None = None
    """Whether its sender may run its command; None before that was asked."""
    max_body: int = wire.MAX_BODY
    """Bytes of body that its sender may send: what is larger is neither fetched nor decoded."""
    reply: Reply | None = None
    """How its last run ended; None before that, and while it runs again."""
    one_way: bool = False
    """Whether nobody waits for a reply, whatever the message says."""
    may_have_run: bool = False
    """Whether a run of it was cut off in a process that is gone."""
    earlier: object = None
    """The trace context of the run whose answer it gets, where that is known."""
    link: str = ""
    """The `traceparent` of what it is about, such as the job that it ends; telemetry links to it where the message has
    no trace of its own."""

    def __init__(self, message: Message, max_depth: int = wire.MAX_DEPTH, decoder: Decoder | None = None) -> None:
        self.message = message
        self.refusal: str | None = None
        """Why it may not be run, as the policy about replies says; decided once, before it runs."""
        self.call: Call | None = None
        """Its command on the way to an engine, once it is."""
        self.trace: object = None
        """The trace context of its handling, for the reply's headers; telemetry writes and reads it."""
        self.idle = False
        """Whether nothing runs for it now: it waits for a slot, for a gateway or for another run."""
        self.slot: ConcurrencyLimiter | None = None
        """Where it holds a slot, if it does."""
        self._max_depth = max_depth
        self._decoder = decoder
        self._decoded: Request | Exception | None = None

    @property
    def request(self) -> Request:
        """The decoded command; decoding happens once, whoever asks first, and its refusal is kept as well.

        Raises:
            CommandError: INVALID_ARGUMENT or UNIMPLEMENTED, as the contract's table of errors says.
        """
        self._read()
        if isinstance(self._decoded, Exception):
            raise self._decoded
        return cast("Request", self._decoded)

    def _read(self) -> Request | Exception:
        if self._decoded is None:
            self._decoded = self._decode()
        return self._decoded

    def _decode(self) -> Request | Exception:
        try:
            if self._decoder is not None:
                return self._decoder(self.message, self._max_depth, self.max_body)
            return self.message.decode(self._max_depth, self.max_body)
        except CommandError as refusal:
            # Its words are wanted, not its way here: the frames on it hold on to us, and we to it.
            refusal.__context__ = refusal.__cause__ = None
            return refusal.with_traceback(None)
        except Exception as defect:  # of the decoder: a hostile body should cost us once
            return defect

    @property
    def large(self) -> bool:
        """Whether working on it would hold up the event loop."""
        return LARGE < self.message.size <= self.max_body

    async def fetch(self) -> None:
        """Bring back the body of a large message that waits elsewhere than in memory."""

    def dismiss(self) -> None:
        """Nothing happens to it any more: what it holds may go."""
        # A refusal holds on to who raised it, and so to this.
        self._decoded = None

    async def decode(self) -> None:
        """Decode a large message beside the event loop, before anybody asks for its command; never raises a refusal."""
        with self.waiting(Waiting.BODY):
            await self.fetch()
            self._decoded = await offload(self._decode)

    @property
    def command(self) -> Command | None:
        """The decoded command; None when there is none: the handler says what is wrong with it."""
        decoded = self._read()
        return None if isinstance(decoded, Exception) else decoded.command

    @property
    def operation(self) -> str | None:
        """What it asks for, also when it was refused; None when that cannot be told."""
        decoded = self._read()
        return decoded.operation if isinstance(decoded, Request | CommandError) else None

    @property
    def answerable(self) -> bool:
        """Whether somebody waits for an answer who may get one."""
        asks = bool(self.message.reply_to) and not self.one_way
        return asks and self.refusal is None and not self.message.malformed_properties

    @property
    def is_echo(self) -> bool:
        """Whether a reply would go where the answers of workers go.

        A job that came back still says so, and an answer that has a copy of its properties.
        """
        return self.message.reply_to == RESULTS

    @property
    def sent(self) -> bool:
        """Whether its command may have reached an engine: a defect after that has an unknown outcome."""
        return self.call is not None and self.call.sent

    @property
    def alive(self) -> bool:
        """Whether the channel that delivered it is open; when it is not, the broker delivers the message again."""
        return True

    def channel(self) -> Callable[[], bool]:
        """Tells whether the channel that delivered it is open; holds nothing of the message."""
        return lambda: True

    def ack(self) -> bool:
        """Tell the broker that the message is done; false when the channel is gone."""
        raise NotImplementedError

    def requeue(self, *, failed: bool = False) -> None:
        """Put the message back into its queue.

        `failed` says that it may be the cause: brokers count that, and make a dead letter of what failed too often.
        """
        raise NotImplementedError

    @contextmanager
    def waiting(self, reason: Waiting, *, idle: bool = True) -> Iterator[None]:
        """Note for how long what happens inside takes.

        Args:
            reason: what it waits for.
            idle: whether nothing runs for it meanwhile, so that stopping may end the waiting.
        """
        before, began, started = self.idle, time.time(), time.monotonic()
        self.idle = before or idle
        try:
            yield
        finally:
            self.idle = before
            if (took := time.monotonic() - started) >= NOTED:
                self.waits = (*self.waits[1 - MAX_WAITS :], Wait(reason, began, took))

    @asynccontextmanager
    async def release_slot(self, *, idle: bool = True) -> AsyncIterator[None]:
        """Wait for what another run does without a slot, or the requests of a dead process would stop all others.

        Args:
            idle: whether stopping may end the waiting.
        """
        with self.waiting(Waiting.RUN, idle=idle):
            if self.slot is None:
                yield
            else:
                async with self.slot.release_for_others(self.message.user_id):
                    yield


Handler: TypeAlias = Callable[[Delivery], Awaitable[Reply]]
"""Runs a request to its answer."""
Middleware: TypeAlias = Callable[[Handler], Handler]
"""Something around a handler."""
