"""What makes a request, in both forms, what refuses one, which are the same, and until when one counts."""

from __future__ import annotations

import codecs
import json
import re
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.cases import check_all, for_each
from tests.unit.contracts.samples import FULLEST, JSON_VALUES, KEY, SMALLEST, body, refused, request
from tests.unit.contracts.test_bad_input import ADVICE
from zeebe_amqp import commands, envelope, wire
from zeebe_amqp.commands import COMMANDS
from zeebe_amqp.errors import Code, CommandError, Outcome
from zeebe_amqp.lateness import refuse_past
from zeebe_amqp.schema import fields

CREATE = body("create-instance", {"bpmnProcessId": "order"})
TOPOLOGY = body("topology")
MARK = codecs.BOM_UTF8
TRACED = {"keys": "string", "traceparent": "00-a"}
FILES = ("deploy-process", "deploy-resource")
UNASKED = ["text/plain", "Text/Plain; charset=utf-8", "application/octet-stream", "application/octet-stream;"]
"""What clients set when nobody chose a type: Spring's strings, the tutorials of Java and Go, Dapr."""


def test_an_envelope_is_operation_data_and_metadata() -> None:
    decoded = envelope.decode(b'{"operation":"create-instance","data":{"bpmnProcessId":"order"} ,"metadata":{}}')
    assert (decoded.operation, decoded.bare, decoded.keys_as_text) == ("create-instance", False, False)
    assert decoded.command == commands.CreateInstance(bpmn_process_id="order")
    assert (decoded.data, decoded.metadata) == (b'{"bpmnProcessId":"order"}', {})
    for raw in (TOPOLOGY, b'{"operation":"topology","data":null,"metadata":null}'):
        assert (envelope.decode(raw).data, envelope.decode(raw).metadata) == (b"{}", {}), raw
    twice = (
        b'{"operation":7,"operation":"topology","data":1,"data":{},"metadata":1,"metadata":{"keys":1,"keys":"string"}}'
    )
    decoded = envelope.decode(twice)
    assert (decoded.operation, decoded.keys_as_text) == ("topology", True), "the last counts"


def test_only_the_metadata_that_we_read_are_kept_in_the_bare_form_from_text_headers_of_the_same_names() -> None:
    metadata = TRACED | {"tracestate": "x=1", "baggage": "b=2", "encoding": "base64"}
    assert request("topology", metadata=metadata | {"other": "y", "tenantId": ""}).metadata == metadata
    headers = TRACED | {"tenantId": 5, "baggage": b"x", "tracestate": None, "x": "y"}
    decoded = envelope.decode(b"{}", type="topology", headers=headers)
    assert (decoded.metadata, decoded.keys_as_text) == (TRACED, True)


@for_each(SMALLEST)
def test_in_the_bare_form_the_type_is_the_operation_and_the_body_its_data(operation: str) -> None:
    raw = json.dumps(FULLEST[operation]).encode()
    decoded = envelope.decode(raw, type=operation, content_type="application/json")
    assert (decoded.operation, decoded.data, decoded.bare) == (operation, raw, True)
    assert decoded.command.to_wire() == request(operation, FULLEST[operation]).command.to_wire()


def test_an_envelope_counts_for_more_than_the_type_and_an_empty_bare_body_is_no_data() -> None:
    for raw in (b"", b" ", b"null", b" null\n", b"{}"):
        assert envelope.decode(raw, type="topology").bare, raw
    decoded = envelope.decode(TOPOLOGY, type="create-instance", headers={"keys": "string"})
    assert (decoded.operation, decoded.bare, decoded.metadata) == ("topology", False, {})


def test_json_and_utf_8_may_be_said_in_every_way() -> None:
    for content_type in (None, "", "application/json", "Application/JSON ; charset=utf-8"):
        assert envelope.decode(TOPOLOGY, content_type=content_type).operation == "topology", content_type
    for content_encoding in (None, "", "identity", "utf-8", "UTF-8"):
        assert envelope.decode(TOPOLOGY, content_encoding=content_encoding).operation == "topology", content_encoding


@for_each(UNASKED)
def test_a_content_type_that_clients_set_unasked_is_as_if_absent(content_type: str) -> None:
    for type in (None, "topology", "unknown", "publish-message"):
        decoded = envelope.decode(CREATE, type=type, content_type=content_type)
        assert (decoded.operation, decoded.bare) == ("create-instance", False), type
    bare = json.dumps(SMALLEST["publish-message"]).encode()
    assert envelope.decode(bare, type="publish-message", content_type=content_type).bare
    for raw in (b"", b"hello", b"{}"):
        assert refused(raw).message == refused(raw, content_type=content_type).message, raw


def test_where_the_type_names_a_deployment_any_but_json_says_that_the_body_is_the_file() -> None:
    def is_file(operation: str, content_type: str) -> None:
        headers = {"fileName": "a.form.bpmn"}
        decoded = envelope.decode(TOPOLOGY, type=operation, content_type=content_type, headers=headers)
        assert (decoded.operation, decoded.data, decoded.bare) == (operation, TOPOLOGY, True)

    check_all([(operation, each) for operation in FILES for each in (*UNASKED, "application/xml")], is_file)
    assert envelope.decode(TOPOLOGY, type="deploy-process", content_type="application/json").operation == "topology"


NO_TEXT: list[tuple[Any, str]] = [
    (7, "7"), (True, "true"), ([], "a list"), ({}, "an object"), (1.5, "1.5"), (0, "0"), (False, "false"),
]  # fmt: skip
NO_ENVELOPES = [
    b"", b"x", b"7", b"[]", b"{}", b"null", b'"topology"', b"\xff", b'\xef\xbb\xbf{"data":{}}',
    *(b"{" + b",".join(key % number for number in range(100_000)) + b"}" for key in (b'"%d":1', b'"operatio%d":1')),
]  # fmt: skip
SIGNAL = {"name": "s"}
NONE = "operation missing: the body is not an envelope ("
CHOICES = (("keys", "string"), ("encoding", "base64"))
REFUSED: list[tuple[bytes, dict[str, Any], str, str | None]] = [
    (body("cancel-instance"), {}, "data.processInstanceKey: missing…", "cancel-instance"),
    *((raw, {"type": "cancel-instance"}, "data.processInstanceKey: missing…", "cancel-instance")
      for raw in (b"", b" null\n")),
    *((raw, {"type": "create-instance"}, "data…", "create-instance")
      for raw in (b"x", b"[]", b"7", b'{"a":1}', b"\xff")),
    *((raw, {"type": "signal"}, "data…", "signal") for raw in (
        b"", b"[", b"[]", b'"s"', b'{"name":"s"', b'{"name":"\xff"}', b'{"name":"s","variables":{"a":{"value":1e999}}}',
    )),
    *((body("topology", metadata={"traceparent": "x", name: value}), {},
       f"metadata.{name}: expected text, found {found}", "topology")
      for name in ("keys", "other") for value, found in (*NO_TEXT, (None, "null"))),
    *((body("topology", metadata=value), {}, f"metadata: expected an object of texts, found {found}", "topology")
      for value, found in (*NO_TEXT, ("x", 'text "x"')) if value != {}),
    *((body("topology", metadata={name: "other"}), {},
       f'metadata.{name}: expected "{accepted}" or nothing, found "other"', "topology") for name, accepted in CHOICES),
    *((b"{}", {"type": "topology", "headers": {name: "other"}},
       f'header {name}: expected "{accepted}" or nothing, found "other"', "topology") for name, accepted in CHOICES),
    *((body("topology", **{key: {}}), {}, f'{key}: unknown key of the envelope; did you mean "{near}"?', "topology")
      for key, near in (("metaData", "metadata"), ("dta", "data"), ("operations", "operation"))),
    (body("topology", zzz={}), {}, "zzz: unknown key of the envelope; an envelope has operation, data…", "topology"),
    *((raw, {}, f"operation: expected the name of an operation, found {found}", None)
      for raw, found in (*((body(value), found) for value, found in NO_TEXT), (b'{"operation":1e999}', "1e999"))),
    *((body(empty), {"type": "topology"}, "operation missing: expected one of topology, deploy-process…", None)
      for empty in (None, "")),
    *((body(name), {}, f'operation: "{name}" is not an operation; did you mean "{near}"?', name)
      for name, near in (("create-instanc", "create-instance"), ("Topology", "topology"))),
    *((body(name), {}, f'operation: "{name}" is not an operation; known are topology…', name) for name in ("zzz", " ")),
    (body("x" * 500), {}, f'operation: "{"x" * 79}…', "x" * 200),
    *((raw, {"type": type}, f"{NONE}…", None) for raw in NO_ENVELOPES for type in (None, "", "unknown", "error")),
    (b"{}", {"type": "publish-mesage"},
     f'{NONE}no key "operation") and the property type is "publish-mesage"; did you mean "publish-message"?', None),
    (b'{"Operation":"topology"}', {},
     f'{NONE}no key "operation", only "Operation") and the property type names none', None),
    *((raw, {}, "body: not …", "topology") for raw in (
        b'{"operation":"topology"', b'{"operation":"topology",}', b' { "operation" : "topology"} x',
        b'{"operation":"topology","data":"\xff',
    )),
    *((raw, {}, "body: not …", None)
      for raw in (b'{"operation":"\\ud800" x', b'{"operation":"\xff" x', b'{"operation":"\\q" x')),
    (b'{"operation":"topology","metadata":{"a":"\xff"}}', {}, "metadata: not UTF-8…", "topology"),
    (b'{"operation":"topology\xff"}', {}, "operation: not UTF-8…", None),
    # A byte order mark, which nobody sees in an editor.
    *((raw, {"type": type},
       f"{field}: …found a byte order mark of {encoding} at byte …; expected UTF-8 without one…", named)
      for raw, type, field, encoding, named in (
          (MARK + TOPOLOGY, None, "body", "UTF-8", "topology"),
          (TOPOLOGY.decode().encode("utf-16"), None, "operation missing", "UTF-16", None),
          (TOPOLOGY.decode().encode("utf-32"), None, "operation missing", "UTF-32", None),
          (MARK + b"{}", "create-instance", "data", "UTF-8", "create-instance"),
          (b'{"jobKey":1,"variables":' + MARK + b"{}}", "complete-job", "data", "UTF-8", "complete-job"),
          (b'{"operation":"set-variables","data":%s{}}' % MARK, None, "body", "UTF-8", "set-variables"),
          (b'{"operation":"set-variables","data":{},"metadata":%s{}}' % MARK, None, "body", "UTF-8", "set-variables"),
          (b'{"operation":"set-variables","data":{"elementInstanceKey":1,"variables":%s{}}}' % MARK, None,
           "body", "UTF-8", "set-variables"),
          (body("signal", SIGNAL | {"variables": {"x": {"type": "Json", "value": "\ufeff{}"}}}), None,
           "data.variables.x.value", "UTF-8", "signal"),
          (body("deploy-process", "\ufeffPHgvPg==", metadata={"fileName": "a", "encoding": "base64"}), None,
           "data", "UTF-8", "deploy-process"),
      )),
    # An object or a list that a caller sent as text.
    (json.dumps(TOPOLOGY.decode()).encode(), {}, f"{NONE}…{ADVICE}…", None),
    *((body(operation, data, **others), {}, f"{field}: expected …, found …{ADVICE}", operation)
      for operation, field, data, others in (
          ("topology", "metadata", None, {"metadata": '{"keys":"string"}'}),
          ("signal", "data", '{"name": "s"}', {}),
          ("signal", "data.variables", SIGNAL | {"variables": '{"a":{"value":1}}'}, {}),
          ("signal", "data.variables.a", SIGNAL | {"variables": {"a": '{"value":1}'}}, {}),
          ("signal", "data.variables.a.valueInfo", SIGNAL | {"variables": {"a": {"value": 1, "valueInfo": "{}"}}}, {}),
          ("create-instance", "data.variables", {"bpmnProcessId": "a", "variables": "\ufeff{}"}, {}),
          ("deploy-resource", "data", '{"resources": []}', {}),
      )),
    *((body("create-instance", {"bpmnProcessId": "a", "variables": text}), {},
       "data.variables: expected a JSON object, found text", "create-instance")
      for text in ("", "secret", "7", "null")),
    *((TOPOLOGY, {"content_encoding": encoding}, "content_encoding: expected none…", "topology")
      for encoding in ("gzip", "utf-16", "deflate, identity", " ")),
    *((CREATE, {"content_type": content_type, "type": type},
       f'content_type: expected application/json or none, found "{content_type}"', "create-instance")
      for content_type in ("text/plainer", "application/xml", "application/jsonx", ";", "*/*")
      for type in (None, "create-instance", "unknown")),
]  # fmt: skip
"""Bodies and properties, each with the message, in which … stands for any words, and the operation that is named."""


def test_what_is_no_request_is_refused_in_words_by_its_place_and_its_operation_is_named() -> None:
    def is_refused(raw: bytes, properties: dict[str, Any], message: str, operation: str | None) -> None:
        code = Code.UNIMPLEMENTED if message.startswith('operation: "') else Code.INVALID_ARGUMENT
        error = refused(raw, code, **properties)
        assert re.fullmatch(".*".join(map(re.escape, message.split("…"))), error.message, re.DOTALL), error.message
        assert len(error.message) < 600
        assert error.operation == operation
        details, nearest = dict(error.details or {}), re.search('did you mean "(.+)"', error.message)
        assert details.pop("field") == error.message.partition(":")[0].removesuffix(" missing")
        assert details == ({"suggestion": nearest[1]} if nearest else {})

    check_all(REFUSED, is_refused)
    assert "byte order mark" not in refused(b'{"operation":"topology",\xff\xfe}').message, "further on it is none"
    assert MARK in request("publish-message", {"messageName": "\ufeff"}).command.to_wire()[0], "and in a text it stays"


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


DOCUMENTS = st.builds(
    lambda variables, indent: json.dumps(variables, indent=indent, ensure_ascii=not indent),
    st.dictionaries(st.text(), JSON_VALUES, max_size=4),
    st.none() | st.just(1),
)
SPACES = st.sampled_from(["", " ", "\n", "\t "])


@given(DOCUMENTS, SPACES, SPACES)
@example('{"\u2028": "ü", "big": 18446744073709551615}', " ", "\n")
@example('{"a":1.00,"a":2}', "", "")
@example('{"b" : 1e2,"a":18446744073709551615}', "", "")
@example('{"a":"\\u00fc\\ud83d\\ude00"}', "", "")
@example("{ }", "", "")
@example('{"a":0.1e-400}', "", "")
def test_variables_survive_byte_for_byte(document: str, before: str, after: str) -> None:
    raw = f'{{"operation":"complete-job","data":{{"jobKey":{KEY},"variables":{before}{document}{after}}}}}'
    decoded: Any = envelope.decode(raw.encode()).command
    assert fields.text(decoded.variables) == document


# --- identity and lateness ---


MOMENT = datetime(2030, 1, 1, tzinfo=UTC)
TRACE = (*wire.TRACE_NAMES, wire.TRACE_VARIABLE)
PARTS = st.tuples(
    st.sampled_from(sorted(COMMANDS)),
    st.binary(),
    st.dictionaries(st.sampled_from(wire.METADATA_NAMES), st.text()),
    st.booleans(),
)


@given(PARTS, PARTS, st.lists(st.booleans(), min_size=4, max_size=4))
@example(
    ("topology", b"", {"traceparent": "1"}, True), ("topology", b"", {"baggage": "2"}, False), [False] * 3 + [True]
)
def test_digests_tell_requests_apart(first: tuple[Any, ...], other: tuple[Any, ...], same: list[bool]) -> None:
    def identity(parts: tuple[Any, ...]) -> tuple[Any, ...]:
        texts = {name: text for name, text in parts[2].items() if name not in TRACE}
        return (*parts[:2], texts, parts[3])

    def digest(parts: tuple[Any, ...]) -> bytes:
        operation, data, metadata, bare = parts
        command = commands.Topology()
        return envelope.Request(operation=operation, command=command, data=data, metadata=metadata, bare=bare).digest()

    second = tuple(mine if same else theirs for mine, theirs, same in zip(first, other, same, strict=True))
    assert (digest(first) == digest(second)) == (identity(first) == identity(second))


READ: list[tuple[Any, str, Any, Any]] = [
    *((envelope.deadline, "deadline", header, expected) for header, expected in (
        (1_700_000_000_123, 1_700_000_000.123), (0, 0.0), (-5, -0.005), (2**63, 2**63 / 1000),
        (10**5000, 2**63 / 1000), (-(10**5000), -(2**63) / 1000),
    )),
    *((envelope.request_id, "request-id", header, header) for header in ("a", "x" * 255, "ü" * 127, " ")),
    *((read, name, empty, None) for empty in (None, "")
      for read, name in ((envelope.deadline, "deadline"), (envelope.request_id, "request-id"))),
]  # fmt: skip


@for_each(READ)
def test_a_deadline_is_milliseconds_since_1970_and_an_id_text(read: Any, name: str, sent: Any, value: Any) -> None:
    assert read({name: sent}) == value
    assert read({}) is None


MILLISECONDS = "a whole number of milliseconds since 1970, found "
WRONG_HEADERS: list[tuple[Any, str, Any, str]] = [
    *((envelope.deadline, "deadline", sent, MILLISECONDS + found)
      for sent, found in ((True, "true"), ("1700000000000", 'text "1700000000000"'), (1.5, "1.5"))),
    *((envelope.deadline, "deadline", sent, f"{MILLISECONDS}a value of type {type(sent).__name__}")
      for sent in (b"5", MOMENT, [5])),
    *((envelope.request_id, "request-id", sent, "text of at most 255 bytes, found ")
      for sent in ("x" * 256, "ü" * 128, 5, True, b"a", ["a"], {}, 1.5, MOMENT)),
]  # fmt: skip


@for_each(WRONG_HEADERS)
def test_a_header_of_another_type_or_length_is_refused(read: Any, name: str, sent: Any, words: str) -> None:
    with pytest.raises(CommandError) as caught:
        read({name: sent})
    assert caught.value.code == Code.INVALID_ARGUMENT
    assert caught.value.message.startswith(f"header {name}: expected {words}")


NOW = 1_795_766_400.0
NOW_IN_MILLISECONDS = int(NOW * 1000)
TAKES = (
    "It takes the moment at which the caller stops waiting, in milliseconds since 1970; the command was not executed"
)
PASSED = "ms before the command could start; it was not executed"
CLOCKS = "; unless it waited so long, the clocks of the caller and of the service differ"
WORDS: list[tuple[int, str]] = [
    *((seconds, f"is {seconds}, a moment in January 1970: seconds? {TAKES}")
      for seconds in (int(NOW), int(NOW) - 86_400, int(NOW) + 86_400)),
    *((duration, f"is {duration}, a moment in January 1970: a duration? {TAKES}") for duration in (0, 30_000)),
    *((NOW_IN_MILLISECONDS - late, f"passed {late} {PASSED}{CLOCKS}") for late in (0, 1000)),
    (NOW_IN_MILLISECONDS - 3_600_000, f"passed 3600000 {PASSED}"),
    (-1, f"passed {NOW_IN_MILLISECONDS + 1} {PASSED}"),
]  # fmt: skip


@for_each(WORDS)
def test_every_past_deadline_is_refused_in_words_of_its_own(milliseconds: int, words: str) -> None:
    with pytest.raises(CommandError) as raised:
        refuse_past(milliseconds / 1000, NOW)
    error = raised.value
    assert error.message == f"the header deadline {words}"
    told = (error.code, error.outcome, error.retryable, error.details)
    assert told == (Code.DEADLINE_EXCEEDED, Outcome.NOT_EXECUTED, False, {"field": "deadline"})


def test_what_is_to_come_is_not_refused_in_whatever_unit() -> None:
    for deadline in (None, NOW + 0.001, NOW * 1000, NOW * 1_000_000):
        refuse_past(deadline, NOW)
