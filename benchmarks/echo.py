"""The ceiling of the broker's side: consume, publish a reply with confirm, ack, and nothing else; bare aiormq.

A program: `python -m benchmarks.echo AMQP_URL QUEUE`.
"""

from __future__ import annotations

import asyncio
import sys
import uuid

import aiormq
from aiormq.abc import DeliveredMessage
from pamqp.commands import Basic

from benchmarks.request import PREFETCH, declare, run
from zeebe_amqp.wire import DIRECT_REPLY_TO


async def serve(url: str, queue: str) -> None:
    """Answer until the process is ended."""
    consuming, publishing = await aiormq.connect(url), await aiormq.connect(url)
    inbox, replies = await consuming.channel(publisher_confirms=False), await publishing.channel()

    async def answer(message: DeliveredMessage) -> None:
        properties = message.header.properties
        reply = Basic.Properties(correlation_id=properties.correlation_id, message_id=str(uuid.uuid4()))
        address = str(properties.reply_to)
        # As the service does: the broker would both deliver and return a mandatory message to direct reply-to.
        mandatory = not address.startswith(DIRECT_REPLY_TO)
        await replies.basic_publish(
            message.body, routing_key=address, properties=reply, mandatory=mandatory, wait=False
        )
        await inbox.basic_ack(int(message.delivery_tag or 0), wait=False)

    await declare(inbox, queue)
    await inbox.basic_qos(prefetch_count=PREFETCH)
    await inbox.basic_consume(queue, answer)
    print("ready", flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    run(serve(sys.argv[1], sys.argv[2]))
