"""While the gateway or the ledger is away nothing is consumed, and readiness says why."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any
from unittest.mock import AsyncMock, call

import pytest

from consumer.core.circuit_breaker import CircuitBreaker
from consumer.pipeline import monitor as monitoring
from consumer.pipeline.monitor import Monitor
from tests.unit.consumer.deliveries import QuickClock
from tests.unit.consumer.workers import until
from zeebe_amqp.errors import Code, CommandError


class Gateway:
    """A gateway that can be away or answer with an error, and the circuit to it."""

    def __init__(self) -> None:
        self.circuit = CircuitBreaker(threshold=2)
        self.away = False
        self.error: Exception | None = None
        self.asked = 0

    async def look(self) -> None:
        self.asked += 1
        if self.away:
            self.circuit.record_failure()
            raise CommandError(Code.UNAVAILABLE, "nobody is there")
        self.circuit.record_success()
        if self.error is not None:
            raise self.error


@pytest.fixture
def gateway() -> Gateway:
    return Gateway()


@pytest.fixture
def ledger() -> Any:
    """A ledger that is away when something is put into `ill`, and back with `well`."""
    ill, well = asyncio.Queue[None](), asyncio.Queue[None]()
    return SimpleNamespace(name="memory://", problem=None, wait_failed=ill.get, ready=well.get, ill=ill, well=well)


@pytest.fixture
def consumer() -> AsyncMock:
    return AsyncMock(**{"backlog.return_value": {"zeebe.commands": 7}})


@pytest.fixture
async def monitor(
    gateway: Gateway, ledger: Any, consumer: AsyncMock, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Monitor]:
    monkeypatch.setattr(monitoring, "PROBE_INTERVAL", 0.01)
    watching = Monitor("zeebe:26500", gateway.look, gateway.circuit, ledger, consumer, QuickClock())
    assert watching.problems() == {"gateway": "not asked yet"}
    watching.start()
    yield watching
    watching.stop()


async def test_an_outage_is_told_at_its_beginning_every_minute_and_at_its_end(
    monitor: Monitor, gateway: Gateway, consumer: AsyncMock, caplog: pytest.LogCaptureFixture
) -> None:
    await until(lambda: not monitor.problems())
    gateway.away = True
    await until(lambda: consumer.mock_calls)
    assert monitor.problems() == {"gateway": "nobody is there; nothing is consumed until it answers"}
    await until(lambda: len(caplog.messages) > 2)
    gateway.away = False
    await until(lambda: consumer.resume.mock_calls)
    assert [each for each in consumer.mock_calls if each != call.backlog()] == [
        call.pause("gateway"), call.resume("gateway"),
    ]  # fmt: skip
    assert monitor.problems() == {}
    first, *between, last = caplog.messages
    assert first == "gateway zeebe:26500: nobody is there; consuming pauses"
    for line in between:
        assert re.fullmatch(
            r"gateway zeebe:26500: away for (\d+ min )?\d+ s \(nobody is there\); nothing is consumed; "
            "requests that wait: 7 in 'zeebe.commands'",
            line,
        ), line
    assert re.fullmatch(r"gateway zeebe:26500: answers again after (\d+ min )?\d+ s; consuming goes on", last)
    assert {vars(record)["event"] for record in caplog.records} == {"outage"}


async def test_one_lost_look_is_no_outage(monitor: Monitor, gateway: Gateway, consumer: AsyncMock) -> None:
    """Readiness, the circuit and consuming agree."""
    await until(lambda: not monitor.problems())
    gateway.circuit.record_failure()
    assert (monitor.problems(), gateway.circuit.is_open, consumer.mock_calls) == ({}, False, [])
    gateway.circuit.trip()
    assert monitor.problems() == {"gateway": "not reached 2 times in a row; nothing is consumed until it answers"}


async def test_who_refuses_is_there_and_the_log_says_once_why_it_is_of_no_use(
    monitor: Monitor, gateway: Gateway, consumer: AsyncMock, caplog: pytest.LogCaptureFixture
) -> None:
    """So it is with a defect of ours while asking."""
    for error, problem in (
        (CommandError(Code.UNAUTHENTICATED, "wrong secret"), "wrong secret"),
        (OSError("no header takes it"), "a defect while asking: OSError: no header takes it"),
    ):
        caplog.clear()
        gateway.error, gateway.asked = error, 0
        await until(lambda: gateway.asked)
        gateway.circuit.record_failure()
        await until(lambda: gateway.asked > 3)
        assert (monitor.problems(), consumer.mock_calls) == ({"gateway": problem}, [])
        assert caplog.messages == [f"gateway zeebe:26500: {problem}"]
        gateway.error = None
        await until(lambda: not monitor.problems())


async def test_a_ledger_that_cannot_be_written_pauses_consuming_until_it_can(
    monitor: Monitor, ledger: Any, consumer: AsyncMock
) -> None:
    ledger.ill.put_nowait(None)
    await until(lambda: consumer.mock_calls)
    ledger.problem = "the disk is full"
    await until(lambda: "gateway" not in monitor.problems())
    assert (monitor.problems(), consumer.mock_calls) == ({"ledger": "the disk is full"}, [call.pause("ledger")])
    ledger.well.put_nowait(None)
    await until(lambda: consumer.resume.mock_calls)
    assert consumer.resume.mock_calls == [call("ledger")]
