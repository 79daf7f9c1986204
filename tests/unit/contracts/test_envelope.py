"""What makes a request, in both forms, and what refuses one."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from tests.cases import check_all, for_each
from tests.unit.contracts.samples import FULLEST, JSON_VALUES, KEY, SMALLEST, body, refused, request
from zeebe_amqp import commands, envelope, wire
from zeebe_amqp.errors import Code
from zeebe_amqp.schema import fields

CREATE = body("create-instance", {"bpmnProcessId": "order"})
TOPOLOGY = body("topology")
TRACED = {"keys": "string", "traceparent": "00-a"}
SPACES = st.sampled_from(["", " ", "\n", "\t "])


# --- the envelope -----------------------------------------------------------------------------------------------------


def test_an_envelope_is_operation_data_and_metadata() -> None:
    decoded = envelope.decode(b'{"operation":"create-instance","data":{"bpmnProcessId":"order"} ,"metadata":{}}')
    assert (decoded.operation, decoded.bare, decoded.keys_as_text) == ("create-instance", False, False)
    assert decoded.command == commands.CreateInstance(bpmn_process_id="order")
    assert (decoded.data, decoded.metadata) == (b'{"bpmnProcessId":"order"}', {})
    for raw in (TOPOLOGY, b'{"operation":"topology","data":null,"metadata":null}'):
        assert (envelope.decode(raw).data, envelope.decode(raw).metadata) == (b"{}", {}), raw
    assert refused(body("cancel-instance")).message.startswith("data.processInstanceKey: missing")


def test_of_an_envelopes_key_given_twice_the_last_wins() -> None:
    raw = (
        b'{"operation":7,"operation":"topology","data":1,"data":{},"metadata":1,"metadata":{"keys":1,"keys":"string"}}'
    )
    decoded = envelope.decode(raw)
    assert (decoded.operation, decoded.keys_as_text) == ("topology", True)


def test_the_metadata_we_do_not_read_is_left_out() -> None:
    metadata = TRACED | {"tracestate": "x=1", "baggage": "b=2"}
    assert request("topology", metadata=metadata | {"other": "y", "tenantId": ""}).metadata == metadata


NO_TEXT: list[tuple[Any, str]] = [
    (7, "7"), (True, "true"), ([], "a list"), ({}, "an object"), (1.5, "1.5"), (0, "0"), (False, "false"),
]  # fmt: skip


def test_metadata_that_is_not_an_object_of_texts_is_refused() -> None:
    def is_refused(value: Any, found: str) -> None:
        for name in ("keys", "other"):
            error = refused(body("topology", metadata={"traceparent": "x", name: value}))
            assert error.message == f"metadata.{name}: expected text, found {found}"
            assert error.details == {"field": f"metadata.{name}"}
        if value not in ({}, None):
            whole = refused(body("topology", metadata=value))
            assert whole.message == f"metadata: expected an object of texts, found {found}"

    check_all([*NO_TEXT, (None, "null")], is_refused)
    assert refused(body("topology", metadata="x")).message.endswith('an object of texts, found text "x"')


@for_each([("keys", "string"), ("encoding", "base64")])
def test_metadata_with_a_choice_accepts_only_that(name: str, accepted: str) -> None:
    assert request("topology", metadata={name: accepted}).metadata == {name: accepted}
    told = f'expected "{accepted}" or nothing, found "other"'
    assert refused(body("topology", metadata={name: "other"})).message == f"metadata.{name}: {told}"
    error = refused(b"{}", type="topology", headers={name: "other"})
    assert (error.message, error.operation) == (f"header {name}: {told}", "topology")


@for_each([("metaData", "metadata"), ("dta", "data"), ("operations", "operation"), ("zzz", None)])
def test_an_unknown_key_is_refused_with_the_nearest(key: str, suggestion: str | None) -> None:
    error = refused(body("topology", **{key: {}}))
    assert error.operation == "topology"
    assert error.message.startswith(f"{key}: unknown key of the envelope; ")
    assert (error.details or {}).get("suggestion") == suggestion


# --- the operation ----------------------------------------------------------------------------------------------------


def test_an_operation_that_is_not_text_is_refused_and_an_empty_one_is_missing() -> None:
    def is_refused(raw: bytes, message: str) -> None:
        error = refused(raw, type="topology" if "missing" in message else None)
        assert error.message.startswith(message)
        assert error.operation is None

    found = [*((body(value), found) for value, found in NO_TEXT), (b'{"operation":1e999}', "1e999")]
    cases = [(raw, f"operation: expected the name of an operation, found {shown}") for raw, shown in found]
    missing = "operation missing: expected one of topology, deploy-process"
    check_all([*cases, (body(None), missing), (body(""), missing)], is_refused)


@for_each(
    [("create-instanc", "create-instance"), ("Topology", "topology"), ("zzz", None), (" ", None), ("x" * 500, None)]
)
def test_an_unknown_operation_is_unimplemented_with_the_nearest(name: str, suggestion: str | None) -> None:
    error = refused(body(name), Code.UNIMPLEMENTED)
    assert error.operation == name[:200]
    assert error.details == {"field": wire.OPERATION} | ({"suggestion": suggestion} if suggestion else {})
    assert f'"{suggestion}"?' in error.message or "known are topology" in error.message
    assert len(error.message) < 600


def test_a_body_that_is_neither_envelope_nor_bare_lacks_the_operation() -> None:
    def lacks_it(raw: bytes) -> None:
        for type in (None, "", "unknown", "error"):
            error = refused(raw, type=type)
            assert error.message.startswith("operation missing: the body is not an envelope ("), type
            assert (error.details or {})["field"] == wire.OPERATION, type
            assert error.operation is None, type

    many = [b"{" + b",".join(key % n for n in range(100_000)) + b"}" for key in (b'"%d":1', b'"operatio%d":1')]
    no_envelopes = [b"", b"x", b"7", b"[]", b"{}", b"null", b'"topology"', b"\xff", b'\xef\xbb\xbf{"data":{}}']
    check_all([*no_envelopes, *many], lacks_it)
    assert 'did you mean "publish-message"?' in refused(b"{}", type="publish-mesage").message
    assert 'only "Operation"' in refused(b'{"Operation":"topology"}').message


BROKEN: list[tuple[bytes, str | None, str]] = [
    (b'{"operation":"topology"', "topology", "body: not "),
    (b'{"operation":"topology",}', "topology", "body: not "),
    (b' { "operation" : "topology"} x', "topology", "body: not "),
    (b'{"operation":"topology","data":"\xff', "topology", "body: not "),
    (b'{"operation":"\\ud800" x', None, ""),
    (b'{"operation":"\xff" x', None, ""),
    (b'{"operation":"\\q" x', None, ""),
    (b'{"operation":"topology","metadata":{"a":"\xff"}}', "topology", "metadata: not UTF-8"),
    (b'{"operation":"topology\xff"}', None, "operation: not UTF-8"),
]


@for_each(BROKEN)
def test_a_broken_envelope_is_not_json_and_its_operation_is_named_where_it_can_be_read(
    raw: bytes, operation: str | None, message: str
) -> None:
    error = refused(raw)
    assert error.message.startswith(message)
    assert error.operation == operation


# --- the bare form ----------------------------------------------------------------------------------------------------


@for_each(SMALLEST)
def test_in_the_bare_form_the_type_is_the_operation_and_the_body_its_data(operation: str) -> None:
    raw = json.dumps(FULLEST[operation]).encode()
    decoded = envelope.decode(raw, type=operation, content_type="application/json")
    assert (decoded.operation, decoded.data, decoded.bare) == (operation, raw, True)
    assert decoded.command.to_wire() == request(operation, FULLEST[operation]).command.to_wire()


@for_each([b"", b" ", b"null", b" null\n", b"{}"])
def test_an_empty_bare_body_is_no_data(raw: bytes) -> None:
    assert envelope.decode(raw, type="topology").bare
    assert refused(raw, type="cancel-instance").message.startswith("data.processInstanceKey: missing")


def test_an_envelope_counts_for_more_than_the_type_and_the_headers() -> None:
    decoded = envelope.decode(TOPOLOGY, type="create-instance", headers={"keys": "string"})
    assert (decoded.operation, decoded.bare, decoded.metadata) == ("topology", False, {})


def test_in_the_bare_form_the_metadata_is_in_text_headers_of_the_same_names() -> None:
    headers = TRACED | {"tenantId": 5, "baggage": b"x", "tracestate": None, "x": "y"}
    decoded = envelope.decode(b"{}", type="topology", headers=headers)
    assert (decoded.metadata, decoded.keys_as_text) == (TRACED, True)


@for_each([b"x", b"[]", b"7", b'{"a":1}', b"\xff"])
def test_a_bare_body_that_is_not_the_operations_data_is_refused(raw: bytes) -> None:
    error = refused(raw, type="create-instance")
    assert error.message.startswith("data")
    assert error.operation == "create-instance"


# --- the properties ---------------------------------------------------------------------------------------------------

UNASKED = ["text/plain", "Text/Plain; charset=utf-8", "application/octet-stream", "application/octet-stream;"]
"""What clients set when nobody chose a type: Spring's strings, the tutorials of Java and Go, Dapr."""


def test_json_and_utf_8_may_be_said_in_every_way_and_another_encoding_is_refused() -> None:
    for content_type in (None, "", "application/json", "Application/JSON ; charset=utf-8"):
        assert envelope.decode(TOPOLOGY, content_type=content_type).operation == "topology", content_type
    for content_encoding in (None, "", "identity", "utf-8", "UTF-8"):
        assert envelope.decode(TOPOLOGY, content_encoding=content_encoding).operation == "topology", content_encoding
    for content_encoding in ("gzip", "utf-16", "deflate, identity", " "):
        error = refused(TOPOLOGY, content_encoding=content_encoding)
        assert error.message.startswith("content_encoding: expected none"), content_encoding
        assert error.operation == "topology", content_encoding


@for_each(UNASKED)
def test_a_content_type_that_clients_set_unasked_is_as_if_absent(content_type: str) -> None:
    for type in (None, "topology", "unknown", "publish-message"):
        decoded = envelope.decode(CREATE, type=type, content_type=content_type)
        assert (decoded.operation, decoded.bare) == ("create-instance", False), type
    bare = json.dumps(SMALLEST["publish-message"]).encode()
    assert envelope.decode(bare, type="publish-message", content_type=content_type).bare
    for raw in (b"", b"hello", b"{}"):
        assert refused(raw).message == refused(raw, content_type=content_type).message, raw


def test_where_the_type_names_a_deployment_they_say_that_the_body_is_the_file() -> None:
    def is_file(content_type: str) -> None:
        for operation in ("deploy-process", "deploy-resource"):
            headers = {"fileName": "a.form.bpmn"}
            decoded = envelope.decode(TOPOLOGY, type=operation, content_type=content_type, headers=headers)
            assert (decoded.operation, decoded.data, decoded.bare) == (operation, TOPOLOGY, True), operation

    check_all([*UNASKED, "application/xml"], is_file)
    assert envelope.decode(TOPOLOGY, type="deploy-process", content_type="application/json").operation == "topology"


@for_each(["text/plainer", "application/xml", "application/jsonx", ";", "*/*"])
def test_another_content_type_is_refused_unless_it_is_a_file(content_type: str) -> None:
    for type in (None, "create-instance", "unknown"):
        error = refused(CREATE, content_type=content_type, type=type)
        assert error.message == f'content_type: expected application/json or none, found "{content_type}"', type


# --- limits -----------------------------------------------------------------------------------------------------------

HEAD = b'{"operation":"set-variables","data":{"elementInstanceKey":1,"variables":{"a":"'
TOO_LARGE = "body: expected at most 8388608 bytes, twice the gateway's limit, found "


def test_a_body_of_eight_mebibytes_is_read_and_one_byte_more_is_refused_unread() -> None:
    tail = b'"}}}'
    largest = HEAD + b"x" * (wire.MAX_BODY - len(HEAD) - len(tail)) + tail
    assert envelope.decode(largest).operation == "set-variables"
    error = refused(largest + b" ", Code.RESOURCE_EXHAUSTED)
    assert (error.operation, error.message) == ("set-variables", f"{TOO_LARGE}8388609")
    for type in ("topology", None):
        assert refused(b" " * (wire.MAX_BODY + 1), Code.RESOURCE_EXHAUSTED, type=type).operation == type


def test_a_body_that_was_announced_too_large_is_refused_by_its_first_bytes() -> None:
    """Whoever took the message did not wait for the rest of it."""

    def is_refused(sent: bytes, properties: dict[str, Any], operation: str | None) -> None:
        error = refused(sent, Code.RESOURCE_EXHAUSTED, size=20 << 20, **properties)
        assert (error.operation, error.message) == (operation, f"{TOO_LARGE}20971520")
        assert error.details == {"field": "body"}

    cases = {
        "cut in the middle": (HEAD + b"x" * 100, {}, "set-variables"),
        "a whole request and then nothing": (TOPOLOGY, {}, "topology"),
        "named by its type": (b"<xml/>", {"type": "deploy-process", "content_type": "text/xml"}, "deploy-process"),
        "nothing": (b"", {}, None),
    }
    check_all(cases, is_refused)
    assert envelope.decode(TOPOLOGY, size=len(TOPOLOGY)) == envelope.decode(TOPOLOGY)


def deep(levels: int) -> bytes:
    document = b'{"a":' * levels + b"1" + b"}" * levels
    return b'{"operation":"create-instance","data":{"bpmnProcessId":"order","variables":' + document + b"}}"


def test_variables_pass_up_to_the_depth_and_beyond_it_are_refused_with_the_operation() -> None:
    assert envelope.decode(deep(500)).operation == "create-instance"
    assert envelope.decode(deep(7), max_depth=7).operation == "create-instance"
    assert "nested deeper than 6 levels" in refused(deep(7), max_depth=6).message
    for levels in (501, 900, 5_000, 500_000):
        error = refused(deep(levels))
        assert "nested deeper than 500 levels" in error.message, levels
        assert error.operation == "create-instance", levels


# --- variables --------------------------------------------------------------------------------------------------------


def survives(document: str, before: str = "", after: str = "") -> None:
    raw = f'{{"operation":"complete-job","data":{{"jobKey":{KEY},"variables":{before}{document}{after}}}}}'
    decoded: Any = envelope.decode(raw.encode()).command
    assert fields.text(decoded.variables) == document


@given(st.dictionaries(st.text(), JSON_VALUES, max_size=4), SPACES, SPACES, st.none() | st.just(1))
@example({"\u2028": "ü", "big": 2**64 - 1}, " ", "\n", None)
def test_variables_survive_byte_for_byte(
    variables: dict[str, Any], before: str, after: str, indent: int | None
) -> None:
    survives(json.dumps(variables, indent=indent, ensure_ascii=not indent), before, after)


def test_digits_order_duplicates_escapes_and_spacing_survive() -> None:
    doubled, digits = '{"a":1.00,"a":2}', '{"b" : 1e2,"a":18446744073709551615}'
    check_all([doubled, digits, '{"a":"\\u00fc\\ud83d\\ude00"}', "{ }", '{"a":0.1e-400}'], survives)
