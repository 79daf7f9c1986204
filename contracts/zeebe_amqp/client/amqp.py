"""Requests and replies over RabbitMQ: one connection, one channel, one reply consumer.

aio-pika opens the connection and the channel; publishing and consuming use the AMQP channel beneath it, which costs
a third less.
"""

from __future__ import annotations

import asyncio
import ssl
import uuid
from collections.abc import Callable, Coroutine, Sequence
from datetime import UTC, datetime
from typing import Any, Final, cast

from aio_pika.abc import AbstractConnection
from aiormq import Channel as RawChannel
from aiormq.abc import DeliveredMessage
from aiormq.exceptions import DeliveryError, PublishError
from pamqp.commands import Basic

from zeebe_amqp import wire
from zeebe_amqp.amqp.connection import (
    CONFIRM_TIMEOUT,
    CONNECTION_ERRORS,
    RPC_TIMEOUT,
    LoginRefused,
    Unreachable,
    translated_errors,
)
from zeebe_amqp.amqp.headers import Properties
from zeebe_amqp.amqp.reconnecting import OnLost, ReconnectingConnection
from zeebe_amqp.client.answers import failure
from zeebe_amqp.client.transport import Denied, Lost, NotConnected, Outgoing, Peer, Refused, Unroutable
from zeebe_amqp.errors import Code, CommandError, Outcome

__all__ = ["AmqpTransport"]

APP_ID: Final = "zeebe-amqp-client"
"""Who says so in a request's `app_id`."""
PERSISTENT: Final = 2
"""The delivery mode of requests."""


class AmqpTransport:
    """A broker.

    Args:
        urls: addresses of one broker or of a cluster's nodes.
        reply_queue: None = direct reply-to; "" = an exclusive queue that the broker names; else the name of a durable
            queue of this client alone, which is declared.
        tls: for `amqps://`; None = as the address says.
        name: shown in the broker's list of connections.
        confirm_timeout: seconds to wait for the broker's confirm.
    """

    def __init__(
        self,
        urls: Sequence[str],
        *,
        reply_queue: str | None = None,
        tls: ssl.SSLContext | None = None,
        name: str = APP_ID,
        confirm_timeout: float = CONFIRM_TIMEOUT,
    ) -> None:
        self._connection = ReconnectingConnection(urls, name, self._opened, tls=lambda: tls, refused=self._denied)
        self._confirm_timeout = confirm_timeout
        self._reply_queue = reply_queue
        self._reply_to = ""
        self._channel: RawChannel | None = None
        self._on_lost: OnLost = lambda _: None
        self._peer: Peer | None = None

    async def open(self, peer: Peer) -> None:
        """Connect; see `Transport.open`."""
        self._peer = peer
        try:
            await self._connection.open()
        except LoginRefused as error:
            raise _failed(Code.UNAUTHENTICATED, str(error)) from error
        except Unreachable as error:
            message = f"no broker: {error}; is it up, and the address right?"
            raise _failed(Code.UNAVAILABLE, message) from error

    async def close(self) -> None:
        """Disconnect; see `Transport.close`."""
        self._channel = None
        await self._connection.close()

    async def _opened(self, connection: AbstractConnection, on_lost: OnLost) -> None:
        channel = connection.channel(publisher_confirms=True, on_return_raises=True)
        async with asyncio.timeout(RPC_TIMEOUT):
            await channel.initialize()
            raw = cast("RawChannel", await channel.get_underlay_channel())
            # Every end of the channel or of the consumer is an end of the connection: one way back from all trouble.
            channel.close_callbacks.add(lambda _, error=None: self._lost(raw, on_lost, f"channel closed: {error}"))
            raw.on_consumer_cancel_callbacks.add(lambda _: self._lost(raw, on_lost, "the reply queue was deleted"))
            await self._consume(raw)
        self._channel, self._on_lost = raw, on_lost
        assert self._peer is not None
        self._peer.connected()

    def _denied(self, reason: str) -> None:
        assert self._peer is not None
        self._peer.denied(reason)

    async def _consume(self, channel: RawChannel) -> None:
        if self._reply_queue is None:
            self._reply_to = wire.DIRECT_REPLY_TO
        else:
            named = bool(self._reply_queue)
            declared = await channel.queue_declare(self._reply_queue, durable=named, exclusive=not named)
            self._reply_to = str(declared.queue)
        assert self._peer is not None
        # A queue that others read, too, would give them our replies.
        exclusive = bool(self._reply_queue)
        await channel.basic_consume(self._reply_to, _receiver(self._peer), no_ack=True, exclusive=exclusive)

    def _lost(self, channel: RawChannel, on_lost: OnLost, reason: str) -> None:
        if self._channel is channel:
            self._channel = None
        on_lost(reason)

    async def publish(self, request: Outgoing) -> None:
        """Publish with confirm, and returned when there is no such queue; see `Transport.publish`."""
        channel = self._channel
        if channel is None and self._connection.refusal is not None:
            raise Denied(self._connection.refusal)
        if channel is None:
            raise NotConnected
        try:
            with translated_errors():
                async with asyncio.timeout(self._confirm_timeout):
                    await channel.basic_publish(
                        request.body,
                        routing_key=request.queue,
                        properties=self._properties(request),
                        mandatory=True,
                        wait=False,
                    )
        except PublishError as error:
            raise Unroutable(str(error)) from error
        except DeliveryError as error:
            raise Refused(str(error)) from error
        except CONNECTION_ERRORS as error:
            if self._channel is channel:
                # Also where only this publish hangs: on a new connection everything is sent again.
                self._lost(channel, self._on_lost, f"a request was not confirmed: {type(error).__name__}: {error}")
            raise Lost(str(error)) from error

    def _properties(self, request: Outgoing) -> Basic.Properties:
        headers = {**request.headers, wire.REQUEST_ID: request.request_id}
        if request.deadline is not None:
            # No `expiration`: the broker would make a dead letter of what the service refuses with an answer.
            headers[wire.DEADLINE] = int(request.deadline * 1000)
        return Properties(
            content_type=request.content_type,
            headers=headers,
            delivery_mode=PERSISTENT,
            correlation_id=request.correlation_id,
            reply_to=self._reply_to if request.replied else None,
            # Returned messages are told apart by it, so every attempt has its own.
            message_id=uuid.uuid4().hex,
            timestamp=datetime.now(UTC),
            message_type=request.type,
            app_id=APP_ID,
        )


def _failed(code: Code, message: str) -> CommandError:
    return failure(code, message, None, outcome=Outcome.NOT_EXECUTED, retryable=code is Code.UNAVAILABLE)


def _receiver(peer: Peer) -> Callable[[DeliveredMessage], Coroutine[Any, Any, None]]:
    async def receive(message: DeliveredMessage) -> None:
        peer.received(message.header.properties.correlation_id, message.body)

    return receive
