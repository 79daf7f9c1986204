"""The web service of the documentation, on a real engine: it starts an order once, however often it is asked."""

from __future__ import annotations

import asyncio
import importlib.util
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import uvicorn

import zeebe_amqp
from scripts.consumer import Consumer
from tests.conftest import Broker
from tests.integration import processes
from zeebe_amqp import Client, DeployProcess
from zeebe_amqp.client.client import Options

EXAMPLE = Path(__file__).parents[2] / "examples" / "orders.py"


@asynccontextmanager
async def serving(app: Any) -> AsyncIterator[str]:
    """The application at an address of this machine."""
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="warning"))
    running = asyncio.create_task(server.serve())
    while not server.started:
        assert not running.done(), "it could not start"
        await asyncio.sleep(0.01)
    [listening] = server.servers[0].sockets
    yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    server.should_exit = True
    await running


async def test_a_web_service_starts_an_order_once_and_tells_of_errors(
    rabbitmq: Broker, consumer: Consumer, monkeypatch: pytest.MonkeyPatch
) -> None:
    commands, polls = consumer.queues
    options: Options = {"commands": commands, "polls": polls}
    monkeypatch.setattr(zeebe_amqp, "Client", partial(Client, **options))
    monkeypatch.setenv("AMQP_URL", rabbitmq.url)
    spec = importlib.util.spec_from_file_location("orders", EXAMPLE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    async with Client(rabbitmq.url, **options) as client:
        await client.call(DeployProcess(name="process.bpmn", content=processes.empty("order").encode()))
    async with serving(module.app) as address, aiohttp.ClientSession() as session:

        async def order(name: str) -> tuple[int, dict[str, Any]]:
            async with session.post(f"{address}/orders/{name}") as response:
                return response.status, await response.json()

        first, again, other = [await order(name) for name in ("web-1", "web-1", "web-2")]
        assert first[0] == 200
        assert first == again
        assert first[1]["instance"] != other[1]["instance"]
        assert first[1]["instance"].isdigit()
        status, error = await order("x" * 300)  # longer than a request id may be
        assert (status, error["code"], error["outcome"]) == (502, "INVALID_ARGUMENT", "not-executed")
