"""A run: replicas, broker, engine, ledger and callers, and what strikes them."""

from __future__ import annotations

import asyncio
import random
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from random import Random
from typing import Any

from consumer.core.delivery import Delivery, Reply
from consumer.pipeline.ending import Ending
from tests.simulation.broker import Broker
from tests.simulation.callers import Callers
from tests.simulation.connection import LOST, Connection
from tests.simulation.gateway import Engine, GatewayConnection
from tests.simulation.history import History
from tests.simulation.loop import CURRENT, Process, VirtualLoop
from tests.simulation.network import Delays
from tests.simulation.replica import Held, Replica
from tests.simulation.schedule import ALL, Crash, Schedule, Strike
from tests.simulation.store import MakePlaces, NetworkStore

LOOK = 0.5
"""Seconds between two looks whether everything is done."""
PATIENCE = 1200.0
"""Seconds after the last strike within which everything must be done."""
FREE = 90.0
"""Seconds after that within which all places must be free."""


@dataclass
class End:
    """A process that ended; time in seconds since the run began."""

    at: float
    held: Held
    by_crash: bool


@dataclass
class Outcome:
    """What came of a run, for the judge."""

    schedule: Schedule
    history: History
    callers: Callers
    engine: Engine
    ends: list[End] = field(default_factory=list)
    takes: dict[int, list[tuple[float, int]]] = field(default_factory=lambda: defaultdict(list))
    """By the caller's message, when which replica took it."""
    dropped: set[int] = field(default_factory=set)
    """The callers' messages whose replies their queue refused for too long."""
    kept: set[int] = field(default_factory=set)
    """The callers' messages that are still in the queue, or with a consumer, in the end."""
    is_done: bool = False
    places: dict[str, dict[str, object]] = field(default_factory=dict)
    """By process, what it should have given back."""
    troubles: list[str] = field(default_factory=list)
    redeliveries: int = 0
    steps: int = 0


class World:
    """See the module.

    Args:
        schedule: what is going to happen.
        make_places: makes the rows of the ledger.
    """

    def __init__(self, schedule: Schedule, make_places: MakePlaces) -> None:
        self.schedule = schedule
        self._chance = Random(f"run {schedule.seed}")
        self.loop = VirtualLoop(self._chance)
        self.history = History(self.loop.time)
        self._delays = Delays(self._chance, schedule.slow)
        self.engine = Engine(self.loop, self._chance, self._delays, dict(schedule.fates), self.history)
        self.callers = Callers(self.loop, schedule.requests, self.history)
        self.broker = Broker(self._chance, self.history, self.callers.reply, self.callers.bury)
        self.outcome = Outcome(schedule, self.history, self.callers, self.engine)
        self._make_place = make_places(self.loop.time)
        self._replicas: dict[int, Replica] = {}
        """By its number, the process that is there now."""
        self._births: dict[int, int] = defaultdict(int)
        self._deliveries: dict[int, int] = defaultdict(int)
        self._crashes: list[Crash] = list(schedule.crashes)
        self._offsets: dict[int, float] = defaultdict(float)
        self._ledger_away: dict[int, int] = defaultdict(int)
        self._connections: list[Connection] = []

    # --- processes --------------------------------------------------------------------------------------------------

    def _start(self, number: int) -> None:
        if number in self._replicas:
            return
        self._births[number] += 1
        self._deliveries[number] = 0
        process = Process(f"{number}.{self._births[number]}")
        store = NetworkStore(
            self._make_place(), self.loop, self._delays, process, lambda: self._is_ledger_away(number), self.history
        )
        gateway = GatewayConnection(self.engine, self.loop, self._delays, process, self.history)
        replica = process.context.run(
            Replica,
            process,
            self.loop,
            self._chance,
            store,
            gateway,
            self.schedule.places,
            self.schedule.prefetch,
            lambda: self._offsets[number],
            lambda delivery: self._on_taken(number, delivery),
            self._on_ended,
        )
        self._replicas[number] = replica
        process.ended = lambda: self._on_death(number, replica)
        self.history.note(process.name, "starts")
        process.context.run(self.loop.create_task, replica.start())

    def _on_taken(self, number: int, delivery: Delivery) -> None:
        self._deliveries[number] += 1
        self.outcome.takes[int(delivery.message.correlation_id or 0)].append((self.loop.time(), number))
        process = self._replicas[number].process
        for crash in self._crashes:
            if crash.replica == number and crash.deliveries <= self._deliveries[number]:
                self._crashes.remove(crash)
                process.ends_at = process.steps + crash.steps
                process.ended = partial(self._on_death, number, self._replicas[number], crash.back)
                return

    def _on_ended(self, delivery: Delivery, reply: Reply, ending: Ending, reason: str = "") -> None:
        number = int(delivery.message.correlation_id or 0)
        if ending is Ending.DROPPED:
            self.history.note("replicas", "drop the reply of", number)
            self.outcome.dropped.add(number)

    def _on_death(self, number: int, replica: Replica, back: float = 1.0) -> None:
        """Its last words may arrive, or not; nothing else does."""
        self.history.note(replica.process.name, "dies")
        self.outcome.ends.append(End(self.loop.time(), replica.left(is_cut_off=replica.is_stopping), by_crash=True))
        replica.store.end()
        is_lost = self._chance.random() < 0.5
        for connection in replica.connections:
            connection.down.cut()
            if is_lost:
                connection.cut(0.0, self._chance.choice((0.001, 0.5, 20.0)))
            else:
                connection.up.send(connection.forget)
        del self._replicas[number]
        self.loop.outside(back, self._start, number)

    async def _stop(self, strike: Strike) -> None:
        replica = self._replicas.get(strike.replica)
        if replica is None or not replica.is_started or replica.is_stopping or replica.process.frozen:
            return
        self.history.note(replica.process.name, "is stopped")
        process = replica.process

        def note_end() -> None:
            self.outcome.ends.append(End(self.loop.time(), replica.left(is_cut_off=True), by_crash=False))

        stopping = process.context.run(self.loop.create_task, replica.stop(note_end))
        while process.alive and not stopping.done():  # noqa: ASYNC110 - it may die, and end nothing then
            await asyncio.sleep(LOOK)
        if not process.alive:
            return
        self.history.note(process.name, "has stopped", "drained" if stopping.result() else "not drained")
        note_end()
        process.ended = lambda: None
        self.loop.kill(process)
        replica.store.end()
        del self._replicas[strike.replica]
        self.loop.outside(strike.seconds, self._start, strike.replica)

    # --- strikes ----------------------------------------------------------------------------------------------------

    def connect(self, name: str) -> Connection:
        """A new connection to the broker, of the process that asks."""
        process = CURRENT.get()
        assert process is not None
        replica = next(each for each in self._replicas.values() if each.process is process)
        if self.broker.is_down:
            raise ConnectionError(LOST)
        connection = Connection(self.loop, self._delays, self.broker, self.history, process, name)
        replica.connections.append(connection)
        return connection

    def _is_ledger_away(self, number: int) -> bool:
        return bool(self._ledger_away[number] or self._ledger_away[ALL])

    def _struck(
        self, strikes: tuple[Strike, ...], begin: Callable[[Strike], None], end: Callable[[Strike], None]
    ) -> None:
        for strike in strikes:
            self.loop.outside(strike.at, begin, strike)
            self.loop.outside(strike.at + strike.seconds, end, strike)

    def _plan(self) -> None:
        plan = self.schedule
        self._struck(plan.freezes, self._freeze, self._thaw)
        self._struck(plan.ledger_outages, self._lose_ledger, self._find_ledger)
        self._struck(plan.broker_outages, self._lose_broker, self._find_broker)
        self._struck(plan.gateway_outages, self._lose_gateway, self._find_gateway)
        self._struck(plan.refusals, self._refuse, self._take)
        self._struck(plan.cuts, self._cut, lambda _: None)
        for step in plan.clock_steps:
            self.loop.outside(step.at, self._step_clock, step)
        for stop in plan.stops:
            self.loop.outside(stop.at, self._begin_stop, stop)

    def _begin_stop(self, stop: Strike) -> None:
        self._tasks.append(asyncio.ensure_future(self._stop(stop)))

    def _freeze(self, strike: Strike) -> None:
        replica = self._replicas.get(strike.replica)
        if replica is not None:
            self.history.note(replica.process.name, "freezes")
            self.loop.freeze(replica.process)
            if strike.seconds > 15:  # the broker misses its heartbeats
                for connection in replica.connections:
                    connection.cut(strike.seconds + 0.01, 15.0)

    def _thaw(self, strike: Strike) -> None:
        replica = self._replicas.get(strike.replica)
        if replica is not None and replica.process.frozen:
            self.history.note(replica.process.name, "goes on")
            self.loop.thaw(replica.process)

    def _cut(self, strike: Strike) -> None:
        replica = self._replicas.get(strike.replica)
        for connection in [] if replica is None else replica.connections:
            if connection.is_open and self._chance.random() < 0.7:
                self.history.note("network", "cuts", connection.process.name, connection.name)
                connection.cut(self._chance.random() * strike.seconds, self._chance.random() * strike.seconds)

    def _lose_ledger(self, strike: Strike) -> None:
        self.history.note("network", "loses the ledger", strike.replica)
        self._ledger_away[strike.replica] += 1

    def _find_ledger(self, strike: Strike) -> None:
        self.history.note("network", "finds the ledger", strike.replica)
        self._ledger_away[strike.replica] -= 1

    def _lose_broker(self, _: Strike) -> None:
        self.history.note("broker", "goes down")
        self.broker.is_down = True
        for replica in self._replicas.values():
            for connection in replica.connections:
                connection.cut(0.01, 0.0)

    def _find_broker(self, _: Strike) -> None:
        self.history.note("broker", "is back")
        self.broker.is_down = False

    def _lose_gateway(self, _: Strike) -> None:
        self.history.note("engine", "is away")
        self.engine.is_away = True

    def _find_gateway(self, _: Strike) -> None:
        self.history.note("engine", "is back")
        self.engine.is_away = False

    def _refuse(self, _: Strike) -> None:
        self.broker.refuses = True

    def _take(self, _: Strike) -> None:
        self.broker.refuses = False

    def _step_clock(self, strike: Strike) -> None:
        self.history.note("clock", "steps", strike.replica, strike.seconds)
        self._offsets[strike.replica] += strike.seconds

    # --- from beginning to end --------------------------------------------------------------------------------------

    def run(self) -> Outcome:
        """Run it."""
        random.seed(self.schedule.seed)  # the jitter of connections
        try:
            self.loop.run_until_complete(self._run())
        finally:
            self.loop.close()
            for replica in self._replicas.values():
                replica.store.end()
        outcome = self.outcome
        outcome.troubles += self.loop.troubles
        outcome.redeliveries = sum(max(0, send.message.deliveries - 1) for send in self.callers.sends)
        outcome.steps = self.loop.steps
        return outcome

    async def _run(self) -> None:
        self._tasks: list[asyncio.Future[Any]] = []
        for number in range(self.schedule.replicas):
            self._start(number)
        self.callers.begin(self.broker)
        self._plan()
        await asyncio.sleep(self.schedule.end)
        self.engine.is_healed = True
        self.outcome.is_done = await self._until(self._is_done, PATIENCE)
        await self._until(lambda: not self._taken_places(), FREE)
        self.outcome.places = self._taken_places()
        self.outcome.kept = self.broker.kept()

    def _is_done(self) -> bool:
        ended = all(task.done() for task in self._tasks)
        return ended and self.callers.are_answered(self.outcome.dropped) and self.broker.is_empty

    def _taken_places(self) -> dict[str, dict[str, object]]:
        found = {each.process.name: each.taken_places() for each in self._replicas.values()}
        return {name: places for name, places in found.items() if places}

    async def _until(self, condition: Callable[[], bool], seconds: float) -> bool:
        end = self.loop.time() + seconds
        while not condition():
            if self.loop.time() >= end:
                return False
            await asyncio.sleep(LOOK)
        return True
