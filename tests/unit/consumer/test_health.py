"""The HTTP port: alive, ready, metrics, and nothing else."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from functools import partial
from itertools import product
from typing import Any
from unittest.mock import Mock

import aiohttp
import pytest
from aiohttp import web

from consumer.core.connections import Connections
from consumer.health import Health, HealthError
from tests.cases import for_each

LOOPBACK = ("127.0.0.1", 0)


METRICS = b"a 1\n", "text/plain; version=1.0.0; charset=utf-8; escaping=underscores"
PATHS = ["/", "/livez/", "/readyz/x", "/../etc/passwd", "/metricsz", "/favicon.ico"]
OTHERS = product(["/livez", "/readyz", "/metrics"], ["HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"])


@asynccontextmanager
async def serving(reasons: Any = dict, metrics: Any = lambda: METRICS) -> AsyncIterator[Any]:
    """What a started server answers to a request: status, content type and text."""
    health = Health(LOOPBACK, reasons, metrics)
    await health.start()
    async with aiohttp.ClientSession(f"http://127.0.0.1:{health.port}") as session:

        async def ask(path: str, method: str = "GET", **more: Any) -> tuple[int, str, str]:
            async with session.request(method, path, **more) as response:
                return response.status, response.headers["Content-Type"], await response.text()

        yield ask
    await health.stop()


async def test_it_says_why_it_is_not_ready_and_asks_anew_each_time_and_is_alive_all_the_while() -> None:
    reasons = {"gateway": "circuit open"}
    json, alive = "application/json; charset=utf-8", (200, "text/plain; charset=utf-8", "alive\n")
    async with serving(lambda: reasons) as ask:
        assert await ask("/readyz") == (503, json, '{"ready": false, "reasons": {"gateway": "circuit open"}}')
        assert await ask("/livez") == alive
        reasons.clear()
        assert await ask("/readyz") == (200, json, '{"ready": true, "reasons": {}}')
        assert await ask("/livez") == alive


async def test_what_cannot_be_told_is_not_ready_or_an_error_without_its_inside(caplog: Any) -> None:
    broken = Mock(side_effect=RuntimeError("secret inside"))
    async with serving(broken, broken) as ask:
        status, _, text = await ask("/readyz")
        assert (status, text) == (503, '{"ready": false, "reasons": {"health": "cannot be told; see the log"}}')
        assert "cannot tell whether the service is ready" in caplog.text
        status, _, text = await ask("/metrics")
        assert (status, "secret" in text) == (500, False)
        assert "cannot read the metrics" in caplog.text


async def test_metrics_are_served_as_they_are_given_and_without_them_there_is_no_such_page() -> None:
    async with serving() as ask:
        assert await ask("/metrics") == (200, METRICS[1], METRICS[0].decode())
    async with serving(metrics=None) as ask:
        assert (await ask("/metrics"))[0] == 404


@for_each([*((path, "GET", 404) for path in PATHS), *((*each, 405) for each in OTHERS)])
async def test_nothing_else_is_served(path: str, method: str, status: int) -> None:
    async with serving() as ask:
        assert (await ask(path, method, data=b"x"))[0] == status


async def test_an_address_that_cannot_be_had_is_an_error_that_names_the_setting(caplog: Any) -> None:
    with socket.create_server(LOOPBACK) as taken:
        port = taken.getsockname()[1]
        health = Health(("127.0.0.1", port), dict)
        with pytest.raises(HealthError, match=rf"^HTTP_ADDRESS: cannot listen on 127\.0\.0\.1:{port} \(.+\); accepted"):
            await health.start()
        assert "HTTP_ADDRESS" in caplog.text
        assert health.port == port
        await health.stop()
    with pytest.raises(HealthError, match=r"HTTP_ADDRESS: cannot listen on 192\.0\.2\.1:0"):
        await Health(("192.0.2.1", 0), dict).start()


async def test_the_port_is_free_again_after_stopping_which_waits_for_no_idle_connection() -> None:
    health = Health(LOOPBACK, dict)
    await health.start()
    port = health.port
    async with aiohttp.ClientSession() as session, session.get(f"http://127.0.0.1:{port}/livez"):
        await health.stop()
        await health.stop()
    with socket.create_server(("127.0.0.1", port)):
        assert health.port == 0


async def test_a_page_may_take_its_time_and_the_head_of_a_request_may_not(monkeypatch: pytest.MonkeyPatch) -> None:
    async def rest(_: web.Request) -> web.Response:
        await asyncio.sleep(0.3)
        return web.Response(text="rested")

    monkeypatch.setattr("consumer.health.Connections", partial(Connections, silence=0.1))
    health = Health(LOOPBACK, dict, extend=lambda application: application.router.add_get("/rest", rest) and None)
    await health.start()
    # One is idle after its answer, one begins a request and never ends it, one sends a byte of it now and then.
    sent = (b"GET /rest HTTP/1.1\r\nHost: a\r\n\r\n", *[b"GET /livez HTTP/1.1\r\nX: "] * 2)
    opened = [await asyncio.open_connection("127.0.0.1", health.port) for _ in sent]
    for text, (_, writer) in zip(sent, opened, strict=True):
        writer.write(text)
    reading = [asyncio.create_task(_rest(reader)) for reader, _ in opened]
    while not reading[-1].done():
        opened[-1][1].write(b"y")
        await asyncio.sleep(0.01)
    answers = await asyncio.gather(*reading)
    assert [answers[0].startswith(b"HTTP/1.1 200 OK"), b"rested" in answers[0], *answers[1:]] == [True, True, b"", b""]
    for _, writer in opened:
        writer.close()
    await health.stop()


async def _rest(reader: asyncio.StreamReader) -> bytes:
    """What comes until the server closes the connection."""
    came = b""
    with suppress(ConnectionError):
        while piece := await reader.read(1000):
            came += piece
    return came
