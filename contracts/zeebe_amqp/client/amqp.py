"""Requests and replies over RabbitMQ: one connection, one channel, one reply consumer."""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Final, cast

from aiormq import Channel as RawChannel

from zeebe_amqp import strict, wire
from zeebe_amqp.amqp.connection import CONFIRM_TIMEOUT, CONNECTION_ERRORS, RPC_TIMEOUT, Unreachable, describe
from zeebe_amqp.amqp.depth import measure
from zeebe_amqp.amqp.hot import ChannelEnded, HotChannel, Incoming, Nacked, Returned
from zeebe_amqp.amqp.probe import probe
from zeebe_amqp.amqp.properties import Properties, fresh_id
from zeebe_amqp.amqp.reconnecting import OnLost, ReconnectingConnection
from zeebe_amqp.amqp.refusal import (
    BIND,
    CONSUME,
    DECLARE,
    PUBLISH,
    BrokerRefusal,
    is_in_use,
    is_of_another_name,
    refusal,
    refusals,
)
from zeebe_amqp.amqp.tap import TappedConnection, unheard
from zeebe_amqp.cancellation import raise_if_cancelled
from zeebe_amqp.client.answers import failure
from zeebe_amqp.client.sender import Sender
from zeebe_amqp.client.subscription import AmqpSubscription
from zeebe_amqp.client.transport import (
    ConnectionLost,
    Denied,
    NotConnected,
    Outgoing,
    Peer,
    QueueState,
    Refused,
    Unroutable,
)
from zeebe_amqp.errors import Code, CommandError, Outcome
from zeebe_amqp.jobs.names import RESULTS_EXCHANGE

__all__ = ["AmqpTransport"]

APP_ID: Final = "zeebe-amqp-client"
"""Who says so in a request's `app_id`."""
PERSISTENT: Final = 2
"""The delivery mode of requests."""
LOOKS: Final = 5
"""How often within the confirm's time the oldest request without one is looked at."""


class AmqpTransport:
    """A broker.

    Args:
        urls: addresses of one broker or of a cluster's nodes.
        reply_queue: None = direct reply-to; "" = an exclusive queue that the broker names; else the name of a durable
            queue of this client alone, which is declared.
        reply_exchange: the exchange of strict replies, to which the reply queue is bound; None = the service publishes
            to the queue.
        user_id: whom requests name as their sender; None = the login, where that is known; "" = nobody.
        tls: for `amqps://`; None = as the address says.
        confirm_timeout: seconds to wait for the broker's confirm.
    """

    def __init__(
        self,
        urls: Sequence[str],
        *,
        reply_queue: str | None = None,
        reply_exchange: str | None = None,
        user_id: str | None = None,
        tls: ssl.SSLContext | None = None,
        confirm_timeout: float = CONFIRM_TIMEOUT,
    ) -> None:
        self._connection = ReconnectingConnection(
            urls, APP_ID, self._on_opened, tls=lambda: tls, refused=self._on_denied
        )
        self._sender = Sender(urls, user_id)
        if reply_exchange is not None:
            self._sender.require()
        self._reply_exchange = reply_exchange
        self._requests = "" if reply_exchange is None else wire.REQUESTS_EXCHANGE
        self._answers = "" if reply_exchange is None else RESULTS_EXCHANGE
        self._confirm_timeout = confirm_timeout
        self._reply_queue = reply_queue
        self._reply_to = ""
        self._channel: HotChannel | None = None
        self._looking: asyncio.TimerHandle | None = None
        self._on_lost: OnLost = lambda _: None
        self._peer: Peer | None = None
        self._newest: TappedConnection | None = None
        self._has_consumed = False
        """Whether the reply queue was ours before."""

    async def open(self, peer: Peer) -> None:
        """Connect; see `Transport.open`."""
        self._peer = peer
        try:
            await self._open()
        except BrokerRefusal as error:
            raise _failed(error.code, str(error)) from error
        except Unreachable as error:
            raise _failed(Code.UNAVAILABLE, f"no broker: {error}") from error

    async def _open(self) -> None:
        name = self._sender.name
        try:
            await self._connection.open()
        except Unreachable:
            if self._sender.name == name:
                raise
            await self._connection.open()

    async def close(self) -> None:
        """Disconnect; see `Transport.close`."""
        self._channel = None
        await self._connection.close()

    async def _on_opened(self, connection: TappedConnection, on_lost: OnLost) -> None:
        async with asyncio.timeout(RPC_TIMEOUT):
            try:
                hot = await self._set_up(connection, on_lost)
            except BrokerRefusal as refused:
                if not is_of_another_name(refused) or not self._sender.drop(refused):
                    raise
                # On a new connection: during an alarm a broker reads nothing more of one that has published.
                raise Unreachable(str(refused)) from refused
        self._channel, self._on_lost, self._newest = hot, on_lost, connection
        assert self._peer is not None
        self._peer.on_connected()

    async def _set_up(self, connection: TappedConnection, on_lost: OnLost) -> HotChannel:
        channel = connection.channel(publisher_confirms=True)
        await channel.initialize()
        raw = cast("RawChannel", await channel.get_underlay_channel())
        hot = await connection.hot(channel, self._receive)
        # Every end of the channel or of the consumer is an end of the connection: one way back from all trouble.
        channel.close_callbacks.add(lambda _, error=None: self._on_channel_closed(hot, on_lost, error))
        raw.on_consumer_cancel_callbacks.add(
            lambda _: self._on_connection_lost(hot, on_lost, "the reply queue was deleted")
        )
        await self._consume(raw)
        # Before any request: what the broker says of our name then concerns none of them.
        if await probe(hot, connection.alarm, self._requests, Properties(user_id=self._sender.name)):
            self._sender.accept()
        return hot

    def _on_channel_closed(self, channel: HotChannel, on_lost: OnLost, error: BaseException | None) -> None:
        if not is_of_another_name(error):
            self._on_connection_lost(channel, on_lost, f"channel closed: {error}")
        elif channel is self._channel and isinstance(error, Exception):
            self._ended(channel, error)
        # Otherwise the probe says it, or a request has.

    def _on_denied(self, refused: BrokerRefusal) -> None:
        assert self._peer is not None
        self._peer.on_denied(str(refused), refused.code)

    async def _consume(self, channel: RawChannel) -> None:
        if self._reply_exchange is not None:
            self._reply_to = await self._bind(channel, self._reply_exchange)
        elif self._reply_queue is None:
            self._reply_to = wire.DIRECT_REPLY_TO
        else:
            self._reply_to = await self._declare(channel, self._reply_queue)
        try:
            with refusals(CONSUME, _OTHERWISE):
                # A queue that others read, too, would give them our replies.
                exclusive = bool(self._reply_queue)
                await channel.basic_consume(self._reply_to, unheard, no_ack=True, exclusive=exclusive)
        except BrokerRefusal as error:
            if self._has_consumed and is_in_use(error):
                # For half a minute after a lost connection the broker may take our own old consumer for alive.
                raise Unreachable(str(error)) from error
            raise
        self._has_consumed = True

    async def _declare(self, channel: RawChannel, name: str) -> str:
        """The name of the reply queue; a durable one, if it was given."""
        named = bool(self._reply_queue)
        with refusals(DECLARE, _OTHERWISE):
            declared = await channel.queue_declare(name, durable=named, exclusive=not named)
        return str(declared.queue)

    async def _bind(self, channel: RawChannel, exchange: str) -> str:
        """The name of a reply queue that gets what goes to the exchange under our key for it."""
        user = self._sender.name
        assert user is not None  # it is required
        queue = await self._declare(channel, self._reply_queue or strict.private_queues(user) + fresh_id())
        with refusals(BIND):
            await channel.queue_bind(queue, exchange, strict.routing_key(user, queue))
        return queue

    def _receive(self, incoming: Incoming) -> None:
        assert self._peer is not None
        self._peer.on_received(incoming.properties.correlation_id, incoming.body)

    def _on_connection_lost(self, channel: HotChannel, on_lost: OnLost, reason: str | BrokerRefusal) -> None:
        if self._channel is channel:
            self._channel = None
            self._sender.accept()
        on_lost(reason)

    async def publish(self, request: Outgoing) -> None:
        """Publish with confirm, and returned when there is no such queue; see `Transport.publish`."""
        await self._publish(self._requests, request.queue, request.body, self._properties(request))

    async def publish_answer(self, queue: str, body: bytes, properties: Properties) -> None:
        """Publish as a request is; see `Transport.publish_answer`."""
        ours = replace(properties, message_id=fresh_id(), user_id=self._sender.name, app_id=APP_ID)
        await self._publish(self._answers, queue, body, ours)

    async def _publish(self, exchange: str, queue: str, body: bytes, properties: Properties) -> None:
        channel = self._channel
        if channel is None:
            raise self._not_connected()
        if not channel.is_writable:
            await channel.writable()
        try:
            confirm = channel.publish(exchange, queue, properties, body, mandatory=True)
        except ChannelEnded as error:
            self._ended(channel, error)
            raise self._not_connected() from error
        try:
            if self._looking is None:
                self._look(None, 0)
            await confirm
        except Returned as error:
            raise Unroutable(str(error)) from error
        except Nacked as error:
            raise Refused(str(error)) from error
        except ChannelEnded as error:
            refused = self._ended(channel, error)
            if refused is None:
                raise ConnectionLost(str(error)) from error
            # The broker may have taken it, and have ended the channel before its confirm because of another one. Of
            # another name it takes none.
            retryable = refused.code is not Code.PERMISSION_DENIED and error.unconfirmed > 1
            sent = not is_of_another_name(refused)
            raise Denied(str(refused), refused.code, sent=sent, retryable=retryable) from error

    async def subscribe(self, queue: str, prefetch: int) -> AmqpSubscription:
        """Consume on a channel of its own; see `Transport.subscribe`."""
        if self._channel is None or self._newest is None:
            raise self._not_connected()
        try:
            return await AmqpSubscription.open(self._newest, queue, prefetch)
        except BrokerRefusal as error:
            if error.code is Code.NOT_FOUND:
                raise Unroutable(str(error)) from error
            raise Denied(str(error), error.code) from error
        except CONNECTION_ERRORS as error:
            raise_if_cancelled()
            raise NotConnected(describe(error)) from error

    async def look(self, queue: str) -> QueueState | None:
        """Ask the broker; see `Transport.look`."""
        return None if self._channel is None or self._newest is None else await measure(self._newest, queue)

    def _not_connected(self) -> Denied | NotConnected:
        """Why nothing can be written now."""
        refused = self._connection.refusal
        return NotConnected(self._connection.problem or "") if refused is None else Denied(str(refused), refused.code)

    def _ended(self, channel: HotChannel, error: Exception) -> BrokerRefusal | None:
        """What the end of a channel says about what was published on it; None where it is to be sent again."""
        refused = refusal(error, PUBLISH)
        if refused is not None and is_of_another_name(refused) and self._sender.drop(refused):
            self._on_connection_lost(channel, self._on_lost, str(refused))
            return None
        if refused is not None and refused.code is Code.PERMISSION_DENIED:
            # Every other request would be refused, too; a refusal for another reason is about one message alone.
            self._on_connection_lost(channel, self._on_lost, refused)
        return refused

    def _look(self, before: tuple[HotChannel, int] | None, looks: int) -> None:
        """End the connection when the oldest request is not confirmed: on a new one everything is sent again."""
        self._looking, channel = None, self._channel
        if channel is None or channel.oldest is None:
            return
        oldest = channel, channel.oldest
        looks = looks + 1 if oldest == before else 0
        if looks >= LOOKS:
            self._on_connection_lost(
                channel, self._on_lost, f"a request is not confirmed for {self._confirm_timeout:g} s"
            )
            return
        pause = self._confirm_timeout / LOOKS
        self._looking = asyncio.get_running_loop().call_later(pause, self._look, oldest, looks)

    def _properties(self, request: Outgoing) -> Properties:
        headers = {**request.headers, wire.REQUEST_ID: request.request_id}
        if request.deadline is not None:
            # No `expiration`: the broker would make a dead letter of what the service refuses with an answer.
            headers[wire.DEADLINE] = int(request.deadline * 1000)
        return Properties(
            content_type=request.content_type,
            headers=headers,
            delivery_mode=PERSISTENT,
            priority=request.priority,
            correlation_id=request.correlation_id,
            reply_to=self._reply_to if request.replied else None,
            message_id=fresh_id(),
            timestamp=int(time.time()),
            type=request.type,
            user_id=self._sender.name,
            app_id=APP_ID,
        )


_OTHERWISE: Final = {
    Code.PERMISSION_DENIED: "; direct reply-to (no `reply_queue`) needs no right of its own",
    Code.FAILED_PRECONDITION: ", or name another `reply_queue`",
}
"""What else can be done where a reply queue is refused."""


def _failed(code: Code, message: str) -> CommandError:
    return failure(code, message, None, outcome=Outcome.NOT_EXECUTED, retryable=code is Code.UNAVAILABLE)
