"""While the gateway or the ledger is away nothing is consumed, and readiness says why."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from typing import Any
from unittest.mock import AsyncMock, call

import pytest

from consumer.core.circuit_breaker import CircuitBreaker
from consumer.pipeline import monitor as monitoring
from consumer.pipeline.monitor import Monitor
from tests.unit.consumer.deliveries import MemoryLedger, QuickClock
from tests.unit.consumer.workers import until
from zeebe_amqp.errors import Code, CommandError


class WatchedGateway:
    """A monitor at work, and what it watches and pauses."""

    def __init__(self) -> None:
        self.circuit = CircuitBreaker(threshold=2)
        self.away = False
        self.error: Exception | None = None
        self.asked = 0
        self.ill, self.well = asyncio.Queue[None](), asyncio.Queue[None]()
        self.ledger = MemoryLedger()
        vars(self.ledger).update(wait_failed=self.ill.get, ready=self.well.get)
        self.consumer = AsyncMock(**{"backlog.return_value": {"zeebe.commands": 7}})
        written = {"ledger": self.ledger}
        self.monitor = Monitor("zeebe:26500", self._look, self.circuit, written, self.consumer, QuickClock())

    async def _look(self) -> None:
        self.asked += 1
        if self.away:
            self.circuit.record_failure()
            raise CommandError(Code.UNAVAILABLE, "nobody is there")
        self.circuit.record_success()
        if self.error is not None:
            raise self.error

    async def start(self) -> None:
        """Begin to watch, and wait until there is no problem."""
        assert self.monitor.problems() == {"gateway": "not asked yet"}
        self.monitor.start()
        await until(lambda: not self.monitor.problems())


@pytest.fixture
async def watched(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[WatchedGateway]:
    monkeypatch.setattr(monitoring, "PROBE_INTERVAL", 0.01)
    watched = WatchedGateway()
    yield watched
    watched.monitor.stop()


async def test_an_outage_is_told_at_its_beginning_every_minute_and_at_its_end(
    watched: WatchedGateway, caplog: Any
) -> None:
    await watched.start()
    watched.away = True
    await until(lambda: watched.consumer.mock_calls)
    assert watched.monitor.problems() == {"gateway": "nobody is there; nothing is consumed until it answers"}
    await until(lambda: len(caplog.messages) > 2)
    watched.away = False
    await until(lambda: watched.consumer.resume.mock_calls)
    told = [each for each in watched.consumer.mock_calls if each != call.backlog()]
    assert (told, watched.monitor.problems()) == ([call.pause("gateway"), call.resume("gateway")], {})
    first, *between, last = caplog.messages
    assert first == "gateway zeebe:26500: nobody is there; consuming pauses"
    for line in between:
        assert re.fullmatch(
            r"gateway zeebe:26500: away for (\d+ min )?\d+ s \(nobody is there\); nothing is consumed; "
            "waiting requests: 7 in 'zeebe.commands'",
            line,
        ), line
    assert re.fullmatch(r"gateway zeebe:26500: is back after (\d+ min )?\d+ s; consuming resumes", last)
    events = [vars(record)["event"] for record in caplog.records]
    assert events == ["outage.began", *["outage.lasts"] * len(between), "outage.over"]
    assert all(vars(record)["waiting"] == {"zeebe.commands": 7} for record in caplog.records[1:-1])


async def test_one_lost_look_is_no_outage(watched: WatchedGateway) -> None:
    """Readiness, the circuit and consuming agree."""
    await watched.start()
    watched.circuit.record_failure()
    assert (watched.monitor.problems(), watched.circuit.is_open, watched.consumer.mock_calls) == ({}, False, [])
    watched.circuit.trip()
    problems = {"gateway": "not reached 2 times in a row; nothing is consumed until it answers"}
    assert watched.monitor.problems() == problems


@pytest.mark.parametrize(
    ("error", "problem"),
    [
        (CommandError(Code.UNAUTHENTICATED, "wrong secret"), "wrong secret"),
        (OSError("no header takes it"), "a defect while asking: OSError: no header takes it"),
    ],
)
async def test_who_refuses_is_there_and_told_once(
    error: Exception, problem: str, watched: WatchedGateway, caplog: Any
) -> None:
    """So it is with a defect of ours while asking."""
    watched.error = error
    watched.monitor.start()
    await until(lambda: watched.asked)
    watched.circuit.record_failure()
    await until(lambda: watched.asked > 3)
    assert (watched.monitor.problems(), watched.consumer.mock_calls) == ({"gateway": problem}, [])
    assert caplog.messages == [f"gateway zeebe:26500: {problem}"]
    watched.error = None
    await until(lambda: not watched.monitor.problems())


async def test_a_ledger_that_cannot_be_written_pauses_consuming_until_it_can(watched: WatchedGateway) -> None:
    await watched.start()
    assert (watched.monitor.is_paused, watched.monitor.paused("ledger")) == (False, 0)
    watched.ill.put_nowait(None)
    await until(lambda: watched.consumer.mock_calls)
    watched.ledger.problem = "the disk is full"
    assert watched.monitor.problems() == {"ledger": "the disk is full"}
    assert watched.consumer.mock_calls == [call.pause("ledger")]
    await until(lambda: watched.monitor.paused("ledger") > 0)
    assert (watched.monitor.is_paused, watched.monitor.paused("gateway")) == (True, 0)
    watched.well.put_nowait(None)
    await until(lambda: watched.consumer.resume.mock_calls)
    assert watched.consumer.resume.mock_calls == [call("ledger")]
    await until(lambda: not watched.monitor.is_paused)
    assert watched.monitor.paused("ledger") == 0
