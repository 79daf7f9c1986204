"""A channel whose messages do not pass through the AMQP library: deliveries, publishes, confirms, returns and acks.

The library opens and closes it. While it is open, it is one generation: delivery tags mean something on it alone, and
what is acknowledged after its end is not sent. Whoever publishes on it does so only here, because tags count publishes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from itertools import takewhile
from typing import Final, Protocol

from zeebe_amqp import wire
from zeebe_amqp.amqp import frames
from zeebe_amqp.amqp.properties import Properties

__all__ = ["LARGE", "Body", "ChannelEnded", "HotChannel", "Incoming", "Nacked", "Returned", "Writer"]


class ChannelEnded(ConnectionError):
    """Nothing can be sent on the channel any more; `code` is the broker's reason, such as 404, where it gave one.

    `unconfirmed` is how many publishes had no answer then: the reason is about one of them.
    """

    def __init__(self, text: str, code: int | None = None, unconfirmed: int = 0) -> None:
        super().__init__(text, code)
        self.text = text
        self.code = code
        self.unconfirmed = unconfirmed

    def __str__(self) -> str:
        return self.text

    def again(self) -> ChannelEnded:
        """The same for somebody else: a raised exception collects the tracebacks of all who raise it."""
        return ChannelEnded(self.text, self.code, self.unconfirmed)


LARGE: Final = 64 * 1024
"""Bytes of a body from which on it is gathered as its owner wants."""


class Returned(Exception):
    """The broker sent a mandatory message back: no queue takes it; the text is the broker's."""


class Nacked(Exception):
    """The broker did not take a message: its queue is full, or has failed."""


class Writer(Protocol):
    """What a channel writes to; see `Tap`."""

    def write(self, data: bytes) -> None:
        """Send whole frames soon."""

    is_writable: bool
    """Whether the peer takes what is written."""

    async def writable(self) -> None:
        """Wait until it does."""


class Body(Protocol):
    """Gathers a body that comes in more than one frame."""

    def add(self, piece: bytes) -> None:
        """The next piece."""

    def end(self) -> bytes | None:
        """All of it has come; the body, None where it is not in memory."""

    def drop(self) -> None:
        """The rest does not come."""


class Incoming:
    """A message that came: a delivery, an answer to a get, or one of ours that the broker returned.

    `method` and `header` are the payloads of its frames. `size` is the body's as it was announced; of a body above the
    limit only the first 64 KiB are here. Where the body is not in memory, `elsewhere` has gathered it.
    """

    __slots__ = ("body", "elsewhere", "header", "method", "redelivered", "size", "tag")

    def __init__(self, method: bytes, tag: int, redelivered: bool) -> None:
        self.method = method
        self.tag = tag
        self.redelivered = redelivered
        self.header = b""
        self.size = 0
        self.body = b""
        self.elsewhere: Body | None = None

    @property
    def properties(self) -> Properties:
        """Its properties, read anew each time."""
        return Properties.read(self.header, frames.PROPERTIES)

    @property
    def address(self) -> tuple[str, str, int]:
        """Exchange, routing key, and for an answer to a get how many messages are behind it."""
        return frames.read_address(self.method)


class _Gathered:
    """A body in memory."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []

    def add(self, piece: bytes) -> None:
        self._pieces.append(piece)

    def end(self) -> bytes:
        return b"".join(self._pieces)

    def drop(self) -> None:
        self._pieces.clear()


class _Beginning:
    """The first bytes of a body that is not gathered."""

    def __init__(self) -> None:
        self._kept = bytearray()

    def add(self, piece: bytes) -> None:
        self._kept += piece[: wire.KEPT_OF_LARGE - len(self._kept)]

    def end(self) -> bytes:
        return bytes(self._kept)

    def drop(self) -> None:
        self._kept.clear()


class HotChannel:
    """One generation of a channel.

    Args:
        writer: where frames go.
        number: the channel's.
        frame_max: bytes of a frame that the broker takes, at most.
        deliver: takes each delivery; returns at once.
        max_body: bytes of a body that is gathered.
        gather: makes what gathers the large body of a message that comes.
    """

    def __init__(
        self,
        writer: Writer,
        number: int,
        frame_max: int,
        *,
        deliver: Callable[[Incoming], None] = lambda _: None,
        max_body: int = 2**63,
        gather: Callable[[Incoming], Body] = lambda _: _Gathered(),
    ) -> None:
        self._writer = writer
        self._number = number
        self._frame_max = frame_max
        self._deliver = deliver
        self._max_body = max_body
        self._gather = gather
        self._message: Incoming | None = None
        """What is coming: its method has come, not yet all of its body."""
        self._receive: Callable[[Incoming], None] = deliver
        self._body: Body | None = None
        self._left = 0
        self._published = 0
        self._unconfirmed: dict[int, tuple[asyncio.Future[None], str | None]] = {}
        """By tag, in the order of the tags: the confirm, and the message's id where it is mandatory."""
        self._mandatory: dict[str | None, int] = {}
        """By message id, the tag."""
        self._got: asyncio.Future[Incoming | None] | None = None
        self.ended: ChannelEnded | None = None
        """Why nothing can be sent on it any more; None while it can."""
        self.is_gone = False
        """Whether the broker is done with it, too: its number may mean another channel from now on."""

    # --- publishing -------------------------------------------------------------------------------------------------

    @property
    def oldest(self) -> int | None:
        """The tag of the oldest publish without an answer."""
        return next(iter(self._unconfirmed), None)

    @property
    def published(self) -> int:
        """The tag of the last publish: they count from 1."""
        return self._published

    @property
    def is_writable(self) -> bool:
        """Whether the peer takes what is written; who publishes waits for it, so that nothing piles up here."""
        return self._writer.is_writable

    async def writable(self) -> None:
        """Wait until the peer takes what is written, or the connection is gone."""
        await self._writer.writable()

    def publish(
        self, exchange: str, routing_key: str, properties: Properties, body: bytes, *, mandatory: bool = False
    ) -> asyncio.Future[None]:
        """Send a message; the answer is the broker's confirm.

        A mandatory message needs a `message_id` that no other one has.

        Returns:
            Done when the broker has taken the message. Its errors are `Returned`, `Nacked`, and `ChannelEnded`: then
            the broker may or may not have taken it.

        Raises:
            ChannelEnded: nothing was sent.
            TypeError, ValueError: AMQP has no way to say it; nothing was sent.
        """
        self._check()
        message = frames.write_message(
            self._number,
            exchange,
            routing_key,
            properties.write(),
            body,
            mandatory=mandatory,
            frame_max=self._frame_max,
        )
        self._published = tag = self._published + 1
        confirm: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._unconfirmed[tag] = (confirm, properties.message_id if mandatory else None)
        if mandatory:
            self._mandatory[properties.message_id] = tag
        self._writer.write(message)
        return confirm

    def _check(self) -> None:
        if self.ended is not None:
            raise self.ended.again()

    def _confirm(self, data: bytes, at: int, taken: bool) -> None:
        tag, multiple = frames.read_confirm(data, at)
        for each in list(takewhile(tag.__ge__, self._unconfirmed)) if multiple else (tag,):
            confirm, identity = self._unconfirmed.pop(each, _NOBODY)
            if identity is not None and self._mandatory.get(identity) == each:  # the id may have been sent again
                del self._mandatory[identity]
            if confirm is not None and not confirm.done():
                confirm.set_result(None) if taken else confirm.set_exception(Nacked("the broker sent a nack"))

    def _on_returned(self, message: Incoming) -> None:
        tag = self._mandatory.pop(message.properties.message_id, 0)
        confirm, _ = self._unconfirmed.get(tag, _NOBODY)
        if confirm is not None and not confirm.done():
            confirm.set_exception(Returned(frames.read_reason(message.method)))

    # --- taking -----------------------------------------------------------------------------------------------------

    def ack(self, tag: int) -> bool:
        """Acknowledge a delivery; false when the channel has ended, and the broker delivers it again."""
        return self._settle(frames.write_ack(self._number, tag))

    def nack(self, tag: int, *, multiple: bool = False, requeue: bool = True) -> bool:
        """Give a delivery back to its queue, or without `requeue` reject it, so that it is dead-lettered.

        With `multiple` all up to it, with tag 0 all there are; false as for `ack`. RabbitMQ 4.3 does not count it.
        """
        return self._settle(frames.write_nack(self._number, tag, multiple=multiple, requeue=requeue))

    def reject(self, tag: int) -> bool:
        """Give a delivery back as failed, which counts towards the delivery limit anywhere; false as for `ack`."""
        return self._settle(frames.write_reject(self._number, tag))

    def _settle(self, frame: bytes) -> bool:
        if self.ended is not None:
            return False
        self._writer.write(frame)
        return True

    async def get(self, queue: str) -> Incoming | None:
        """Take one message of a queue, one call after the other; None when it is empty.

        Raises:
            ChannelEnded: as it is when there is no such queue.
        """
        self._check()
        self._got = asyncio.get_running_loop().create_future()
        self._writer.write(frames.write_get(self._number, queue))
        return await self._got

    def _answer_get(self, message: Incoming | None) -> None:
        if self._got is not None and not self._got.done():
            self._got.set_result(message)

    # --- frames -----------------------------------------------------------------------------------------------------

    def take(self, kind: int, data: bytes, at: int, end: int) -> bool:
        """Take a frame of this channel, whose payload is from `at` to `end`; false when it is for the library."""
        if kind == frames.BODY:
            return self._take_piece(data[at:end])
        if kind == frames.HEADER:
            return self._take_header(data[at:end])
        if kind != frames.METHOD:
            return False
        return self._take_method(frames.read_method(data, at), data, at, end)

    def _take_method(self, method: int, data: bytes, at: int, end: int) -> bool:
        if method == frames.DELIVER:
            self._begin(data[at:end], self._deliver)
        elif method in (frames.ACK, frames.NACK):
            self._confirm(data, at, method == frames.ACK)
        elif method == frames.RETURN:
            self._begin(data[at:end], self._on_returned)
        elif method == frames.GET_OK:
            self._begin(data[at:end], self._answer_get)
        elif method == frames.GET_EMPTY:
            self._answer_get(None)
        else:
            if method == frames.CLOSE:
                code, text = frames.read_closing(data[at:end])
                self.end(f"the broker closed the channel: {code} {text}", code)
                self.is_gone = True
            self.is_gone = self.is_gone or method == frames.CLOSE_OK
            return False
        return True

    def _begin(self, method: bytes, receive: Callable[[Incoming], None]) -> None:
        is_return = frames.read_method(method, 0) == frames.RETURN
        tag, redelivered = (0, False) if is_return else frames.read_delivery(method)
        self._message, self._receive = Incoming(method, tag, redelivered), receive

    def _take_header(self, header: bytes) -> bool:
        message = self._message
        if message is None:
            return False
        message.header = header
        message.size = self._left = frames.read_size(header)
        if not self._left:
            self._complete()
        return True

    def _take_piece(self, piece: bytes) -> bool:
        message = self._message
        if message is None:
            return False
        self._left -= len(piece)
        if self._body is None:
            if self._left <= 0 and message.size <= LARGE:  # all of it came in one frame
                message.body = piece
                self._complete()
                return True
            self._body = self._gathering(message)
        self._body.add(piece)
        if self._left <= 0:
            body = self._body.end()
            if body is None:
                message.elsewhere = self._body
            else:
                message.body = body
            self._body = None
            self._complete()
        return True

    def _gathering(self, message: Incoming) -> Body:
        if message.size > self._max_body or self.ended is not None:
            return _Beginning()
        return self._gather(message) if message.size > LARGE else _Gathered()

    def _complete(self) -> None:
        message, self._message = self._message, None
        if message is not None and self.ended is None:
            self._receive(message)

    # --- the end ----------------------------------------------------------------------------------------------------

    def leave(self, method: int) -> None:
        """The library is about to send a method on this channel."""
        if method == frames.CLOSE:
            self.end("the channel is being closed")

    def end(self, reason: str, code: int | None = None) -> None:
        """Nothing is sent on it from now on; whatever waits fails with `ChannelEnded`."""
        if self.ended is not None:
            return
        self.ended = ChannelEnded(reason, code, len(self._unconfirmed))
        if self._body is not None:
            self._body.drop()
            self._body = _Beginning()  # the rest may still come
        confirms = [confirm for confirm, _ in self._unconfirmed.values()]
        self._unconfirmed.clear()
        self._mandatory.clear()
        for each in (*confirms, self._got):
            if each is not None and not each.done():
                each.set_exception(self.ended.again())
                each.exception()  # nobody has to be waiting for it


_NOBODY: Final = (None, None)
"""In the place of a confirm that nobody waits for."""
