"""The HTTP port. It serves liveness, readiness and metrics, and what is added to it: the console where that is on."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Final, TypeAlias

from aiohttp import web

from consumer.core.connections import MAX_CONNECTIONS, SILENCE, Connections

__all__ = ["CONNECTIONS", "PARTS", "Extend", "Health", "HealthError", "Metrics", "Reasons"]

log = logging.getLogger(__name__)

Reasons: TypeAlias = Callable[[], dict[str, str]]
"""Name -> why it is not ready; empty means ready."""
Metrics: TypeAlias = Callable[[], tuple[bytes, str]]
"""The metrics' text and its content type."""
Extend: TypeAlias = Callable[[web.Application], None]
"""Adds paths."""

CONNECTIONS: Final = web.AppKey("connections", Connections)
"""Of the application: who waits for the body of a request says so there."""
BACKLOG: Final = MAX_CONNECTIONS
"""Connections that are taken over at once; so many more than may be there can be open for a moment."""

PARTS: Final[Mapping[str, str]] = {
    "broker.publish": "the connection that publishes replies and dead letters",
    "broker.consume": "the connection that takes requests",
    "broker.consume.polls": "the connection that takes long-running requests, such as those of `zeebe.polls`",
    "broker.consume.jobs": "the connection that takes the answers of workers",
    "broker.publish.jobs": "the connection that publishes jobs",
    "jobs.TYPE": "jobs of this type: their queue cannot be used, the gateway refuses to give them, or they cannot be "
    "published",
    "gateway": "Zeebe's gateway: not reached, or it refuses",
    "ledger": "the ledger: it cannot be read or written",
    "audit": "the audit: no record can be written",
    "service": "the service stops",
    "health": "the question itself failed; the log says why",
}
"""What /readyz gives reasons for, and its meaning."""


class HealthError(Exception):
    """The service cannot listen on the port. The text names the setting."""


class Health:
    """Serves /livez, /readyz and, when there are metrics, /metrics.

    Args:
        address: host and port to listen on; port 0 takes any free one.
        reasons: says why the service is not ready.
        metrics: gives the metrics; None for no /metrics.
        extend: adds further paths; None for none.
    """

    def __init__(
        self,
        address: tuple[str, int],
        reasons: Reasons,
        metrics: Metrics | None = None,
        extend: Extend | None = None,
    ) -> None:
        self._host, self._port = address
        self._reasons = reasons
        self._metrics = metrics
        self._extend = extend
        self._runner: web.AppRunner | None = None
        self._server: asyncio.Server | None = None
        self._connections = Connections(self._make)

    @property
    def port(self) -> int:
        """The port it listens on. Before the start, the configured port."""
        if self._server is not None and self._server.sockets:
            return int(self._server.sockets[0].getsockname()[1])
        return self._port

    async def start(self) -> None:
        """Start listening.

        Raises:
            HealthError: the address is in use, or does not belong to this machine.
        """
        self._runner = web.AppRunner(
            self._application(),
            access_log=None,
            handle_signals=False,
            shutdown_timeout=1.0,
            keepalive_timeout=SILENCE,
            auto_decompress=False,
        )
        await self._runner.setup()
        loop = asyncio.get_running_loop()
        try:
            self._server = await loop.create_server(self._connections, self._host, self._port, backlog=BACKLOG)
        except OSError as error:
            await self.stop()
            raise self._refused(error) from error

    def _make(self) -> asyncio.Protocol:
        assert self._runner is not None
        assert self._runner.server is not None  # it is set up
        return self._runner.server()

    def _refused(self, error: OSError) -> HealthError:
        text = (
            f"HTTP_ADDRESS: cannot listen on {self._host}:{self._port} ({error.strerror or error}); "
            "accepted: a free host:port of this machine, or off"
        )
        fields = {"event": "http.failed", "address": f"{self._host}:{self._port}", "error": str(error)}
        log.error(text, extra=fields)
        return HealthError(text)

    async def stop(self) -> None:
        """Stop listening. Does nothing before the start."""
        runner, server, self._runner, self._server = self._runner, self._server, None, None
        if server is not None:
            server.close()
        if runner is not None:
            await runner.cleanup()

    def _application(self) -> web.Application:
        application = web.Application(client_max_size=1024, middlewares=[self._bound])
        application[CONNECTIONS] = self._connections
        application.router.add_get("/livez", self._live, allow_head=False)
        application.router.add_get("/readyz", self._ready, allow_head=False)
        if self._metrics is not None:
            application.router.add_get("/metrics", self._serve_metrics, allow_head=False)
        if self._extend is not None:
            self._extend(application)
        return application

    @web.middleware
    async def _bound(
        self, request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        with self._connections.serving(request.transport):
            return await handler(request)

    async def _live(self, _: web.Request) -> web.Response:
        return web.Response(text="alive\n")

    async def _ready(self, _: web.Request) -> web.Response:
        try:
            reasons = self._reasons()
        except Exception:
            log.exception("cannot tell whether the service is ready", extra={"event": "readiness.failed"})
            reasons = {"health": "cannot be told; see the log"}
        return web.json_response({"ready": not reasons, "reasons": reasons}, status=503 if reasons else 200)

    async def _serve_metrics(self, _: web.Request) -> web.Response:
        assert self._metrics is not None  # else there is no such route
        try:
            body, content_type = self._metrics()
        except Exception:
            log.exception("cannot read the metrics", extra={"event": "metrics.failed"})
            return web.Response(status=500, text="cannot read the metrics; see the log\n")
        return web.Response(body=body, headers={"Content-Type": content_type})
