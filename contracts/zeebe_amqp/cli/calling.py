"""One request, its answer, and what the exit code becomes."""

from __future__ import annotations

import asyncio

import msgspec

from zeebe_amqp.cli.connection import TIMEOUT, Connection, Request
from zeebe_amqp.client.answers import read
from zeebe_amqp.client.trace_context import traced
from zeebe_amqp.commands import Command
from zeebe_amqp.schema.json_members import OBJECT

__all__ = ["Anything", "answer", "ask", "data_of", "forget"]


class Anything(Command[None], frozen=True, kw_only=True):
    """Reads any reply: what a newer service answers is shown, too."""

    operation = ""


def ask(connection: Connection, request: Request, command: Command, body: bytes) -> None:
    """Send a request and tell its answer.

    Raises:
        CommandError: it failed.
    """
    with (
        request.named(),
        traced(request.trace) as trace_id,
        connection.output.waiting(f"{command.operation}: waiting for the answer"),
    ):
        data = asyncio.run(_ask(connection, request, command, body))
    _tell_trace(connection, request, trace_id)
    connection.output.result(data)


async def _ask(connection: Connection, request: Request, command: Command, body: bytes) -> bytes:
    wait = command.wait() / 1000
    async with connection.client() as client:
        reply = await client.call_raw(
            body,
            timeout=TIMEOUT + wait if request.timeout is None else request.timeout,
            request_id=request.request_id,
            long_poll=wait > 0,
            priority=request.priority,
        )
    return answer(reply)


def answer(reply: bytes) -> bytes:
    """The data of a reply as they came, JSON.

    Raises:
        CommandError: the reply is an error, or cannot be read.
    """
    read(Anything(), reply)
    return data_of(reply)


def data_of(reply: bytes) -> bytes:
    """The data of a readable reply, JSON; null when there are none."""
    return bytes(OBJECT.decode(reply).get("data", msgspec.Raw(b"null")))


def forget(connection: Connection, request: Request, command: Command, trace_variable: str | None = None) -> None:
    """Leave a request with the broker and tell its identity.

    Raises:
        CommandError: the broker did not take it.
    """
    with (
        request.named(),
        traced(request.trace) as trace_id,
        connection.output.waiting(f"{command.operation}: publishing"),
    ):
        identity = asyncio.run(_forget(connection, request, command, trace_variable))
    _tell_trace(connection, request, trace_id)
    connection.output.result(msgspec.json.encode({"requestId": identity}))


async def _forget(connection: Connection, request: Request, command: Command, trace_variable: str | None) -> str:
    async with connection.client() as client:
        return await client.send(
            command,
            timeout=request.timeout,
            request_id=request.request_id,
            trace_variable=trace_variable,
            priority=request.priority,
        )


def _tell_trace(connection: Connection, request: Request, trace_id: str | None) -> None:
    if request.trace:
        connection.output.note(f"trace {trace_id}", traceId=trace_id)
