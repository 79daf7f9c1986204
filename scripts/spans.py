"""A receiver for OTLP over HTTP, enough to show one trace as a tree."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from rich.tree import Tree


@dataclass(frozen=True)
class Span:
    """One span as it was exported; ids are hexadecimal, times nanoseconds since 1970."""

    trace: str
    id: str
    parent: str
    name: str
    kind: str
    started: int
    ended: int
    failed: bool
    links: tuple[str, ...] = ()
    """The ids of the spans that it links to."""


KINDS = ("", "internal", "server", "client", "producer", "consumer")
FAILED = 2


class Receiver:
    """Listens on a free port of 127.0.0.1 while it is entered; `endpoint` is what OTEL_EXPORTER_OTLP_ENDPOINT wants."""

    def __init__(self) -> None:
        self.spans: list[Span] = []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.endpoint = f"http://127.0.0.1:{self._server.server_address[1]}"

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("content-length", 0)))
                if self.path == "/v1/traces":
                    receiver.spans.extend(decoded(body))
                self.send_response(200)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                """Requests are no news."""

        return Handler

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def tree(self, trace: str) -> Tree:
        """The spans of one trace, children below their parents."""
        spans = sorted((span for span in self.spans if span.trace == trace), key=lambda span: span.started)
        known = {span.id for span in spans}
        root = Tree(f"trace {trace}")
        for span in spans:
            if span.parent not in known:
                _grow(root.add("[dim]the caller's span[/dim]") if span.parent else root, span, spans)
        return root


def _grow(branch: Tree, span: Span, spans: list[Span]) -> None:
    milliseconds = (span.ended - span.started) / 1e6
    mark = "[red]failed[/red] " if span.failed else ""
    twig = branch.add(f"{mark}{span.name}  [dim]{span.kind}, {milliseconds:.1f} ms[/dim]")
    for child in spans:
        if child.parent == span.id:
            _grow(twig, child, spans)


def decoded(body: bytes) -> list[Span]:
    """The spans of one export request, protobuf."""
    return [
        Span(
            trace=span.trace_id.hex(),
            id=span.span_id.hex(),
            parent=span.parent_span_id.hex(),
            name=span.name,
            kind=KINDS[span.kind],
            started=span.start_time_unix_nano,
            ended=span.end_time_unix_nano,
            failed=span.status.code == FAILED,
            links=tuple(link.span_id.hex() for link in span.links),
        )
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans
        for scope in resource.scope_spans
        for span in scope.spans
    ]
