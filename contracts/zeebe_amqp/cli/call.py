"""`zeebe-amqp call`: a request's body as it is, and the reply's as it is."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from typing import Final

import click

from zeebe_amqp import envelope, wire
from zeebe_amqp.cli.calling import answer
from zeebe_amqp.cli.connection import CONNECTION, REQUEST, TIMEOUT, USER_ID, Connection, Request, connected
from zeebe_amqp.cli.examples import Line
from zeebe_amqp.cli.help import Explained
from zeebe_amqp.cli.values import STANDARD_INPUT, TEXT, given
from zeebe_amqp.client.trace_context import traced
from zeebe_amqp.commands import COMMANDS
from zeebe_amqp.errors import CommandError

__all__ = ["call", "waiting"]

EXAMPLES: Final = (
    Line("An envelope", """zeebe-amqp call '{"operation": "topology"}'"""),
    Line("From a file, or with - from standard input", "zeebe-amqp call @request.json"),
    Line(
        "A file that is the whole message",
        "zeebe-amqp call @order.bpmn --type deploy-process --header fileName=order.bpmn",
    ),
)


def _body(context: click.Context, parameter: click.Parameter, text: str) -> bytes:
    if os.path.isfile(text):
        raise click.BadParameter(f"{text!r} is the name of a file: write @{text} for what is in it", context, parameter)
    return given(text)


def _headers(context: click.Context, parameter: click.Parameter, texts: tuple[str, ...]) -> dict[str, str]:
    pairs = [text.partition("=") for text in texts]
    for name, sign, _ in pairs:
        if not name or not sign:
            raise click.BadParameter("expected NAME=VALUE", context, parameter)
    return {name: value for name, _, value in pairs}


@click.command(
    cls=Explained,
    examples=EXAMPLES,
    params=[
        click.Argument(
            ["body"],
            type=TEXT,
            default=STANDARD_INPUT,
            metavar="BODY",
            callback=_body,
            help="the body as text, or @file; default - (standard input)",
        ),
        click.Option(
            ["--type", "kind"],
            type=click.Choice(list(COMMANDS)),
            metavar="OPERATION",
            help="the operation, for a body without an envelope",
        ),
        click.Option(
            ["--header", "headers"],
            type=TEXT,
            multiple=True,
            callback=_headers,
            metavar="NAME=VALUE",
            help="a header of the message; may be given several times",
        ),
        click.Option(
            ["--content-type"], type=TEXT, default=wire.CONTENT_TYPE, help=f"the body's; default {wire.CONTENT_TYPE}"
        ),
        *REQUEST,
        *CONNECTION,
        USER_ID,
    ],
)
@connected
def call(
    connection: Connection,
    *,
    body: bytes,
    kind: str | None,
    headers: dict[str, str],
    content_type: str,
    timeout: float | None,
    request_id: str | None,
    trace: bool,
    priority: int | None,
) -> None:
    """Send a request unchanged and print the reply; invalid requests are sent too."""
    request = Request.of(kind, request_id, timeout, trace, priority)
    wait = waiting(body, kind, content_type, headers)
    with request.named(), traced(trace) as trace_id, connection.output.waiting("waiting for the answer"):
        reply = asyncio.run(
            _call(connection, request, body, wait, type=kind, headers=headers, content_type=content_type)
        )
    if trace:
        connection.output.note(f"trace {trace_id}", traceId=trace_id)
    try:
        with request.named():
            answer(reply)
    finally:  # a reply that is an error is a reply
        connection.output.line(reply)


async def _call(
    connection: Connection,
    request: Request,
    body: bytes,
    wait: float,
    *,
    type: str | None,
    headers: Mapping[str, str],
    content_type: str,
) -> bytes:
    timeout = TIMEOUT + wait if request.timeout is None else request.timeout
    async with connection.client() as client:
        return await client.call_raw(
            body,
            timeout=timeout,
            request_id=request.request_id,
            type=type,
            headers=headers,
            content_type=content_type,
            long_poll=wait > 0,
            priority=request.priority,
        )


def waiting(body: bytes, kind: str | None, content_type: str, headers: Mapping[str, str]) -> float:
    """Seconds that a long-running request may take; 0 when it is none, or the service will refuse it."""
    try:
        return envelope.decode(body, type=kind, content_type=content_type, headers=headers).command.wait() / 1000
    except CommandError:
        return 0.0
