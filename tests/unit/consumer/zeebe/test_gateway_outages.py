"""Gateways that are away, the circuit to them, partitions that are not there, versions that change, and the probe."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress

import pytest

from consumer.core.circuit_breaker import THRESHOLD, CircuitBreaker
from consumer.zeebe import FailureKind, GatewayError, ZeebeEngine
from consumer.zeebe.protocol import gateway_pb2 as pb
from tests.cases import for_each
from tests.fakes.gateway import BUSY, FakeGateway, answer, fail
from tests.unit.consumer.errors import verdict
from tests.unit.consumer.zeebe import samples
from tests.unit.consumer.zeebe.samples import COMPLETE, CREATE, NO_PARTITION, TAGGED, refusal, send
from zeebe_amqp.errors import Code, CommandError, Outcome, Source
from zeebe_amqp.testing import after, fail


async def test_a_gateway_that_comes_back_is_found_again(gateway: ZeebeEngine, fake: FakeGateway) -> None:
    await send(gateway, CREATE)
    await fake.stop()
    while gateway.circuit.unreached == 0:
        error = await refusal(gateway, CREATE)
    assert gateway.circuit.unreached == 5
    assert verdict(error) == (Code.UNAVAILABLE, Source.GATEWAY, Outcome.NOT_EXECUTED, True)
    assert "127.0.0.1" not in error.message
    await fake.start()
    while gateway.circuit.unreached:
        with suppress(GatewayError):
            await send(gateway, CREATE)
        await asyncio.sleep(0.05)


async def test_a_connection_lost_with_the_call_out_is_no_miss(gateway: ZeebeEngine, fake: FakeGateway) -> None:
    task = await samples.unanswered(fake, refusal(gateway, CREATE))
    await fake.stop()
    assert verdict(await task) == (Code.UNAVAILABLE, Source.GATEWAY, Outcome.UNKNOWN, False)
    assert gateway.circuit.unreached == 0


@for_each(
    [
        ("NOT_FOUND", samples.DENIED, 0),
        ("UNAVAILABLE", NO_PARTITION.format(9), 0),
        ("RESOURCE_EXHAUSTED", BUSY, 0),
        ("UNAVAILABLE", "Socket closed", THRESHOLD),
    ]
)
async def test_only_an_answer_proves_that_the_gateway_is_there(
    status: str, text: str, unreached: int, gateway: ZeebeEngine, fake: FakeGateway
) -> None:
    fake.always("CreateProcessInstance", fail("UNAVAILABLE", "no healthy upstream"))
    fake.always("CompleteJob", fail(status, text))
    fake.always("Topology", fail("UNAVAILABLE", "Socket closed"))
    await refusal(gateway, CREATE)
    assert (gateway.circuit.unreached, gateway.circuit.is_open) == (THRESHOLD, True), "one call opens it"
    await refusal(gateway, COMPLETE)
    assert (gateway.circuit.unreached, gateway.circuit.is_open) == (unreached, unreached > 0)


@for_each([(-1, False), (0, False), (3, True), (4, False), (100, False)])
async def test_a_key_of_no_partition_is_not_found_and_a_partition_without_leader_is_unavailable(
    number: int, is_there: bool, connect: samples.Connect
) -> None:
    async with FakeGateway(partitions=3) as fake:
        fake.always("CompleteJob", fail("UNAVAILABLE", NO_PARTITION.format(number)))
        error = await refusal(connect(fake.address), COMPLETE)
    assert fake.count("CompleteJob") == 3
    assert f"partition {number}" in error.message
    code, source = (Code.UNAVAILABLE, Source.GATEWAY) if is_there else (Code.NOT_FOUND, Source.CONSUMER)
    assert verdict(error) == (code, source, Outcome.NOT_EXECUTED, is_there)


async def test_no_partition_is_missing_while_their_number_is_unknown(gateway: ZeebeEngine, fake: FakeGateway) -> None:
    fake.always("CompleteJob", fail("UNAVAILABLE", NO_PARTITION.format(9)))
    fake.always("Topology", fail("PERMISSION_DENIED", "no"))
    assert (await refusal(gateway, COMPLETE)).code is Code.UNAVAILABLE


async def test_the_version_is_asked_once_and_only_when_it_matters(gateway: ZeebeEngine, fake: FakeGateway) -> None:
    await send(gateway, COMPLETE)
    assert (gateway.last_version, fake.count("Topology")) == (None, 0)
    tenant = pb.CreateProcessInstanceRequest(tenantId="acme")
    await asyncio.gather(*(send(gateway, tenant) for _ in range(20)))
    assert (gateway.last_version, fake.count("Topology")) == ("8.6.0", 1)


async def test_a_new_connection_asks_for_the_version_again(gateway: ZeebeEngine, fake: FakeGateway) -> None:
    """No call needs to have failed."""
    fake.version = "8.9.0"
    await send(gateway, TAGGED)
    await fake.stop()
    await samples.until(lambda: not gateway._connections.current.is_ready)
    assert gateway.last_version == "8.9.0"
    fake.version = "8.6.0"
    await fake.start()
    fake.requests.clear()
    with pytest.raises(CommandError, match=r"data.tags: this field needs a gateway of version 8\.8"):
        await send(gateway, TAGGED)
    assert ([request.rpc for request in fake.requests], gateway.last_version) == (["Topology"], "8.6.0")


async def test_a_gateway_that_hides_its_version_gets_what_was_asked(gateway: ZeebeEngine, fake: FakeGateway) -> None:
    fake.always("Topology", fail("PERMISSION_DENIED", "no"))
    await asyncio.gather(send(gateway, TAGGED), send(gateway, TAGGED))
    await send(gateway, TAGGED)
    assert (fake.count("CreateProcessInstance"), fake.count("Topology")) == (3, 1)


async def test_a_version_is_not_waited_for_past_the_deadline(gateway: ZeebeEngine, fake: FakeGateway) -> None:
    fake.always("Topology", answer(latency=30))
    error = await refusal(gateway, TAGGED, deadline=time.time() + 0.2)
    assert (error.code, error.source, error.outcome) == (Code.DEADLINE_EXCEEDED, Source.CONSUMER, Outcome.NOT_EXECUTED)


async def test_a_probe_answers_the_topology_and_is_one_attempt(gateway: ZeebeEngine, fake: FakeGateway) -> None:
    topology = await gateway.probe()
    assert (topology.gatewayVersion, gateway.last_version) == ("8.6.0", "8.6.0")
    fake.always("Topology", fail("UNAVAILABLE", "no healthy upstream"))
    with pytest.raises(GatewayError) as raised:
        await gateway.probe()
    assert fake.count("Topology") == 2
    assert (raised.value.code, raised.value.kind) == (Code.UNAVAILABLE, FailureKind.UNREACHABLE)


def test_the_circuit_opens_with_the_last_miss_in_a_row_and_closes_with_the_first_answer() -> None:
    circuit = CircuitBreaker(threshold=3)
    for misses in (2, 2, 3, 4):
        for missed in range(misses):
            assert (circuit.is_open, circuit.unreached) == (missed >= 3, missed)
            circuit.record_failure()
        assert circuit.is_open is (misses >= 3)
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
