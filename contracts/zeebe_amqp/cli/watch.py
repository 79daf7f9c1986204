"""`zeebe-amqp watch`: replies as they come to a queue."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import repeat
from typing import Any, Final, cast

import click
import msgspec
from aio_pika.abc import AbstractChannel, AbstractConnection, AbstractIncomingMessage, AbstractQueue
from aio_pika.exceptions import ChannelNotFoundEntity
from aiormq import Channel as RawChannel
from aiormq.exceptions import ChannelAccessRefused

from zeebe_amqp import wire
from zeebe_amqp.amqp.connection import CONNECTION_ERRORS, LoginRefused, connect, describe, translated_errors
from zeebe_amqp.cli.connection import CONNECTION, Connection, connected
from zeebe_amqp.cli.examples import Line
from zeebe_amqp.cli.help import Explained
from zeebe_amqp.cli.values import SECONDS, TEXT
from zeebe_amqp.client.answers import failure
from zeebe_amqp.errors import Code, CommandError, Outcome

__all__ = ["watch"]

NAME: Final = "zeebe-amqp watch"
AHEAD: Final = 10

EXAMPLES: Final = (
    Line(
        "The next ten replies to a service; they are taken out of its queue",
        "zeebe-amqp watch orders.replies --count 10",
    ),
    Line("What waits in its queue, left there", "zeebe-amqp watch orders.replies --keep --timeout 5s"),
    Line(
        "Copies of the replies to all services that begin with orders",
        "zeebe-amqp watch --exchange zeebe.replies 'orders.#'",
    ),
)


@click.command(
    cls=Explained,
    examples=EXAMPLES,
    params=[
        click.Argument(
            ["name"], type=TEXT, metavar="QUEUE", help="the queue; with --exchange a pattern of routing keys"
        ),
        click.Option(["--exchange"], type=TEXT, help="copies of what goes to this topic exchange; no queue is touched"),
        click.Option(["--keep"], is_flag=True, help="put the replies back into the queue at the end"),
        click.Option(["--count"], type=click.IntRange(1), help="end after so many replies"),
        click.Option(["--timeout"], type=SECONDS, help="end after so long; default never"),
        *CONNECTION,
    ],
)
@connected
def watch(
    connection: Connection, *, name: str, exchange: str | None, keep: bool, count: int | None, timeout: float | None
) -> None:
    """Show replies as they come to a queue; each is taken out of it when it was shown."""
    if keep and exchange is not None:
        raise click.UsageError("--keep: not allowed together with --exchange, which takes nothing away")
    try:
        asyncio.run(_watch(connection, name, exchange, keep, count, timeout))
    except KeyboardInterrupt:
        return  # the usual end


async def _watch(
    connection: Connection, name: str, exchange: str | None, keep: bool, count: int | None, seconds: float | None
) -> None:
    try:
        with translated_errors():
            async with await _connected(connection.urls) as opened:
                channel = await opened.channel()
                # Few at a time, so that what was not shown goes back at once; what is kept is held until the end.
                await channel.set_qos(prefetch_count=0 if keep else AHEAD)
                queue = await _queue(channel, name, exchange)
                await _show(connection, channel, queue, keep, count, seconds)
    except (ChannelNotFoundEntity, ChannelAccessRefused) as error:
        code = Code.NOT_FOUND if isinstance(error, ChannelNotFoundEntity) else Code.PERMISSION_DENIED
        raise _failed(code, str(error)) from error
    except LoginRefused as error:
        raise _failed(Code.UNAUTHENTICATED, str(error)) from error
    except CONNECTION_ERRORS as error:
        raise _failed(Code.UNAVAILABLE, f"the connection to the broker: {describe(error)}") from error


async def _connected(urls: Sequence[str]) -> AbstractConnection:
    """A connection to the first host that answers."""
    *others, last = urls
    for url in others:
        try:
            return await connect(url, NAME)
        except LoginRefused:  # the others have the same users
            raise
        except CONNECTION_ERRORS:
            continue
    return await connect(last, NAME)


async def _queue(channel: AbstractChannel, name: str, exchange: str | None) -> AbstractQueue:
    if exchange is None:
        return await channel.declare_queue(name, passive=True)
    queue = await channel.declare_queue(exclusive=True)
    await queue.bind(exchange, name)
    return queue


async def _show(
    connection: Connection,
    channel: AbstractChannel,
    queue: AbstractQueue,
    keep: bool,
    count: int | None,
    seconds: float | None,
) -> None:
    """Show what comes, until it was enough or the time is over."""
    try:
        async with asyncio.timeout(seconds) as limit:
            arrived = await _consumed(channel, queue)
            for _ in repeat(None) if count is None else repeat(None, count):
                await _show_next(connection, arrived, keep)
    except TimeoutError:
        if not limit.expired():
            raise


async def _show_next(
    connection: Connection, arrived: asyncio.Queue[AbstractIncomingMessage | None], keep: bool
) -> None:
    message = await arrived.get()
    if message is None:
        raise ConnectionError("lost, or the queue was deleted")
    _tell(connection, message)
    if not keep:
        await message.ack()  # not before: what was not shown is still there


async def _consumed(channel: AbstractChannel, queue: AbstractQueue) -> asyncio.Queue[AbstractIncomingMessage | None]:
    """What comes to the queue, and None at its end: the library's own iterator would wait for ever then."""
    arrived: asyncio.Queue[AbstractIncomingMessage | None] = asyncio.Queue()
    raw = cast("RawChannel", await channel.get_underlay_channel())
    channel.close_callbacks.add(lambda *_: arrived.put_nowait(None))
    raw.on_consumer_cancel_callbacks.add(lambda _: arrived.put_nowait(None))
    await queue.consume(arrived.put)
    return arrived


def _tell(connection: Connection, message: AbstractIncomingMessage) -> None:
    """One reply: a line of facts and its body for people, else one object."""
    facts = {
        "time": (message.timestamp or datetime.now(UTC)).isoformat(timespec="seconds"),
        "type": message.type,
        "correlationId": message.correlation_id,
        "requestId": message.headers.get(wire.REQUEST_ID),
        "replayed": message.headers.get(wire.REPLAYED),
    }
    facts = {name: value for name, value in facts.items() if value is not None}
    connection.screen.record(facts, _body(message.body))


def _body(body: bytes) -> Any:
    try:
        msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return body.decode(errors="backslashreplace")
    return msgspec.Raw(body)


def _failed(code: Code, message: str) -> CommandError:
    return failure(code, message, None, outcome=Outcome.NOT_EXECUTED, retryable=code is Code.UNAVAILABLE)
