"""`zeebe-amqp watch`: replies as they come to a queue."""

from __future__ import annotations

import asyncio
from itertools import repeat
from typing import Any, Final

import click
import msgspec

from zeebe_amqp.cli.connection import CONNECTION, Connection, connected
from zeebe_amqp.cli.examples import Line
from zeebe_amqp.cli.help import Explained
from zeebe_amqp.cli.values import SECONDS, TEXT
from zeebe_amqp.client.listener import Arrival, listening
from zeebe_amqp.reply_queue import ALLOWED, is_allowed

__all__ = ["watch"]

NAME: Final = "zeebe-amqp-watch"
_PATTERNS: Final = ", ".join(ALLOWED)

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
            ["name"],
            type=TEXT,
            metavar="QUEUE",
            help=f"the queue, whose name the service's REPLY_ALLOW must allow (default {_PATTERNS}); "
            "with --exchange a pattern of routing keys",
        ),
        click.Option(
            ["--exchange"], type=TEXT, help="show copies of messages to this topic exchange; no queue changes"
        ),
        click.Option(["--keep"], is_flag=True, help="put the replies back into the queue at the end"),
        click.Option(["--count"], type=click.IntRange(1), help="stop after this many replies"),
        click.Option(["--timeout"], type=SECONDS, help="stop after this time; default never"),
        *CONNECTION,
    ],
)
@connected
def watch(
    connection: Connection, *, name: str, exchange: str | None, keep: bool, count: int | None, timeout: float | None
) -> None:
    """Show replies as they arrive in a queue; each one shown is removed."""
    if keep and exchange is not None:
        raise click.UsageError("--keep: not allowed together with --exchange, which takes nothing away")
    if exchange is None and connection.reply_exchange is None:
        _warn(connection, name)
    try:
        asyncio.run(_watch(connection, name, exchange, keep, count, timeout))
    except KeyboardInterrupt:
        return  # the usual end


def _warn(connection: Connection, name: str) -> None:
    """Say it when the service would bury requests whose replies should go to this queue: nothing would ever come."""
    if not is_allowed(name):
        words = (
            f"unless the service's REPLY_ALLOW allows it, no reply comes to {name}; by default {_PATTERNS} are allowed"
        )
        connection.output.note(words, queue=name, allowedByDefault=ALLOWED)


async def _watch(
    connection: Connection, name: str, exchange: str | None, keep: bool, count: int | None, seconds: float | None
) -> None:
    """Show what comes, until it was enough or the time is over."""
    async with listening(connection.urls, name, connection_name=NAME, exchange=exchange, keep=keep) as listener:
        try:
            async with asyncio.timeout(seconds):
                for _ in repeat(None) if count is None else repeat(None, count):
                    arrival = await listener.take()
                    _tell(connection, arrival)
                    listener.acknowledge(arrival)  # not before: what was not shown is still there
        except TimeoutError:
            return


def _tell(connection: Connection, arrival: Arrival) -> None:
    """One reply: a line of facts and its body for people, else one object."""
    facts = {
        "time": arrival.time.isoformat(timespec="seconds"),
        "type": arrival.type,
        "correlationId": arrival.correlation_id,
        "requestId": arrival.request_id,
        "replayed": arrival.replayed,
    }
    facts = {name: value for name, value in facts.items() if value is not None}
    connection.output.record(facts, _body(arrival.body))


def _body(body: bytes) -> Any:
    try:
        msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return body.decode(errors="backslashreplace")
    return msgspec.Raw(body)
