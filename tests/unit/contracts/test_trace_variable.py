"""The variable that carries a trace: which requests may have one, what it does to a document, how it is found again."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.sdk.trace import TracerProvider

from tests.cases import check_all, for_each
from tests.unit.contracts.cli.program import ended, printed, refused
from tests.unit.contracts.samples import JSON_VALUES, SMALLEST, refusal_of, request
from tests.unit.contracts.samples import refused as refused_request
from zeebe_amqp import Client, CreateInstance, InvalidArgument, PublishMessage, SyncClient, Topology, envelope
from zeebe_amqp import trace_variable as variables
from zeebe_amqp.commands import COMMANDS
from zeebe_amqp.testing import FakeConsumer, answer

TRACE = "0af7651916cd43dd8448eb211c80319c"
PARENT = f"00-{TRACE}-b7ad6b7169203331-01"
CONTEXT = {"traceparent": PARENT, "tracestate": "vendor=1"}
INSERTED = json.dumps(CONTEXT, separators=(",", ":"))
CARRYING = ("create-instance", "publish-message", "broadcast-signal")
NAMES = ["trace", "_", "a1", "A" * 100]
NO_NAMES = ["1a", "a b", "a.b", "a-b", "ä", "A" * 101, "a\n", "²", 'a"']
PUBLISH = PublishMessage(message_name="paid")


def asking(name: str = "trace", **data: Any) -> envelope.Request:
    """A request that asks for the variable."""
    return request("publish-message", {"messageName": "paid", **data}, metadata={"traceVariable": name})


def document(request: envelope.Request) -> bytes:
    """Its variables, with the context in them."""
    return bytes(variables.insert(request.command, "trace", CONTEXT).variables)  # type: ignore[attr-defined]


# --- which requests may ask for it ---


@for_each(COMMANDS)
def test_three_operations_may_ask_for_it_and_all_others_are_refused_with_their_names(operation: str) -> None:
    metadata = {"traceVariable": "trace"} | ({"fileName": "a.bpmn"} if operation == "deploy-process" else {})
    data = SMALLEST.get(operation, "<xml/>")
    if operation in CARRYING:
        assert request(operation, data, metadata=metadata).metadata == metadata
        return
    refusal = refusal_of(operation, data, metadata=metadata)
    assert refusal.message == (
        f"metadata.traceVariable: not allowed with {operation}; accepted with "
        "create-instance, publish-message, broadcast-signal"
    )
    assert (refusal.details or {})["field"] == "metadata.traceVariable"


def test_its_name_is_that_of_a_variable_and_an_empty_one_is_none() -> None:
    for name in NAMES:
        assert asking(name).metadata == {"traceVariable": name}
    assert asking("").metadata == {}
    for name in NO_NAMES:
        metadata = {"traceVariable": name}
        refusal = refusal_of("publish-message", SMALLEST["publish-message"], metadata=metadata)
        assert refusal.message.startswith("metadata.traceVariable: expected the name of a variable, such as trace"), (
            name
        )


USED = ['{"trace":1}', '{"a":{},"trace":{}}', '{"tr\\u0061ce":null}', '{"\\u0074race":1,"a":"\\u0041"}']
FREE = ['{"Trace":1}', '{"a":{"trace":1}}', '{"a":"trace"}', '{"a":"\\u0041\\n"}', '{"a":["trace"]}', "{}", "null"]


def test_a_name_that_the_variables_have_is_refused_however_it_is_spelled() -> None:
    asks = b'"metadata":{"traceVariable":"trace"}'
    body = b'{"operation":"publish-message","data":{"messageName":"a","variables":%s},' + asks + b"}"
    for text in USED:
        refusal = refused_request(body % text.encode())
        assert 'metadata.traceVariable: the variables have "trace" already' in refusal.message, text
        assert (refusal.details or {})["field"] == "metadata.traceVariable", text
    for text in FREE:
        assert envelope.decode(body % text.encode()).metadata == {"traceVariable": "trace"}, text


def test_in_the_bare_form_it_is_a_header_and_is_named_as_one() -> None:
    sent = {"type": "publish-message", "headers": {"traceVariable": "trace"}}
    assert envelope.decode(b'{"messageName":"a"}', **sent).metadata == {"traceVariable": "trace"}  # type: ignore[arg-type]
    refusal = refused_request(b'{"messageName":"a","variables":{"trace":1}}', **sent)
    assert (refusal.details or {})["field"] == "header traceVariable"


def test_variables_that_may_not_be_nested_cannot_carry_it() -> None:
    body = b'{"operation":"publish-message","data":{"messageName":"a"},"metadata":{"traceVariable":"trace"}}'
    assert "nested deeper than 1 levels" in refused_request(body, max_depth=1).message
    assert envelope.decode(body, max_depth=2).metadata == {"traceVariable": "trace"}


def test_a_request_is_the_same_with_it_and_without() -> None:
    data = {"messageName": "paid"}
    plain = request("publish-message", data).digest()
    assert asking().digest() == asking("other").digest() == plain
    assert request("publish-message", data, metadata={"keys": "string"}).digest() != plain


# --- what it does to a document ---

DOCUMENTS = [
    ('{"a":1}', '{"a":1,"trace":%s}'), ("{}", '{"trace":%s}'), ("{ }", '{ "trace":%s}'), ("null", '{"trace":%s}'),
    ('{"a" : 1.10 , "a":2 } ', '{"a" : 1.10 , "a":2 ,"trace":%s}'), ('{"a":"{"}', '{"a":"{","trace":%s}'),
    ('{"a":"}"}', '{"a":"}","trace":%s}'), ('{"a":{}}', '{"a":{},"trace":%s}'), ("{\n\t}", '{\n\t"trace":%s}'),
    ('{"ä":"\\u00e4"}', '{"ä":"\\u00e4","trace":%s}'),
]  # fmt: skip


@for_each(DOCUMENTS)
def test_it_is_the_last_member_and_all_other_bytes_stay_as_they_are(text: str, wanted: str) -> None:
    body = f'{{"messageName":"a","variables":{text}}}'.encode()
    decoded = envelope.decode(body, type="publish-message", headers={"traceVariable": "trace"})
    assert document(decoded).decode() == wanted.replace("%s", INSERTED)


def test_without_variables_it_is_the_only_one_and_without_a_state_only_the_parent() -> None:
    assert document(asking()) == b'{"trace":%s}' % INSERTED.encode()
    alone = variables.insert(asking().command, "t", {"traceparent": PARENT, "baggage": "a=1"})
    assert bytes(alone.variables) == b'{"t":{"traceparent":"%s"}}' % PARENT.encode()  # type: ignore[attr-defined]


@given(st.dictionaries(st.text(), JSON_VALUES, max_size=4))
def test_whatever_the_variables_are_it_is_found_again_and_they_are_what_they_were(values: dict[str, Any]) -> None:
    values.pop("trace", None)
    raw = msgspec.json.encode({"messageName": "a", "variables": values})
    carrying = document(envelope.decode(raw, type="publish-message"))
    assert msgspec.json.decode(carrying) == {**msgspec.json.decode(msgspec.json.encode(values)), "trace": CONTEXT}
    assert variables.read(carrying.decode(), "trace") == CONTEXT
    assert len(carrying) - len(msgspec.json.encode(values)) <= variables.MAX_ADDED


# --- how it is found again ---

MEMBER = f'"trace":{INSERTED}'
DEEP = "[" * 100_000 + "]" * 100_000
NO_VALUES = [
    "", "1", "null", f'"{PARENT}"', "[]", "{}", '{"traceparent":1}', '{"traceparent":"00-1-2-3"}',
    '{"tracestate":"a=1"}', DEEP, f"{INSERTED}}}", f"{INSERTED},",
]  # fmt: skip
NO_CONTEXTS = [
    "", "{}", "null", "[", '["trace"]', '"trace"', f'{{"a":{{{MEMBER}}}}}', f'{{"a":{DEEP},{MEMBER}}}',
    f"[{{{MEMBER}}}]", '{"trace"', *(f'{{"trace":{value}}}' for value in NO_VALUES),
]  # fmt: skip


def test_anything_may_stand_in_a_variable_of_that_name() -> None:
    def is_none(text: str) -> None:
        assert variables.read(text, "trace") == {}

    check_all(NO_CONTEXTS, is_none)
    parent = {"traceparent": PARENT}
    for text, found in (
        (f'{{"a":{{"trace":1}},{MEMBER},"b":[]}}', CONTEXT),
        (f'{{"trace":1,{MEMBER}}}', CONTEXT),
        (json.dumps({"trace": {**parent, "tracestate": 7, "other": {"a": 1}}}), parent),
        (json.dumps({"trace": {**parent, "tracestate": "?"}}), parent),
    ):
        assert variables.read(text, "trace") == found, text
    assert variables.read(f"{{{MEMBER}}}", "other") == {}


def test_it_is_fetched_with_what_is_fetched_of_the_variables() -> None:
    assert variables.with_name([], "trace") == ()
    assert variables.with_name(["a"], "trace") == ("a", "trace")
    assert variables.with_name(("trace", "a"), "trace") == ("trace", "a")


# --- the caller's library, its service in memory and the command line ---


async def test_a_client_asks_for_it_where_it_can_and_a_call_may_say_otherwise() -> None:
    consumer = FakeConsumer()
    for kind in (Topology, PublishMessage, CreateInstance):
        consumer.always(kind, answer())
    raw = envelope.encode(PUBLISH, metadata={"traceVariable": "raw"})
    with TracerProvider().get_tracer("test").start_as_current_span("request") as span:
        async with consumer.client(trace_variable="trace") as zeebe, consumer.client() as plain:
            await zeebe.call(Topology())
            await zeebe.send(CreateInstance(bpmn_process_id="order"))
            for name in (None, "", "other"):
                await zeebe.call(PUBLISH, trace_variable=name)
            await plain.call(PUBLISH)
            await plain.send(PUBLISH, trace_variable="sent")
            await plain.call_raw(raw)
    [created], published = consumer.of(CreateInstance), consumer.of(PublishMessage)
    assert [list(each.variables or {}) for each in published] == [["trace"], [], ["other"], [], ["sent"], ["raw"]]
    assert isinstance(created.variables, dict)
    assert created.variables["trace"]["traceparent"][3:35] == f"{span.get_span_context().trace_id:032x}"


async def test_without_a_trace_nothing_is_added() -> None:
    consumer = FakeConsumer()
    consumer.always(PublishMessage, answer())
    async with consumer.client(trace_variable="trace") as zeebe:
        await zeebe.call(PUBLISH)
        await zeebe.call(PublishMessage(message_name="paid", variables={"a": 1}))
    assert [each.variables for each in consumer.of(PublishMessage)] == [None, {"a": 1}]


async def test_a_client_refuses_what_the_service_would_refuse() -> None:
    consumer = FakeConsumer()
    async with consumer.client(trace_variable="trace") as zeebe:
        for command, name, words in (
            (Topology(), "trace", "not allowed with topology"),
            (PUBLISH, "1", "expected the name of a variable"),
            (PublishMessage(message_name="a", variables={"trace": 1}), None, 'have "trace" already'),
            (PublishMessage(message_name="a", variables=msgspec.Raw(b'{"trace":1}')), None, 'have "trace" already'),
        ):
            with pytest.raises(InvalidArgument, match=words):
                await zeebe.call(command, trace_variable=name)
    assert consumer.calls == []
    for make in (Client, SyncClient):
        with pytest.raises(ValueError, match="trace_variable: expected the name of a variable"):
            make("amqp://localhost", trace_variable="1")


def test_the_service_in_memory_does_to_the_variables_what_the_real_one_does() -> None:
    consumer, seen = FakeConsumer(), []
    order = CreateInstance(bpmn_process_id="order", variables={"id": 7}, with_result=True)

    def note(command: CreateInstance) -> Any:
        seen.append(command.variables)
        return answer()

    consumer.script(order, note)
    headers = {"traceparent": PARENT, "tracestate": "vendor=1", "traceVariable": "trace"}
    with consumer.sync_client() as zeebe:
        data, _ = order.to_wire()
        reply = json.loads(zeebe.call_raw(data, type="create-instance", headers=headers, long_poll=True))
    carried = {"id": 7, "trace": CONTEXT}
    assert "error" not in reply, reply
    assert json.loads(reply["data"]["variables"]) == carried
    assert [*seen, consumer.of(CreateInstance)[0].variables] == [carried, carried]
    consumer.verify()


def test_the_command_line_has_an_option_for_it_where_it_is_accepted() -> None:
    words = ("publish-message", "paid", "--trace-variable", "trace", "--dry-run")
    sent = json.loads(printed(*words))
    assert sent["metadata"] == {"traceVariable": "trace"}
    assert "--trace-variable: expected the name" in refused("publish-message", "paid", "--trace-variable", "1")
    used = refused("publish-message", "paid", "--variables", '{"trace":1}', "--trace-variable", "trace")
    assert 'the variables have "trace" already' in used
    assert ended("topology", "--trace-variable", "trace").code == 2
