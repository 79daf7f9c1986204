"""A worker with FastStream: `python examples/faststream_worker.py amqp://guest:guest@127.0.0.1:5672`."""

import asyncio
import sys
import time

from faststream import Context, ExceptionMiddleware, FastStream
from faststream.exceptions import AckMessage
from faststream.rabbit import Channel, RabbitBroker, RabbitQueue, RabbitResponse

failures = ExceptionMiddleware()
broker = RabbitBroker(sys.argv[1], default_channel=Channel(prefetch_count=1), middlewares=[failures])


@failures.add_handler(Exception, publish=True)
def fail(error: Exception) -> RabbitResponse:
    return RabbitResponse({"errorMessage": str(error)}, message_type="fail", persist=True)


@broker.subscriber(RabbitQueue("zeebe.jobs.charge-card", declare=False))
async def charge(variables: dict, deadline: int = Context("message.headers.deadline")) -> dict:
    if deadline < time.time() * 1000:
        raise AckMessage  # somebody else has the job by now
    if variables["amount"] > 1000:
        raise ValueError("the card has a limit of 1000")
    return {"charged": variables["amount"]}


asyncio.run(FastStream(broker).run())
