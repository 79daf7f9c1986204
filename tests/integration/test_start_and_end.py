"""A consumer starts whatever is missing, and ends well whatever runs: nothing is lost, and nobody is kept waiting."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from signal import SIGTERM

import pytest
from yarl import URL

from consumer.check import check
from consumer.config import Amqp, Settings, Zeebe
from consumer.rabbitmq import Broker
from scripts.consumer import Consumer
from scripts.process import free_port
from tests.fakes.gateway import FakeGateway
from tests.integration.broker_control import VirtualHost
from tests.integration.caller import Caller
from tests.integration.load import Hold, loaded
from tests.integration.service import TIMEOUT, create, delete, eventually, new_consumer, running_service
from zeebe_amqp import __version__
from zeebe_amqp.reply import Reply

NOWHERE = "127.0.0.1:1"


@asynccontextmanager
async def launched(directory: Path, url: str, address: str, **environment: str) -> AsyncIterator[Consumer]:
    """A consumer that cannot become ready yet."""
    consumer = new_consumer(directory, url, address, environment).launch()
    try:
        yield consumer
    finally:
        await asyncio.to_thread(consumer.stop)


async def test_without_a_gateway_it_lives_and_is_ready_as_soon_as_there_is_one(
    vhost: VirtualHost, tmp_path: Path
) -> None:
    gateway = FakeGateway(port=free_port())
    async with launched(tmp_path, vhost.url, gateway.address) as consumer:
        await eventually(lambda: set(consumer.reasons()) == {"gateway"}, "only the gateway is missing")
        assert consumer.get("/livez")[0] == 200
        amqp, zeebe = Amqp(urls=(vhost.url,)), Zeebe(address=gateway.address, plaintext=True)
        found = await check(Settings(amqp=amqp, zeebe=zeebe))
        assert {each.part: each.ok for each in found} == {
            "broker": True,
            "bounds": True,
            "dead letters": True,
            "identity": True,
            "policy": True,
            "audit": True,
            "replies: mode": True,
            "signing key": True,
            "gateway": False,
        }
        assert gateway.address in found[-1].found
        async with Caller(vhost.url, *consumer.queues) as caller:
            await caller.publish(create(id="forgotten"), reply_to=None)
            error = (await caller.call("create-instance", {"bpmnProcessId": "order"})).error
            assert error is not None
            assert (error.code, error.outcome, error.retryable) == ("UNAVAILABLE", "not-executed", True)
            async with gateway:
                await asyncio.to_thread(consumer.wait_until_ready)
                await eventually(lambda: gateway.executions, "the forgotten request ran")
                assert (await caller.call("topology")).ok
        assert sum(gateway.executions.values()) == 1


async def test_what_is_tried_again_and_again_does_not_hold_up_the_end(vhost: VirtualHost, tmp_path: Path) -> None:
    """Neither a request without a gateway, nor a connection without a broker."""
    async with (
        launched(tmp_path / "gateway", vhost.url, NOWHERE, ZEEBE_REQUEST_TIMEOUT="1s") as asking,
        launched(tmp_path / "broker", "amqp://guest:guest@127.0.0.1:1/", NOWHERE) as connecting,
    ):
        await eventually(lambda: set(asking.reasons()) == {"gateway"}, "the broker is there")
        async with Caller(vhost.url, *asking.queues) as caller:
            await caller.publish(create(id="waits"), reply_to=None)
            await asyncio.sleep(1)
            assert await asyncio.to_thread(asking.stop) == 0
            assert (await caller.get(caller.commands, TIMEOUT)).redelivered
        await eventually(lambda: "next try in" in connecting.log.read_text(), "it tries")
        assert await asyncio.to_thread(connecting.stop) == 0
    await delete(vhost.url, asking.queues)


async def test_a_connection_that_is_being_opened_does_not_hold_up_the_end(
    vhost: VirtualHost, caplog: pytest.LogCaptureFixture
) -> None:
    """The AMQP library may take the cancellation for its own, at some moments of the first 50 ms."""
    amqp = Amqp(urls=(vhost.url,), queues=("test.commands", "test.polls"))
    for milliseconds in range(0, 60, 2):
        broker = Broker(amqp, max_depth=10, accept=lambda _: None)
        await broker.start()
        await asyncio.sleep(milliseconds / 1000)
        closed, _ = await asyncio.wait({asyncio.ensure_future(broker.close())}, timeout=TIMEOUT / 2)
        assert closed, f"closing {milliseconds} ms after it began to connect"
    assert "a defect while connecting" not in caplog.text
    await delete(vhost.url, amqp.queues)


async def test_who_ends_finishes_what_it_can_and_leaves_the_rest_to_others(vhost: VirtualHost, tmp_path: Path) -> None:
    settings = {"SHUTDOWN_GRACE": "20s", "CONCURRENCY": "16", "ZEEBE_REQUEST_TIMEOUT": "60s"}
    async with running_service(tmp_path, vhost.url, **settings) as service, service.caller() as caller:
        check_log(service.consumer)
        hasty = await service.another(SHUTDOWN_GRACE="1s")
        async with loaded(service):
            assert await asyncio.to_thread(service.consumer.stop) == 0, "it finishes what runs under load"
        assert hasty.get("/readyz")[0] == 200

        gate = Hold(service.gateway)
        before = service.gateway.count("CreateProcessInstance")
        call = asyncio.ensure_future(caller.request(create(id="held")))
        await gate.reached(before + 1)
        assert await asyncio.to_thread(hasty.stop) == 1, "what does not end within the grace is given back"
        gate.open()
        last = await service.another()
        assert Reply.decode((await call).body).ok
        assert len(caller.arrived) == 1

        gate = Hold(service.gateway)
        before = service.gateway.count("CreateProcessInstance")
        call = asyncio.ensure_future(caller.request(create(id="held again")))
        await gate.reached(before + 1)
        last.signal(SIGTERM)
        await eventually(lambda: "draining" in last.log.read_text(), "it drains")
        last.signal(SIGTERM)
        assert last.process is not None
        assert await asyncio.to_thread(last.process.wait, TIMEOUT) == 1, "a second signal ends it at once"
        gate.open()
        await service.another()
        assert Reply.decode((await call).body).ok


def check_log(consumer: Consumer) -> None:
    """It tells where it has what, first of all, and says that it consumes when it does."""
    told = [line.split(" ", 3)[-1] for line in consumer.log.read_text().splitlines()]
    url = URL(consumer.environment["AMQP_URL"])
    wanted = (
        f"zeebe-amqp-consumer {__version__}: ledger sqlite:///",
        f"connecting to RabbitMQ at {url.host}:{url.port}",
        "connected to",
    )
    found = [next((number for number, line in enumerate(told) if words in line), -1) for words in wanted]
    assert found == sorted(found), told[:10]
    assert found[0] == 0, told[:10]
    consuming = sorted(line.partition("consuming ")[2].split(" ")[0] for line in told if "consuming " in line)
    assert consuming == sorted(consumer.queues), "once for each queue, when it does"
    assert f"HTTP at 127.0.0.1:{consumer.port}" in told[0]
