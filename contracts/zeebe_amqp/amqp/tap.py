"""The tap: the bytes of a connection on their way to and from the AMQP library, and the frames that never get there.

The library connects, logs in, declares, consumes, closes and notices a dead peer. What comes and goes with every
message is ours: deliveries, confirms, returns and acks of the channels that are registered here. They are read and
written at once, without a task and without waiting. Every other frame goes on as it came, in its order. The extension
points are the library's own: whoever makes its transports, and a subclass of its connection.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Final, cast

import aio_pika
from aio_pika.abc import AbstractChannel, ConnectionParameter, TimeoutType
from aiormq import Channel as RawChannel
from aiormq.connection import TransportFactory
from aiormq.exceptions import AMQPConnectionError, ConnectionClosed, InvalidFrameError
from yarl import URL

from zeebe_amqp.amqp import frames
from zeebe_amqp.amqp.alarm import Alarm
from zeebe_amqp.amqp.hot import HotChannel, Incoming

__all__ = ["FEED", "FRAME_MAX", "Tap", "TappedConnection", "unheard"]

FEED: Final = 3.0
"""Seconds in which the library gets one frame at least while bytes come: it takes a connection on which it sees nothing
for dead, and under steady traffic the broker sends no heartbeats."""

FRAME_MAX: Final = 128 * 1024
"""Bytes of a frame for a broker that sets no limit, which it says with 0."""


class Tap(asyncio.StreamReaderProtocol):
    """The protocol of one connection: hands frames of registered channels to these, and all others to the library."""

    def __init__(self, reader: asyncio.StreamReader, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(reader, loop=loop)
        self.alarm = Alarm()
        self.closing: tuple[int, str] | None = None
        """Why the broker closed the connection: its code, and its words; None while it has not."""
        self._time, self._call_soon = loop.time, loop.call_soon
        self._wire: asyncio.Transport | None = None
        self._channels: dict[int, HotChannel] = {}
        self._begun = bytearray()
        self._strange = False
        """Whether something came that is no frame: then everything is for the library, which says what it thinks."""
        self._fed = loop.time()
        self._outgoing: list[bytes] = []
        self.is_writable = True
        """Whether the peer takes what is written; if not, it piles up here."""
        self._writable = asyncio.Event()
        self._writable.set()

    # --- what comes -------------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Note where to write."""
        self._wire = cast("asyncio.Transport", transport)
        super().connection_made(transport)

    def data_received(self, data: bytes) -> None:
        """Hand on every frame that is complete."""
        if self._strange:
            super().data_received(data)
            return
        if self._begun:
            self._begun += data
            if not _is_complete(self._begun):
                self._feed()
                return
            data, self._begun = bytes(self._begun), bytearray()
        at, passed, end = 0, 0, len(data)
        while at + frames.OVERHEAD <= end:
            kind, number, size = frames.HEAD.unpack_from(data, at)
            after = at + frames.OVERHEAD + size
            if kind not in frames.KINDS or (after <= end and data[after - 1] != frames.END):
                self._strange = True
                break
            if after > end:
                break
            if self._is_ours(kind, number, data, at + frames.HEAD.size, after - 1):
                self._pass_on(data, passed, at)
                passed = after
            at = after
        if self._strange:
            at = end
        self._pass_on(data, passed, at)
        self._begun += data[at:]
        self._feed()

    def _is_ours(self, kind: int, number: int, data: bytes, at: int, end: int) -> bool:
        channel = self._channels.get(number)
        if channel is not None:
            ours = channel.take(kind, data, at, end)
            if channel.is_gone:
                del self._channels[number]
            return ours
        if number == 0 and kind == frames.METHOD:
            self._note(frames.read_method(data, at), data[at:end])
        return False

    def _note(self, method: int, payload: bytes) -> None:
        if method == frames.BLOCKED:
            self.alarm.begin()
        elif method == frames.UNBLOCKED:
            self.alarm.end()
        elif method == frames.CONNECTION_CLOSE:
            self.closing = frames.read_closing(payload)

    def _pass_on(self, data: bytes, start: int, end: int) -> None:
        if start < end:
            self._fed = self._time()
            super().data_received(data[start:end])

    def _feed(self) -> None:
        """Let the library see that the peer lives; between two frames, so that none is torn."""
        now = self._time()
        if now - self._fed > FEED:
            self._fed = now
            super().data_received(frames.HEARTBEAT)

    def eof_received(self) -> bool | None:
        """The library gets what is left, and finds out that it is not whole."""
        super().data_received(bytes(self._begun))
        self._begun.clear()
        return super().eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        """End every channel, and whatever waits."""
        self._outgoing.clear()
        for channel in self._channels.values():
            channel.end("the connection was lost")
        self._channels.clear()
        self.alarm.end()
        self.is_writable = True
        self._writable.set()
        super().connection_lost(exc)

    # --- what goes --------------------------------------------------------------------------------------------------

    def write(self, data: bytes) -> None:
        """Send whole frames, with everything else that is written in this turn of the loop."""
        if not self._outgoing:
            self._call_soon(self.flush)
        self._outgoing.append(data)

    def flush(self) -> None:
        """Send what was written so far."""
        if self._outgoing:
            outgoing, self._outgoing = self._outgoing, []
            if self._wire is not None and not self._wire.is_closing():
                self._wire.write(b"".join(outgoing))

    async def writable(self) -> None:
        """Wait until the peer takes what is written, or the connection is gone."""
        await self._writable.wait()

    def pause_writing(self) -> None:
        """The transport has more than it can send."""
        self.is_writable = False
        self._writable.clear()
        super().pause_writing()

    def resume_writing(self) -> None:
        """It has sent it."""
        self.is_writable = True
        self._writable.set()
        super().resume_writing()

    def inspect_outgoing(self, data: bytes) -> None:
        """Look at what the library is about to write: a channel that it closes must not be used any more."""
        self.flush()
        at = 0
        # It writes whole frames at a time.
        while self._channels and at + frames.OVERHEAD <= len(data):
            kind, number, size = frames.HEAD.unpack_from(data, at)
            channel = self._channels.get(number)
            if kind == frames.METHOD and channel is not None:
                channel.leave(frames.read_method(data, at + frames.HEAD.size))
            at += frames.OVERHEAD + size

    def register(self, number: int, channel: HotChannel) -> None:
        """Give the frames of a channel to it from now on."""
        self._channels[number] = channel


def _is_complete(begun: bytearray) -> bool:
    """Whether there is a whole frame, or something that is none."""
    if begun[0] not in frames.KINDS:
        return True
    if len(begun) < frames.HEAD.size:
        return False
    _, _, size = frames.HEAD.unpack_from(begun)
    return bool(len(begun) >= frames.OVERHEAD + size)


class _Writer(asyncio.StreamWriter):
    """What the library writes with; ours goes out before each of its writes."""

    def __init__(self, transport: asyncio.Transport, tap: Tap, reader: asyncio.StreamReader) -> None:
        super().__init__(transport, tap, reader, asyncio.get_running_loop())
        self._tap = tap

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self._tap.inspect_outgoing(bytes(data))
        super().write(data)


class _Transports(TransportFactory):
    """Opens what the library would open, with a tap."""

    tap: Tap

    async def create(self, url: URL, **options: Any) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Connect, over TLS for `amqps://`."""
        provider = options.pop("ssl_context_provider")
        tls = await provider.get_context() if url.scheme == "amqps" else None
        assert url.host is not None  # addresses without a host are refused before
        assert url.port is not None  # and the library has filled in the usual port
        loop = asyncio.get_running_loop()
        reader = asyncio.StreamReader(loop=loop)
        self.tap = tap = Tap(reader, loop)
        try:
            transport, _ = await loop.create_connection(lambda: tap, url.host, url.port, ssl=tls, **options)
        except OSError as error:
            raise AMQPConnectionError(*error.args) from error
        return reader, _Writer(transport, tap, reader)


class TappedConnection(aio_pika.Connection):
    """A connection of the AMQP library with a tap."""

    PARAMETERS = (
        *aio_pika.Connection.PARAMETERS,
        ConnectionParameter(name="transport_factory", parser=lambda factory: factory, is_kwarg=True),
    )

    def __init__(self, url: URL, **options: Any) -> None:
        self._transports = _Transports()
        super().__init__(url, transport_factory=self._transports, **options)

    async def connect(self, timeout: TimeoutType = None) -> None:  # noqa: ASYNC109 - the library's signature
        """Connect; see `aio_pika.Connection.connect`.

        Raises:
            aiormq.exceptions.ConnectionClosed: the broker closed the connection, with its words. The library drops
                them where it expects another answer.
        """
        try:
            await super().connect(timeout)
        except InvalidFrameError as error:
            if self.tap.closing is None:
                raise
            code, words = self.tap.closing
            raise ConnectionClosed(f"{code} {words}") from error

    @property
    def tap(self) -> Tap:
        """The tap, once it is connected."""
        return self._transports.tap

    async def hot(
        self,
        channel: AbstractChannel,
        deliver: Callable[[Incoming], None] = lambda _: None,
        **options: Any,
    ) -> HotChannel:
        """The messages of an open channel, past the library from now on; the options are those of `HotChannel`."""
        raw = cast("RawChannel", await channel.get_underlay_channel())
        frame_max = raw.max_content_size + raw.CONTENT_FRAME_SIZE or FRAME_MAX
        hot = HotChannel(self.tap, raw.number, frame_max, deliver=deliver, **options)
        self.tap.register(raw.number, hot)
        return hot

    @property
    def alarm(self) -> Alarm:
        """Whether the broker takes messages, once it is connected."""
        return self.tap.alarm


async def unheard(_: Any) -> None:
    """What the library is told to call with the deliveries of a hot channel; none gets there."""
