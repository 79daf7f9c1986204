"""A consumer of a queue of jobs in memory."""

from __future__ import annotations

from zeebe_amqp.client.transport import Delivery
from zeebe_amqp.testing.job_queues import JobQueues
from zeebe_amqp.testing.jobs import JobStore

__all__ = ["MemorySubscription"]


class MemorySubscription:
    """See `zeebe_amqp.client.transport.Subscription`."""

    def __init__(self, queues: JobQueues, store: JobStore, queue: str, prefetch: int) -> None:
        self._queues = queues
        self._store = store
        self._queue = queue
        self._prefetch = prefetch
        self._held: set[int] = set()
        self._is_stopped = False
        self._is_closed = False
        queues.count_consumer(queue, 1)

    async def take(self) -> Delivery | None:
        """Wait for a message; see `Subscription.take`."""
        while not self._is_stopped and self._queues.look(self._queue) is not None:
            has_room = len(self._held) < self._prefetch
            if has_room and (delivery := self._queues.deliver(self._queue)):
                self._held.add(delivery.tag)
                return delivery
            await self._store.wait_changed()
        return None

    def stop(self) -> None:
        """See `Subscription.stop`."""
        if not self._is_stopped:
            self._is_stopped = True
            self._queues.count_consumer(self._queue, -1)
        self._store.notify()

    async def cancel(self) -> None:
        """See `Subscription.cancel`: nothing is here that nobody took."""
        self.stop()

    async def close(self) -> None:
        """See `Subscription.close`."""
        self.end()

    def end(self) -> None:
        """The connection is gone; may be called by any thread."""
        self._is_closed = True
        self.stop()
        while self._held:
            self._queues.nack(self._held.pop(), requeue=True)

    def ack(self, delivery: Delivery) -> bool:
        """See `Subscription.ack`."""
        if self._is_closed:
            return False
        self._held.remove(delivery.tag)
        self._queues.ack(delivery.tag)
        return True

    def nack(self, delivery: Delivery, *, requeue: bool) -> bool:
        """See `Subscription.nack`."""
        if self._is_closed:
            return False
        self._held.remove(delivery.tag)
        self._queues.nack(delivery.tag, requeue=requeue)
        return True
