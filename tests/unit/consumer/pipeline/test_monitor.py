"""While the gateway or the ledger is away nothing is consumed, and readiness says why."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest

from consumer.core.circuit_breaker import CircuitBreaker
from consumer.pipeline.monitor import Monitor
from tests.unit.consumer.deliveries import MemoryLedger, QuickClock
from zeebe_amqp.errors import Code, CommandError


class Gateway:
    """A gateway that can be away, and the circuit to it."""

    def __init__(self) -> None:
        self.circuit = CircuitBreaker(threshold=2)
        self.away = False
        self.asked = 0

    async def probe(self) -> None:
        self.asked += 1
        if self.away:
            self.circuit.record_failure()
            raise CommandError(Code.UNAVAILABLE, "nobody is there")
        self.circuit.record_success()


class Ledger(MemoryLedger):
    """A ledger that can be ill."""

    def __init__(self) -> None:
        super().__init__()
        self.ill, self.well = asyncio.Event(), asyncio.Event()

    async def failed(self) -> None:
        await self.ill.wait()
        self.ill.clear()

    async def ready(self) -> None:
        await self.well.wait()
        self.well.clear()


class Consuming:
    """Writes down what it is told."""

    def __init__(self) -> None:
        self.told: list[tuple[str, str]] = []

    async def pause(self, reason: str) -> None:
        self.told.append(("pause", reason))

    async def resume(self, reason: str) -> None:
        self.told.append(("resume", reason))


@pytest.fixture
def gateway() -> Gateway:
    return Gateway()


@pytest.fixture
def ledger() -> Ledger:
    return Ledger()


@pytest.fixture
def consuming() -> Consuming:
    return Consuming()


@pytest.fixture
async def monitor(gateway: Gateway, ledger: Ledger, consuming: Consuming) -> AsyncIterator[Monitor]:
    watching = Monitor("zeebe:26500", gateway.probe, gateway.circuit, ledger, consuming, QuickClock())
    yield watching
    watching.stop()


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 - a monitor tells nobody
            await asyncio.sleep(0)


async def test_before_the_first_answer_the_gateway_is_a_problem(monitor: Monitor) -> None:
    assert monitor.problems() == {"gateway": "not asked yet"}
    monitor.start()
    await until(lambda: not monitor.problems())


async def test_a_gateway_that_is_away_pauses_consuming_until_it_answers(
    monitor: Monitor, gateway: Gateway, consuming: Consuming, caplog: pytest.LogCaptureFixture
) -> None:
    gateway.away = True
    gateway.circuit.record_failure()  # a command found nobody, and the first probe finds nobody either
    monitor.start()
    await until(lambda: consuming.told)
    assert consuming.told == [("pause", "gateway")]
    assert monitor.problems() == {"gateway": "nobody is there; nothing is consumed until it answers"}
    before = gateway.asked
    await until(lambda: gateway.asked > before + 3)
    gateway.away = False
    await until(lambda: len(consuming.told) > 1)
    assert (consuming.told[1:], monitor.problems()) == ([("resume", "gateway")], {})
    assert [record.message for record in caplog.records if "nobody" in record.message] == [
        "gateway zeebe:26500: nobody is there"
    ]


async def test_a_ledger_that_cannot_be_written_pauses_consuming_until_it_can(
    monitor: Monitor, ledger: Ledger, consuming: Consuming
) -> None:
    monitor.start()
    ledger.ill.set()
    await until(lambda: consuming.told)
    assert consuming.told == [("pause", "ledger")]
    ledger.problem = "the disk is full"
    await until(lambda: "gateway" not in monitor.problems())
    assert monitor.problems() == {"ledger": "the disk is full"}
    ledger.well.set()
    await until(lambda: len(consuming.told) > 1)
    assert consuming.told[1] == ("resume", "ledger")
