"""Whatever arrives is answered or buried, and disturbs nobody."""

from __future__ import annotations

import asyncio
import base64
import struct
import time
import uuid
from collections.abc import AsyncIterator
from typing import Any

import orjson
import pytest
import pytest_asyncio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.integration import rawamqp
from tests.integration.caller import Caller
from tests.integration.rawamqp import RawPublisher, content, entry, short, table
from tests.integration.service import CONNECTIONS, TIMEOUT, ConsumerSetup, create, eventually
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


def marked() -> bytes:
    """A request that no other test sends."""
    return create(mark=uuid.uuid4().hex)


async def assert_undisturbed(service: ConsumerSetup, caller: Caller) -> None:
    """The consumer still answers, on the connections that it opened at first."""
    assert (await caller.call("topology")).ok
    assert service.connections() == CONNECTIONS


UNREADABLE: dict[str, dict[str, bytes]] = {
    **{
        f"{name} that is not UTF-8": {name: short(NOT_TEXT)}
        for name in rawamqp.SHORT
        # The broker itself reads these two and takes only what it understands.
        if name not in {"expiration", "user_id"}
    },
    "every text that is not UTF-8": {
        name: short(NOT_TEXT) for name in rawamqp.SHORT if name not in {"expiration", "user_id"}
    },
}


@pytest.mark.parametrize("reply_to", ["test.replies.unread", None])
@pytest.mark.parametrize("properties", UNREADABLE.values(), ids=UNREADABLE)
async def test_a_message_whose_properties_cannot_be_read_is_buried_and_disturbs_no_neighbour(
    service: ConsumerSetup, caller: Caller, properties: dict[str, bytes], reply_to: str | None
) -> None:
    """Text that is not UTF-8 makes the AMQP library drop the connection, with each delivery."""
    body = marked()
    addressed = {"reply_to": short(reply_to.encode())} if reply_to else {}
    async with RawPublisher(service.url) as raw:
        neighbours = [asyncio.ensure_future(caller.call("topology")) for _ in range(3)]
        await raw.publish(caller.commands, body, content(**{**addressed, **properties}))
        neighbours += [asyncio.ensure_future(caller.call("topology")) for _ in range(3)]
        buried = await service.dead_letters.with_body(body)
    assert buried.headers["error-code"] == "INVALID_ARGUMENT"
    assert buried.headers["error-source"] == "consumer"
    assert all(str(name) in str(buried.headers["error-message"]) for name in properties)
    assert all(reply.ok for reply in await asyncio.gather(*neighbours))
    assert not service.gateway.executions
    await assert_undisturbed(service, caller)


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


@pytest.mark.parametrize("headers", ODD_HEADERS.values(), ids=ODD_HEADERS)
async def test_an_odd_header_is_as_if_absent(service: ConsumerSetup, caller: Caller, headers: bytes) -> None:
    correlation = uuid.uuid4().hex
    reply = caller.expect(correlation)
    texts = {"correlation_id": short(correlation.encode()), "reply_to": short(caller.reply_to.encode())}
    async with RawPublisher(service.url) as raw:
        await raw.publish(caller.commands, marked(), content(headers=headers, **texts))
    async with asyncio.timeout(TIMEOUT):
        assert Reply.decode((await reply).body).ok
    await assert_undisturbed(service, caller)


@pytest.mark.parametrize("ticks", [1_700_000_000_000_000, 2**62, 2**64 - 1])
async def test_a_timestamp_that_is_no_time_is_as_if_absent(service: ConsumerSetup, caller: Caller, ticks: int) -> None:
    """Microseconds, for one; the AMQP library drops the connection for them."""
    correlation = uuid.uuid4().hex
    reply = caller.expect(correlation)
    texts = {"correlation_id": short(correlation.encode()), "reply_to": short(caller.reply_to.encode())}
    async with RawPublisher(service.url) as raw:
        await raw.publish(caller.commands, marked(), content(timestamp=struct.pack(">Q", ticks), **texts))
    async with asyncio.timeout(TIMEOUT):
        assert Reply.decode((await reply).body).ok
    await assert_undisturbed(service, caller)


@pytest.mark.parametrize("headers", ODD_HEADERS.values(), ids=ODD_HEADERS)
async def test_a_refused_message_with_odd_headers_is_buried_with_its_body(
    service: ConsumerSetup, caller: Caller, headers: bytes
) -> None:
    body = b"not json " + uuid.uuid4().hex.encode()
    async with RawPublisher(service.url) as raw:
        await raw.publish(caller.commands, body, content(headers=headers))
    assert (await service.dead_letters.with_body(body)).headers["error-code"] == "INVALID_ARGUMENT"
    await assert_undisturbed(service, caller)


def command(operation: str, data: bytes) -> bytes:
    return b'{"operation": "%s", "data": %s}' % (operation.encode(), data)


def creation(variables: bytes) -> bytes:
    return command("create-instance", b'{"bpmnProcessId": "order", "variables": %s}' % variables)


BUFFER = b'{"type":"Buffer","data":[60,120,47,62]}'

BAD_BODIES: dict[str, bytes] = {
    "empty": b"",
    "white space": b" \r\n\t ",
    "NUL": b"\0",
    "an envelope and NUL": b'{"operation": "topology"}\0',
    "two envelopes": b'{"operation": "topology"}{"operation": "topology"}',
    "cut off": b'{"operation": "topology"',
    "cut off in a character": b'{"operation": "topology\xc3',
    "a byte order mark": b'\xef\xbb\xbf{"operation": "topology"}',
    "UTF-16": '{"operation": "topology"}'.encode("utf-16"),
    "UTF-32": '{"operation": "topology"}'.encode("utf-32"),
    "Latin-1": '{"operation": "töpology"}'.encode("latin-1"),
    "not text at all": bytes(range(256)),
    "compressed": b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03\xab",
    "a lone surrogate": b'{"operation": "\\ud800"}',
    "lone surrogate bytes": b'{"operation": "\xed\xa0\x80"}',
    "a lone surrogate in the variables": creation(b'{"a": "\\udc00"}'),
    "single quotes": b"{'operation': 'topology'}",
    "a trailing comma": b'{"operation": "topology",}',
    "a comment": b'/* */{"operation": "topology"}',
    "a list": b"[]",
    "a text": b'"topology"',
    "a number": b"1",
    "null": b"null",
    "true": b"true",
    "not a number": b"NaN",
    "an envelope in a text": b'"{\\"operation\\": \\"topology\\"}"',
    "metadata an object in a text": b'{"operation": "topology", "metadata": "{}"}',
    "a typed variable in a text": command("signal", b'{"name": "s", "variables": {"a": "{\\"value\\": 1}"}}'),
    "an empty object": b"{}",
    "operation null": b'{"operation": null}',
    "operation empty": b'{"operation": ""}',
    "operation a list": b'{"operation": []}',
    "operation an object": b'{"operation": {"a": 1}}',
    "operation a number": b'{"operation": 1e400}',
    "operation mistyped as a key": b'{"opration": "topology"}',
    "an unknown key": b'{"operation": "topology", "extra": 1}',
    "a huge unknown key": b'{"operation": "topology", "%s": 1}' % (b"k" * 1_000_000),
    "100,000 unknown keys": b'{"operation": "topology", %s}' % b",".join(b'"k%d":0' % n for n in range(100_000)),
    "metadata a list": b'{"operation": "topology", "metadata": []}',
    "metadata a text": b'{"operation": "topology", "metadata": "x"}',
    "metadata with a number": b'{"operation": "topology", "metadata": {"keys": 1}}',
    "metadata with an unknown choice": b'{"operation": "topology", "metadata": {"keys": "text"}}',
    "data a list": command("create-instance", b"[]"),
    "data a text": command("create-instance", b'"x"'),
    "an unknown field": command("create-instance", b'{"bpmnProcessId": "a", "proces": 1}'),
    "an unknown field that reads like the decoder's words": command(
        "create-instance", b'{"bpmnProcessId": "a", "x - at `$.foo`": 1}'
    ),
    "a choice that reads like the decoder's words": command(
        "activate-jobs", b'{"jobType": "a", "maxJobsToActivate": 1, "tenantFilter": "x - at `$.foo`"}'
    ),
    "a missing field": command("create-instance", b"{}"),
    "a key that is a float": command("complete-job", b'{"jobKey": 1.5}'),
    "a key of 30 digits": command("complete-job", b'{"jobKey": %s}' % (b"9" * 30)),
    "a key of 10,000 digits": command("complete-job", b'{"jobKey": %s}' % (b"9" * 10_000)),
    "a negative key": command("complete-job", b'{"jobKey": -1}'),
    "variables a list": creation(b"[1]"),
    "variables a text": creation(b'"{}"'),
    "variables with a number beyond a double": creation(b'{"a": 1e400}'),
    "variables 3,000 lists deep": creation(b'{"a": %s%s}' % (b"[" * 3000, b"]" * 3000)),
    "variables 3,000 objects deep": creation(b'{"a":' * 3000 + b"1" + b"}" * 3000),
    "3,000 lists": b"[" * 3000 + b"]" * 3000,
    "3,000 lists that are not closed": b"[" * 3000,
    "metadata 3,000 lists deep": b'{"operation": "topology", "metadata": {"keys": %s%s}}' % (b"[" * 3000, b"]" * 3000),
    "operation 3,000 lists deep": b'{"operation": %s%s}' % (b"[" * 3000, b"]" * 3000),
    "a duration without a unit": command("publish-message", b'{"messageName": "a", "timeToLive": 5000}'),
    "a file's text that declares UTF-16": command("deploy-process", b"\"<?xml version='1.0' encoding='utf-16'?>\"")[:-1]
    + b', "metadata": {"fileName": "a.bpmn"}}',
    "a text in a list of files that declares Latin-1": command(
        "deploy-resource",
        b'{"resources": [{"name": "a.bpmn", "content": "<?xml version=\'1.0\' encoding=\'iso-8859-1\'?>"}]}',
    ),
    "a Node Buffer as a file": command("deploy-process", BUFFER)[:-1] + b', "metadata": {"fileName": "a.bpmn"}}',
    "a Node Buffer in a list of files": command(
        "deploy-resource", b'{"resources": [{"name": "a.bpmn", "content": %s}]}' % BUFFER
    ),
    "base64 that does not say so": command("deploy-process", b'"PHgvPg=="')[:-1]
    + b', "metadata": {"fileName": "a.bpmn"}}',
    "base64 that is none": b'{"operation": "deploy-process", "data": "%", "metadata": {"fileName": "a.bpmn", '
    b'"encoding": "base64"}}',
}

OTHER_BODIES: dict[str, tuple[bytes, str]] = {
    "an unknown operation": (b'{"operation": "create-instanc"}', "UNIMPLEMENTED"),
    "an unknown operation of 1 MB": (b'{"operation": "%s"}' % (b"o" * 1_000_000), "UNIMPLEMENTED"),
    "a key that no cluster has": (command("complete-job", b'{"jobKey": 1}'), "NOT_FOUND"),
    "5 MiB": (creation(b'{"a": "%s"}' % (b"x" * (5 << 20))), "RESOURCE_EXHAUSTED"),
    "9 MiB": (creation(b'{"a": "%s"}' % (b"x" * (9 << 20))), "RESOURCE_EXHAUSTED"),
    "9 MiB of nothing": (b" " * (9 << 20), "RESOURCE_EXHAUSTED"),
    "5 MiB of a file in a list": (
        command("deploy-resource", b'{"resources": [{"name": "a.bpmn", "content": "%s"}]}' % (b"x" * (5 << 20))),
        "RESOURCE_EXHAUSTED",
    ),
    "an empty list of files": (command("deploy-resource", b'{"resources": []}'), "INVALID_ARGUMENT"),
}

HOSTILE = {**{name: (body, "INVALID_ARGUMENT") for name, body in BAD_BODIES.items()}, **OTHER_BODIES}


@pytest.mark.parametrize(("body", "code"), HOSTILE.values(), ids=HOSTILE)
async def test_a_hostile_body_gets_exactly_one_error_reply(
    service: ConsumerSetup, caller: Caller, body: bytes, code: str
) -> None:
    message = await caller.request(body)
    error = Reply.decode(message.body).error
    assert error is not None
    assert (error.code, error.source, error.outcome, error.retryable) == (code, "consumer", "not-executed", False)
    assert len(message.body) < 10_000
    await assert_undisturbed(service, caller)
    assert [reply.correlation_id for reply in caller.arrived].count(message.correlation_id) == 1


UNPARSED = " that looks like JSON; parse it first, and send the object or list itself, not as text"
NAMED: dict[str, str] = {
    "a byte order mark": "found a byte order mark of UTF-8 at byte 0; expected UTF-8 without one",
    "UTF-16": "found a byte order mark of UTF-16 at byte 0; expected UTF-8 without one",
    "variables a text": f"data.variables: expected a JSON object, found text{UNPARSED}",
    "an envelope in a text": f"text{UNPARSED}",
    "metadata an object in a text": f'metadata: expected an object of texts, found text "{{}}"{UNPARSED}',
    "a typed variable in a text": UNPARSED,
    "a Node Buffer as a file": "data: expected the file's text as a JSON string, found a Buffer; send its text, or",
    "a Node Buffer in a list of files": "data.resources[0].content: expected text that is not empty, found a Buffer;",
    "base64 that does not say so": 'found its bytes in base64; set metadata.encoding = "base64"',
    "UTF-32": "found a byte order mark of UTF-32 at byte 0; expected UTF-8 without one",
}
"""What the refusal of a body must name, because its sender cannot see it, or would not think of it."""


async def test_what_a_sender_would_not_think_of_is_named(service: ConsumerSetup, caller: Caller) -> None:
    for name, words in NAMED.items():
        error = Reply.decode((await caller.request(BAD_BODIES[name])).body).error
        assert error is not None, name
        assert words in error.message, name


async def test_a_deadline_that_is_no_moment_to_come_is_answered_with_what_was_meant(caller: Caller) -> None:
    now = int(time.time())
    cases: dict[str, tuple[Any, str, str]] = {
        "seconds": (now + 30, "DEADLINE_EXCEEDED", "seconds?"),
        "a duration": (30_000, "DEADLINE_EXCEEDED", "a duration?"),
        "a moment ago": (now * 1000 - 1, "DEADLINE_EXCEEDED", "clocks of the caller and of the service differ"),
        "long ago": (now * 1000 - 86_400_000, "DEADLINE_EXCEEDED", "ms before the command could start"),
        "a fraction of seconds": (now + 30.5, "INVALID_ARGUMENT", "a whole number of milliseconds since 1970"),
        "text": (f"{now * 1000}", "INVALID_ARGUMENT", "a whole number of milliseconds since 1970"),
    }
    for name, (deadline, code, words) in cases.items():
        error = Reply.decode((await caller.request(marked(), headers={"deadline": deadline})).body).error
        assert error is not None, name
        assert (error.code, error.outcome) == (code, "not-executed"), name
        assert words in error.message, name
    for name, deadline in (("microseconds", (now + 30) * 10**6), ("nanoseconds", (now + 30) * 10**9)):
        assert Reply.decode((await caller.request(marked(), headers={"deadline": deadline})).body).ok, name


@pytest.mark.parametrize(("body", "code"), HOSTILE.values(), ids=HOSTILE)
async def test_a_hostile_body_without_reply_to_is_buried_once_with_the_reason(
    service: ConsumerSetup, caller: Caller, body: bytes, code: str
) -> None:
    service.dead_letters.messages.clear()
    await caller.publish(body, reply_to=None)
    buried = await service.dead_letters.with_body(body if len(body) <= wire.MAX_BODY else body[: wire.KEPT_OF_LARGE])
    reason = {name: buried.headers[name] for name in ("error-code", "error-source", "error-outcome")}
    assert reason == {"error-code": code, "error-source": "consumer", "error-outcome": "not-executed"}
    assert buried.headers["error-message"]
    assert buried.headers["failed-at"]
    await assert_undisturbed(service, caller)
    assert len(service.dead_letters.messages) == 1


async def test_a_body_of_sixteen_megabytes_is_answered_or_buried_by_its_first_bytes(
    service: ConsumerSetup, caller: Caller
) -> None:
    service.dead_letters.messages.clear()
    size = 16_000_000  # newer brokers take 16 MiB at most
    mark = uuid.uuid4().hex
    body = creation(b'{"mark": "%s", "a": "%s"}' % (mark.encode(), b"x" * size))
    said = f"body: expected at most 8388608 bytes, twice the gateway's limit, found {len(body)}"
    reply = Reply.decode((await caller.request(body)).body)
    assert reply.error is not None
    assert (reply.operation, reply.error.code, reply.error.message) == ("create-instance", "RESOURCE_EXHAUSTED", said)
    assert not service.dead_letters.messages

    claimed = {"truncated": False, "original-size": 1, "mine": 2}
    await caller.publish(body, reply_to=None, headers=claimed)
    buried = await service.dead_letters.with_body(body[: wire.KEPT_OF_LARGE])
    told = {name: buried.headers[name] for name in ("operation", "error-code", "error-message")}
    assert told == {"operation": "create-instance", "error-code": "RESOURCE_EXHAUSTED", "error-message": said}
    assert {name: buried.headers[name] for name in claimed} == {
        "truncated": True,
        "original-size": len(body),
        "mine": 2,
    }
    assert not any(mark in str(executed) for executed in service.gateway.executions)
    await assert_undisturbed(service, caller)


HARMLESS: dict[str, bytes] = {
    "the same key twice": b'{"operation": "no", "operation": "topology"}',
    "an unknown key of the metadata": b'{"operation": "topology", "metadata": {"%s": "x"}}' % (b"k" * 1_000_000),
    "data null": b'{"operation": "topology", "data": null}',
    "escapes": b'{"\\u006fperation": "topolog\\u0079"}',
    "data that is ignored, 400 lists deep": command("topology", b"[" * 400 + b"]" * 400),
    "4 MB of variables": creation(b'{"mark": "%s"}' % (b"x" * 4_000_000)),
    "bytes in base64 that declare UTF-16": command(
        "deploy-process", b'"%s"' % base64.b64encode("<?xml version='1.0' encoding='utf-16'?><x/>".encode("utf-16"))
    )[:-1]
    + b', "metadata": {"fileName": "a.bpmn", "encoding": "base64"}}',
    "150,000 typed variables": command(
        "signal",
        b'{"name": "s", "variables": {%s}}' % b",".join(b'"v%d":{"value":%d}' % (n, n) for n in range(150_000)),
    ),
    "a character beyond the basic plane": creation('{"mark": "\U0001f600"}'.encode()),
}


@pytest.mark.parametrize("body", HARMLESS.values(), ids=HARMLESS)
async def test_an_odd_but_valid_body_is_executed(service: ConsumerSetup, caller: Caller, body: bytes) -> None:
    assert Reply.decode((await caller.request(body)).body).error is None
    await assert_undisturbed(service, caller)


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
values = st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | texts, st.lists, max_leaves=5)
envelopes = st.fixed_dictionaries(
    {}, optional={"operation": st.sampled_from(["topology", "create-instance", "signal"]) | values, "data": values}
)
bodies = st.binary(max_size=100) | envelopes.map(lambda envelope: orjson.dumps(_narrow(envelope)))
short_texts = (st.binary(max_size=30) | texts.map(str.encode)).map(short)
tags = st.sampled_from(
    [b"V", b"t\x01", b"T" + FAR, b"T" + b"\0" * 8, b"S" + rawamqp.text(NOT_TEXT), b"l" + b"\xff" * 8]
)
names = st.sampled_from([b"deadline", b"request-id", b"traceparent", b"fileName", NOT_TEXT])
tables = st.lists(st.builds(lambda name, tag: short(name) + tag, names, tags), max_size=4).map(
    lambda all_: table(*all_)
)
odd_properties = st.fixed_dictionaries(
    {},
    optional={
        "content_type": short_texts,
        "content_encoding": short_texts,
        "headers": tables,
        "message_id": short_texts,
        "timestamp": st.binary(min_size=8, max_size=8),
        "type": short_texts | st.sampled_from(["topology", "deploy-process"]).map(str.encode).map(short),
        "app_id": short_texts,
        "priority": st.binary(min_size=1, max_size=1),
    },
)


def _narrow(value: Any) -> Any:
    """Without the integers that JSON writers refuse."""
    if isinstance(value, dict):
        return {key: _narrow(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_narrow(inner) for inner in value]
    return value % 2**63 if type(value) is int else value


def drawn(number: int) -> list[tuple[bytes, dict[str, bytes]]]:
    """That many messages, the same ones in every run."""
    found: list[tuple[bytes, dict[str, bytes]]] = []

    @settings(max_examples=number, database=None, derandomize=True, suppress_health_check=list(HealthCheck))
    @given(bodies, odd_properties)
    def draw(body: bytes, properties: dict[str, bytes]) -> None:
        found.append((body, properties))

    draw()
    return found


async def test_every_one_of_many_random_messages_is_answered_or_buried(service: ConsumerSetup, caller: Caller) -> None:
    service.dead_letters.messages.clear()
    messages = {uuid.uuid4().hex: message for message in drawn(200)}
    waiting = {correlation: caller.expect(correlation) for correlation in messages}
    async with RawPublisher(service.url) as raw:
        for correlation, (body, properties) in messages.items():
            own = {"correlation_id": short(correlation.encode()), "reply_to": short(caller.reply_to.encode())}
            await raw.publish(caller.commands, body, content(**{**properties, **own}))
    buried = service.dead_letters.messages
    await eventually(
        lambda: all(
            reply.done() or any(dead.correlation_id == correlation for dead in buried)
            for correlation, reply in waiting.items()
        ),
        "an answer or a dead letter for each",
    )
    answered = {correlation for correlation, reply in waiting.items() if reply.done()}
    assert answered
    assert buried
    assert not answered & {str(dead.correlation_id) for dead in buried}
    await assert_undisturbed(service, caller)
