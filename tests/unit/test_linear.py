"""Whatever text a stranger sends, reading it takes time in proportion to its length."""

from __future__ import annotations

import json
import logging
import re
import time
import timeit
from collections.abc import Callable
from contextlib import suppress
from itertools import pairwise, product
from typing import Any

from consumer.camunda7 import failures as camunda7
from consumer.config import Zeebe
from consumer.core.foreign_text import redact
from consumer.core.message import Message
from consumer.dead_letters.group import fold
from consumer.dead_letters.letter import DeadLetter
from consumer.dead_letters.view import is_called, letter_lines, pretty, printable, row
from consumer.jobs.signed_id import SignedIds
from consumer.rabbitmq import reply_policy
from consumer.security.policy import parse
from consumer.security.role import MAX_NAME, Patterns
from consumer.telemetry import headers, logs
from consumer.zeebe import failures, hints
from consumer.zeebe.protocol import since
from tests.cases import check_all
from tests.modules import our_modules
from tests.unit.consumer.deliveries import FakeDelivery, delivery
from tests.unit.contracts.samples import SMALLEST
from tests.unit.contracts.values import info, places
from tests.untraced import untraced
from zeebe_amqp import CommandError, DeployProcess, Topology, envelope, trace_variable
from zeebe_amqp.camunda7.types import TYPES
from zeebe_amqp.cli import output
from zeebe_amqp.client import answers
from zeebe_amqp.commands import COMMANDS, CreateInstance, contents
from zeebe_amqp.errors import nearest
from zeebe_amqp.reply import Reply
from zeebe_amqp.schema import durations
from zeebe_amqp.schema import json_documents as documents
from zeebe_amqp.testing import fail
from zeebe_amqp.testing.results import result

SIZES = (125, 2_000, 32_000)
"""Characters; each is 16 times the one before. What is cut somewhere, at 8 KiB for one, is read whole before."""
MAX_GROWTH = 160
"""How much longer 16 times the text may take: 16 if it is linear, 256 if it is quadratic."""
CLEAR = 32
"""How much longer it takes where there is no doubt: one look at the shorter text is then enough."""
SHORTER = 10
"""How often the shorter text is measured where there is one: it takes so little that a busy machine shows."""
FLOOR = 0.005
"""Seconds of processor time that are too few to say anything."""
UNITS = (
    *" \t\n1aä\"'\\/{[(<,;=.:-%&",
    "a ", "a=", "a=b,", "=,", ", ", ";=", "; ", "a.", "1.", "a/", "a:", "://", ":/", "1h", "[:", "%5B", '",', '\\"',
    '":', "[]", "{}", "</", "< ", "- ", "1:", "basic ", "?xml ", "encoding=",
)  # fmt: skip
"""What a text may consist of, again and again."""


def refused(read: Callable[..., object], *arguments: Any, error: Any = CommandError, **more: Any) -> None:
    """Read; that it is refused is no matter."""
    with suppress(error):
        read(*arguments, **more)


def enveloped(*bodies: object) -> None:
    """Read requests."""
    for body in bodies:
        refused(envelope.decode, json.dumps(body).encode())


def traced(name: str) -> Callable[[str], object]:
    parent = {} if name == "traceparent" else {"traceparent": f"00-{'1' * 32}-{'1' * 16}-01"}
    return lambda text: headers.read(FakeDelivery(Message(b"{}", headers={**parent, name: text})))


def gateway(status: str) -> Callable[[str], object]:
    return lambda text: failures.error(failures.Failure.of(status, text), attempts=2, unsure=True)


def camunda7_answered(content_type: str, body: bytes) -> object:
    return camunda7.error(camunda7.Answer(500, content_type, body, "POST /signal"))


def logged(text: str) -> object:
    record = logging.makeLogRecord({"msg": "%s", "args": (text,), "levelname": "INFO", "name": "x", "extra": text})
    logs.Masked().filter(record)
    return logs.TextLines().format(record), logs.JsonLines().format(record)


def sent(text: str) -> None:
    """A body and properties that are the text."""
    files = {"fileName": "a.bpmn"}
    for type, content_type in product((None, "create-instance", "deploy-process", text), (None, text)):
        refused(envelope.decode, text.encode(), type=type, content_type=content_type, headers=files)
    refused(envelope.decode, b"{}", content_encoding=text)
    for read in (envelope.deadline, envelope.request_id):
        refused(read, {"deadline": text, "request-id": text})


def named(text: str) -> None:
    """The text as a name in an envelope, and as a value."""
    members: list[dict[str, Any]] = [{text: 1}, {"data": text}, {"metadata": {text: text, "keys": text}}]
    enveloped({"operation": text}, {text: 1}, *({"operation": "topology", **each} for each in members))


def fields(text: str) -> None:
    """The text where any field of some operations stands, and as the name of one."""
    for operation in ("create-instance", "activate-jobs", "publish-message", "complete-job", "modify-instance"):
        kind, smallest = info(COMMANDS[operation]), SMALLEST[operation]
        bodies = [data for wanted in (lambda _: True, _is_leaf) for _, data in places(kind, wanted, text)]
        bodies += [{**smallest, text: 1}, {**smallest, "variables": {text: text}}]
        enveloped(*({"operation": operation, "data": data} for data in bodies))


def _is_leaf(kind: Any) -> bool:
    return not hasattr(kind, "fields") and not hasattr(kind, "item_type")


def typed(text: str) -> None:
    for name in TYPES:
        described = {"filename": text, "objectTypeName": text, "serializationDataFormat": "application/json"}
        variable = {"value": text, "valueInfo": described} | ({"type": name} if name else {})
        signals = [{"name": "a", "variables": each} for each in ({"a": variable}, {text: {"value": 1, "type": text}})]
        enveloped(*({"operation": "signal", "data": signal} for signal in signals))


def deployed(text: str) -> None:
    files: list[tuple[Any, dict[str, str]]] = [
        (f"{text}?>", {"fileName": "a.bpmn"}),
        (text, {"fileName": text}),
        (text, {"fileName": "a.bpmn", "encoding": "base64"}),
        ({"resources": [{"name": "a.bpmn", "content": text}]}, {}),
        ({"resources": [{"name": "a.bpmn", "content": text, "encoding": "base64"}]}, {}),
    ]
    for operation, (data, metadata) in product(("deploy-process", "deploy-resource"), files):
        enveloped({"operation": operation, "data": data, "metadata": metadata})


def document(text: str) -> object:
    for raw in (text.encode(), json.dumps({"a": text, text: [text]}).encode(), b'{"a":%s}' % text.encode()):
        refused(documents.check, raw, "data", 500)
    return documents.depth(json.dumps(["{" * 600, text]).encode()), documents.encode({text: text, "NaN": 1.5}, "data")


def buried(text: str) -> object:
    names = ("failed-at", "operation", "error-code", "error-message", "original-queue", "request-id")
    letters = [DeadLetter(text.encode(), headers=found, properties={"type": text})
               for found in ({}, dict.fromkeys(names, text))]  # fmt: skip
    read = [(row(letter), pretty(letter.body), letter.failed_at, printable(text)) for letter in letters]
    shown = [(letter_lines(row(letter), 80), is_called(letter, "a…")) for letter in letters]
    return read, shown, fold(text)


def answered(text: str) -> object:
    for body in (text.encode(), json.dumps({"operation": text, "data": text, "error": {"code": text}}).encode()):
        refused(answers.read, Topology(), body)
        refused(Reply.decode, body, error=ValueError)
    return [*output.layout(output.timed({"variables": text, "deadline": text, text[:100]: [text]}))]


RULES = parse(b"version = 1\n[roles.r]\noperations = ['*']\n[users]\nalice = ['r']", "policy.toml")
BROKEN = "Unexpected error occurred "
ALLOWED = ("*.replies", "a*a*a*a*b", "[!a-z]*?x", "*=*;*b")
READERS: dict[str, tuple[Callable[[str], object], *tuple[str, ...]]] = {
    "traceparent": (traced("traceparent"), "", f"cc-{'1' * 32}-{'1' * 16}-01-"),
    "tracestate": (traced("tracestate"), "", "a="),
    "baggage": (traced("baggage"), "", "a=", "a=b;", "a=b"),
    "a trace in the metadata": (
        lambda text: headers.read(delivery("topology", metadata={"tracestate": text, "baggage": text})), "", "a="),
    "a trace in a variable": (
        lambda text: [trace_variable.read(each, "trace") for each in (text, f'{{"trace":{text}}}')],
        "", '{"trace":', '{"traceparent":"', '{"a":'),
    **{f"a gateway's {status}": (gateway(status), "") for status in ("UNAVAILABLE", "ABORTED", "UNKNOWN")},
    "a gateway's text of an outage": (gateway("UNAVAILABLE"), "upstream connect error "),
    "an engine's words": (redact, "", "at a.", "ipv6:", "%5B", "f::", "a.b."),
    "the words of an exception": (lambda text: redact(text, quotes=False), ""),
    "a gateway's rejection": (gateway("NOT_FOUND"), "Command '", "Command 'A' rejected with code '"),
    "a gateway's failure": (
        gateway("INTERNAL"),
        "",
        f"{BROKEN}between gateway and broker ",
        f"{BROKEN}during the request processing: Channel ",
    ),
    "a gateway's partition": (failures.partition, "Expected to execute command on partition "),
    "a gateway's version": (since.parse.__wrapped__, "", "8."),
    "a hint": (lambda text: hints.hint(text, Zeebe()), ""),
    "a Camunda 7 refusal": (
        lambda text: camunda7_answered("application/json", json.dumps({"type": text, "message": text}).encode()),
        "", "Execution '"),
    "a Camunda 7 page": (lambda text: camunda7_answered(f"text/plain;{text}", text.encode()), "", "Execution '"),
    "a line of the log": (logged, "", "://a:", "basic ", "password="),
    "a reply queue": (lambda text: reply_policy.refusal(text, own_queues=("a",), allow=ALLOWED),
                      "", "amq.rabbitmq.reply-to.", "amq.rabbitmq.reply-to.g1hkAAA."),
    "a body": (sent, "", "{", '{"operation":', '{"operation":"', '{"operation":"topology","data":'),
    "an envelope": (named, ""),
    "a name to guess": (lambda text: (nearest(text, COMMANDS), nearest("operation", [text] * 100)), ""),
    "a field": (fields, ""),
    "a typed variable": (typed, ""),
    "a file": (deployed, "", "<?xml ", "<?xml version='1.0' ", "<?xml encoding="),
    "what is inside a file": (
        lambda text: contents.named((name, text.encode()) for name in ("a.bpmn", "a.dmn", "a.form", "a")),
        "", "<", "<a b='", "<process id='", "<a>&", "<!--", "<![CDATA[", "<!DOCTYPE a [", '{"id":"', '{"a":'),
    "a name in a policy": (
        lambda text: [Patterns(ALLOWED).allows(name) for name in (text, text[:MAX_NAME])], ""),
    "a name that a policy refuses": (
        lambda text: [RULES.decide(user, CreateInstance(bpmn_process_id=text)) for user in (text, "alice")], ""),
    "a document": (document, ""),
    "a duration": (lambda text: refused(durations.milliseconds, text, error=ValueError), "", "PT", "1"),
    "a dead letter": (buried, "", "Command '"),
    "the id of a job": (SignedIds([b"k" * 32]).read, "", "1.", "1.2.3.4."),
    "a reply": (answered, ""),
    "a process in memory": (lambda text: result(DeployProcess(name="a.bpmn", content=text.encode()), lambda: 1),
                            "", "<process ", "<process id="),
    "a failure in memory": (lambda text: fail("NOT_FOUND", text).failed, "", "Command '"),
}  # fmt: skip
"""What reads a stranger's text, with what it wants to see before it reads on."""

PATTERNS = {
    "consumer.jobs.signed_id": {"_FORM"},
    "consumer.telemetry.logs": {"_USERINFO", "_CREDENTIAL", "_ASSIGNED", "_DIVIDES"},
    "consumer.rabbitmq.direct": {"_ADDRESS", "_PROCESS"},
    "consumer.zeebe.credentials": {"_TOKEN"},
    "consumer.core.foreign_text": {"_UNQUOTED", "_ANYWHERE"},
    "consumer.dead_letters.group": {"_UUID", "_WORD", "_JOINED"},
    "consumer.dead_letters.view": {"_REJECTION"},
    "zeebe_amqp.envelope": {"_FIRST_KEY"},
    "zeebe_amqp.trace_context": {"_PARENT", "_STATE_MEMBER", "_BAGGAGE_MEMBER"},
    "zeebe_amqp.commands.resources": {"_DECLARATION", "_DECLARED"},
    "zeebe_amqp.camunda7.types": {"_WHOLE", "_DOUBLE", "_JSON_NUMBER", "_DATE"},
    "zeebe_amqp.schema.bytes_in_json": {"_OBJECT", "_NUMBERS"},
    "zeebe_amqp.schema.durations": {"_PART", "_GO", "_ISO"},
    "zeebe_amqp.schema.formatting": {"_POSITION", "_UNPARSED"},
    "zeebe_amqp.schema.json_documents": {"_STRING"},
    "zeebe_amqp.schema.validation_errors": {"_STEP", "_MISSING", "_EMPTY"},
    "zeebe_amqp.testing.results": {"_PROCESS"},
    "zeebe_amqp.testing.steps": {"REJECTION"},
}
"""The patterns that the readers above put to a stranger's text."""
OWN = {
    "consumer.config.certificates": {"_CERTIFICATE"},
    "zeebe_amqp.amqp.address": {"_SECRETS"},
    "consumer.config.values": {"_HOST_AND_PORT", "_HOST"},
    "consumer.doctor.service": {"_SIZE"},
    "consumer.rabbitmq.differences": {"_DIFFERS"},
    "consumer.rabbitmq.inspection": {"_LENGTH"},
    "zeebe_amqp.amqp.connection": {"_NO_VHOST", "_VHOST_CLOSED"},
    "zeebe_amqp.cli.values": {"_NUMBER", "_SECONDS"},
}
"""The patterns for what the operator, their broker or the person at the keyboard says, who delay only themselves."""


def test_every_pattern_is_known_to_be_for_a_strangers_text_or_not() -> None:
    found: dict[str, set[str]] = {}
    for module in our_modules():
        found[module.__name__] = {each for each, value in vars(module).items() if isinstance(value, re.Pattern)}
    assert {name: patterns for name, patterns in found.items() if patterns} == PATTERNS | OWN


def text_of(beginning: str, unit: str, size: int) -> str:
    return (beginning + unit * (size // len(unit) + 1))[:size] + "\0"


def best(read: Callable[[str], object], text: str, times: int) -> float:
    timer = timeit.Timer(lambda: read(text), timer=time.thread_time)
    with untraced():
        return min(timer.repeat(times, 1))


def too_slow(read: Callable[[str], object], shorter: str, longer: str) -> bool:
    """Whether the longer text takes too long; a doubt is measured again."""
    for times in (1, 5):
        long = best(read, longer, times)
        if long <= FLOOR or long <= CLEAR * best(read, shorter, 1) or long <= MAX_GROWTH * best(read, shorter, SHORTER):
            return False
    return True


def test_sixteen_times_the_text_takes_sixteen_times_as_long_and_not_its_square() -> None:
    def is_linear(name: str, read: Callable[[str], object], *beginnings: str) -> None:
        for beginning, unit in product(beginnings, (*UNITS, *filter(None, beginnings))):
            for shorter, longer in pairwise(text_of(beginning, unit, size) for size in SIZES):
                assert not too_slow(read, shorter, longer), (name, beginning, unit, len(longer))

    check_all([(name, *reader) for name, reader in READERS.items()], is_linear)


def test_the_measure_knows_a_square_from_a_line() -> None:
    square, line = re.compile(r"[ab]*[ab]*c").fullmatch, re.compile(r"[ab]*+c").fullmatch
    # In doubt the measure says that nothing is too slow, as while another program has taken the caches.
    assert any(too_slow(square, text_of("", "ab", 1_000), text_of("", "ab", 16_000)) for _ in range(5))
    assert not any(too_slow(line, *pair) for pair in pairwise(text_of("", "ab", size) for size in SIZES))
