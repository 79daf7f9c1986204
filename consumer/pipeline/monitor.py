"""Watches what every request needs: while the gateway or the ledger is away, nothing is consumed."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Protocol

from consumer.core.circuit_breaker import CircuitBreaker
from consumer.core.clock import Clock
from consumer.ledger import Ledger
from zeebe_amqp.errors import CommandError

__all__ = ["Monitor", "Pausable"]

log = logging.getLogger(__name__)

PROBE_INTERVAL = 5.0
"""Seconds between two looks at the gateway, for readiness."""
AWAY_INTERVAL = 1.0
"""The same while no gateway answers, on average: consuming waits for it."""


class Pausable(Protocol):
    """What consumes."""

    async def pause(self, reason: str) -> None:
        """Take nothing more until the same `reason` is resumed."""

    async def resume(self, reason: str) -> None:
        """Go on, unless there is another reason not to."""


class Monitor:
    """Asks the gateway whether it is there, and pauses consuming while it or the ledger is not.

    Args:
        address: the gateway's, for the log.
        probe: asks it; CommandError when it does not answer.
        circuit: open while no gateway is reached.
        ledger: remembers what ran.
        consumer: is paused.
        clock: what waits uses it.
    """

    def __init__(
        self,
        address: str,
        probe: Callable[[], Awaitable[object]],
        circuit: CircuitBreaker,
        ledger: Ledger,
        consumer: Pausable,
        clock: Clock | None = None,
    ) -> None:
        self._address = address
        self._probe = probe
        self._circuit = circuit
        self._ledger = ledger
        self._consumer = consumer
        self._clock = clock or Clock()
        self._gateway_problem: str | None = "not asked yet"
        self._tasks: list[asyncio.Task[None]] = []

    def problems(self) -> dict[str, str]:
        """What is away, and why; empty when nothing is."""
        problems = {}
        if self._gateway_problem is not None:
            paused = "; nothing is consumed until it answers" if self._circuit.is_open else ""
            problems["gateway"] = self._gateway_problem + paused
        if self._ledger.problem is not None:
            problems["ledger"] = self._ledger.problem
        return problems

    def start(self) -> None:
        """Begin to watch."""
        watches = (self._watch_gateway(), self._pause_without_gateway(), self._pause_without_ledger())
        self._tasks = [asyncio.get_running_loop().create_task(watch) for watch in watches]

    def stop(self) -> None:
        """Watch no more."""
        for task in self._tasks:
            task.cancel()

    async def _watch_gateway(self) -> None:
        while True:
            try:
                await self._probe()
                self._gateway_problem = None
            except CommandError as error:
                if self._gateway_problem != error.message:
                    log.warning("gateway %s: %s", self._address, error.message)
                self._gateway_problem = error.message
            if self._circuit.is_open:
                # Jitter: consumers that lost the gateway together must not ask it together.
                await self._clock.sleep(AWAY_INTERVAL * (0.5 + self._clock.random()))
            else:
                await self._circuit.opened(within=PROBE_INTERVAL)

    async def _pause_without_gateway(self) -> None:
        circuit = self._circuit
        while True:
            await circuit.opened()
            log.warning("gateway %s: not reached %d times in a row; consuming pauses", self._address, circuit.unreached)
            await self._consumer.pause("gateway")
            await circuit.closed()
            log.info("gateway %s: reached again", self._address)
            await self._consumer.resume("gateway")

    async def _pause_without_ledger(self) -> None:
        while True:
            await self._ledger.failed()
            await self._consumer.pause("ledger")
            await self._ledger.ready()
            await self._consumer.resume("ledger")
