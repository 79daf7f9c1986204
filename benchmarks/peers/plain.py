"""A consumer as a good user of aio-pika and pyzeebe writes it: no ledger, no checks; reply with confirm, then ack.

A program: `python plain.py AMQP_URL QUEUE GATEWAY PREFETCH`. It runs on uvloop, as the service does.
"""

from __future__ import annotations

import asyncio
import json
import sys

import aio_pika
import uvloop
from aio_pika.abc import AbstractIncomingMessage
from engine import connected, execute
from pyzeebe.errors import PyZeebeError


async def serve(url: str, queue: str, address: str, prefetch: int) -> None:
    """Answer until the process is ended."""
    client = connected(address)
    async with await aio_pika.connect_robust(url) as connection:
        channel = await connection.channel(publisher_confirms=True)
        await channel.set_qos(prefetch_count=prefetch)
        commands = await channel.get_queue(queue)

        async def answer(message: AbstractIncomingMessage) -> None:
            async with message.process():
                command = json.loads(message.body)
                try:
                    content = await execute(client, command["operation"], command["data"])
                except PyZeebeError as error:
                    content = {"error": str(error)}
                reply = aio_pika.Message(
                    json.dumps(content, separators=(",", ":")).encode(),
                    content_type="application/json",
                    correlation_id=message.correlation_id,
                )
                await channel.default_exchange.publish(reply, str(message.reply_to))

        await commands.consume(answer)
        print("ready", flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(serve(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])))
