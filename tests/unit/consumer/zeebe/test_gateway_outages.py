"""Gateways that are away or silent, the circuit to them, partitions that are not there, and versions that change."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from unittest.mock import Mock

import pytest

from consumer.config import Zeebe
from consumer.core.circuit_breaker import THRESHOLD, CircuitBreaker
from consumer.zeebe import FailureKind, GatewayError, ZeebeEngine, client
from consumer.zeebe.connection import Connections
from consumer.zeebe.protocol import gateway_pb2 as pb
from tests.cases import for_each
from tests.fakes.gateway import BUSY, FakeGateway
from tests.faults.proxy import Proxy
from tests.unit.consumer.errors import verdict
from tests.unit.consumer.zeebe import samples
from tests.unit.consumer.zeebe.samples import COMPLETE, CREATE, NO_PARTITION, TAGGED, Connect, refusal, send, until
from zeebe_amqp.errors import Code, CommandError, Outcome, Source
from zeebe_amqp.testing import Step, after, answer, fail

NOT_REACHED = (Code.UNAVAILABLE, Source.GATEWAY, Outcome.NOT_EXECUTED, True)
NO_CONNECTION = r"no connection to the gateway within 0\.5 s"


@pytest.fixture(autouse=True)
def short_probe(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "PROBE_TIMEOUT", 0.5)


@pytest.fixture
async def proxy(fake: FakeGateway) -> AsyncIterator[Proxy]:
    async with Proxy(fake.port) as between:
        yield between


@pytest.fixture
async def engine(proxy: Proxy, connect: Connect) -> ZeebeEngine:
    return connect(proxy.address)


@pytest.fixture
def frozen() -> Iterator[str]:
    """The address of a machine that still takes connections, and nobody speaks on them."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"127.0.0.1:{server.getsockname()[1]}"


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
    [task] = await samples.unanswered(fake, refusal(gateway, CREATE))
    await fake.stop()
    assert verdict(await task) == (Code.UNAVAILABLE, Source.GATEWAY, Outcome.UNKNOWN, False)
    assert gateway.circuit.unreached == 0


@for_each([
    ("NOT_FOUND", samples.DENIED, 0),
    ("UNAVAILABLE", NO_PARTITION.format(9), 0),
    ("RESOURCE_EXHAUSTED", BUSY, 0),
    ("UNAVAILABLE", "Socket closed", THRESHOLD),
])  # fmt: skip
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


@for_each([(3, -1, False), (3, 0, False), (3, 3, True), (3, 4, False), (3, 100, False), (0, 9, True)])
async def test_a_key_of_no_partition_is_not_found_and_a_partition_without_leader_is_unavailable(
    partitions: int, number: int, is_there: bool, connect: Connect
) -> None:
    """Where the gateway does not say how many there are, one may be there."""
    async with FakeGateway(partitions=partitions) as fake:
        fake.always("CompleteJob", fail("UNAVAILABLE", NO_PARTITION.format(number)))
        error = await refusal(connect(fake.address), COMPLETE)
    assert fake.count("CompleteJob") == 3
    assert f"partition {number}" in error.message
    code, source = (Code.UNAVAILABLE, Source.GATEWAY) if is_there else (Code.NOT_FOUND, Source.CONSUMER)
    assert verdict(error) == (code, source, Outcome.NOT_EXECUTED, is_there)


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
    await until(lambda: not gateway._connections.current.is_ready)
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
    fake.always("Topology", after(30))
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


async def test_what_may_be_sent_again_moves_at_once(engine: ZeebeEngine, fake: FakeGateway, proxy: Proxy) -> None:
    await send(engine, CREATE)
    proxy.freeze()
    idempotent = asyncio.create_task(send(engine, COMPLETE, idempotent=True))
    other = asyncio.create_task(refusal(engine, CREATE, attempt_timeout=3))
    await until(lambda: engine._connections.current._out == 2)
    await engine.look()
    await idempotent
    assert (proxy.made, engine.circuit.is_open, other.done()) == (2, False, False)
    error = await other
    assert (error.code, error.outcome) == (Code.DEADLINE_EXCEEDED, Outcome.UNKNOWN)
    assert (fake.count("CompleteJob"), fake.count("CreateProcessInstance")) == (1, 1)


async def test_what_may_be_sent_again_moves_later(engine: ZeebeEngine, fake: FakeGateway, proxy: Proxy) -> None:
    await send(engine, CREATE)
    proxy.freeze()
    idempotent = asyncio.create_task(send(engine, COMPLETE, idempotent=True, attempt_timeout=60))
    await until(lambda: engine._connections.current._out == 1)
    fake.script("Topology", after(30))
    with pytest.raises(GatewayError):
        await engine.look()
    assert not idempotent.done()
    await engine.look()
    async with asyncio.timeout(10):
        await idempotent
    assert (fake.count("CompleteJob"), proxy.made) == (1, 2)


async def test_what_is_out_may_still_be_answered(engine: ZeebeEngine, fake: FakeGateway, proxy: Proxy) -> None:
    released: asyncio.Future[Step] = asyncio.Future()
    fake.always("CreateProcessInstance", lambda _: released)
    out = asyncio.create_task(send(engine, CREATE))
    await until(lambda: fake.requests)
    fake.script("Topology", after(30))  # the probe that finds nothing, although the connection is well
    await engine.look()
    released.set_result(answer())
    assert (await out).bpmnProcessId == "order"
    assert proxy.made == 2


async def test_what_is_abandoned_can_still_be_ended(engine: ZeebeEngine, fake: FakeGateway, proxy: Proxy) -> None:
    out = await samples.unanswered(fake, refusal(engine, CREATE), send(engine, CREATE))
    proxy.freeze()
    await engine.look()
    out[1].cancel()
    with pytest.raises(asyncio.CancelledError):
        await out[1]
    await engine.close()
    assert verdict(await out[0]) == (Code.CANCELLED, Source.CONSUMER, Outcome.UNKNOWN, False)


async def test_a_slow_probe_alone_changes_nothing(engine: ZeebeEngine, fake: FakeGateway, proxy: Proxy) -> None:
    fake.always("Topology", after(30))
    looking = asyncio.create_task(engine.look())
    await until(lambda: fake.count("Topology"))
    await send(engine, CREATE)
    await looking
    assert (proxy.made, engine.circuit.is_open) == (1, False)


async def test_silence_on_a_new_connection_too_opens_the_circuit(engine: ZeebeEngine, fake: FakeGateway) -> None:
    fake.always("Topology", after(30))
    with pytest.raises(GatewayError, match=r"\ADEADLINE_EXCEEDED: the gateway did not answer within 0\.5 s\Z"):
        await engine.look()
    assert engine.circuit.is_open
    fake.always("Topology", answer())
    await engine.look()
    assert not engine.circuit.is_open


async def test_silence_and_then_no_connection_open_the_circuit_at_once(engine: ZeebeEngine, proxy: Proxy) -> None:
    await send(engine, CREATE)
    proxy.freeze()
    proxy.delay = 30
    with pytest.raises(GatewayError, match=NO_CONNECTION):
        await engine.look()
    assert engine.circuit.is_open


async def test_a_frozen_gateway_gets_nothing_and_is_missed(frozen: str, connect: Connect) -> None:
    engine = connect(frozen)
    assert verdict(await refusal(engine, CREATE, deadline=time.time() + 0.3)) == NOT_REACHED
    with pytest.raises(GatewayError, match=NO_CONNECTION):
        await engine.look()
    assert engine.circuit.unreached == 1


async def test_callers_without_time_to_connect_open_no_circuit(engine: ZeebeEngine, proxy: Proxy) -> None:
    """One caller's haste would stop all others whenever a connection is made anew."""
    proxy.delay = 0.2
    hurried = (refusal(engine, CREATE, deadline=time.time() + 0.05) for _ in range(THRESHOLD + 1))
    assert {verdict(error) for error in await asyncio.gather(*hurried)} == {NOT_REACHED}
    assert (engine.circuit.unreached, engine.circuit.is_open) == (0, False)
    assert (await send(engine, CREATE)).bpmnProcessId == "order"


async def test_many_who_wait_for_a_connection_cost_as_much_as_one(frozen: str) -> None:
    connections = Connections(Zeebe(frozen, plaintext=True))
    channel = connections.current._channel
    channel.get_state = looks = Mock(wraps=channel.get_state)  # type: ignore[method-assign]
    waiting = [asyncio.create_task(connections.connect(0.3)) for _ in range(200)]
    waiting[0].cancel()  # nobody else may notice
    assert await asyncio.gather(*waiting[1:]) == [False] * 199
    assert looks.call_count < 300
    late = asyncio.create_task(connections.connect(10))
    await asyncio.sleep(0)
    await connections.close()
    assert await late
