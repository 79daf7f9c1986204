"""While the gateway or the ledger is away nothing is consumed, and readiness says why."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator

import pytest

from consumer.core.circuit_breaker import CircuitBreaker
from consumer.pipeline import monitor as monitoring
from consumer.pipeline.monitor import Monitor
from tests.unit.consumer.deliveries import MemoryLedger, QuickClock
from tests.unit.consumer.workers import until
from zeebe_amqp.errors import Code, CommandError


class Gateway:
    """A gateway that can be away, and the circuit to it."""

    def __init__(self) -> None:
        self.circuit = CircuitBreaker(threshold=2)
        self.away = self.refuses = False
        self.asked = 0

        self.defect: Exception | None = None

    async def look(self) -> None:
        self.asked += 1
        if self.defect is not None:
            raise self.defect
        if self.away:
            self.circuit.record_failure()
            raise CommandError(Code.UNAVAILABLE, "nobody is there")
        self.circuit.record_success()
        if self.refuses:
            raise CommandError(Code.UNAUTHENTICATED, "wrong secret")


class Ledger(MemoryLedger):
    """A ledger that can be ill."""

    def __init__(self) -> None:
        super().__init__()
        self.ill, self.well = asyncio.Event(), asyncio.Event()

    async def wait_failed(self) -> None:
        await self.ill.wait()
        self.ill.clear()

    async def ready(self) -> None:
        await self.well.wait()
        self.well.clear()


class FakeConsumer:
    """Writes down what it is told."""

    def __init__(self) -> None:
        self.told: list[tuple[str, str]] = []

    async def pause(self, reason: str) -> None:
        self.told.append(("pause", reason))

    async def resume(self, reason: str) -> None:
        self.told.append(("resume", reason))

    async def backlog(self) -> dict[str, int]:
        return {"zeebe.commands": 7}


@pytest.fixture(autouse=True)
def busy_probe(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(monitoring, "PROBE_INTERVAL", 0.01)


@pytest.fixture
def gateway() -> Gateway:
    return Gateway()


@pytest.fixture
def ledger() -> Ledger:
    return Ledger()


@pytest.fixture
def consumer() -> FakeConsumer:
    return FakeConsumer()


@pytest.fixture
async def monitor(gateway: Gateway, ledger: Ledger, consumer: FakeConsumer) -> AsyncIterator[Monitor]:
    watching = Monitor("zeebe:26500", gateway.look, gateway.circuit, ledger, consumer, QuickClock())
    yield watching
    watching.stop()


async def test_before_the_first_answer_the_gateway_is_a_problem(monitor: Monitor) -> None:
    assert monitor.problems() == {"gateway": "not asked yet"}
    monitor.start()
    await until(lambda: not monitor.problems())


async def test_a_defect_while_asking_ends_the_watch_no_more_than_a_refusal(
    monitor: Monitor, gateway: Gateway, caplog: pytest.LogCaptureFixture
) -> None:
    gateway.defect = OSError("a token that no header can carry")
    monitor.start()
    await until(lambda: gateway.asked > 2)
    problem = "a defect while asking: OSError: a token that no header can carry"
    assert monitor.problems() == {"gateway": problem}
    assert messages(caplog) == [f"gateway zeebe:26500: {problem}"]
    gateway.defect = None
    await until(lambda: not monitor.problems())


def messages(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.message for record in caplog.records]


async def test_an_outage_is_told_at_its_beginning_every_minute_and_at_its_end(
    monitor: Monitor, gateway: Gateway, consumer: FakeConsumer, caplog: pytest.LogCaptureFixture
) -> None:
    monitor.start()
    await until(lambda: not monitor.problems())
    gateway.away = True
    await until(lambda: consumer.told)
    assert consumer.told == [("pause", "gateway")]
    assert monitor.problems() == {"gateway": "nobody is there; nothing is consumed until it answers"}

    await until(lambda: len(messages(caplog)) > 2)
    gateway.away = False
    await until(lambda: len(consumer.told) > 1)

    assert (consumer.told[1:], monitor.problems()) == ([("resume", "gateway")], {})
    first, *between, last = messages(caplog)
    assert first == "gateway zeebe:26500: nobody is there; consuming pauses"
    for line in between:
        assert re.fullmatch(
            r"gateway zeebe:26500: away for (\d+ min )?\d+ s \(nobody is there\); nothing is consumed; "
            "requests that wait: 7 in 'zeebe.commands'",
            line,
        ), line
    assert re.fullmatch(r"gateway zeebe:26500: answers again after (\d+ min )?\d+ s; consuming goes on", last)
    assert {vars(record)["event"] for record in caplog.records} == {"outage"}


async def test_one_lost_look_is_no_outage(monitor: Monitor, gateway: Gateway, consumer: FakeConsumer) -> None:
    """Readiness, the circuit and consuming agree."""
    monitor.start()
    await until(lambda: not monitor.problems())
    gateway.circuit.record_failure()
    assert (monitor.problems(), gateway.circuit.is_open, consumer.told) == ({}, False, [])

    gateway.circuit.trip()
    assert monitor.problems() == {"gateway": "not reached 2 times in a row; nothing is consumed until it answers"}


async def test_who_refuses_is_there_and_the_log_says_once_why_it_is_of_no_use(
    monitor: Monitor, gateway: Gateway, consumer: FakeConsumer, caplog: pytest.LogCaptureFixture
) -> None:
    gateway.refuses = True
    monitor.start()
    await until(lambda: gateway.asked)
    gateway.circuit.record_failure()
    await until(lambda: gateway.asked > 3)

    assert (monitor.problems(), consumer.told) == ({"gateway": "wrong secret"}, [])
    assert messages(caplog) == ["gateway zeebe:26500: wrong secret"]


async def test_a_ledger_that_cannot_be_written_pauses_consuming_until_it_can(
    monitor: Monitor, ledger: Ledger, consumer: FakeConsumer
) -> None:
    monitor.start()
    ledger.ill.set()
    await until(lambda: consumer.told)
    assert consumer.told == [("pause", "ledger")]
    ledger.problem = "the disk is full"
    await until(lambda: "gateway" not in monitor.problems())
    assert monitor.problems() == {"ledger": "the disk is full"}
    ledger.well.set()
    await until(lambda: len(consumer.told) > 1)
    assert consumer.told[1] == ("resume", "ledger")
