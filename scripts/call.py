"""Sends one command as a message and shows the reply: `make call OP=topology DATA='{}'`.

Variables: `OP`, `DATA` (JSON), `QUEUE` (zeebe.commands), `TIMEOUT` (seconds, 30), `AMQP_URL` (of `make up`).
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import uuid

import aio_pika
from aio_pika.abc import AbstractChannel, AbstractIncomingMessage
from aio_pika.exceptions import AMQPConnectionError, DeliveryError
from rich.console import Console

from scripts.stack import State


class CallError(Exception):
    """Why there is no reply; the text says what to do."""


def envelope() -> bytes:
    """The request's body from `OP` and `DATA`.

    Raises:
        CallError: `DATA` is not JSON.
    """
    data = os.environ.get("DATA", "{}")
    try:
        return json.dumps({"operation": os.environ.get("OP", "topology"), "data": json.loads(data)}).encode()
    except ValueError as error:
        raise CallError(f"DATA: found {data!r}, which is not JSON ({error})") from error


def url() -> str:
    """The broker's address: the environment's, else that of `make up`.

    Raises:
        CallError: there is neither.
    """
    found = os.environ.get("AMQP_URL") or State.load().environment.get("AMQP_URL")
    if not found:
        raise CallError("no broker: `make up` starts one, or set AMQP_URL")
    return found


async def exchange(channel: AbstractChannel, body: bytes, queue: str) -> AbstractIncomingMessage:
    """Publish the request and wait for the reply with its correlation id."""
    replies = await channel.declare_queue(exclusive=True, auto_delete=True)
    identity = str(uuid.uuid4())
    message = aio_pika.Message(
        body,
        content_type="application/json",
        reply_to=replies.name,
        correlation_id=identity,
        message_id=identity,
    )
    await channel.default_exchange.publish(message, routing_key=queue, mandatory=True)
    async with replies.iterator(no_ack=True) as incoming:
        async for reply in incoming:
            if reply.correlation_id == identity:
                return reply
    raise CallError("the broker closed the reply queue")


async def call() -> AbstractIncomingMessage:
    """The reply to the command of the environment.

    Raises:
        CallError: there is none.
    """
    body, queue, seconds = envelope(), os.environ.get("QUEUE", "zeebe.commands"), float(os.environ.get("TIMEOUT", "30"))
    try:
        connection = await aio_pika.connect(url(), timeout=10)
    except (AMQPConnectionError, OSError, TimeoutError) as error:
        raise CallError(f"no broker at {url()}: {error}") from error
    async with connection:
        channel = await connection.channel(on_return_raises=True)
        try:
            async with asyncio.timeout(seconds):
                return await exchange(channel, body, queue)
        except DeliveryError as error:
            raise CallError(
                f"queue {queue} does not exist: the consumer makes it when it starts (`make up`)"
            ) from error
        except TimeoutError as error:
            raise CallError(f"nobody answered within {seconds:g} s: does the consumer run (`make status`)?") from error


def main() -> int:
    """Call and show; exit status 0 for a result, 1 for an error."""
    console = Console(soft_wrap=True)
    try:
        reply = asyncio.run(call())
    except CallError as problem:
        Console(stderr=True, soft_wrap=True).print(f"make call: {problem}", markup=False, highlight=False)
        return 1
    console.print_json(reply.body.decode())
    return 1 if (reply.type or "").endswith("error") else 0


if __name__ == "__main__":
    sys.exit(main())
