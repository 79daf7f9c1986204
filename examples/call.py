"""A caller with nothing but a RabbitMQ client: `python examples/call.py amqp://guest:guest@127.0.0.1:5672`."""

import asyncio
import sys
from urllib.parse import unquote, urlsplit

import aio_pika


async def main(url: str) -> None:
    async with await aio_pika.connect(url) as connection, connection.channel() as channel:
        replies = await channel.declare_queue(exclusive=True)
        request = aio_pika.Message(
            b'{"data": {}, "operation": "topology"}',
            content_type="application/json",
            reply_to=replies.name,
            user_id=unquote(urlsplit(url).username or "guest"),  # the broker checks it
        )
        await channel.default_exchange.publish(request, "zeebe.commands")
        async with replies.iterator(no_ack=True, timeout=20) as arriving:
            print((await anext(arriving)).body.decode())


asyncio.run(main(sys.argv[1]))
