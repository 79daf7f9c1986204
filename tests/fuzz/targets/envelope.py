"""A request: whatever body, properties and headers come, it is a command that the engine can be sent, or refused."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from google.protobuf.message import Message

from consumer.camunda7 import operations as camunda7
from consumer.zeebe.operations import OPERATIONS
from consumer.zeebe.outgoing import serialize
from tests.fuzz.inputs import joined, number, parts
from tests.fuzz.target import Target
from tests.unit.contracts.samples import FULLEST, SMALLEST
from zeebe_amqp import envelope, trace_variable, wire
from zeebe_amqp.amqp.properties import NO_HEADERS
from zeebe_amqp.amqp.table import Headers, write_table
from zeebe_amqp.commands import COMMANDS, Signal
from zeebe_amqp.commands.keys import outline, place, refuse_impossible_keys, target
from zeebe_amqp.commands.target import ANY
from zeebe_amqp.errors import Code, CommandError, Outcome, Source
from zeebe_amqp.examples import EXAMPLES, filled
from zeebe_amqp.reply import Reply

__all__ = ["ENVELOPE", "check_refusal", "check_request", "headers_of"]

REFUSALS = {Code.INVALID_ARGUMENT, Code.UNIMPLEMENTED, Code.RESOURCE_EXHAUSTED}
MAX_REPLY = 10_000
"""Bytes of a refusal, whatever it refuses."""
TRACE = {"traceparent": f"00-{'1' * 32}-{'2' * 16}-01", "tracestate": "a=b"}
FILE = {"fileName": "a.bpmn", "encoding": "base64", "tenantId": "t", "keys": "string", "traceVariable": "trace"}


def headers_of(table: bytes) -> Any:
    """The headers that a consumer sees; a table that is none is as if absent."""
    try:
        return Headers(table)
    except ValueError:
        return NO_HEADERS


def read(data: bytes) -> None:
    """A body, its type, content type and encoding, its headers, and how deep variables may be."""
    body, kind, content_type, encoding, table, depth = parts(data, 6)
    named = {"type": kind, "content_type": content_type, "content_encoding": encoding}
    properties: dict[str, Any] = {name: each.decode(errors="replace") or None for name, each in named.items()}
    headers = headers_of(table)
    for look in (envelope.deadline, envelope.request_id):
        try:
            look(headers)
        except CommandError as refusal:
            check_refusal(refusal)
    try:
        request = envelope.decode(body, **properties, headers=headers, max_depth=number(depth) % 501 or 500)
    except CommandError as refusal:
        check_refusal(refusal)
    else:
        check_request(request)


def check_refusal(refusal: CommandError) -> None:
    """It names a field, says that nothing ran, and the caller can be told."""
    assert refusal.code in REFUSALS, refusal.code
    assert (refusal.source, refusal.outcome, refusal.retryable) == (Source.CONSUMER, Outcome.NOT_EXECUTED, False)
    assert (refusal.details or {}).get("field"), refusal
    told = Reply(refusal.operation, error=refusal.error())
    body = told.encode()
    assert len(body) < MAX_REPLY, len(body)
    found = Reply.decode(body)
    assert found.error == told.error
    assert found.operation == (told.operation and told.operation[: wire.MAX_NAME])


def check_request(request: envelope.Request) -> None:
    """The engine can be sent it, and its caller could have written it otherwise and mean the same."""
    command = request.command
    assert request.operation == command.operation
    assert request.metadata.keys() <= set(wire.METADATA_NAMES)
    assert len(request.digest()) == 32
    again = envelope.decode(envelope.encode(command))
    assert again.command == command, (again.command, command)
    check_target(command)
    try:
        message = OPERATIONS[command.operation].to_request(command)
        check_documents(message, request.data)
        serialize(message)
        if isinstance(command, Signal):
            json.loads(camunda7.to_request(command).body)
    except CommandError as refusal:
        check_refusal(refusal)
    if command.carries_trace and not trace_variable.is_used(command, "trace"):
        carrying: Any = trace_variable.insert(command, "trace", TRACE)
        assert trace_variable.read(bytes(carrying.variables).decode(), "trace") == TRACE


def check_target(command: Any) -> None:
    """What a policy decides by is known, and the way to it is the way to the same without reading files."""
    found = target(command)
    for kind in ("processes", "decisions", "resources", "tenants", "keys"):
        assert all(isinstance(each, str) for each in getattr(found, kind))
        assert place(type(command), kind)
    seen = outline(command)
    for kind in ("processes", "decisions", "resources"):
        assert ANY in getattr(seen, kind) or set(getattr(found, kind)) <= set(getattr(seen, kind)), kind
    with suppress(CommandError):
        refuse_impossible_keys(command)


def check_documents(message: Message, data: bytes) -> None:
    """Variables reach the engine byte for byte."""
    variables = getattr(message, "variables", "") if "variables" in message.DESCRIPTOR.fields_by_name else ""
    if variables and message.DESCRIPTOR.name not in CONVERTED:
        assert variables.encode() in data


CONVERTED = {"BroadcastSignalRequest"}
"""The typed variables of `signal` become plain ones."""


def seeds() -> Iterator[bytes]:
    """Every operation at its smallest and fullest, every example, and what else an envelope can say."""
    for operation, data in itertools.chain(SMALLEST.items(), FULLEST.items()):
        body = json.dumps({"operation": operation, "data": data})
        yield joined(body, "", "application/json", "utf-8", write_table({"request-id": "r", "deadline": 5})[4:])
        yield joined(json.dumps(data), operation)
    for each in EXAMPLES:
        yield joined(
            json.dumps({"operation": each.operation, "data": filled(each.data), "metadata": dict(each.metadata)})
        )
    for encoding in ("", "base64"):
        metadata = {name: value for name, value in {**FILE, "encoding": encoding}.items() if value}
        body = json.dumps({"operation": "deploy-process", "data": "PHgvPg==" if encoding else "<x/>"})
        yield joined(body[:-1] + ', "metadata": ' + json.dumps(metadata) + "}")
        yield joined("<x/>", "deploy-resource", "text/xml", "", write_table(metadata)[4:])
    yield joined(
        '{"operation":"signal","data":{"name":"s","variables":{"a":{"value":1,"type":"Integer"}}}}',
        "",
        "",
        "",
        b"",
        b"\x05",
    )
    yield joined(b"\x00\x53\x77\xa1\x01a", "amqp-1.0")


WORDS = (
    b'"operation":', b'"data":', b'"metadata":{"keys":"string"}', b'"variables":{"a":1}', b'"jobKey":"1"', b"null",
    b"1e400", b"-0", b"18446744073709551616", b"9" * 400, b'"\\ud800"', b"\xed\xa0\x80", b"\xef\xbb\xbf", b"[" * 600,
    b'{"a":' * 300, b'"a":"a","a":1,', b"\\u006f", b"\xff\xfe", b"\0", b" - at `$.a`", b"text/plain", b"base64",
    b"deploy-process", b"<?xml version='1.0' encoding='utf-16'?>", b'{"type":"Buffer","data":[1]}', b"\n=\n",
    *(name.encode() for name in COMMANDS), b'"valueInfo":{"filename":"a"}', b'"type":"File"', b'"type":"Object"',
    b'"type":"Date"', b'"timeToLive":"PT5M"', b'"tenantId":""', b'"\xff"', b'"traceVariable":"trace"',
)  # fmt: skip

ENVELOPE = Target("envelope", read, seeds, WORDS, share=3)
