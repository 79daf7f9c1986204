"""A worker of a queue of jobs as a good user of aio-pika writes it: answer with confirm, then ack.

A program: `python -m benchmarks.jobs.worker AMQP_URL QUEUE PREFETCH`. It runs on uvloop.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time

import aio_pika
from aio_pika.abc import AbstractIncomingMessage

from benchmarks import request


async def work(url: str, queue: str, prefetch: int) -> None:
    """Work until the process is ended."""
    async with await aio_pika.connect_robust(url) as connection:
        channel = await connection.channel(publisher_confirms=True)
        await channel.set_qos(prefetch_count=prefetch)
        jobs = await channel.get_queue(queue)

        async def done(message: AbstractIncomingMessage) -> None:
            begun = time.time_ns()
            async with message.process():
                json.loads(message.body)
                answer = aio_pika.Message(
                    json.dumps({"begun": begun}).encode(),
                    content_type="application/json",
                    correlation_id=message.correlation_id,
                    delivery_mode=aio_pika.DeliveryMode.PERSISTENT,
                )
                await channel.default_exchange.publish(answer, str(message.reply_to))

        await jobs.consume(done)
        print("ready", flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    request.run(work(sys.argv[1], sys.argv[2], int(sys.argv[3])))
