"""Sections 2 and 4 of the contract: what makes a request, and what refuses one."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.unit.contracts.samples import FULLEST, JSON_VALUES, KEY, SMALLEST, body, request
from zeebe_amqp import commands, envelope, wire
from zeebe_amqp.errors import Code, CommandError, Outcome, Source
from zeebe_amqp.schema import fields

CREATE = {"bpmnProcessId": "order"}
SPACES = st.sampled_from(["", " ", "\n", "\t "])


def refusal(raw: bytes, **properties: Any) -> CommandError:
    with pytest.raises(CommandError) as caught:
        envelope.decode(raw, **properties)
    assert caught.value.source == Source.CONSUMER
    assert caught.value.outcome == Outcome.NOT_EXECUTED
    assert not caught.value.retryable
    return caught.value


def deep(levels: int) -> bytes:
    document = b'{"a":' * levels + b"1" + b"}" * levels
    return b'{"operation":"create-instance","data":{"bpmnProcessId":"order","variables":' + document + b"}}"


# The envelope


def test_an_envelope_is_operation_data_and_metadata() -> None:
    decoded = envelope.decode(b'{"operation":"create-instance","data":{"bpmnProcessId":"order"} ,"metadata":{}}')
    assert decoded.operation == "create-instance"
    assert decoded.command == commands.CreateInstance(bpmn_process_id="order")
    assert decoded.data == b'{"bpmnProcessId":"order"}'
    assert decoded.metadata == {}
    assert not decoded.bare
    assert not decoded.keys_as_text


@pytest.mark.parametrize("raw", [b'{"operation":"topology"}', b'{"operation":"topology","data":null,"metadata":null}'])
def test_data_and_metadata_may_be_absent_or_null(raw: bytes) -> None:
    decoded = envelope.decode(raw)
    assert decoded.data == b"{}"
    assert decoded.metadata == {}


def test_absent_data_lacks_the_required_fields() -> None:
    assert refusal(body("cancel-instance")).message.startswith("data.processInstanceKey: missing")


def test_of_an_envelopes_key_given_twice_the_last_wins() -> None:
    raw = (
        b'{"operation":7,"operation":"topology","data":1,"data":{},"metadata":1,"metadata":{"keys":1,"keys":"string"}}'
    )
    decoded = envelope.decode(raw)
    assert decoded.operation == "topology"
    assert decoded.keys_as_text


def test_the_metadata_we_do_not_read_is_left_out() -> None:
    metadata = {"traceparent": "00-a", "tracestate": "x=1", "baggage": "b=2", "keys": "string", "other": "y"}
    decoded = request("topology", metadata=metadata | {"tenantId": ""})
    assert decoded.metadata == {name: metadata[name] for name in ("keys", "traceparent", "tracestate", "baggage")}


@pytest.mark.parametrize("name", ["keys", "other"])
@pytest.mark.parametrize(
    ("value", "found"), [(7, "7"), (None, "null"), (True, "true"), ([], "a list"), ({}, "an object"), (1.5, "1.5")]
)
def test_metadata_that_is_not_text_is_refused(name: str, value: Any, found: str) -> None:
    error = refusal(body("topology", metadata={"traceparent": "x", name: value}))
    assert error.message == f"metadata.{name}: expected text, found {found}"
    assert error.details == {"field": f"metadata.{name}"}


@pytest.mark.parametrize(("metadata", "found"), [([], "a list"), ("x", 'text "x"'), (7, "7"), (True, "true")])
def test_metadata_that_is_not_an_object_is_refused(metadata: Any, found: str) -> None:
    assert (
        refusal(body("topology", metadata=metadata)).message == f"metadata: expected an object of texts, found {found}"
    )


@pytest.mark.parametrize(("name", "accepted"), [("keys", "string"), ("encoding", "base64")])
def test_metadata_with_a_choice_accepts_only_that(name: str, accepted: str) -> None:
    assert request("topology", metadata={name: accepted}).metadata == {name: accepted}
    error = refusal(body("topology", metadata={name: "other"}))
    assert error.message == f'metadata.{name}: expected "{accepted}" or nothing, found text "other"'.replace(
        "text ", ""
    )


@pytest.mark.parametrize(
    ("key", "suggestion"), [("metaData", "metadata"), ("dta", "data"), ("operations", "operation"), ("zzz", None)]
)
def test_an_unknown_key_is_refused_with_the_nearest(key: str, suggestion: str | None) -> None:
    error = refusal(body("topology", **{key: {}}))
    assert error.code == Code.INVALID_ARGUMENT
    assert error.operation == "topology"
    assert error.message.startswith(f"{key}: unknown key of the envelope; ")
    assert (error.details or {}).get("suggestion") == suggestion


# The operation


@pytest.mark.parametrize("operation", [None, ""])
def test_an_empty_operation_is_missing(operation: Any) -> None:
    error = refusal(body(operation), type="topology")
    assert error.code == Code.INVALID_ARGUMENT
    assert error.message.startswith("operation missing: expected one of topology, deploy-process")
    assert error.operation is None


@pytest.mark.parametrize(
    ("operation", "found"), [(7, "7"), (True, "true"), ([], "a list"), ({}, "an object"), (0, "0"), (False, "false")]
)
def test_an_operation_that_is_not_text_is_refused(operation: Any, found: str) -> None:
    error = refusal(body(operation))
    assert error.code == Code.INVALID_ARGUMENT
    assert error.message == f"operation: expected the name of an operation, found {found}"
    assert error.operation is None


def test_a_number_no_decoder_takes_is_not_an_operation() -> None:
    assert refusal(b'{"operation":1e999}').message == "operation: expected the name of an operation, found 1e999"


@pytest.mark.parametrize(
    ("name", "suggestion"),
    [("create-instanc", "create-instance"), ("Topology", "topology"), ("zzz", None), (" ", None), ("x" * 500, None)],
)
def test_an_unknown_operation_is_unimplemented_with_the_nearest(name: str, suggestion: str | None) -> None:
    error = refusal(body(name))
    assert error.code == Code.UNIMPLEMENTED
    assert error.operation == name[:200]
    assert (error.details or {}).get("suggestion") == suggestion
    assert f'"{suggestion}"?' in error.message or "known are topology" in error.message
    assert len(error.message) < 600


@pytest.mark.parametrize(
    "raw", [b"", b"x", b"7", b"[]", b"{}", b"null", b'"topology"', b"\xff", b'\xef\xbb\xbf{"data":{}}']
)
@pytest.mark.parametrize("type", [None, "", "unknown", "error"])
def test_a_body_that_is_neither_envelope_nor_bare_lacks_the_operation(raw: bytes, type: str | None) -> None:
    error = refusal(raw, type=type)
    assert error.code == Code.INVALID_ARGUMENT
    assert error.message.startswith("operation missing: the body is not an envelope (")
    assert error.operation is None


def test_a_mistyped_type_or_key_is_pointed_out() -> None:
    assert 'did you mean "publish-message"?' in refusal(b"{}", type="publish-mesage").message
    assert 'only "Operation"' in refusal(b'{"Operation":"topology"}').message


@pytest.mark.parametrize(
    "raw",
    [
        b'{"operation":"topology"',
        b'{"operation":"topology",}',
        b' { "operation" : "topology"} x',
        b'{"operation":"topology","data":"\xff',
    ],
)
def test_a_broken_envelope_is_not_json_and_its_operation_is_named_where_it_can_be_read(raw: bytes) -> None:
    error = refusal(raw)
    assert error.code == Code.INVALID_ARGUMENT
    assert error.message.startswith("body: not ")
    assert error.operation == "topology"


@pytest.mark.parametrize("raw", [b'{"operation":"\\ud800" x', b'{"operation":"\xff" x', b'{"operation":"\\q" x'])
def test_a_broken_name_of_an_operation_is_not_repeated(raw: bytes) -> None:
    assert refusal(raw).operation is None


@pytest.mark.parametrize("raw", [b'{"operation":"topology","metadata":{"a":"\xff"}}', b'{"operation":"topology\xff"}'])
def test_texts_that_are_not_utf_8_are_refused(raw: bytes) -> None:
    assert "not UTF-8" in refusal(raw).message


# The bare form


@pytest.mark.parametrize("operation", sorted(set(SMALLEST)))
def test_in_the_bare_form_the_type_is_the_operation_and_the_body_its_data(operation: str) -> None:
    raw = json.dumps(FULLEST[operation]).encode()
    decoded = envelope.decode(raw, type=operation, content_type="application/json")
    assert decoded.operation == operation
    assert decoded.data == raw
    assert decoded.bare
    assert decoded.command.to_wire() == request(operation, FULLEST[operation]).command.to_wire()


@pytest.mark.parametrize("raw", [b"", b" ", b"null", b" null\n", b"{}"])
def test_an_empty_bare_body_is_no_data(raw: bytes) -> None:
    assert envelope.decode(raw, type="topology").bare
    assert refusal(raw, type="cancel-instance").message.startswith("data.processInstanceKey: missing")


def test_an_envelope_counts_for_more_than_the_type() -> None:
    decoded = envelope.decode(body("topology"), type="create-instance")
    assert decoded.operation == "topology"
    assert not decoded.bare


def test_in_the_bare_form_the_metadata_is_in_text_headers_of_the_same_names() -> None:
    headers = {
        "keys": "string",
        "traceparent": "00-a",
        "tenantId": 5,
        "baggage": b"x",
        "tracestate": None,
        "other": "y",
    }
    decoded = envelope.decode(b"{}", type="topology", headers=headers)
    assert decoded.metadata == {"keys": "string", "traceparent": "00-a"}
    assert decoded.keys_as_text


def test_the_headers_are_not_the_metadata_of_an_envelope() -> None:
    assert envelope.decode(body("topology"), headers={"keys": "string"}).metadata == {}


def test_in_the_bare_form_an_unknown_choice_is_refused_by_its_header() -> None:
    error = refusal(b"{}", type="topology", headers={"keys": "text"})
    assert error.message == 'header keys: expected "string" or nothing, found "text"'
    assert error.operation == "topology"


@pytest.mark.parametrize("raw", [b"x", b"[]", b"7", b'{"a":1}', b"\xff"])
def test_a_bare_body_that_is_not_the_operations_data_is_refused(raw: bytes) -> None:
    error = refusal(raw, type="create-instance")
    assert error.code == Code.INVALID_ARGUMENT
    assert error.message.startswith("data")
    assert error.operation == "create-instance"


# The properties


@pytest.mark.parametrize("content_type", [None, "", "application/json", "Application/JSON ; charset=utf-8"])
def test_json_may_be_said_in_every_way(content_type: str | None) -> None:
    assert envelope.decode(body("topology"), content_type=content_type).operation == "topology"


UNASKED = ["text/plain", "Text/Plain; charset=utf-8", "application/octet-stream", "application/octet-stream;"]
"""What clients set when nobody chose a type: Spring's strings, the tutorials of Java and Go, Dapr."""


def test_a_content_type_that_clients_set_unasked_is_as_if_absent() -> None:
    for content_type in UNASKED:
        for type in (None, "topology", "unknown", "publish-message"):
            decoded = envelope.decode(body("create-instance", CREATE), type=type, content_type=content_type)
            assert (decoded.operation, decoded.bare) == ("create-instance", False), (content_type, type)
        bare = json.dumps(SMALLEST["publish-message"]).encode()
        assert envelope.decode(bare, type="publish-message", content_type=content_type).bare
        for raw in (b"", b"hello", b"{}"):
            problems = [refusal(raw, content_type=each).message for each in (None, content_type)]
            assert problems[0] == problems[1]


def test_where_the_type_names_a_deployment_they_say_that_the_body_is_the_file() -> None:
    raw = body("topology")
    for content_type in [*UNASKED, "application/xml"]:
        for operation in ("deploy-process", "deploy-resource"):
            decoded = envelope.decode(
                raw, type=operation, content_type=content_type, headers={"fileName": "a.form.bpmn"}
            )
            assert (decoded.operation, decoded.data, decoded.bare) == (operation, raw, True), (content_type, operation)
    assert envelope.decode(raw, type="deploy-process", content_type="application/json").operation == "topology"


@pytest.mark.parametrize("content_type", ["text/plainer", "application/xml", "application/jsonx", ";", "*/*"])
@pytest.mark.parametrize("type", [None, "create-instance", "unknown"])
def test_another_content_type_is_refused_unless_it_is_a_file(content_type: str, type: str | None) -> None:
    error = refusal(body("create-instance", CREATE), content_type=content_type, type=type)
    assert error.code == Code.INVALID_ARGUMENT
    assert error.message == f'content_type: expected application/json or none, found "{content_type}"'


@pytest.mark.parametrize("content_encoding", [None, "", "identity", "utf-8", "UTF-8"])
def test_no_encoding_and_utf_8_are_read(content_encoding: str | None) -> None:
    assert envelope.decode(body("topology"), content_encoding=content_encoding).operation == "topology"


@pytest.mark.parametrize("content_encoding", ["gzip", "utf-16", "deflate, identity", " "])
def test_another_encoding_is_refused(content_encoding: str) -> None:
    error = refusal(body("topology"), content_encoding=content_encoding)
    assert error.code == Code.INVALID_ARGUMENT
    assert error.message.startswith("content_encoding: expected none")
    assert error.operation == "topology"


# Limits


def test_a_body_of_eight_mebibytes_is_read_and_one_byte_more_is_refused_unread() -> None:
    head, tail = b'{"operation":"set-variables","data":{"elementInstanceKey":1,"variables":{"a":"', b'"}}}'
    largest = head + b"x" * (wire.MAX_BODY - len(head) - len(tail)) + tail
    assert envelope.decode(largest).operation == "set-variables"
    error = refusal(largest + b" ")
    assert error.code == Code.RESOURCE_EXHAUSTED
    assert error.operation == "set-variables"
    assert error.message == "body: expected at most 8388608 bytes, twice the gateway's limit, found 8388609"
    assert refusal(b" " * (wire.MAX_BODY + 1), type="topology").operation == "topology"
    assert refusal(b" " * (wire.MAX_BODY + 1)).operation is None


def test_a_body_that_was_announced_too_large_is_refused_by_its_first_bytes() -> None:
    """Whoever took the message did not wait for the rest of it."""
    head = b'{"operation":"set-variables","data":{"elementInstanceKey":1,"variables":{"a":"' + b"x" * 100
    whole = body("topology")
    for case, sent, properties, operation in (
        ("cut in the middle", head, {}, "set-variables"),
        ("a whole request and then nothing", whole, {}, "topology"),
        ("named by its type", b"<xml/>", {"type": "deploy-process", "content_type": "text/xml"}, "deploy-process"),
        ("nothing", b"", {}, None),
    ):
        error = refusal(sent, size=20 << 20, **properties)
        assert (error.code, error.operation) == (Code.RESOURCE_EXHAUSTED, operation), case
        assert error.message == "body: expected at most 8388608 bytes, twice the gateway's limit, found 20971520", case
        assert error.details == {"field": "body"}, case
    assert envelope.decode(whole, size=len(whole)) == envelope.decode(whole)


@pytest.mark.parametrize("levels", [501, 900, 5_000, 500_000])
def test_variables_beyond_the_depth_are_refused_with_the_operation(levels: int) -> None:
    error = refusal(deep(levels))
    assert error.code == Code.INVALID_ARGUMENT
    assert "nested deeper than 500 levels" in error.message
    assert error.operation == "create-instance"


def test_variables_up_to_the_depth_pass() -> None:
    assert envelope.decode(deep(500)).operation == "create-instance"
    assert envelope.decode(deep(7), max_depth=7).operation == "create-instance"
    assert "nested deeper than 6 levels" in refusal(deep(7), max_depth=6).message


@pytest.mark.parametrize("members", [b'"%d":1', b'"operatio%d":1'])
def test_an_object_of_a_hundred_thousand_keys_is_refused(members: bytes) -> None:
    raw = b"{" + b",".join(members % number for number in range(100_000)) + b"}"
    assert refusal(raw).message.startswith("operation missing")


# Variables


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
    document = json.dumps(variables, indent=indent, ensure_ascii=not indent)
    raw = f'{{"operation":"create-instance","data":{{"bpmnProcessId":"order","variables":{before}{document}{after}}}}}'
    decoded = envelope.decode(raw.encode()).command
    assert isinstance(decoded, commands.CreateInstance)
    assert fields.text(decoded.variables) == document


@pytest.mark.parametrize(
    "document",
    [
        '{"a":1.00,"a":2}',
        '{"b" : 1e2,"a":18446744073709551615}',
        '{"a":"\\u00fc\\ud83d\\ude00"}',
        "{ }",
        '{"a":0.1e-400}',
    ],
)
def test_digits_order_duplicates_escapes_and_spacing_survive(document: str) -> None:
    raw = f'{{"operation":"complete-job","data":{{"jobKey":{KEY},"variables":{document}}}}}'.encode()
    decoded = envelope.decode(raw).command
    assert isinstance(decoded, commands.CompleteJob)
    assert fields.text(decoded.variables) == document


@pytest.mark.parametrize("document", [b'{"a":"\\ud800"}', b'{"a":"\xff"}', b'{"a":1e400}', b'{"a":NaN}', b"{'a':1}"])
def test_documents_the_engine_would_change_are_refused(document: bytes) -> None:
    raw = b'{"operation":"complete-job","data":{"jobKey":1,"variables":' + document + b"}}"
    assert refusal(raw).code == Code.INVALID_ARGUMENT
