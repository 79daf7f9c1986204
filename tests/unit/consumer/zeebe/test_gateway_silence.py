"""Connections to the gateway that say nothing more, and gateways that take connections and then say nothing."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Iterator
from unittest.mock import Mock

import pytest

from consumer.config import Zeebe
from consumer.core.circuit_breaker import THRESHOLD
from consumer.zeebe import GatewayError, ZeebeEngine, client
from consumer.zeebe.connection import Connections
from tests.fakes.gateway import FakeGateway, Request, Step, answer
from tests.faults.proxy import Proxy
from tests.unit.consumer.errors import verdict
from tests.unit.consumer.zeebe.samples import COMPLETE, CREATE, Connect, refusal, send, unanswered, until
from zeebe_amqp.errors import Code, Outcome, Source

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


async def test_what_may_be_sent_again_moves_to_a_new_connection(
    engine: ZeebeEngine, fake: FakeGateway, proxy: Proxy
) -> None:
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


async def test_what_may_be_sent_again_moves_as_soon_as_the_gateway_is_back(
    engine: ZeebeEngine, fake: FakeGateway, proxy: Proxy
) -> None:
    await send(engine, CREATE)
    proxy.freeze()
    idempotent = asyncio.create_task(send(engine, COMPLETE, idempotent=True, attempt_timeout=60))
    await until(lambda: engine._connections.current._out == 1)
    fake.script("Topology", answer(latency=30))
    with pytest.raises(GatewayError):
        await engine.look()
    assert not idempotent.done()
    await engine.look()
    async with asyncio.timeout(10):
        await idempotent
    assert (fake.count("CompleteJob"), proxy.made) == (1, 2)


async def test_what_is_out_on_the_old_connection_is_still_answered_there(
    engine: ZeebeEngine, fake: FakeGateway, proxy: Proxy
) -> None:
    release = asyncio.Event()

    async def later(_: Request) -> Step:
        await release.wait()
        return answer()

    fake.always("CreateProcessInstance", later)
    out = asyncio.create_task(send(engine, CREATE))
    await until(lambda: fake.requests)
    fake.script("Topology", answer(latency=30))  # the probe that finds nothing, although the connection is well
    await engine.look()
    release.set()
    assert (await out).bpmnProcessId == "order"
    assert proxy.made == 2


async def test_what_is_out_on_an_abandoned_connection_can_be_cancelled(
    engine: ZeebeEngine, fake: FakeGateway, proxy: Proxy
) -> None:
    out = await unanswered(fake, send(engine, CREATE))
    proxy.freeze()
    await engine.look()
    out.cancel()
    with pytest.raises(asyncio.CancelledError):
        await out


async def test_closing_ends_what_is_out_on_retired_connections(
    engine: ZeebeEngine, fake: FakeGateway, proxy: Proxy
) -> None:
    out = await unanswered(fake, refusal(engine, CREATE))
    proxy.freeze()
    await engine.look()
    await engine.close()
    assert verdict(await out) == (Code.CANCELLED, Source.CONSUMER, Outcome.UNKNOWN, False)


async def test_a_slow_probe_changes_nothing_while_others_are_answered(
    engine: ZeebeEngine, fake: FakeGateway, proxy: Proxy
) -> None:
    fake.always("Topology", after(30))
    looking = asyncio.create_task(engine.look())
    await until(lambda: fake.count("Topology"))
    await send(engine, CREATE)
    await looking
    assert (proxy.made, engine.circuit.is_open) == (1, False)


async def test_silence_on_a_new_connection_too_opens_the_circuit(engine: ZeebeEngine, fake: FakeGateway) -> None:
    fake.always("Topology", answer(latency=30))
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
    channel.get_state = looks = Mock(wraps=channel.get_state)
    waiting = [asyncio.create_task(connections.connect(0.3)) for _ in range(200)]
    waiting[0].cancel()  # nobody else may notice
    assert await asyncio.gather(*waiting[1:]) == [False] * 199
    assert looks.call_count < 300
    late = asyncio.create_task(connections.connect(10))
    await asyncio.sleep(0)
    await connections.close()
    assert await late
