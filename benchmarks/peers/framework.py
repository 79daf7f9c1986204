"""A consumer as a good user of FastStream and pyzeebe writes it: what the handler returns is the reply.

A program: `python framework.py AMQP_URL QUEUE GATEWAY PREFETCH`. It runs on uvloop, as the service does.
"""

from __future__ import annotations

import logging
import sys
from typing import Any

import uvloop
from engine import connected, execute
from faststream import FastStream
from faststream.rabbit import Channel, RabbitBroker, RabbitQueue
from pydantic import BaseModel
from pyzeebe.errors import PyZeebeError


class Request(BaseModel):
    """A command."""

    operation: str
    data: dict[str, Any]


async def serve(url: str, queue: str, address: str, prefetch: int) -> None:
    """Answer until the process is ended."""
    client = connected(address)
    # Two lines per message are logged otherwise.
    broker = RabbitBroker(url, default_channel=Channel(prefetch_count=prefetch), log_level=logging.DEBUG)
    program = FastStream(broker)

    @broker.subscriber(RabbitQueue(queue, durable=True, declare=False))
    async def answer(request: Request) -> dict[str, Any]:
        try:
            return await execute(client, request.operation, request.data)
        except PyZeebeError as error:
            return {"error": str(error)}

    @program.after_startup
    async def ready() -> None:
        print("ready", flush=True)

    await program.run()


if __name__ == "__main__":
    uvloop.run(serve(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])))
