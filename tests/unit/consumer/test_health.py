"""The HTTP port: alive, ready, metrics, and nothing else."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from itertools import product
from typing import Any

import aiohttp
import pytest

from consumer.health import Health, HealthError
from tests.cases import for_each

LOOPBACK = ("127.0.0.1", 0)


def ready() -> dict[str, str]:
    return {}


@asynccontextmanager
async def serving(
    reasons: Callable[[], dict[str, str]] = ready, metrics: Callable[[], tuple[bytes, str]] | None = None
) -> AsyncIterator[aiohttp.ClientSession]:
    """A started server and a session for it."""
    health = Health(LOOPBACK, reasons, metrics)
    await health.start()
    async with aiohttp.ClientSession(f"http://127.0.0.1:{health.port}") as session:
        yield session
    await health.stop()


async def test_it_says_why_it_is_not_ready_and_asks_anew_each_time_and_is_alive_all_the_while() -> None:
    reasons = {"gateway": "circuit open", "broker": "reconnecting"}
    async with serving(lambda: reasons) as session:
        for status, answer in (
            (503, {"ready": False, "reasons": dict(reasons)}),
            (200, {"ready": True, "reasons": {}}),
        ):
            async with session.get("/readyz") as response:
                assert (response.status, await response.json()) == (status, answer)
            async with session.get("/livez") as response:
                assert (response.status, await response.text()) == (200, "alive\n")
            reasons.clear()


def broken() -> Any:
    raise RuntimeError("secret inside")


async def test_what_cannot_be_told_is_not_ready_or_an_error_without_its_inside(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with serving(broken, metrics=broken) as session:
        async with session.get("/readyz") as response:
            assert response.status == 503
            assert await response.json() == {"ready": False, "reasons": {"health": "cannot be told; see the log"}}
        assert "cannot tell whether the service is ready" in caplog.text
        async with session.get("/metrics") as response:
            assert response.status == 500
            assert "secret" not in await response.text()
        assert "cannot read the metrics" in caplog.text


async def test_metrics_are_served_as_they_are_given() -> None:
    content_type = "text/plain; version=1.0.0; charset=utf-8; escaping=underscores"
    async with serving(metrics=lambda: (b"a 1\n", content_type)) as session, session.get("/metrics") as response:
        assert (response.status, await response.read()) == (200, b"a 1\n")
        assert response.headers["Content-Type"] == content_type


@for_each(["/", "/livez/", "/readyz/x", "/../etc/passwd", "/metricsz", "/favicon.ico"])
async def test_nothing_else_is_served(path: str) -> None:
    async with serving(metrics=lambda: (b"", "text/plain")) as session, session.get(path) as response:
        assert response.status == 404


async def test_without_metrics_there_is_no_such_page() -> None:
    async with serving() as session, session.get("/metrics") as response:
        assert response.status == 404


@for_each(product(["/livez", "/readyz", "/metrics"], ["HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"]))
async def test_only_get_is_served(path: str, method: str) -> None:
    async with (
        serving(metrics=lambda: (b"", "text/plain")) as session,
        session.request(method, path, data=b"x") as response,
    ):
        assert response.status == 405


async def test_an_address_that_cannot_be_had_is_an_error_that_names_the_setting(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with socket.create_server(LOOPBACK) as taken:
        port = taken.getsockname()[1]
        health = Health(("127.0.0.1", port), ready)
        with pytest.raises(HealthError, match=rf"^HTTP_ADDRESS: cannot listen on 127\.0\.0\.1:{port} \(.+\); accepted"):
            await health.start()
        assert "HTTP_ADDRESS" in caplog.text
        assert health.port == port
        await health.stop()
    with pytest.raises(HealthError, match=r"HTTP_ADDRESS: cannot listen on 192\.0\.2\.1:0"):
        await Health(("192.0.2.1", 0), ready).start()


async def test_the_port_is_free_again_after_stopping() -> None:
    health = Health(LOOPBACK, ready)
    await health.start()
    port = health.port
    await health.stop()
    await health.stop()
    with socket.create_server(("127.0.0.1", port)):
        assert health.port == 0


async def test_stopping_does_not_wait_for_idle_connections() -> None:
    health = Health(LOOPBACK, ready)
    await health.start()
    async with aiohttp.ClientSession() as session, session.get(f"http://127.0.0.1:{health.port}/livez") as response:
        assert response.status == 200
        await health.stop()
