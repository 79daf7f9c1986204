"""One replica of the service: its own code, wired as in `consumer/app.py`, between simulated borders."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Any

from consumer.config import Amqp, Zeebe
from consumer.core.clock import Clock
from consumer.core.delivery import Delivery
from consumer.core.limiter import AimdLimit
from consumer.core.shares import Shares
from consumer.ledger import Ledger, Limits
from consumer.pipeline.chain import inner_chain, request_chain
from consumer.pipeline.ending import Report
from consumer.pipeline.handler import executing
from consumer.pipeline.idempotency import idempotent
from consumer.pipeline.middleware import compose, recovered
from consumer.pipeline.monitor import LEDGER, Monitor
from consumer.pipeline.redelivery import RedeliveryMatcher
from consumer.pipeline.refused_replies import RefusedReplies
from consumer.pipeline.waits import QueuePlaces, Waits
from consumer.pipeline.worker import QueueWorker
from consumer.rabbitmq import Broker
from consumer.zeebe import ZeebeEngine
from tests.simulation.broker import QUEUE
from tests.simulation.callers import EPOCH
from tests.simulation.connection import Connection
from tests.simulation.gateway import GatewayConnection
from tests.simulation.loop import Process, VirtualLoop
from tests.simulation.store import NetworkStore

ZEEBE = Zeebe(plaintext=True)
GRACE = 25.0
"""SHUTDOWN_GRACE."""
REPLY_RETRY = 30.0
FORGET_RETRY = 900.0


class ProcessClock(Clock):
    """The clocks of one machine.

    Args:
        loop: whose time passes.
        chance: for jitter.
        offset: seconds by which its clock is wrong now.
    """

    def __init__(self, loop: VirtualLoop, chance: Random, offset: Callable[[], float]) -> None:
        self._loop, self._offset = loop, offset
        self.random = chance.random  # type: ignore[method-assign]
        self.monotonic = loop.time
        self.now = self._now

    def _now(self) -> float:
        return EPOCH + self._loop.time() + self._offset()


@dataclass(frozen=True)
class Held:
    """What a process had in its hands when it ended, by identity; without one by its number."""

    messages: frozenset[int]
    """The callers' messages that it had taken and not settled."""
    unwritten: frozenset[bytes]
    """Keys of the ledger's entries that it could not write, or whose run it cut off."""


class Replica:
    """One process from its start to its end; make it in the context of the process.

    Args:
        process: which.
        loop: whose time passes.
        chance: for jitter.
        store: where the ledger keeps its entries.
        gateway: how the engine is reached.
        places: commands that run at a time.
        prefetch: deliveries that it holds at a time.
        offset: seconds by which its clock is wrong now.
        taken: is called with each delivery.
        ended: is told how each request ended.
    """

    def __init__(
        self,
        process: Process,
        loop: VirtualLoop,
        chance: Random,
        store: NetworkStore,
        gateway: GatewayConnection,
        places: int,
        prefetch: int,
        offset: Callable[[], float],
        taken: Callable[[Delivery], None],
        ended: Report,
    ) -> None:
        self.process, self.store = process, store
        self.connections: list[Connection] = []
        clock = ProcessClock(loop, chance, offset)
        amqp = Amqp(queues=(QUEUE,), prefetch=prefetch)
        make: Any = gateway.make
        self.engine = ZeebeEngine(
            ZEEBE, connections=make, clock=clock.now, monotonic=clock.monotonic, random=chance.random
        )
        self.ledger = Ledger(store, Limits(3600.0), clock=clock.now)
        self.broker = Broker(amqp, max_depth=500, accept=self._accept)
        self.monitor = Monitor("gateway", self._look, self.engine.circuit, {LEDGER: self.ledger}, self.broker, clock)
        self.refused = RefusedReplies(lambda: max(1, prefetch // 8), REPLY_RETRY)
        self.held = Shares(lambda: prefetch)
        self.slots = Shares(lambda: max(1, places // 2))
        redeliveries = RedeliveryMatcher(clock=clock)
        waits, recover = Waits({QUEUE: QueuePlaces(self.held, self.slots)}), recovered()
        self.once = idempotent(self.ledger, redeliveries, waits=waits, clock=clock)
        limit = AimdLimit(places)
        inner = inner_chain(self._remember, recover, waits)
        handler = compose(executing(self.engine, {QUEUE: limit}, clock.now), *request_chain(inner, recover))
        self.worker = QueueWorker(
            handler,
            self.broker,
            limit=limit,
            forget_retry=FORGET_RETRY,
            refusal=lambda _: None,
            circuit=self.engine.circuit,
            refused=self.refused,
            acknowledged=redeliveries.record_ack,
            report=ended,
            clock=clock,
        )
        self._taken = taken
        self.is_started = self.is_stopping = False

    async def _look(self) -> None:
        # A gateway that is there need not be asked every five seconds of a long time in which nothing happens.
        if self.engine.circuit.unreached or self.engine.last_version is None:
            await self.engine.look()

    def _remember(self, handler: Any) -> Any:
        self.runs: Any = self.once(handler)
        return self.runs

    def _accept(self, delivery: Delivery) -> None:
        self._taken(delivery)
        self.worker.accept(delivery)

    async def start(self) -> None:
        """See `consumer.app.Service.start`."""
        await self.ledger.start()
        self.monitor.start()
        await self.broker.start()
        self.is_started = True

    async def stop(self, cut_off: Callable[[], None]) -> bool:
        """See `consumer.app.Service.stop`; whether everything ended in time. If not, `cut_off` is called then."""
        self.is_stopping = True
        await self.broker.stop_consuming()
        drained = await self.worker.stop(GRACE)
        if not drained:
            cut_off()
        await self.broker.close()
        self.monitor.stop()
        await self.engine.close()
        await self.ledger.close()
        return drained

    def numbers(self) -> frozenset[int]:
        """The callers' messages that it has taken and not settled."""
        return frozenset(int(each.message.correlation_id or 0) for each in self.worker.deliveries)

    def left(self, *, is_cut_off: bool) -> Held:
        """What it has in its hands; `is_cut_off`: it has just ended what still ran."""
        running = self.ledger._running if is_cut_off else ()
        return Held(self.numbers(), frozenset((*self.ledger._unwritten, *running)))

    def taken_places(self) -> dict[str, object]:
        """What should be free when nothing is to be done, and is not."""
        worker: Any = self.worker
        consumer: Any = self.broker._consuming[QUEUE]
        places = {
            "deliveries": self.worker.in_flight,
            "slots": worker._limiter._inside,
            "slots of exempt commands": worker._exempt._inside,
            "waiting for a slot": bool(worker._limiter._waiting),
            "places that wait": self.held.taken,
            "places of long commands": self.slots.taken,
            "refused replies": self.refused._shares.taken,
            "runs": len(self.runs._running),
            "claims": len(self.ledger._running),
            "unwritten": len(self.ledger._unwritten),
            "held bytes": self.broker.held_bytes,
            "places of the prefetch": consumer._prefetch[QUEUE].held,
            "calls": len(self.engine._connections._calls),  # type: ignore[attr-defined]
        }
        return {name: taken for name, taken in places.items() if taken}
