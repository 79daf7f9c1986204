"""Watches what every request needs: while the gateway or a place to write to is away, nothing is consumed."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NoReturn, Protocol

from consumer.core.circuit_breaker import CircuitBreaker
from consumer.core.clock import Clock
from zeebe_amqp.errors import CommandError

__all__ = ["AUDIT", "GATEWAY", "LEDGER", "PROBE_INTERVAL", "Monitor", "Pausable", "Writable"]

log = logging.getLogger(__name__)

GATEWAY: Final = "gateway"
LEDGER: Final = "ledger"
AUDIT: Final = "audit"
PROBE_INTERVAL: Final = 5.0
"""Seconds between two looks at the gateway, for readiness."""
AWAY_INTERVAL: Final = 1.0
"""The same while no gateway answers, on average: consuming waits for it."""
LOG_INTERVAL: Final = 60.0
"""Seconds between two log lines of one outage."""


class Pausable(Protocol):
    """What consumes."""

    async def pause(self, reason: str) -> None:
        """Take nothing more until the same `reason` is resumed."""

    async def resume(self, reason: str) -> None:
        """Go on, unless there is another reason not to."""

    async def backlog(self) -> Mapping[str, int]:
        """Requests that wait, by queue; without the queues that could not be counted."""


class Writable(Protocol):
    """Where something is written about every request; it mends itself."""

    @property
    def name(self) -> str:
        """What people know it by, without passwords."""

    @property
    def problem(self) -> str | None:
        """Why nothing can be written; None when it can."""

    async def ready(self) -> None:
        """Wait until something can be written."""

    async def wait_failed(self) -> None:
        """Wait until nothing can be written."""


@dataclass(frozen=True)
class _Part:
    """Something that every request needs."""

    name: str
    place: str
    gone: Callable[[], Awaitable[None]]
    """Waits until it is away."""
    back: Callable[[], Awaitable[None]]
    """Waits until it is there again."""
    problem: Callable[[], str | None]
    """Why it is away; None when it is not."""


class Monitor:
    """Asks the gateway whether it is there, and pauses consuming while it is not, or nothing can be written.

    Args:
        address: the gateway's, for the log.
        look: asks it; CommandError when it does not answer, or refuses.
        circuit: open while no gateway is reached.
        written: by the names of their parts, the places that must be writable.
        consumer: is paused.
        clock: what waits uses it.
    """

    def __init__(
        self,
        address: str,
        look: Callable[[], Awaitable[object]],
        circuit: CircuitBreaker,
        written: Mapping[str, Writable],
        consumer: Pausable,
        clock: Clock | None = None,
    ) -> None:
        self._look = look
        self._circuit = circuit
        self._written = written
        self._consumer = consumer
        self._clock = clock or Clock()
        self._gateway = _Part(GATEWAY, address, circuit.wait_open, circuit.wait_closed, self._away)
        self._parts = (self._gateway, *(_written(name, place) for name, place in written.items()))
        self._gateway_problem: str | None = "not asked yet"
        self._unreached = ""
        """What the last look that found no gateway said."""
        self._tasks: list[asyncio.Task[NoReturn]] = []
        self._paused_at: dict[str, float] = {}

    @property
    def parts(self) -> Sequence[str]:
        """The names of what every request needs."""
        return [part.name for part in self._parts]

    @property
    def is_paused(self) -> bool:
        """Whether consuming is paused."""
        return bool(self._paused_at)

    def paused(self, part: str) -> float:
        """Seconds for which consuming has been paused because this part is away; 0 while it is not."""
        since = self._paused_at.get(part)
        return 0.0 if since is None else self._clock.monotonic() - since

    def problems(self) -> dict[str, str]:
        """What is away, and why; empty when nothing is."""
        problems = {}
        if (away := self._away()) is not None:
            problems[GATEWAY] = f"{away}; nothing is consumed until it answers"
        elif self._gateway_problem is not None:
            problems[GATEWAY] = self._gateway_problem
        written = {name: place.problem for name, place in self._written.items()}
        return problems | {name: problem for name, problem in written.items() if problem is not None}

    def _away(self) -> str | None:
        if not self._circuit.is_open:
            return None
        return self._unreached or f"not reached {self._circuit.unreached} times in a row"

    def start(self) -> None:
        """Begin to watch."""
        watches = (self._watch_gateway(), *map(self._pause_without, self._parts))
        self._tasks = [asyncio.get_running_loop().create_task(watch) for watch in watches]

    def stop(self) -> None:
        """Watch no more."""
        for task in self._tasks:
            task.cancel()

    async def _watch_gateway(self) -> NoReturn:
        while True:
            try:
                await self._look()
                self._gateway_problem, self._unreached = None, ""
            except CommandError as error:
                self._note(error.message)
            except Exception as error:  # whatever it is: nobody else would ask
                log.debug("a defect while asking the gateway", exc_info=True, extra={"event": "gateway.defect"})
                self._note(f"a defect while asking: {type(error).__name__}: {error}")
            if self._circuit.unreached:
                # Jitter: consumers that lost the gateway together must not ask it together.
                await self._clock.sleep(AWAY_INTERVAL * (0.5 + self._clock.random()))
            else:
                await self._circuit.wait_open(within=PROBE_INTERVAL)

    def _note(self, problem: str) -> None:
        """Whoever answers is there, if only to refuse; while nobody does, the circuit decides what that means."""
        if self._circuit.unreached:
            self._unreached = problem
            if self._gateway_problem is not None:
                self._gateway_problem = problem
            return
        if self._gateway_problem != problem:
            fields = {"event": "gateway.problem", "address": self._gateway.place, "error": problem}
            log.warning("gateway %s: %s", self._gateway.place, problem, extra=fields)
        self._gateway_problem = problem

    async def _pause_without(self, part: _Part) -> NoReturn:
        while True:
            await part.gone()
            began = self._clock.monotonic()
            problem = part.problem() or "away"
            self._tell("outage.began", part, f"{problem}; consuming pauses", 0.0, error=problem)
            self._paused_at[part.name] = began
            await self._consumer.pause(part.name)
            telling = asyncio.get_running_loop().create_task(self._keep_telling(part, began))
            try:
                await part.back()
            finally:
                telling.cancel()
            lasted = self._clock.monotonic() - began
            self._tell("outage.over", part, f"is back after {_spelled(lasted)}; consuming resumes", lasted)
            await self._consumer.resume(part.name)
            del self._paused_at[part.name]

    async def _keep_telling(self, part: _Part, began: float) -> NoReturn:
        """One line now and then: nobody should have to look for the beginning of an outage to know of it."""
        while True:
            await self._clock.sleep(LOG_INTERVAL)
            if (problem := part.problem()) is None:
                continue
            backlog = await self._consumer.backlog()
            waiting = ", ".join(f"{number} in {queue!r}" for queue, number in backlog.items()) or "not known"
            lasted = self._clock.monotonic() - began
            words = f"away for {_spelled(lasted)} ({problem}); nothing is consumed; waiting requests: {waiting}"
            self._tell("outage.lasts", part, words, lasted, error=problem, waiting=backlog)

    def _tell(self, event: str, part: _Part, words: str, lasted: float, **facts: object) -> None:
        fields = {"event": event, "part": part.name, "address": part.place, "seconds": round(lasted, 1), **facts}
        log.warning("%s %s: %s", part.name, part.place, words, extra=fields)


def _written(name: str, place: Writable) -> _Part:
    return _Part(name, place.name, place.wait_failed, place.ready, lambda: place.problem)


def _spelled(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
