"""The way between a client and the service in memory."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from zeebe_amqp.amqp.properties import Properties
from zeebe_amqp.client.transport import ConnectionLost, NotConnected, Outgoing, Peer, QueueState, Unroutable
from zeebe_amqp.errors import Code, CommandError, Error, Outcome, Source
from zeebe_amqp.jobs.names import RESULTS
from zeebe_amqp.testing.answers import Answers
from zeebe_amqp.testing.service import Case, Service
from zeebe_amqp.testing.steps import ReplyFault
from zeebe_amqp.testing.subscription import MemorySubscription

__all__ = ["MemoryTransport", "Wire"]


T = TypeVar("T")


class Wire:
    """What all clients of one service have in common: its queues, and whether they can be reached."""

    def __init__(self, service: Service, queues: tuple[str, ...]) -> None:
        self.service = service
        self.answers = Answers(service)
        self.queues = queues
        self.connected = True
        self.open: list[MemoryTransport] = []


class MemoryTransport:
    """A `zeebe_amqp.client.Transport` to the service in memory."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self._running: set[asyncio.Task[object]] = set()
        self._subscriptions: list[MemorySubscription] = []
        self._peer: Peer | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    async def open(self, peer: Peer) -> None:
        """Connect; see `Transport.open`."""
        if not self._wire.connected:
            raise _no_broker()
        self._peer, self._loop = peer, asyncio.get_running_loop()
        self._wire.open.append(self)

    async def close(self) -> None:
        """Disconnect; what nobody waits for is finished before."""
        if self in self._wire.open:
            self._wire.open.remove(self)
        self.drop()
        if self._running:
            await asyncio.wait(self._running)

    def drop(self) -> None:
        """The connection is gone; may be called by any thread."""
        while self._subscriptions:
            self._subscriptions.pop().end()

    def restore(self) -> None:
        """The connection is there again; may be called by any thread."""
        assert self._loop is not None
        assert self._peer is not None
        self._loop.call_soon_threadsafe(self._peer.on_connected)

    async def look(self, queue: str) -> QueueState | None:
        """The service is always there; see `Transport.look`."""
        if not self._wire.connected:
            return None
        if queue in self._wire.queues:
            return QueueState(waiting=0, consumers=1)
        return self._wire.answers.queues.look(queue)

    async def subscribe(self, queue: str, prefetch: int) -> MemorySubscription:
        """Consume a queue of jobs; see `Transport.subscribe`."""
        await asyncio.sleep(0)
        if not self._wire.connected:
            raise NotConnected
        queues = self._wire.answers.queues
        if queues.look(queue) is None:
            raise Unroutable(f"no queue {queue!r}: call `push_jobs` first")
        subscription = MemorySubscription(queues, self._wire.service.jobs, queue, prefetch)
        self._subscriptions.append(subscription)
        return subscription

    async def publish_answer(self, queue: str, body: bytes, properties: Properties) -> None:
        """Take an answer, and run it; see `Transport.publish_answer`."""
        await asyncio.sleep(0)
        if not self._wire.connected:
            raise NotConnected
        if queue != RESULTS:
            raise Unroutable(queue)
        answers = self._wire.answers
        await asyncio.wait({self._begin(answers.handle(*answers.accept(body, properties)))}, timeout=0)

    async def publish(self, request: Outgoing) -> None:
        """Take a request, run it, and hand out its reply; see `Transport.publish`."""
        await asyncio.sleep(0)
        if not self._wire.connected:
            raise NotConnected
        if request.queue not in self._wire.queues:
            raise Unroutable(request.queue)
        case = self._wire.service.accept(request)
        task = self._begin(self._wire.service.handle(case))
        # Who stops waiting does not stop the engine.
        if request.replied:
            self._answer(request, case, (await asyncio.shield(task)).encode())
        else:
            await asyncio.wait({task}, timeout=0)

    def _begin(self, running: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        task = asyncio.get_running_loop().create_task(running)
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        return task

    def _answer(self, request: Outgoing, case: Case, body: bytes) -> None:
        assert self._peer is not None
        reply_fault, case.reply_fault = case.reply_fault, None
        if reply_fault is ReplyFault.DROPPED:
            raise TimeoutError
        if reply_fault is ReplyFault.DISCONNECTED or not self._wire.connected:
            if reply_fault is ReplyFault.DISCONNECTED:
                self.restore()
            raise ConnectionLost("the connection was lost with the reply")
        self._peer.on_received(request.correlation_id, body)


def _no_broker() -> CommandError:
    return CommandError.of(
        Error(
            code=Code.UNAVAILABLE,
            message="no broker: the test disconnected it",
            source=Source.CLIENT,
            outcome=Outcome.NOT_EXECUTED,
            retryable=True,
        )
    )
