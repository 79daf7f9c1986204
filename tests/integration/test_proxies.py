"""Something between the service and the gateway answers HTTP: no request is lost by it, and none runs twice."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path

from consumer.check import check
from consumer.config import Settings, Zeebe
from tests.conftest import Broker
from tests.fakes.gateway import FakeGateway
from tests.fakes.http2 import HttpServer, page
from tests.integration.caller import Caller
from tests.integration.process_helper import refused
from tests.integration.service import DeadLetterCollector, create, delete, eventually, new_consumer


async def test_a_proxy_that_says_that_it_is_not_available_is_told_to_who_waits_and_outlasted_by_the_rest(
    rabbitmq: Broker, tmp_path: Path
) -> None:
    async with AsyncExitStack() as stack:
        proxy = await stack.enter_async_context(HttpServer(page(503)))
        consumer = new_consumer(tmp_path, rabbitmq.url, proxy.address, {})
        stack.push_async_callback(delete, rabbitmq.url, consumer.queues)
        dead_letters = await stack.enter_async_context(DeadLetterCollector(rabbitmq.url, consumer.queues))
        consumer.launch()
        stack.push_async_callback(asyncio.to_thread, consumer.stop)

        def reason() -> str:
            return str(consumer.reasons().get("gateway"))

        await eventually(lambda: set(consumer.reasons()) == {"gateway"}, "only the gateway is missing")
        caller = await stack.enter_async_context(Caller(rabbitmq.url, *consumer.queues))
        waiting = asyncio.ensure_future(caller.call("create-instance", {"bpmnProcessId": "order"}))
        for number in range(50):
            await caller.publish(create(id=number), reply_to=None)
        error = refused(await waiting)
        told = (error.code, error.source, error.outcome, error.retryable)
        assert told == ("UNAVAILABLE", "consumer", "not-executed", True)
        await eventually(lambda: "nothing is consumed" in reason(), "consuming pauses")
        assert consumer.get("/readyz")[0] == 503
        *_, gateway = await check(Settings(zeebe=Zeebe(proxy.address, plaintext=True)))
        assert (gateway.ok, "proxy" in gateway.found) == (False, True)
        for text in (error.message, reason(), gateway.found, consumer.log.read_text()):
            assert "HTTP status 503" in text, text
            assert "not the gateway" in text, text
        probes = len(proxy.requests)
        await eventually(lambda: len(proxy.requests) > probes + 2, "the proxy is asked again")
        assert not dead_letters.messages
        await proxy.stop()
        async with FakeGateway(port=proxy.port) as engine:
            await asyncio.to_thread(consumer.wait_until_ready)
            await eventually(lambda: len(engine.executions) == 50, "all run")
            await caller.publish(create(id="last"), reply_to=None)
            await eventually(lambda: len(engine.executions) == 51, "what comes later runs too")
            assert set(engine.executions.values()) == {1}
        await proxy.start()
        assert not dead_letters.messages
