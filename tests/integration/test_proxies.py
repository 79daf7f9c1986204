"""Something between the service and the gateway answers HTTP: no request is lost by it, and none runs twice."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from consumer.check import check
from consumer.config import Settings, Zeebe
from scripts.consumer import Consumer
from tests.conftest import Broker
from tests.fakes.gateway import FakeGateway
from tests.fakes.http2 import HttpServer, page
from tests.integration.caller import Caller
from tests.integration.service import DeadLetterCollector, create, delete, eventually, new_consumer
from zeebe_amqp.errors import Error

pytestmark = pytest.mark.asyncio(loop_scope="module")


@dataclass
class ProxiedConsumer:
    """A consumer that finds a proxy where its gateway should be."""

    proxy: HttpServer
    consumer: Consumer
    caller: Caller
    dead_letters: DeadLetterCollector

    @asynccontextmanager
    async def recovered(self) -> AsyncIterator[FakeGateway]:
        """From now on the gateway is there, at the same address."""
        await self.proxy.stop()
        async with FakeGateway(port=self.proxy.port) as gateway:
            await asyncio.to_thread(self.consumer.wait_until_ready)
            yield gateway
        await self.proxy.start()

    async def paused(self, status: int) -> None:
        """Wait until nothing is consumed any more, and say why."""
        await eventually(lambda: "nothing is consumed" in self.reason(), "consuming pauses")
        assert f"HTTP status {status}" in self.reason()
        assert "not the gateway" in self.reason()
        assert self.consumer.get("/readyz")[0] == 503

    def reason(self) -> str:
        """What readiness says about the gateway."""
        return str(self.consumer.reasons().get("gateway"))


@asynccontextmanager
async def consumer_behind_proxy(directory: Path, url: str, status: int) -> AsyncIterator[ProxiedConsumer]:
    """A proxied whose proxy answers with that status and a page."""
    async with HttpServer(page(status)) as proxy:
        consumer = new_consumer(directory, url, proxy.address, {}).launch()
        async with DeadLetterCollector(url, consumer.queues) as dead_letters:
            try:
                await eventually(lambda: set(consumer.reasons()) == {"gateway"}, "only the gateway is missing")
                async with Caller(url, *consumer.queues) as caller:
                    yield ProxiedConsumer(proxy, consumer, caller, dead_letters)
            finally:
                await asyncio.to_thread(consumer.stop)
        await delete(url, consumer.queues)


def told(error: Error | None) -> tuple[Any, ...]:
    """What a caller decides by."""
    assert error is not None
    assert "not the gateway" in error.message
    return error.code, error.source, error.outcome, error.retryable


async def test_a_proxy_that_says_that_it_is_not_available_is_told_to_who_waits_and_outlasted_by_the_rest(
    rabbitmq: Broker, tmp_path: Path
) -> None:
    async with consumer_behind_proxy(tmp_path, rabbitmq.url, 503) as proxied:
        waiting = asyncio.ensure_future(proxied.caller.call("create-instance", {"bpmnProcessId": "order"}))
        for number in range(50):
            await proxied.caller.publish(create(id=number), reply_to=None)
        assert told(error := (await waiting).error) == ("UNAVAILABLE", "consumer", "not-executed", True)
        assert "HTTP status 503" in str(error)
        await proxied.paused(503)
        assert "HTTP status 503" in proxied.consumer.log.read_text()
        *_, gateway = await check(Settings(zeebe=Zeebe(proxied.proxy.address, plaintext=True)))
        assert not gateway.ok
        for words in ("HTTP status 503", "not the gateway", "proxy"):
            assert words in gateway.found, words
        probes = len(proxied.proxy.requests)
        await eventually(lambda: len(proxied.proxy.requests) > probes + 2, "the proxy is asked again")
        assert not proxied.dead_letters.messages
        async with proxied.recovered() as engine:
            await eventually(lambda: len(engine.executions) == 50, "all run")
            await proxied.caller.publish(create(id="last"), reply_to=None)
            await eventually(lambda: len(engine.executions) == 51, "what comes later runs too")
            assert set(engine.executions.values()) == {1}
        assert not proxied.dead_letters.messages
