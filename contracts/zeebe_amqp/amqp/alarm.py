"""Alarms of the broker, of memory or disk: while one lasts, the broker takes no messages.

It says so in two frames that the AMQP library keeps to itself. So the bytes of a connection pass by here on their way
to the library, unchanged. The library's own extension point for that is whoever makes its transports.
"""

from __future__ import annotations

import asyncio
import struct
from typing import Any, Final

import aio_pika
from aio_pika.abc import ConnectionParameter
from aiormq.connection import TransportFactory
from aiormq.exceptions import AMQPConnectionError
from yarl import URL

__all__ = ["Alarm", "AlarmedConnection"]

_HEAD: Final = struct.Struct(">BHI")
"""How a frame begins: its kind, its channel, the bytes of its payload. One byte comes after the payload."""
_METHOD: Final = struct.Struct(">HH")
"""How the payload of a method frame begins: class and method."""
_KIND_METHOD: Final = 1
_BLOCKED: Final = (10, 60)
_UNBLOCKED: Final = (10, 61)


class Alarm:
    """Whether an alarm keeps the broker from taking the messages of one connection."""

    def __init__(self) -> None:
        self._over = asyncio.Event()
        self._over.set()
        self._begun = b""
        self._skip = 0

    @property
    def is_on(self) -> bool:
        """Whether there is one now."""
        return not self._over.is_set()

    async def over(self) -> None:
        """Wait until there is none, or the connection is gone."""
        await self._over.wait()

    def end(self) -> None:
        """There is none any more."""
        self._over.set()

    def watch(self, data: bytes) -> None:
        """Look at the bytes that came, in whatever pieces."""
        data = self._begun + data
        at = self._skip
        while at + _HEAD.size <= len(data):
            kind, channel, size = _HEAD.unpack_from(data, at)
            if kind == _KIND_METHOD and channel == 0:
                if at + _HEAD.size + _METHOD.size > len(data):
                    break
                self._note(_METHOD.unpack_from(data, at + _HEAD.size))
            at += _HEAD.size + size + 1
        self._begun, self._skip = data[at:], max(0, at - len(data))

    def _note(self, method: tuple[int, ...]) -> None:
        if method == _BLOCKED:
            self._over.clear()
        elif method == _UNBLOCKED:
            self._over.set()


class AlarmedConnection(aio_pika.Connection):
    """A connection of the AMQP library that knows of alarms."""

    PARAMETERS = (
        *aio_pika.Connection.PARAMETERS,
        ConnectionParameter(name="transport_factory", parser=lambda factory: factory, is_kwarg=True),
    )

    def __init__(self, url: URL, **options: Any) -> None:
        self.alarm = Alarm()
        super().__init__(url, transport_factory=_Transports(self.alarm), **options)


class _Protocol(asyncio.StreamReaderProtocol):
    """Shows an alarm what comes."""

    def __init__(self, reader: asyncio.StreamReader, alarm: Alarm, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(reader, loop=loop)
        self._alarm = alarm

    def data_received(self, data: bytes) -> None:
        self._alarm.watch(data)
        super().data_received(data)

    def connection_lost(self, exc: Exception | None) -> None:
        self._alarm.end()
        super().connection_lost(exc)


class _Transports(TransportFactory):
    """Opens what the library would open, with that protocol."""

    def __init__(self, alarm: Alarm) -> None:
        self._alarm = alarm

    async def create(self, url: URL, **options: Any) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Connect, over TLS for `amqps://`."""
        provider = options.pop("ssl_context_provider")
        tls = await provider.get_context() if url.scheme == "amqps" else None
        assert url.host is not None  # addresses without a host are refused before
        assert url.port is not None  # and the library has filled in the usual port
        loop = asyncio.get_running_loop()
        reader = asyncio.StreamReader(loop=loop)
        protocol = _Protocol(reader, self._alarm, loop)
        try:
            transport, _ = await loop.create_connection(lambda: protocol, url.host, url.port, ssl=tls, **options)
        except OSError as error:
            raise AMQPConnectionError(*error.args) from error
        return reader, asyncio.StreamWriter(transport, protocol, reader, loop)
