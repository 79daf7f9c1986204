"""Requests under way while something breaks: held at the gateway, or many of them, counted; and what may break."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from typing import Any, TypeAlias

import aio_pika
from aio_pika.exceptions import AMQPError

from scripts.rabbitmq import RabbitMQ
from tests.fakes.gateway import FakeGateway, Request
from tests.integration.service import TIMEOUT, ConsumerSetup, create, eventually
from zeebe_amqp.reply import Reply
from zeebe_amqp.testing import Step, after, answer

CREATE = "CreateProcessInstance"
Fault: TypeAlias = Callable[[RabbitMQ], Coroutine[Any, Any, None]]


async def crash(broker: RabbitMQ) -> None:
    """Kill a broker and start it again."""
    await asyncio.to_thread(broker.kill)
    await asyncio.to_thread(broker.start)


async def cut(broker: RabbitMQ) -> None:
    """Close all its connections."""
    await asyncio.to_thread(broker.ctl, "close_all_connections", "test")


@asynccontextmanager
async def alarmed(broker: RabbitMQ) -> AsyncIterator[None]:
    """Let it take nothing from publishers while the block runs."""
    await asyncio.to_thread(broker.ctl, "set_vm_memory_high_watermark", "0.00001")
    try:
        yield
    finally:
        await asyncio.to_thread(broker.ctl, "set_vm_memory_high_watermark", "0.4")


async def alarm(broker: RabbitMQ) -> None:
    """Let it take nothing from publishers for two seconds."""
    async with alarmed(broker):
        await asyncio.sleep(2)


class Hold:
    """Holds the requests of an RPC that arrive at the gateway until it is opened."""

    def __init__(self, gateway: FakeGateway, rpc: str = CREATE) -> None:
        self._open = asyncio.Event()
        self._gateway, self._rpc = gateway, rpc
        gateway.always(rpc, self._held)
        self.open = self._open.set

    async def _held(self, _: Request) -> Step:
        await self._open.wait()
        return answer()

    async def reached(self, number: int = 1) -> None:
        """Wait until that many requests are at the gateway."""
        await eventually(lambda: self._gateway.count(self._rpc) >= number, f"{number} requests at the gateway")


class Load:
    """Requests from callers that are not part of the outage: what is confirmed counts, what is not is sent again.

    Replies go to durable queues and are read afterwards, so that they outlive the broker too.
    """

    def __init__(self, service: ConsumerSetup, number: int) -> None:
        self._service = service
        self.reply_to = f"test.replies.{uuid.uuid4().hex}"
        self.ids = [uuid.uuid4().hex for _ in range(number)]
        self.sent = 0

    async def send(self) -> None:
        """Send all, whatever happens to the broker."""
        async with await aio_pika.connect(self._service.url) as connection, connection.channel() as channel:
            await channel.declare_queue(self.reply_to, durable=True)
        await asyncio.gather(*(self._send(self.ids[part::3]) for part in range(3)))

    async def _send(self, left: list[str]) -> None:
        while left:
            with suppress(AMQPError, OSError, TimeoutError, RuntimeError):
                async with await aio_pika.connect(self._service.url, timeout=10) as connection:
                    exchange = (await connection.channel()).default_exchange
                    while left:
                        same: dict[str, Any] = {"message_id": left[-1], "correlation_id": left[-1]}
                        body = create(id=left[-1])
                        message = aio_pika.Message(body, reply_to=self.reply_to, delivery_mode=2, **same)
                        await exchange.publish(message, self._service.consumer.queues[0], timeout=10)
                        left.pop()
                        self.sent += 1
            await asyncio.sleep(0.2)

    async def check(self) -> None:
        """Every request was answered with a result, and executed once."""
        replies: dict[str, Reply] = {}
        async with await aio_pika.connect(self._service.url) as connection:
            channel = await connection.channel()
            queue = await channel.declare_queue(self.reply_to, durable=True)
            try:
                async with asyncio.timeout(TIMEOUT), queue.iterator(no_ack=True) as messages:
                    async for message in messages:
                        replies[str(message.correlation_id)] = Reply.decode(message.body)
                        if len(replies) == len(self.ids):
                            break
            finally:
                await queue.delete(if_unused=False, if_empty=False)
        assert set(replies) == set(self.ids)
        assert [reply.error for reply in replies.values() if reply.error] == []
        executed = self._service.gateway.executions
        assert len(executed) == len(self.ids)
        assert {key: count for key, count in executed.items() if count != 1} == {}


@asynccontextmanager
async def loaded(service: ConsumerSetup, number: int = 300) -> AsyncIterator[Load]:
    """Load of which a third has been sent when the body begins, and all when it ends."""
    service.gateway.always(CREATE, after(0.03))
    load = Load(service, number)
    sending = asyncio.create_task(load.send())
    try:
        await eventually(lambda: load.sent > number / 3, "a third of the requests sent")
        yield load
        await asyncio.wait_for(sending, TIMEOUT)
    finally:
        sending.cancel()
