"""The circuit opens when nobody is there, and only then; attempts tell the limit how the engine bears them."""

from __future__ import annotations

import asyncio
from typing import Any

from consumer.core.circuit_breaker import CircuitBreaker
from consumer.zeebe import ZeebeEngine
from tests.cases import for_each
from tests.fakes.gateway import BUSY, FakeGateway
from tests.unit.consumer.zeebe.calling import send
from tests.unit.consumer.zeebe.samples import COMPLETE, CREATE, NO_PARTITION, refusal
from zeebe_amqp.testing import answer, fail


def test_it_opens_with_the_last_miss_in_a_row_and_closes_with_the_first_answer() -> None:
    circuit = CircuitBreaker(threshold=3)
    for _ in range(10):
        for missed in range(2):
            assert (circuit.is_open, circuit.unreached) == (False, missed)
            circuit.record_failure()
        circuit.record_success()
    for missed in range(3):
        assert (circuit.is_open, circuit.unreached) == (False, missed)
        circuit.record_failure()
    assert circuit.is_open
    circuit.record_failure()
    circuit.record_success()
    assert (circuit.is_open, circuit.unreached) == (False, 0)


async def test_whoever_waits_is_told_of_every_change() -> None:
    circuit = CircuitBreaker(threshold=1)
    await circuit.wait_closed()
    opened = asyncio.create_task(circuit.wait_open())
    await asyncio.sleep(0)
    assert not opened.done()
    circuit.record_failure()
    await opened
    closed = asyncio.create_task(circuit.wait_closed())
    await asyncio.sleep(0)
    assert not closed.done()
    circuit.record_success()
    await closed
    await circuit.wait_open(within=0.001)
    assert not circuit.is_open


async def test_one_call_that_finds_nobody_opens_it_and_the_next_answer_closes_it(
    gateway: ZeebeEngine, fake: FakeGateway
) -> None:
    fake.always("CreateProcessInstance", fail("UNAVAILABLE", "no healthy upstream"))
    await refusal(gateway, CREATE)
    assert gateway.circuit.is_open
    await gateway.probe()
    assert not gateway.circuit.is_open


@for_each([("UNAVAILABLE", NO_PARTITION.format(9)), ("RESOURCE_EXHAUSTED", BUSY), ("NOT_FOUND", "no")])
async def test_nothing_that_a_gateway_says_opens_it(
    status: str, text: str, gateway: ZeebeEngine, fake: FakeGateway
) -> None:
    fake.reset()
    fake.always("CompleteJob", fail(status, text))
    for _ in range(4):
        await refusal(gateway, COMPLETE)
    assert not gateway.circuit.is_open


class FakeLimiter:
    """A limit that writes down what it is told."""

    def __init__(self) -> None:
        self.round = 0
        self.events: list[Any] = []

    def record_refusal(self, sent: int) -> None:
        self.events.append(("refused", sent))
        self.round += 1

    def record_success(self) -> None:
        self.events.append("succeeded")


async def test_every_attempt_that_was_done_or_refused_for_load_is_told_with_its_round(
    gateway: ZeebeEngine, fake: FakeGateway
) -> None:
    limiter = FakeLimiter()
    busy = fail("RESOURCE_EXHAUSTED", BUSY)
    fake.script("CreateProcessInstance", busy, busy, answer())
    await send(gateway, CREATE, limiter=limiter)
    assert limiter.events == [("refused", 0), ("refused", 1), "succeeded"]


@for_each([("NOT_FOUND", "no"), ("RESOURCE_EXHAUSTED", "gRPC message exceeds maximum size 4194304: 5")])
async def test_what_is_refused_for_another_reason_tells_nothing_about_load(
    status: str, text: str, gateway: ZeebeEngine, fake: FakeGateway
) -> None:
    limiter = FakeLimiter()
    fake.reset()
    fake.always("CreateProcessInstance", fail(status, text))
    await refusal(gateway, CREATE, limiter=limiter)
    assert limiter.events == []
