"""Connections to the gateway that say nothing more, and gateways that take connections and then say nothing."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import AsyncIterator

import grpc
import pytest

from consumer.config import Zeebe
from consumer.core.circuit_breaker import THRESHOLD
from consumer.zeebe import GatewayError, ZeebeEngine, client
from consumer.zeebe.connection import Connections
from tests.fakes.gateway import FakeGateway
from tests.faults.proxy import Proxy
from tests.unit.consumer.zeebe.calling import send
from tests.unit.consumer.zeebe.samples import COMPLETE, CREATE, refusal, until
from zeebe_amqp.errors import Code, Outcome
from zeebe_amqp.testing import after, answer


@pytest.fixture(autouse=True)
def short_probe(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "PROBE_TIMEOUT", 0.5)


@pytest.fixture
async def proxy(fake: FakeGateway) -> AsyncIterator[Proxy]:
    async with Proxy(fake.port) as between:
        yield between


@pytest.fixture
async def engine(proxy: Proxy) -> AsyncIterator[ZeebeEngine]:
    connected = ZeebeEngine(Zeebe(proxy.address, plaintext=True))
    yield connected
    await connected.close()


async def test_traffic_leaves_a_connection_that_says_nothing_more(engine: ZeebeEngine, proxy: Proxy) -> None:
    await send(engine, CREATE)
    proxy.freeze()
    await engine.look()
    response = await send(engine, CREATE)
    assert (response.bpmnProcessId, proxy.made, engine.circuit.is_open) == ("order", 2, False)


async def test_what_is_out_on_the_old_connection_is_still_answered_there(
    engine: ZeebeEngine, fake: FakeGateway, proxy: Proxy
) -> None:
    release = asyncio.Event()

    async def later(_: object) -> object:
        await release.wait()
        return answer()

    fake.always("CreateProcessInstance", later)  # type: ignore[arg-type]
    out = asyncio.create_task(send(engine, CREATE))
    await until(lambda: fake.requests)
    fake.script("Topology", after(30))  # the probe that finds nothing, although the connection is well
    await engine.look()
    release.set()
    assert (await out).bpmnProcessId == "order"
    assert proxy.made == 2


async def test_what_may_be_sent_again_moves_to_the_new_connection_at_once(
    engine: ZeebeEngine, fake: FakeGateway, proxy: Proxy
) -> None:
    await send(engine, CREATE)
    proxy.freeze()
    idempotent = asyncio.create_task(send(engine, COMPLETE, idempotent=True))
    other = asyncio.create_task(refusal(engine, CREATE, attempt_timeout=3))
    await until(lambda: engine._connections.current._out == 2)
    await engine.look()
    await idempotent
    assert not other.done()
    error = await other
    assert (error.code, error.outcome) == (Code.DEADLINE_EXCEEDED, Outcome.UNKNOWN)
    assert (fake.count("CompleteJob"), fake.count("CreateProcessInstance")) == (1, 1)


async def test_cancelling_a_call_on_an_abandoned_connection_is_still_cancelling(
    engine: ZeebeEngine, fake: FakeGateway, proxy: Proxy
) -> None:
    fake.always("CreateProcessInstance", after(30))
    out = asyncio.create_task(send(engine, CREATE))
    await until(lambda: fake.requests)
    proxy.freeze()
    await engine.look()
    out.cancel()
    with pytest.raises(asyncio.CancelledError):
        await out


async def test_a_slow_probe_changes_nothing_while_others_are_answered(
    engine: ZeebeEngine, fake: FakeGateway, proxy: Proxy
) -> None:
    fake.always("Topology", after(30))
    looking = asyncio.create_task(engine.look())
    await until(lambda: fake.count("Topology"))
    await send(engine, CREATE)
    await looking
    assert (proxy.made, engine.circuit.is_open) == (1, False)


async def test_a_gateway_that_is_as_silent_on_a_new_connection_opens_the_circuit_until_it_answers(
    engine: ZeebeEngine, fake: FakeGateway
) -> None:
    fake.always("Topology", after(30))
    with pytest.raises(GatewayError, match=r"\ADEADLINE_EXCEEDED: the gateway did not answer within 0\.5 s\Z"):
        await engine.look()
    assert engine.circuit.is_open
    fake.always("Topology", answer())
    await engine.look()
    assert not engine.circuit.is_open


async def test_a_frozen_gateway_gets_nothing_and_opens_the_circuit(fake: FakeGateway) -> None:
    """Its machine still takes connections, and nobody speaks on them."""
    with socket.create_server(("127.0.0.1", 0)) as frozen:
        engine = ZeebeEngine(Zeebe(f"127.0.0.1:{frozen.getsockname()[1]}", plaintext=True))
        error = await refusal(engine, CREATE, deadline=time.time() + 0.3)
        with pytest.raises(GatewayError, match=r"no connection to the gateway within 0\.5 s"):
            await engine.look()
        await engine.close()
    assert (error.code, error.outcome, error.retryable) == (Code.UNAVAILABLE, Outcome.NOT_EXECUTED, True)
    assert engine.circuit.unreached == 1


async def test_callers_without_the_time_for_connecting_say_nothing_of_the_gateway(
    engine: ZeebeEngine, proxy: Proxy
) -> None:
    """One caller's haste would stop all others whenever a connection is made anew."""
    proxy.delay = 0.2
    hurried = (refusal(engine, CREATE, deadline=time.time() + 0.05) for _ in range(THRESHOLD + 1))
    errors = await asyncio.gather(*hurried)
    assert {(error.code, error.outcome, error.retryable) for error in errors} == {
        (Code.UNAVAILABLE, Outcome.NOT_EXECUTED, True)
    }
    assert (engine.circuit.unreached, engine.circuit.is_open) == (0, False)
    assert (await send(engine, CREATE)).bpmnProcessId == "order"


async def test_many_who_wait_for_a_connection_cost_as_much_as_one() -> None:
    with socket.create_server(("127.0.0.1", 0)) as frozen:
        connections = Connections(Zeebe(f"127.0.0.1:{frozen.getsockname()[1]}", plaintext=True))
        channel, looks = connections.current._channel, 0
        get_state = channel.get_state

        def counted(try_to_connect: bool = False) -> grpc.ChannelConnectivity:
            nonlocal looks
            looks += 1
            return get_state(try_to_connect)

        channel.get_state = counted
        waiting = [asyncio.create_task(connections.connect(0.3)) for _ in range(200)]
        waiting[0].cancel()  # nobody else may notice
        assert await asyncio.gather(*waiting[1:]) == [False] * 199
        assert looks < 300
        late = asyncio.create_task(connections.connect(10))
        await asyncio.sleep(0)
        await connections.close()
        assert await late


async def test_a_connection_that_falls_silent_before_a_gateway_that_freezes_opens_the_circuit_at_once(
    engine: ZeebeEngine, proxy: Proxy
) -> None:
    await send(engine, CREATE)
    proxy.freeze()
    proxy.delay = 30
    with pytest.raises(GatewayError, match=r"no connection to the gateway within 0\.5 s"):
        await engine.look()
    assert engine.circuit.is_open


async def test_what_may_be_sent_again_leaves_a_silent_connection_also_when_the_gateway_comes_back_later(
    engine: ZeebeEngine, fake: FakeGateway, proxy: Proxy
) -> None:
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


async def test_closing_ends_what_is_out_on_retired_connections(
    engine: ZeebeEngine, fake: FakeGateway, proxy: Proxy
) -> None:
    fake.always("CreateProcessInstance", after(30))
    out = asyncio.create_task(refusal(engine, CREATE))
    await until(lambda: fake.requests)
    proxy.freeze()
    await engine.look()
    await engine.close()
    assert ((await out).code, (await out).outcome) == (Code.CANCELLED, Outcome.UNKNOWN)
