"""The broker as the service knows it: requests come, answers and dead letters go.

Publishing has a connection of its own, because a memory or disk alarm stops the broker from reading a connection that
publishes, and acks on it would stall with it. The queues of long-running requests have one, too, and those of what
workers say of jobs: one socket serves all its queues, and what floods one must not hold up the other.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Final, TypeAlias

from aio_pika.abc import AbstractConnection

from consumer.config import Amqp
from consumer.config.values import AuditSink
from consumer.core.delivery import Decoder, Delivery, Reply
from consumer.core.large import LARGE, offload
from consumer.core.message import Message
from consumer.core.seal import Seal, digest_of
from consumer.pipeline.publishing import PublishFailed, TooLarge
from consumer.rabbitmq import properties
from consumer.rabbitmq.consumer import Consumer, QueueDelivery
from consumer.rabbitmq.held import HeldBytes
from consumer.rabbitmq.prefetch import Window
from consumer.rabbitmq.publisher import Publisher, Unroutable
from consumer.rabbitmq.reply_route import Address, to_queue
from consumer.rabbitmq.topology import declare_audit
from zeebe_amqp import wire
from zeebe_amqp.amqp.connection import login, logins
from zeebe_amqp.amqp.depth import QueueState
from zeebe_amqp.amqp.hot import HotChannel, Incoming

__all__ = ["Broker", "Publishing"]

STOPPING: Final = "stopping"
"""The pause that nothing ends."""
CONSUME_JOBS: Final = "consume jobs"
"""The connection of the queues with decoders of their own."""
NO_DECODERS: Final[Mapping[str, Decoder]] = MappingProxyType({})

Publishing: TypeAlias = Callable[[Delivery, Reply], AbstractContextManager[Mapping[str, str]]]
"""Opens the span of a reply's publish and gives the trace headers to send with it."""


class Broker:
    """Consumes the request queues and publishes replies and dead letters.

    Args:
        amqp: addresses, queues, prefetch.
        max_depth: nesting of variables that is accepted, for decoding.
        accept: takes over each delivery; returns at once.
        publishing: opens the span of a publish.
        address: says where the reply of a request goes.
        spill_to: the folder of the files in which large requests wait.
        connected: is given each new connection that consumes, to look through.
        seal: signs dead letters, and verifies what they say when they are sent again.
        decoders: by queue, what finds the command in its messages; these queues are consumed beside those of requests.
    """

    def __init__(
        self,
        amqp: Amqp,
        *,
        max_depth: int,
        accept: Callable[[Delivery], None],
        publishing: Publishing = lambda _, __: nullcontext({}),
        address: Callable[[Message], Address] = to_queue,
        spill_to: Path = Path(),
        connected: Callable[[AbstractConnection], None] = lambda _: None,
        seal: Seal | None = None,
        decoders: Mapping[str, Decoder] = NO_DECODERS,
    ) -> None:
        self._seal = seal or Seal()
        self._held = HeldBytes(amqp.max_held_bytes, spill_to)
        self._amqp = amqp
        self._max_depth = max_depth
        self._logins = logins(amqp.urls)
        names = set(map(login, amqp.urls))
        self._login = names.pop() if len(names) == 1 else None
        """Ours, wherever we are connected; a wrong one would end the connection."""
        self._accept = accept
        self._publishing = publishing
        self._address = address
        self._decoders = decoders
        waiting = tuple(filter(amqp.waits, amqp.queues))
        working = tuple(queue for queue in amqp.queues if queue not in waiting)
        self._consumers = {
            name: Consumer(amqp, queues, f"zeebe-amqp {name}", self._receive, self._held, connected)
            for name, queues in (("consume", working), ("consume polls", waiting), (CONSUME_JOBS, tuple(decoders)))
            if queues
        }
        self._consuming = {queue: each for each in self._consumers.values() for queue in each.queues}
        self._publisher = Publisher(amqp, exchange=amqp.reply_exchange)
        self._pauses: set[str] = set()
        self._connections: list[asyncio.Task[None]] = []

    def problems(self) -> dict[str, str]:
        """What keeps it from working, by connection; empty when all is well."""
        parts = {"broker.publish": self._publisher.problem}
        for name, consumer in self._consumers.items():
            parts[f"broker.{name.replace(' ', '.')}"] = consumer.problem
        return {name: problem for name, problem in parts.items() if problem is not None}

    async def start(self) -> None:
        """Begin to connect; returns at once, connecting goes on for ever."""
        loop = asyncio.get_running_loop()
        running = [self._publisher.run(), *(consumer.run() for consumer in self._consumers.values())]
        self._connections = [loop.create_task(each) for each in running]

    def _receive(self, queue: str, channel: HotChannel, incoming: Incoming, window: Window) -> None:
        arrived = properties.message(incoming, queue, self._logins, self._seal)
        decoder = self._decoders.get(queue)
        self._accept(QueueDelivery(arrived, self._max_depth, channel, incoming, window, self._held, decoder))

    def prefetch(self, queue: str) -> int:
        """How many deliveries of a queue are held at a time, now: fewer while their bodies are large."""
        return self._consuming[queue].prefetch(queue)

    @property
    def held_bytes(self) -> int:
        """Bytes of requests in memory now."""
        return self._held.total

    @property
    def is_ready(self) -> bool:
        """Whether something can be published now: connected, and not blocked by an alarm of the broker."""
        return self._publisher.is_ready

    async def ready(self) -> None:
        """Wait until something can be published."""
        await self._publisher.ready()

    async def reply(self, delivery: Delivery, reply: Reply) -> bool:
        """Publish a reply to the request's `reply_to`; see `consumer.pipeline.publishing.ReplyPublisher`."""
        message = delivery.message
        address = self._address(message)
        try:
            with self._publishing(delivery, reply) as trace:
                await self._publisher.publish(
                    reply.encode(),
                    properties.reply_properties(message, reply, trace),
                    exchange=address.exchange,
                    routing_key=address.routing_key,
                    mandatory=address.mandatory,
                    patient=False,
                )
        except Unroutable:
            return False
        return True

    async def dead_letter(self, message: Message, reply: Reply) -> None:
        """Publish a request to the dead-letter exchange; see `consumer.pipeline.publishing.ReplyPublisher`."""
        try:
            await self._bury(message, reply)
        except TooLarge as failure:  # the broker took it, and has a lower limit since
            beginning = message.kept_body[: min(wire.KEPT_OF_LARGE, failure.limit)]
            await self._bury(replace(message, body=beginning, announced_size=message.size), reply)

    async def _bury(self, message: Message, reply: Reply) -> None:
        body = message.kept_body
        digest = digest_of(body) if len(body) <= LARGE else await offload(digest_of, body)
        try:
            await self._publisher.publish(
                body,
                properties.dead_letter_properties(message, reply, self._seal, digest),
                exchange=wire.DEAD_LETTER,
                routing_key=message.queue,
                mandatory=True,
            )
        except Unroutable as error:
            # Its queue was deleted while we were connected; connecting declares it again.
            self._publisher.renew(f"no queue is bound to the exchange {wire.DEAD_LETTER!r}")
            raise PublishFailed(f"no queue is bound to the exchange {wire.DEAD_LETTER!r}") from error

    async def prepare_audit(self, sink: AuditSink) -> None:
        """Declare or check where records of the audit go.

        Raises:
            PublishFailed: not connected.
            BrokerRefusal: missing, different, or not allowed.
        """
        await self._publisher.declare(partial(declare_audit, amqp=self._amqp, sink=sink))

    async def record(self, sink: AuditSink, line: bytes, topic: str) -> None:
        """Publish a record of the audit; returns when the broker keeps it.

        Raises:
            PublishFailed: not confirmed, or no queue takes it.
        """
        exchange, routing_key = properties.audit_address(sink, topic)
        try:
            await self._publisher.publish(
                line,
                properties.audit_properties(self._login),
                exchange=exchange,
                routing_key=routing_key,
                mandatory=True,
            )
        except Unroutable as error:
            raise PublishFailed(f"no queue takes what is published with {routing_key!r}") from error

    async def pause(self, reason: str) -> None:
        """Cancel the consumers until the same `reason` is resumed; what was delivered stays ours."""
        self._pauses.add(reason)
        await self._change()

    async def resume(self, reason: str) -> None:
        """Consume again, unless there is another reason not to."""
        self._pauses.discard(reason)
        await self._change()

    async def backlog(self) -> Mapping[str, int]:
        """Requests that wait, by queue; without the queues that could not be counted."""
        counts = await asyncio.gather(*(each.backlog() for each in self._consumers.values()))
        return {queue: number for each in counts for queue, number in each.items()}

    async def measure(self, queue: str) -> QueueState | None:
        """The state of a queue of jobs, or of what workers say of them; None when the broker does not say."""
        consumer = self._consumers.get(CONSUME_JOBS)
        return None if consumer is None else await consumer.measure(queue)

    async def _change(self) -> None:
        await asyncio.gather(*(each.pause(bool(self._pauses)) for each in self._consumers.values()))

    async def stop_consuming(self) -> None:
        """Pause for good."""
        await self.pause(STOPPING)

    async def close(self) -> None:
        """Close all connections for good."""
        self._pauses.add(STOPPING)
        for task in self._connections:
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)
        self._held.close()
