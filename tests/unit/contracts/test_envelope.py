"""What makes a request, in both forms, and what refuses one."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from tests.cases import check_all
from tests.unit.contracts.samples import FULLEST, JSON_VALUES, KEY, SMALLEST, body, refused, request
from zeebe_amqp import commands, envelope, wire
from zeebe_amqp.errors import Code
from zeebe_amqp.schema import fields

CREATE = body("create-instance", {"bpmnProcessId": "order"})
TOPOLOGY = body("topology")
SPACES = st.sampled_from(["", " ", "\n", "\t "])


# --- the envelope -----------------------------------------------------------------------------------------------------


def test_an_envelope_is_operation_data_and_metadata() -> None:
    decoded = envelope.decode(b'{"operation":"create-instance","data":{"bpmnProcessId":"order"} ,"metadata":{}}')
    assert decoded.operation == "create-instance"
    assert decoded.command == commands.CreateInstance(bpmn_process_id="order")
    assert (decoded.data, decoded.metadata) == (b'{"bpmnProcessId":"order"}', {})
    assert (decoded.bare, decoded.keys_as_text) == (False, False)


def test_data_and_metadata_may_be_absent_or_null() -> None:
    for raw in (TOPOLOGY, b'{"operation":"topology","data":null,"metadata":null}'):
        decoded = envelope.decode(raw)
        assert (decoded.data, decoded.metadata) == (b"{}", {}), raw
    assert refused(body("cancel-instance")).message.startswith("data.processInstanceKey: missing")


def test_of_an_envelopes_key_given_twice_the_last_wins() -> None:
    raw = (
        b'{"operation":7,"operation":"topology","data":1,"data":{},"metadata":1,"metadata":{"keys":1,"keys":"string"}}'
    )
    decoded = envelope.decode(raw)
    assert (decoded.operation, decoded.keys_as_text) == ("topology", True)


def test_the_metadata_we_do_not_read_is_left_out() -> None:
    metadata = {"traceparent": "00-a", "tracestate": "x=1", "baggage": "b=2", "keys": "string", "other": "y"}
    decoded = request("topology", metadata=metadata | {"tenantId": ""})
    assert decoded.metadata == {name: metadata[name] for name in ("keys", "traceparent", "tracestate", "baggage")}


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


def test_metadata_with_a_choice_accepts_only_that() -> None:
    for name, accepted in (("keys", "string"), ("encoding", "base64")):
        assert request("topology", metadata={name: accepted}).metadata == {name: accepted}
        error = refused(body("topology", metadata={name: "other"}))
        assert error.message == f'metadata.{name}: expected "{accepted}" or nothing, found "other"'


def test_an_unknown_key_is_refused_with_the_nearest() -> None:
    for key, suggestion in (("metaData", "metadata"), ("dta", "data"), ("operations", "operation"), ("zzz", None)):
        error = refused(body("topology", **{key: {}}))
        assert error.operation == "topology"
        assert error.message.startswith(f"{key}: unknown key of the envelope; ")
        assert (error.details or {}).get("suggestion") == suggestion, key


# --- the operation ----------------------------------------------------------------------------------------------------


def test_an_empty_operation_is_missing() -> None:
    for operation in (None, ""):
        error = refused(body(operation), type="topology")
        assert error.message.startswith("operation missing: expected one of topology, deploy-process")
        assert error.operation is None


def test_an_operation_that_is_not_text_is_refused() -> None:
    def is_refused(raw: bytes, found: str) -> None:
        error = refused(raw)
        assert error.message == f"operation: expected the name of an operation, found {found}"
        assert error.operation is None

    no_decoder_takes = (b'{"operation":1e999}', "1e999")
    check_all([*((body(value), found) for value, found in NO_TEXT), no_decoder_takes], is_refused)


def test_an_unknown_operation_is_unimplemented_with_the_nearest() -> None:
    def is_unimplemented(name: str, suggestion: str | None) -> None:
        error = refused(body(name), Code.UNIMPLEMENTED)
        assert error.operation == name[:200]
        assert (error.details or {})["field"] == wire.OPERATION
        assert (error.details or {}).get("suggestion") == suggestion
        assert f'"{suggestion}"?' in error.message or "known are topology" in error.message
        assert len(error.message) < 600

    near = [("create-instanc", "create-instance"), ("Topology", "topology")]
    check_all([*near, ("zzz", None), (" ", None), ("x" * 500, None)], is_unimplemented)


def test_a_body_that_is_neither_envelope_nor_bare_lacks_the_operation() -> None:
    def lacks_it(raw: bytes) -> None:
        for type in (None, "", "unknown", "error"):
            error = refused(raw, type=type)
            assert error.message.startswith("operation missing: the body is not an envelope ("), type
            assert (error.details or {})["field"] == wire.OPERATION, type
            assert error.operation is None, type

    check_all([b"", b"x", b"7", b"[]", b"{}", b"null", b'"topology"', b"\xff", b'\xef\xbb\xbf{"data":{}}'], lacks_it)


def test_a_mistyped_type_or_key_is_pointed_out() -> None:
    assert 'did you mean "publish-message"?' in refused(b"{}", type="publish-mesage").message
    assert 'only "Operation"' in refused(b'{"Operation":"topology"}').message


def test_a_broken_envelope_is_not_json_and_its_operation_is_named_where_it_can_be_read() -> None:
    for raw in (
        b'{"operation":"topology"',
        b'{"operation":"topology",}',
        b' { "operation" : "topology"} x',
        b'{"operation":"topology","data":"\xff',
    ):
        error = refused(raw)
        assert error.message.startswith("body: not "), raw
        assert error.operation == "topology", raw
    for raw in (b'{"operation":"\\ud800" x', b'{"operation":"\xff" x', b'{"operation":"\\q" x'):
        assert refused(raw).operation is None, raw
    for raw in (b'{"operation":"topology","metadata":{"a":"\xff"}}', b'{"operation":"topology\xff"}'):
        assert "not UTF-8" in refused(raw).message, raw


# --- the bare form ----------------------------------------------------------------------------------------------------


def test_in_the_bare_form_the_type_is_the_operation_and_the_body_its_data() -> None:
    def is_read(operation: str) -> None:
        raw = json.dumps(FULLEST[operation]).encode()
        decoded = envelope.decode(raw, type=operation, content_type="application/json")
        assert (decoded.operation, decoded.data, decoded.bare) == (operation, raw, True)
        assert decoded.command.to_wire() == request(operation, FULLEST[operation]).command.to_wire()

    check_all(SMALLEST.keys(), is_read)


def test_an_empty_bare_body_is_no_data() -> None:
    for raw in (b"", b" ", b"null", b" null\n", b"{}"):
        assert envelope.decode(raw, type="topology").bare, raw
        assert refused(raw, type="cancel-instance").message.startswith("data.processInstanceKey: missing"), raw


def test_an_envelope_counts_for_more_than_the_type_and_the_headers() -> None:
    decoded = envelope.decode(TOPOLOGY, type="create-instance", headers={"keys": "string"})
    assert (decoded.operation, decoded.bare, decoded.metadata) == ("topology", False, {})


def test_in_the_bare_form_the_metadata_is_in_text_headers_of_the_same_names() -> None:
    headers = {"keys": "string", "traceparent": "00-a", "tenantId": 5, "baggage": b"x", "tracestate": None, "x": "y"}
    decoded = envelope.decode(b"{}", type="topology", headers=headers)
    assert decoded.metadata == {"keys": "string", "traceparent": "00-a"}
    assert decoded.keys_as_text
    error = refused(b"{}", type="topology", headers={"keys": "text"})
    assert error.message == 'header keys: expected "string" or nothing, found "text"'
    assert error.operation == "topology"


def test_a_bare_body_that_is_not_the_operations_data_is_refused() -> None:
    for raw in (b"x", b"[]", b"7", b'{"a":1}', b"\xff"):
        error = refused(raw, type="create-instance")
        assert error.message.startswith("data"), raw
        assert error.operation == "create-instance", raw


# --- the properties ---------------------------------------------------------------------------------------------------

UNASKED = ["text/plain", "Text/Plain; charset=utf-8", "application/octet-stream", "application/octet-stream;"]
"""What clients set when nobody chose a type: Spring's strings, the tutorials of Java and Go, Dapr."""


def test_json_and_utf_8_may_be_said_in_every_way() -> None:
    for content_type in (None, "", "application/json", "Application/JSON ; charset=utf-8"):
        assert envelope.decode(TOPOLOGY, content_type=content_type).operation == "topology", content_type
    for content_encoding in (None, "", "identity", "utf-8", "UTF-8"):
        assert envelope.decode(TOPOLOGY, content_encoding=content_encoding).operation == "topology", content_encoding


def test_a_content_type_that_clients_set_unasked_is_as_if_absent() -> None:
    def is_as_if_absent(content_type: str) -> None:
        for type in (None, "topology", "unknown", "publish-message"):
            decoded = envelope.decode(CREATE, type=type, content_type=content_type)
            assert (decoded.operation, decoded.bare) == ("create-instance", False), type
        bare = json.dumps(SMALLEST["publish-message"]).encode()
        assert envelope.decode(bare, type="publish-message", content_type=content_type).bare
        for raw in (b"", b"hello", b"{}"):
            assert refused(raw).message == refused(raw, content_type=content_type).message, raw

    check_all(UNASKED, is_as_if_absent)


def test_where_the_type_names_a_deployment_they_say_that_the_body_is_the_file() -> None:
    def is_file(content_type: str) -> None:
        for operation in ("deploy-process", "deploy-resource"):
            headers = {"fileName": "a.form.bpmn"}
            decoded = envelope.decode(TOPOLOGY, type=operation, content_type=content_type, headers=headers)
            assert (decoded.operation, decoded.data, decoded.bare) == (operation, TOPOLOGY, True), operation

    check_all([*UNASKED, "application/xml"], is_file)
    assert envelope.decode(TOPOLOGY, type="deploy-process", content_type="application/json").operation == "topology"


def test_another_content_type_is_refused_unless_it_is_a_file() -> None:
    def is_refused(content_type: str) -> None:
        for type in (None, "create-instance", "unknown"):
            error = refused(CREATE, content_type=content_type, type=type)
            assert error.message == f'content_type: expected application/json or none, found "{content_type}"', type

    check_all(["text/plainer", "application/xml", "application/jsonx", ";", "*/*"], is_refused)


def test_another_encoding_is_refused() -> None:
    for content_encoding in ("gzip", "utf-16", "deflate, identity", " "):
        error = refused(TOPOLOGY, content_encoding=content_encoding)
        assert error.message.startswith("content_encoding: expected none"), content_encoding
        assert error.operation == "topology", content_encoding


# --- limits -----------------------------------------------------------------------------------------------------------


def test_a_body_of_eight_mebibytes_is_read_and_one_byte_more_is_refused_unread() -> None:
    head, tail = b'{"operation":"set-variables","data":{"elementInstanceKey":1,"variables":{"a":"', b'"}}}'
    largest = head + b"x" * (wire.MAX_BODY - len(head) - len(tail)) + tail
    assert envelope.decode(largest).operation == "set-variables"
    error = refused(largest + b" ", Code.RESOURCE_EXHAUSTED)
    assert error.operation == "set-variables"
    assert error.message == "body: expected at most 8388608 bytes, twice the gateway's limit, found 8388609"
    for type in ("topology", None):
        assert refused(b" " * (wire.MAX_BODY + 1), Code.RESOURCE_EXHAUSTED, type=type).operation == type


def test_a_body_that_was_announced_too_large_is_refused_by_its_first_bytes() -> None:
    """Whoever took the message did not wait for the rest of it."""

    def is_refused(sent: bytes, properties: dict[str, Any], operation: str | None) -> None:
        error = refused(sent, Code.RESOURCE_EXHAUSTED, size=20 << 20, **properties)
        assert error.operation == operation
        assert error.message == "body: expected at most 8388608 bytes, twice the gateway's limit, found 20971520"
        assert error.details == {"field": "body"}

    head = b'{"operation":"set-variables","data":{"elementInstanceKey":1,"variables":{"a":"' + b"x" * 100
    file = {"type": "deploy-process", "content_type": "text/xml"}
    cases = {
        "cut in the middle": (head, {}, "set-variables"),
        "a whole request and then nothing": (TOPOLOGY, {}, "topology"),
        "named by its type": (b"<xml/>", file, "deploy-process"),
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


def test_an_object_of_a_hundred_thousand_keys_is_refused() -> None:
    for members in (b'"%d":1', b'"operatio%d":1'):
        raw = b"{" + b",".join(members % number for number in range(100_000)) + b"}"
        assert refused(raw).message.startswith("operation missing"), members


# --- variables --------------------------------------------------------------------------------------------------------


def survives(document: str, before: str = "", after: str = "") -> None:
    raw = f'{{"operation":"complete-job","data":{{"jobKey":{KEY},"variables":{before}{document}{after}}}}}'
    decoded = envelope.decode(raw.encode()).command
    assert isinstance(decoded, commands.CompleteJob)
    assert fields.text(decoded.variables) == document


@given(
    variables=st.dictionaries(st.text(), JSON_VALUES, max_size=4),
    before=SPACES,
    after=SPACES,
    indent=st.none() | st.just(1),
)
@example(variables={"\u2028": "ü", "big": 2**64 - 1}, before=" ", after="\n", indent=None)
def test_variables_survive_byte_for_byte(
    variables: dict[str, Any], before: str, after: str, indent: int | None
) -> None:
    survives(json.dumps(variables, indent=indent, ensure_ascii=not indent), before, after)


def test_digits_order_duplicates_escapes_and_spacing_survive() -> None:
    doubled, digits = '{"a":1.00,"a":2}', '{"b" : 1e2,"a":18446744073709551615}'
    check_all([doubled, digits, '{"a":"\\u00fc\\ud83d\\ude00"}', "{ }", '{"a":0.1e-400}'], survives)


def test_documents_the_engine_would_change_are_refused() -> None:
    for document in (b'{"a":"\\ud800"}', b'{"a":"\xff"}', b'{"a":1e400}', b'{"a":NaN}', b"{'a':1}"):
        refused(b'{"operation":"complete-job","data":{"jobKey":1,"variables":' + document + b"}}")
