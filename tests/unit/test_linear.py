"""Whatever text a stranger sends, reading it takes time in proportion to its length."""

from __future__ import annotations

import importlib
import json
import logging
import pkgutil
import re
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import pairwise
from types import ModuleType
from typing import Any

import consumer
import zeebe_amqp
from consumer.camunda7 import failures as camunda7
from consumer.config import Zeebe
from consumer.core.message import Message
from consumer.dead_letters.letter import DeadLetter
from consumer.dead_letters.view import pretty, printable, row
from consumer.rabbitmq import reply_policy
from consumer.telemetry import headers, logs
from consumer.zeebe import failures, hints
from consumer.zeebe.protocol import since
from tests.cases import check_all
from tests.unit.consumer.deliveries import FakeDelivery
from tests.unit.contracts.samples import SMALLEST
from tests.unit.contracts.values import info, places
from zeebe_amqp import CommandError, DeployProcess, Topology, envelope
from zeebe_amqp.camunda7.types import TYPES
from zeebe_amqp.cli import output
from zeebe_amqp.client import answers
from zeebe_amqp.commands import COMMANDS
from zeebe_amqp.errors import nearest
from zeebe_amqp.reply import Reply
from zeebe_amqp.schema import durations
from zeebe_amqp.schema import json_documents as documents
from zeebe_amqp.testing import fail
from zeebe_amqp.testing.results import result

SIZES = (500, 8_000, 128_000)
"""Characters; each is 16 times the one before. What is cut somewhere, at 8 KiB for one, is read whole before."""
MOST_GROWTH = 160
"""How much longer 16 times the text may take: 16 if it is linear, 256 if it is quadratic."""
FLOOR = 0.005
"""Seconds of processor time that are too few to say anything."""
SINGLES = (
    " ",
    "\t",
    "\n",
    "1",
    "a",
    "ä",
    '"',
    "'",
    "\\",
    "/",
    "{",
    "[",
    "(",
    "<",
    ",",
    ";",
    "=",
    ".",
    ":",
    "-",
    "%",
    "&",
)
PAIRS = (
    "a ",
    "a=",
    "a=b,",
    "=,",
    ", ",
    ";=",
    "; ",
    "a.",
    "1.",
    "a/",
    "a:",
    "://",
    ":/",
    "1h",
    "[:",
    "%5B",
    '",',
    '\\"',
)
PAIRS += ('":', "[]", "{}", "</", "< ", "- ", "1:", "basic ", "?xml ", "encoding=")


@dataclass
class Reader:
    """Something that reads a stranger's text, with what it wants to see before it reads on."""

    read: Callable[[str], object]
    beginnings: tuple[str, ...] = ("",)


def traced(name: str) -> Callable[[str], object]:
    parent = {} if name == "traceparent" else {"traceparent": f"00-{'1' * 32}-{'1' * 16}-01"}
    return lambda text: headers.read(FakeDelivery(Message(b"{}", headers={**parent, name: text})))


def traced_in_metadata(text: str) -> object:
    body = json.dumps({"operation": "topology", "metadata": dict.fromkeys(("tracestate", "baggage"), text)})
    return headers.read(FakeDelivery(Message(body.encode())))


def gateway(status: str) -> Callable[[str], object]:
    return lambda text: failures.error(failures.Failure.of(status, text), attempts=2, unsure=True)


def camunda7_json(text: str) -> object:
    body = json.dumps({"type": text, "message": text}).encode()
    return camunda7.error(camunda7.Answer(500, "application/json", body, "POST /signal"))


def camunda7_text(text: str) -> object:
    return camunda7.error(camunda7.Answer(500, f"text/plain;{text}", text.encode(), "POST /signal"))


def logged(text: str) -> object:
    record = logging.makeLogRecord({"msg": "%s", "args": (text,), "levelname": "INFO", "name": "x", "extra": text})
    logs.Masked().filter(record)
    return logs.TextLines().format(record), logs.JsonLines().format(record)


def sent(text: str) -> object:
    """A body and properties that are the text."""
    for type in (None, "create-instance", "deploy-process", text):
        for content_type in (None, text):
            with suppress(CommandError):
                envelope.decode(text.encode(), type=type, content_type=content_type, headers={"fileName": "a.bpmn"})
    with suppress(CommandError):
        envelope.decode(b"{}", content_encoding=text)
    for read in (envelope.deadline, envelope.request_id):
        with suppress(CommandError):
            read({"deadline": text, "request-id": text})
    return None


def enveloped(text: str) -> object:
    members: list[dict[str, Any]] = [{text: 1}, {"data": text}, {"metadata": {text: text, "keys": text}}]
    for body in ({"operation": text}, {text: 1}, *({"operation": "topology", **each} for each in members)):
        with suppress(CommandError):
            envelope.decode(json.dumps(body).encode())
    return None


def fields(text: str) -> object:
    """The text where any field of some operations stands, and as the name of one."""
    for operation in ("create-instance", "activate-jobs", "publish-message", "complete-job", "modify-instance"):
        bodies = [data for _, data in places(info(COMMANDS[operation]), lambda _: True, text)]
        bodies += [data for _, data in places(info(COMMANDS[operation]), _is_leaf, text)]
        bodies += [{**SMALLEST[operation], text: 1}, {**SMALLEST[operation], "variables": {text: text}}]
        for data in bodies:
            with suppress(CommandError):
                envelope.decode(json.dumps({"operation": operation, "data": data}).encode())
    return None


def _is_leaf(kind: Any) -> bool:
    return not hasattr(kind, "fields") and not hasattr(kind, "item_type")


def typed(text: str) -> object:
    for name in TYPES:
        described = {"filename": text, "objectTypeName": text, "serializationDataFormat": "application/json"}
        variable = {"value": text, "valueInfo": described} | ({"type": name} if name else {})
        for variables in ({"a": variable}, {text: {"value": 1, "type": text}}):
            body = {"operation": "signal", "data": {"name": "a", "variables": variables}}
            with suppress(CommandError):
                envelope.decode(json.dumps(body).encode())
    return None


def deployed(text: str) -> object:
    files: list[tuple[Any, dict[str, str]]] = [
        (f"{text}?>", {"fileName": "a.bpmn"}),
        (text, {"fileName": text}),
        (text, {"fileName": "a.bpmn", "encoding": "base64"}),
        ({"resources": [{"name": "a.bpmn", "content": text}]}, {}),
        ({"resources": [{"name": "a.bpmn", "content": text, "encoding": "base64"}]}, {}),
    ]
    for data, metadata in files:
        for operation in ("deploy-process", "deploy-resource"):
            with suppress(CommandError):
                body = json.dumps({"operation": operation, "data": data, "metadata": metadata})
                envelope.decode(body.encode())
    return None


def document(text: str) -> object:
    for raw in (text.encode(), json.dumps({"a": text, text: [text]}).encode(), b'{"a":%s}' % text.encode()):
        with suppress(CommandError):
            documents.check(raw, "data", 500)
    return documents.depth(json.dumps(["{" * 600, text]).encode()), documents.encode({text: text, "NaN": 1.5}, "data")


def buried(text: str) -> object:
    texts = dict.fromkeys(
        ("failed-at", "operation", "error-code", "error-message", "original-queue", "request-id"), text
    )
    letters = [DeadLetter(text.encode(), headers=found, properties={"type": text}) for found in ({}, texts)]
    return [(row(letter), pretty(letter.body), letter.failed_at, printable(text)) for letter in letters]


def answered(text: str) -> object:
    for body in (text.encode(), json.dumps({"operation": text, "data": text, "error": {"code": text}}).encode()):
        with suppress(CommandError):
            answers.read(Topology(), body)
        with suppress(ValueError):
            Reply.decode(body)
    return [*output.layout(output.timed({"variables": text, "deadline": text, text[:100]: [text]}))]


def lasting(text: str) -> object:
    with suppress(ValueError):
        durations.milliseconds(text)
    return None


def allowed(text: str) -> object:
    return reply_policy.refusal(text, own_queues=("a",), allow=("*.replies", "a*a*a*a*b", "[!a-z]*?x", "*=*;*b"))


BROKEN = "Unexpected error occurred "
READERS: dict[str, Reader] = {
    "traceparent": Reader(traced("traceparent"), ("", f"cc-{'1' * 32}-{'1' * 16}-01-")),
    "tracestate": Reader(traced("tracestate"), ("", "a=")),
    "baggage": Reader(traced("baggage"), ("", "a=", "a=b;", "a=b")),
    "a trace in the metadata": Reader(traced_in_metadata, ("", "a=")),
    **{f"a gateway's {status}": Reader(gateway(status)) for status in ("UNAVAILABLE", "ABORTED", "UNKNOWN")},
    "a gateway's text of an outage": Reader(gateway("UNAVAILABLE"), ("upstream connect error ", "[", "%5B", "ipv6:")),
    "a gateway's rejection": Reader(gateway("NOT_FOUND"), ("Command '", "Command 'A' rejected with code '")),
    "a gateway's failure": Reader(
        gateway("INTERNAL"),
        ("", f"{BROKEN}between gateway and broker ", f"{BROKEN}during the request processing: Channel "),
    ),
    "a gateway's partition": Reader(failures.partition, ("Expected to execute command on partition ",)),
    "a gateway's version": Reader(since.parse.__wrapped__, ("", "8.")),
    "a hint": Reader(lambda text: hints.hint(text, Zeebe())),
    "a Camunda 7 refusal": Reader(camunda7_json, ("", "Execution '")),
    "a Camunda 7 page": Reader(camunda7_text, ("", "Execution '")),
    "a line of the log": Reader(logged, ("", "://a:", "basic ", "password=")),
    "a reply queue": Reader(allowed, ("", "amq.rabbitmq.reply-to.", "amq.rabbitmq.reply-to.g1hkAAA.")),
    "a body": Reader(sent, ("", "{", '{"operation":', '{"operation":"', '{"operation":"topology","data":')),
    "an envelope": Reader(enveloped),
    "a name to guess": Reader(lambda text: (nearest(text, COMMANDS), nearest("operation", [text] * 100))),
    "a field": Reader(fields),
    "a typed variable": Reader(typed),
    "a file": Reader(deployed, ("", "<?xml ", "<?xml version='1.0' ", "<?xml encoding=")),
    "a document": Reader(document),
    "a duration": Reader(lasting, ("", "PT", "1")),
    "a dead letter": Reader(buried),
    "a reply": Reader(answered),
    "a process in memory": Reader(lambda text: result(DeployProcess(name="a.bpmn", content=text.encode()), lambda: 1),
                                  ("", "<process ", "<process id=")),
    "a failure in memory": Reader(lambda text: fail("NOT_FOUND", text).failed, ("", "Command '")),
}  # fmt: skip

PATTERNS = {
    "consumer.telemetry.headers": {"_PARENT", "_STATE_MEMBER", "_BAGGAGE_MEMBER"},
    "consumer.telemetry.logs": {"_USERINFO", "_CREDENTIAL", "_ASSIGNED", "_DIVIDES"},
    "consumer.rabbitmq.direct": {"_ADDRESS", "_PROCESS"},
    "consumer.zeebe.failures": {"_ADDRESS"},
    "zeebe_amqp.envelope": {"_FIRST_KEY"},
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
    "consumer.config.values": {"_HOST_AND_PORT", "_HOST", "_CERTIFICATE"},
    "consumer.rabbitmq.inspection": {"_LENGTH"},
    "zeebe_amqp.amqp.connection": {"_NO_VHOST", "_VHOST_CLOSED"},
    "zeebe_amqp.cli.values": {"_NUMBER", "_SECONDS"},
}
"""The patterns for what the operator, their broker or the person at the keyboard says, who delay only themselves."""


def modules(*packages: ModuleType) -> Iterator[ModuleType]:
    for package in packages:
        for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if not found.name.endswith("__main__"):
                yield importlib.import_module(found.name)


def test_every_pattern_is_known_to_be_for_a_strangers_text_or_not() -> None:
    found: dict[str, set[str]] = {}
    for module in modules(consumer, zeebe_amqp):
        for name, value in vars(module).items():
            if isinstance(value, re.Pattern):
                found.setdefault(module.__name__, set()).add(name)
    assert found == PATTERNS | OWN


def text_of(beginning: str, unit: str, size: int) -> str:
    return (beginning + unit * (size // len(unit) + 1))[:size] + "\0"


def seconds(read: Callable[[str], object], text: str) -> float:
    started = time.thread_time()
    read(text)
    return time.thread_time() - started


def best(reader: Reader, text: str, times: int) -> float:
    return min(seconds(reader.read, text) for _ in range(times))


def too_slow(reader: Reader, shorter: str, longer: str) -> bool:
    """Whether the longer text takes too long; a doubt is measured again."""
    for times in (1, 5):
        limit = max(FLOOR, MOST_GROWTH * best(reader, shorter, times))
        if best(reader, longer, times) <= limit:
            return False
    return True


def test_sixteen_times_the_text_takes_sixteen_times_as_long_and_not_its_square() -> None:
    def is_linear(name: str, reader: Reader) -> None:
        for beginning in reader.beginnings:
            for unit in (*SINGLES, *PAIRS, *filter(None, reader.beginnings)):
                texts = [text_of(beginning, unit, size) for size in SIZES]
                for shorter, longer in pairwise(texts):
                    assert not too_slow(reader, shorter, longer), (name, beginning, unit, len(longer))

    check_all(READERS.items(), is_linear)


def test_the_measure_knows_a_square_from_a_line() -> None:
    square = Reader(re.compile(r"[ab]*[ab]*c").fullmatch)
    line = Reader(re.compile(r"[ab]*+c").fullmatch)
    texts = [text_of("", "ab", size) for size in SIZES]
    assert too_slow(square, *texts[:2])
    assert not too_slow(line, *texts[:2])
    assert not too_slow(line, *texts[1:])
