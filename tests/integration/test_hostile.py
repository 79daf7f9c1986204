"""Whatever arrives is answered or becomes a dead letter, and disturbs nobody."""

from __future__ import annotations

import asyncio
import base64
import socket
import struct
import uuid
from collections.abc import AsyncIterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from consumer.core.connections import MAX_CONNECTIONS
from scripts import guard
from tests.cases import check_each
from tests.integration import rawamqp
from tests.integration.caller import Caller
from tests.integration.rawamqp import RawPublisher, content, entry, short, table
from tests.integration.service import CONNECTIONS, TIMEOUT, ConsumerSetup, create
from zeebe_amqp import wire
from zeebe_amqp.reply import Reply

pytestmark = pytest.mark.asyncio(loop_scope="module")

NOT_TEXT = b"\xff\xfe\xc0"
FAR = struct.pack(">Q", 2**62)
"""A timestamp far beyond the year 9999."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def caller(service: ConsumerSetup) -> AsyncIterator[Caller]:
    """A caller among the hostile ones."""
    async with service.caller() as connected:
        yield connected


@pytest_asyncio.fixture(autouse=True, loop_scope="module")
async def undisturbed(service: ConsumerSetup, caller: Caller) -> AsyncIterator[None]:
    """After each test the consumer still answers, on the connections that it opened at first."""
    service.dead_letters.messages.clear()
    yield
    assert (await caller.call("topology")).ok
    assert service.connections() == CONNECTIONS


def marked() -> bytes:
    """A request that no other test sends."""
    return create(mark=uuid.uuid4().hex)


# The broker itself reads `expiration` and `user_id` and takes only what it understands.
TEXTS = [name for name in rawamqp.SHORT if name not in {"expiration", "user_id"}]


async def test_properties_that_are_not_utf_8_make_a_dead_letter(service: ConsumerSetup, caller: Caller) -> None:
    """Text that is not UTF-8 makes the AMQP library drop the connection, with each delivery."""

    async def is_dead_and_alone(names: list[str]) -> None:
        for address in ({"reply_to": short(b"test.replies.unread")}, {}):
            body, odd = marked(), {name: short(NOT_TEXT) for name in names}
            neighbours = [asyncio.ensure_future(caller.call("topology")) for _ in range(3)]
            await raw.publish(caller.commands, body, content(**{**address, **odd}))
            neighbours += [asyncio.ensure_future(caller.call("topology")) for _ in range(3)]
            headers = (await service.dead_letters.with_body(body)).headers
            assert (headers["error-code"], headers["error-source"]) == ("INVALID_ARGUMENT", "consumer")
            assert all(name in str(headers["error-message"]) for name in names)
            assert all(reply.ok for reply in await asyncio.gather(*neighbours))

    async with RawPublisher(service.url) as raw:
        await check_each([*([name] for name in TEXTS), TEXTS], is_dead_and_alone)
    assert not service.gateway.executions


def deep(levels: int) -> bytes:
    """A header table with tables in it, that many levels."""
    # From the inside out each level would be copied once more.
    inner, step = 4, len(entry(b"t", b"F", table()))
    return b"".join(struct.pack(">I", (levels - n) * step) + b"\x01tF" for n in range(levels)) + b"\0" * inner


ODD_HEADERS: dict[str, bytes] = {
    "a name that is not UTF-8": table(entry(NOT_TEXT, b"S", rawamqp.text(b"x"))),
    "an empty name": table(entry(b"", b"S", rawamqp.text(b"x"))),
    "a name of 255 bytes": table(entry(b"n" * 255, b"S", rawamqp.text(b"x"))),
    "text that is not UTF-8": table(entry(b"x", b"S", rawamqp.text(NOT_TEXT))),
    "an impossible time": table(entry(b"x", b"T", FAR)),
    "an impossible time as the deadline": table(entry(b"deadline", b"T", FAR)),
    "an impossible time in a nested table": table(entry(b"x", b"F", table(entry(b"y", b"T", FAR)))),
    "tables in tables, 4,000 levels": deep(4_000),
    "bytes": table(entry(b"x", b"x", rawamqp.text(NOT_TEXT))),
    "a decimal": table(entry(b"x", b"D", b"\xff\xff\xff\xff\xff")),
    "a trace that is not text": table(entry(b"traceparent", b"d", struct.pack(">d", 1e300))),
    "traces that are bytes and not of the standard": table(
        *(entry(name, b"x", rawamqp.text(NOT_TEXT)) for name in (b"traceparent", b"tracestate", b"baggage"))
    ),
    "a trace that is a list of bytes": table(entry(b"traceparent", b"A", rawamqp.text(b"x" + rawamqp.text(b"00-")))),
    "a void deadline and request id": table(entry(b"deadline", b"V", b""), entry(b"request-id", b"V", b"")),
    "an empty request id": table(entry(b"request-id", b"S", rawamqp.text(b""))),
    "a list of 129,000 voids": table(entry(b"x", b"A", rawamqp.text(b"V" * 129_000))),
    "a list of odd things": table(entry(b"x", b"A", rawamqp.text(b"V" + b"t\x01" + b"T" + FAR))),
    "the same name twice": table(entry(b"x", b"t", b"\x01"), entry(b"x", b"V", b"")),
    "baggage of 8 kB of spaces": table(entry(b"baggage", b"S", rawamqp.text(b"a=" + b" " * 8000 + b'"'))),
    "120 KB of them": table(*(entry(f"h{n}".encode(), b"S", rawamqp.text(b"x" * 1000)) for n in range(120))),
}


async def test_odd_headers_and_timestamps_are_as_if_absent(service: ConsumerSetup, caller: Caller) -> None:
    async def is_as_if_absent(odd: dict[str, bytes]) -> None:
        correlation = uuid.uuid4().hex
        reply = caller.expect(correlation)
        own = {"correlation_id": short(correlation.encode()), "reply_to": short(caller.reply_to.encode())}
        await raw.publish(caller.commands, marked(), content(**odd, **own))
        refused = b"not json " + uuid.uuid4().hex.encode()
        await raw.publish(caller.commands, refused, content(**odd))
        async with asyncio.timeout(TIMEOUT):
            assert Reply.decode((await reply).body).ok
        assert (await service.dead_letters.with_body(refused)).headers["error-code"] == "INVALID_ARGUMENT"

    cases = {name: ({"headers": headers},) for name, headers in ODD_HEADERS.items()}
    for ticks in (1_700_000_000_000_000, 2**62, 2**64 - 1):  # microseconds, for one, which end the library's connection
        cases[f"timestamp {ticks}"] = ({"timestamp": struct.pack(">Q", ticks)},)
    async with RawPublisher(service.url) as raw:
        await check_each(cases, is_as_if_absent)


def command(operation: str, data: bytes) -> bytes:
    return b'{"operation": "%s", "data": %s}' % (operation.encode(), data)


def creation(variables: bytes) -> bytes:
    return command("create-instance", b'{"bpmnProcessId": "order", "variables": %s}' % variables)


HOSTILE: dict[str, list[bytes]] = {
    "INVALID_ARGUMENT": [
        b"",
        b" \r\n\t ",
        b"\0",
        b'{"operation": "topology"}\0',
        b'{"operation": "topology"}{"operation": "topology"}',
        b'{"operation": "topology"',
        b'{"operation": "topology\xc3',
        b'\xef\xbb\xbf{"operation": "topology"}',
        '{"operation": "topology"}'.encode("utf-16"),
        '{"operation": "töpology"}'.encode("latin-1"),
        bytes(range(256)),
        b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03\xab",
        b'{"operation": "\\ud800"}',
        b'{"operation": "\xed\xa0\x80"}',
        creation(b'{"a": "\\udc00"}'),
        b"{'operation': 'topology'}",
        b'/* */{"operation": "topology"}',
        b"[]",
        b"null",
        b"NaN",
        b'"{\\"operation\\": \\"topology\\"}"',
        b'{"operation": null}',
        b'{"operation": {"a": 1}}',
        b'{"operation": 1e400}',
        b'{"operation": "topology", "%s": 1}' % (b"k" * 1_000_000),
        b'{"operation": "topology", %s}' % b",".join(b'"k%d":0' % n for n in range(100_000)),
        b'{"operation": "topology", "metadata": []}',
        command("create-instance", b'{"bpmnProcessId": "a", "x - at `$.foo`": 1}'),  # like the decoder's own words
        command("complete-job", b'{"jobKey": %s}' % (b"9" * 10_000)),
        creation(b'{"a": 1e400}'),
        creation(b'{"a": %s%s}' % (b"[" * 3000, b"]" * 3000)),
        b"[" * 3000,
        b'{"operation": %s%s}' % (b"[" * 3000, b"]" * 3000),
        b'{"operation": "topology", "metadata": {"keys": %s%s}}' % (b"[" * 3000, b"]" * 3000),
        b'{"operation": "deploy-process", "data": "%", "metadata": {"fileName": "a.bpmn", "encoding": "base64"}}',
        command("deploy-resource", b'{"resources": []}'),
    ],
    "UNIMPLEMENTED": [b'{"operation": "create-instanc"}', b'{"operation": "%s"}' % (b"o" * 1_000_000)],
    "NOT_FOUND": [command("complete-job", b'{"jobKey": 1}')],
    "RESOURCE_EXHAUSTED": [
        creation(b'{"a": "%s"}' % (b"x" * (5 << 20))),
        creation(b'{"a": "%s"}' % (b"x" * (9 << 20))),
        b" " * (9 << 20),
        command("deploy-resource", b'{"resources": [{"name": "a.bpmn", "content": "%s"}]}' % (b"x" * (5 << 20))),
    ],
}


async def test_a_hostile_body_gets_one_error_or_makes_one_dead_letter(service: ConsumerSetup, caller: Caller) -> None:
    async def is_refused(code: str, body: bytes) -> None:
        service.dead_letters.messages.clear()
        message = await caller.request(body)
        error = Reply.decode(message.body).error
        assert error is not None
        assert (error.code, error.source, error.outcome, error.retryable) == (code, "consumer", "not-executed", False)
        assert len(message.body) < 10_000
        await caller.publish(body, reply_to=None)
        kept = body if len(body) <= wire.MAX_BODY else body[: wire.KEPT_OF_LARGE]
        headers = (await service.dead_letters.with_body(kept)).headers
        assert (headers["error-code"], headers["error-source"]) == (code, "consumer")
        assert headers["error-outcome"] == "not-executed"
        assert headers["error-message"]
        assert headers["failed-at"]
        assert (await caller.call("topology")).ok
        assert [reply.correlation_id for reply in caller.arrived].count(message.correlation_id) == 1
        assert len(service.dead_letters.messages) == 1

    await check_each([(code, body) for code, bodies in HOSTILE.items() for body in bodies], is_refused)


async def test_sixteen_megabytes_are_refused_by_their_first_bytes(service: ConsumerSetup, caller: Caller) -> None:
    size = 16_000_000  # newer brokers take 16 MiB at most
    mark = uuid.uuid4().hex
    body = creation(b'{"mark": "%s", "a": "%s"}' % (mark.encode(), b"x" * size))
    said = f"body: expected at most 8388608 bytes, twice the gateway's limit, found {len(body)}"
    reply = Reply.decode((await caller.request(body)).body)
    assert reply.error is not None
    assert (reply.operation, reply.error.code, reply.error.message) == ("create-instance", "RESOURCE_EXHAUSTED", said)
    assert not service.dead_letters.messages

    await caller.publish(body, reply_to=None, headers={"truncated": False, "original-size": 1, "mine": 2})
    headers = (await service.dead_letters.with_body(body[: wire.KEPT_OF_LARGE])).headers
    expected: dict[str, Any] = {"operation": "create-instance", "error-code": "RESOURCE_EXHAUSTED"}
    expected |= {"error-message": said, "truncated": True, "original-size": len(body), "mine": 2}
    assert {name: headers[name] for name in expected} == expected
    assert not any(mark in str(executed) for executed in service.gateway.executions)


HARMLESS: list[bytes] = [
    b'{"operation": "no", "operation": "topology"}',
    b'{"operation": "topology", "metadata": {"%s": "x"}}' % (b"k" * 1_000_000),
    b'{"operation": "topology", "data": null}',
    b'{"\\u006fperation": "topolog\\u0079"}',
    command("topology", b"[" * 400 + b"]" * 400),
    creation(b'{"mark": "%s"}' % (b"x" * 4_000_000)),
    b'{"operation": "deploy-process", "data": "%s", "metadata": {"fileName": "a.bpmn", "encoding": "base64"}}'
    % base64.b64encode("<?xml version='1.0' encoding='utf-16'?><x/>".encode("utf-16")),
    command(
        "signal",
        b'{"name": "s", "variables": {%s}}' % b",".join(b'"v%d":{"value":%d}' % (n, n) for n in range(150_000)),
    ),
    creation('{"mark": "\U0001f600"}'.encode()),
]


async def test_an_odd_but_valid_body_is_executed(caller: Caller) -> None:
    async def is_executed(body: bytes) -> None:
        assert Reply.decode((await caller.request(body)).body).error is None

    await check_each(HARMLESS, is_executed)


SILENT = 1000


def descriptors(service: ConsumerSetup) -> int:
    """How many files and connections the service has open."""
    assert service.consumer.process is not None
    [pid, *_] = guard.children(service.consumer.process.pid)
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


async def test_a_thousand_connections_that_say_nothing_take_neither_descriptors_nor_the_health_checks(
    service: ConsumerSetup, caller: Caller
) -> None:
    """Half of them have begun a request, and never end it."""
    before = descriptors(service)
    with ExitStack() as opened:
        for number in range(SILENT):
            connection = opened.enter_context(socket.create_connection(("127.0.0.1", service.consumer.port)))
            with suppress(ConnectionError):  # it had to make room already
                connection.sendall(b"GET /livez HTTP/1.1\r\nX: " if number % 2 else b"")
        assert (await caller.call("topology")).ok
        for path in ("/livez", "/readyz", "/metrics"):
            assert (await asyncio.to_thread(service.consumer.get, path))[0] == 200, path
        # Connections to the broker and the gateway, and files, may have come.
        assert descriptors(service) <= before + MAX_CONNECTIONS + 10
