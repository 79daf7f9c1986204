"""A REST API without an engine: it answers as a test scripts, cuts connections, hangs, or passes on to a real one.

In a test:

    with FakeRest() as engine:
        engine.script(answer(500, b"..."), cut)
        ...                                     # talk to engine.url
        assert len(engine.requests) == 2
"""

from __future__ import annotations

import contextlib
import http.client
import socket
import socketserver
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Self, TypeAlias
from urllib.parse import urlsplit


@dataclass(frozen=True)
class Request:
    """One request as it arrived; header names in lower case."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


Step: TypeAlias = Callable[[Request], bytes | None]
"""What one request gets: the bytes of an answer; None closes the connection."""


def answer(status: int, body: bytes = b"", kind: str = "application/json", **headers: str) -> Step:
    """An answer with this body; more headers with underscores for hyphens."""
    more = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
    length = "" if status == 204 else f"Content-Length: {len(body)}\r\n"
    return lambda _: f"HTTP/1.1 {status} Any\r\nContent-Type: {kind}\r\n{length}{more}\r\n".encode() + body


def raw(text: bytes) -> Step:
    """These bytes, and then the end of the connection."""
    return lambda _: text + b"\0close"


def cut(_: Request) -> None:
    """No answer: the connection is closed."""


def relayed(url: str, authorization: str | None = None) -> Step:
    """The answer of the server at `url`, asked with other credentials when they are given."""

    def relay(request: Request) -> bytes:
        parts = urlsplit(url)
        headers = {name: value for name, value in request.headers.items() if name not in ("host", "content-length")}
        headers |= {"authorization": authorization} if authorization else {}
        connection = http.client.HTTPConnection(parts.netloc, timeout=60)
        try:
            connection.request(request.method, request.path, request.body, headers)
            got = connection.getresponse()
            return answer(got.status, got.read(), got.headers.get("Content-Type", ""))(request) or b""
        finally:
            connection.close()

    return relay


class Server(socketserver.ThreadingTCPServer):
    """A server whose port is free again as soon as it is closed."""

    allow_reuse_address = True
    daemon_threads = True


@dataclass
class FakeRest:
    """The server; `with` starts and stops it. Unscripted requests get `always`, 204 at first."""

    port: int = 0
    always: Step = field(default_factory=lambda: answer(204))
    requests: list[Request] = field(default_factory=list)
    closing: threading.Event = field(default_factory=threading.Event)
    _connections: set[socket.socket] = field(default_factory=set)
    _steps: deque[Step] = field(default_factory=deque)

    @property
    def url(self) -> str:
        """Where its REST API begins."""
        return f"http://127.0.0.1:{self.port}/engine-rest"

    def script(self, *steps: Step) -> None:
        """The next requests get these, one each and in this order."""
        self._steps.extend(steps)

    def reset(self) -> None:
        """Forget scripts and requests."""
        self._steps.clear()
        self.requests.clear()

    def hang(self, _: Request) -> None:
        """A step: no answer while the server runs."""
        self.closing.wait(60)

    def react(self, request: Request) -> bytes | None:
        """What a request gets."""
        self.requests.append(request)
        return (self._steps.popleft() if self._steps else self.always)(request)

    def __enter__(self) -> Self:
        fake = self

        class Connection(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                fake._connections.add(self.connection)
                while (request := _read(self)) is not None:
                    reaction = fake.react(request)
                    if reaction is None:
                        return
                    self.wfile.write(reaction.removesuffix(b"\0close"))
                    if reaction.endswith(b"\0close"):
                        return

        self.closing.clear()
        self._server = Server(("127.0.0.1", self.port), Connection)
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.closing.set()
        self._server.shutdown()
        self._server.server_close()
        for connection in self._connections:
            with contextlib.suppress(OSError):  # it has ended by itself
                connection.shutdown(socket.SHUT_RDWR)
        self._connections.clear()


def _read(connection: socketserver.StreamRequestHandler) -> Request | None:
    try:
        method, path, _ = connection.rfile.readline().decode().split()
        headers = {}
        while line := connection.rfile.readline().decode().strip():
            name, _, value = line.partition(":")
            headers[name.lower()] = value.strip()
        return Request(method, path, headers, connection.rfile.read(int(headers.get("content-length", 0))))
    except (ValueError, OSError):
        return None
