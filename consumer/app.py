"""The composition root: builds every part, runs until a signal, drains. Reads top to bottom."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import random
import signal
from collections.abc import Mapping
from functools import lru_cache, partial

from consumer import telemetry
from consumer.camunda7 import Camunda7
from consumer.config import Settings, values
from consumer.core.engines import Engines
from consumer.core.limiter import AimdLimit
from consumer.core.message import Handler, Incoming
from consumer.health import Health
from consumer.ledger import Limits, open_ledger
from consumer.pipeline.handler import guarded, recovered
from consumer.pipeline.idempotency import once
from consumer.pipeline.limited import limited
from consumer.pipeline.worker import Delivery, QueueWorker
from consumer.rabbitmq import Broker, queue_names
from consumer.rabbitmq import reply_policy as replies
from consumer.telemetry import Telemetry
from consumer.zeebe import Gateway
from consumer.zeebe.operations import OPERATIONS, with_camunda7
from zeebe_amqp import __version__
from zeebe_amqp.errors import CommandError

__all__ = ["Service", "run"]

log = logging.getLogger(__name__)

PROBE_INTERVAL = 5.0
"""Seconds between two looks at the gateway, for readiness."""
AWAY_INTERVAL = 1.0
"""The same while no gateway answers, on average: consuming waits for it."""


class Service:
    """The whole service: parts that are started in order and stopped in the opposite one.

    Args:
        settings: the effective configuration.
        watch: telemetry; its exporters are chosen by the OTEL_* variables.
    """

    def __init__(self, settings: Settings, watch: Telemetry) -> None:
        self._settings = settings
        self._address = settings.zeebe.address
        self._telemetry = watch
        # Callers have few reply queues and ask often.
        self._policy = lru_cache(maxsize=4096)(
            partial(replies.refusal, own_queues=frozenset(queue_names(settings.amqp)), allow=settings.reply_allow)
        )
        self.gateway = Gateway(settings.zeebe, watch.calling)
        other = settings.camunda7
        self._camunda7 = None if other is None else Camunda7(other, watch.calling)
        self._operations = OPERATIONS if other is None else with_camunda7(every=other.every)
        limits = Limits(settings.ledger_ttl, settings.ledger_max_entries, settings.ledger_max_bytes)
        self.ledger = open_ledger(settings.ledger, limits, watch.record)
        self.broker = Broker(
            settings.amqp,
            max_depth=settings.max_depth,
            accept=self._accept,
            publishing=watch.publishing,
            count=watch.count,
        )
        # A limit per queue: long polls that the engine refuses must not slow down short commands, nor be slowed down.
        self._limits = {queue: AimdLimit(settings.concurrency) for queue in settings.amqp.queues}
        handler = self._handler()
        self._workers = {queue: self._worker(handler, limit) for queue, limit in self._limits.items()}
        self.health = (
            Health(settings.http_address, self.problems, watch.prometheus)
            if settings.http_address is not None
            else None
        )
        self._gateway_problem: str | None = "not asked yet"
        self._watches: list[asyncio.Task[None]] = []
        self._stopping = False
        self._gauges()

    def _gauges(self) -> None:
        gauge = self._telemetry.gauge
        gauge("in_flight", self.in_flight)
        gauge("circuit.state", lambda: float(self.gateway.circuit.is_open))
        gauge("ledger.size", lambda: float(self.ledger.size))
        for queue, limit in self._limits.items():
            gauge("limit", partial(getattr, limit, "value"), queue=queue)

    def _handler(self) -> Handler:
        """Every wrapper that a request passes, outermost first."""
        watch = self._telemetry
        engines = Engines(self.gateway, self._camunda7)
        return watch.traced(
            watch.measured(
                recovered(
                    guarded(
                        once(
                            recovered(limited(engines, self._limits, self._operations, self._version), watch.trace_id),
                            self.ledger,
                            run_again=self._settings.on_unknown == "run",
                        ),
                        self._refusal,
                    ),
                    watch.trace_id,
                )
            )
        )

    def _version(self) -> str | None:
        # For a reply the last one does: what a newer gateway says beyond it is shown all the same.
        return self.gateway.last_version

    def _worker(self, handler: Handler, limit: AimdLimit) -> QueueWorker:
        return QueueWorker(
            handler,
            self.broker,
            limit=limit,
            forget_retry=self._settings.forget_retry,
            answerable=self._answerable,
            reachable=self.gateway.circuit.closed,
            count=self._telemetry.count,
        )

    def _refusal(self, incoming: Incoming) -> str | None:
        return self._policy(incoming.reply_to)

    def _answerable(self, incoming: Incoming) -> bool:
        return bool(incoming.reply_to) and not incoming.malformed_properties and self._refusal(incoming) is None

    def _accept(self, queue: str, delivery: Delivery) -> None:
        self._workers[queue].accept(delivery)

    def in_flight(self) -> int:
        """Deliveries held now, over all workers."""
        return sum(lane.in_flight for lane in self._workers.values())

    def place(self) -> str:
        """Where it has what: for the log of a start, without passwords."""
        host, _ = self._settings.http_address or ("", 0)
        http = "off" if self.health is None else f"at {host}:{self.health.port}"
        return f"ledger {values.hidden(self._settings.ledger)}, HTTP {http}, gateway {self._address}"

    def problems(self) -> dict[str, str]:
        """Why it is not ready, by part; empty when it is."""
        problems = dict(self.broker.problems())
        if self._gateway_problem is not None:
            paused = "; nothing is consumed until it answers" if self.gateway.circuit.is_open else ""
            problems["gateway"] = self._gateway_problem + paused
        if self.ledger.problem is not None:
            problems["ledger"] = self.ledger.problem
        if self._stopping:
            problems["service"] = "stopping"
        return problems

    async def start(self) -> None:
        """Start every part; connections are made and kept in the background.

        Raises:
            LedgerError: the ledger cannot be used, so nothing may run.
        """
        await self.ledger.start()
        if self.health is not None:
            await self.health.start()
        loop = asyncio.get_running_loop()
        self._telemetry.gauge("tasks", lambda: float(len(asyncio.all_tasks(loop))))
        watches = (self._watch_gateway(), self._pause_without_gateway(), self._pause_without_ledger())
        self._watches = [loop.create_task(watch) for watch in watches]
        await self.broker.start()

    async def _watch_gateway(self) -> None:
        circuit = self.gateway.circuit
        while True:
            try:
                await self.gateway.probe()
                self._gateway_problem = None
            except CommandError as error:
                if self._gateway_problem != error.message:
                    log.warning("gateway %s: %s", self._address, error.message)
                self._gateway_problem = error.message
            if circuit.is_open:
                # Jitter: consumers that lost the gateway together must not ask it together.
                await asyncio.sleep(AWAY_INTERVAL * random.uniform(0.5, 1.5))
            else:
                await circuit.opened(within=PROBE_INTERVAL)

    async def _pause_without_gateway(self) -> None:
        circuit = self.gateway.circuit
        while True:
            await circuit.opened()
            log.warning("gateway %s: not reached %d times in a row; consuming pauses", self._address, circuit.unreached)
            await self.broker.pause("gateway")
            await circuit.closed()
            log.info("gateway %s: reached again", self._address)
            await self.broker.resume("gateway")

    async def _pause_without_ledger(self) -> None:
        while True:
            await self.ledger.failed()
            await self.broker.pause("ledger")
            await self.ledger.ready()
            await self.broker.resume("ledger")

    async def stop(self) -> bool:
        """Drain and stop; true when everything that ran could end within SHUTDOWN_GRACE."""
        # Not ready first, so that nobody counts on us; then take nothing new, give back what has not started and
        # let the rest end while the connection is still open: replies and acks need it. The gateway closes after
        # the last command, telemetry last of all, so that it has seen everything.
        self._stopping = True
        await self.broker.stop_consuming()
        drained = await asyncio.gather(*(lane.stop(self._settings.shutdown_grace) for lane in self._workers.values()))
        await self.broker.close()
        for watch in self._watches:
            watch.cancel()
        await self.gateway.close()
        if self._camunda7 is not None:
            await self._camunda7.close()
        await self.ledger.close()
        if self.health is not None:
            await self.health.stop()
        self._telemetry.shutdown()
        return all(drained)


async def run(settings: Settings, environ: Mapping[str, str] = os.environ) -> int:
    """Run the service until SIGTERM or SIGINT; a second signal exits at once.

    Returns:
        The exit code: 0 when everything was drained, 1 when something had to be given back.
    """
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()

    def on_signal(number: signal.Signals) -> None:
        if stopping.is_set():
            os._exit(1)
        log.info("%s: draining for at most %g s", number.name, settings.shutdown_grace)
        stopping.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, on_signal, number)
    service = Service(settings, telemetry.setup(environ, version=__version__))
    # What is here now stays: the garbage collector need not look at it again with every large request.
    gc.collect()
    gc.freeze()
    await service.start()
    log.info("zeebe-amqp-consumer %s: %s", __version__, service.place())
    await stopping.wait()
    drained = await service.stop()
    log.info("stopped, %s", "drained" if drained else "not drained: what ran was given back")
    return 0 if drained else 1
