"""Something between the service and the gateway that answers HTTP: a proxy, an ingress, a web server.

In a test:

    async with HttpServer(page(503)) as proxy:
        ...                                            # talk to proxy.address
        assert proxy.requests

It speaks HTTP/2 without TLS, as gRPC does there; `OldHttpServer` speaks HTTP/1.1.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import ClassVar, Self, cast

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import DataReceived, PingAckReceived, RequestReceived, StreamEnded
from h2.exceptions import ProtocolError
from hyperframe.frame import GoAwayFrame, PingFrame

SECONDS = 5.0
"""How long clients may take to answer a farewell."""
Headers = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class HttpAnswer:
    """What every request gets: status, headers, body and trailers; with `reset` only that error code for its stream."""

    status: int
    headers: Headers = ()
    body: bytes = b""
    trailers: Headers = ()
    reset: int | None = None


def page(status: int) -> HttpAnswer:
    """A page for people."""
    return HttpAnswer(status, (("content-type", "text/html"),), f"<html><title>{status}</title></html>".encode())


@dataclass
class HttpServer:
    """Answers every request with `answer`; `async with` starts and stops it. `requests` has the paths asked for."""

    answer: HttpAnswer
    port: int = 0
    requests: list[str] = field(default_factory=list)
    farewell: ClassVar[bytes] = GoAwayFrame(last_stream_id=2**31 - 1).serialize() + PingFrame(0, bytes(8)).serialize()
    """Tells a client to ask no more here; when it answers, everything that it had asked has arrived."""
    _connections: dict[asyncio.Task[None], asyncio.StreamWriter] = field(default_factory=dict, init=False)

    @property
    def address(self) -> str:
        """Host and port."""
        return f"127.0.0.1:{self.port}"

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def start(self) -> None:
        """Listen; a port of 0 becomes the one that is listened on."""
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Take no new connection and no new request; what has been asked is answered before the connections end."""
        self._server.close()
        for writer in self._connections.values():
            writer.write(self.farewell)
        if self._connections and self.farewell:
            await asyncio.wait(self._connections, timeout=SECONDS)
        for writer in self._connections.values():
            writer.close()
        if self._connections:
            await asyncio.wait(self._connections)
        await self._server.wait_closed()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = cast("asyncio.Task[None]", asyncio.current_task())
        self._connections[task] = writer
        task.add_done_callback(self._connections.pop)
        try:
            await self._serve(reader, writer)
        except (ConnectionError, ProtocolError):
            pass  # the other side went away
        finally:
            writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = H2Connection(H2Configuration(client_side=False))
        connection.initiate_connection()
        writer.write(connection.data_to_send())
        left = False
        while not left and (received := await reader.read(65536)):
            for event in connection.receive_data(received):
                if isinstance(event, RequestReceived):
                    self.requests.append(dict(event.headers)[b":path"].decode())
                if isinstance(event, DataReceived):
                    connection.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
                if isinstance(event, StreamEnded):
                    self._respond(connection, event.stream_id)
                left = left or isinstance(event, PingAckReceived)
            writer.write(connection.data_to_send())
            await writer.drain()

    def _respond(self, connection: H2Connection, stream: int) -> None:
        answer = self.answer
        if answer.reset is not None:
            connection.reset_stream(stream, answer.reset)
            return
        headers = ((":status", str(answer.status)), *answer.headers)
        connection.send_headers(stream, headers, end_stream=not (answer.body or answer.trailers))
        if answer.body:
            connection.send_data(stream, answer.body, end_stream=not answer.trailers)
        if answer.trailers:
            connection.send_headers(stream, answer.trailers, end_stream=True)


@dataclass
class OldHttpServer(HttpServer):
    """The same in HTTP/1.1, whatever is asked in."""

    farewell = b""

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.requests.append((await reader.readline()).decode())
        answer = self.answer
        lines = [f"HTTP/1.1 {answer.status} Status", f"Content-Length: {len(answer.body)}", "Connection: close"]
        lines += [f"{name}: {value}" for name, value in answer.headers]
        writer.write("\r\n".join([*lines, "", ""]).encode() + answer.body)
        await writer.drain()
