"""Texts inside of commands: values of fields, durations, and the files that are deployed."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from fractions import Fraction
from typing import Any

from tests.fuzz.inputs import joined, number, parts, text
from tests.fuzz.target import Target
from tests.fuzz.targets.envelope import check_refusal, check_request
from tests.unit.contracts.samples import SMALLEST
from tests.unit.contracts.values import info, places
from zeebe_amqp import envelope
from zeebe_amqp.commands import COMMANDS
from zeebe_amqp.commands.contents import MAX_ID, MAX_IDS, named
from zeebe_amqp.commands.target import ANY
from zeebe_amqp.errors import CommandError
from zeebe_amqp.schema import durations

__all__ = ["CONTENTS", "DURATION", "FIELD"]

HOLE = "@@@"
"""Where the value of a field stands."""


def holes() -> Iterator[tuple[bytes, bytes]]:
    """Every field of every operation: what stands before its value in an envelope, and behind it."""
    for operation in SMALLEST:
        if operation == "signal":
            for field in ("name", "executionId", "variables", "tenantId", "withoutTenantId"):
                yield split(operation, {"name": "s", field: HOLE})
            for field in ("value", "type", "valueInfo"):
                for kind in ("Integer", "Double", "Date", "File", "Object", "Json", "Bytes", "String", ""):
                    yield split(operation, {"name": "s", "variables": {"a": {"value": 1, "type": kind, field: HOLE}}})
            continue
        for _, data in places(info(COMMANDS[operation]), lambda kind: True, HOLE):
            yield split(operation, data)
        for _, data in places(
            info(COMMANDS[operation]), lambda kind: not hasattr(kind, "fields") and not hasattr(kind, "item_type"), HOLE
        ):
            yield split(operation, data)


def split(operation: str, data: Any) -> tuple[bytes, bytes]:
    """The JSON around the value."""
    before, _, behind = json.dumps({"operation": operation, "data": data}).partition(json.dumps(HOLE))
    return before.encode(), behind.encode()


HOLES = tuple(holes())


def read_field(data: bytes) -> None:
    """Which field of which operation, as a number, and the JSON of its value."""
    which, value = parts(data, 2)
    before, behind = HOLES[number(which) % len(HOLES)]
    try:
        request = envelope.decode(before + value + behind)
    except CommandError as refusal:
        check_refusal(refusal)
    else:
        check_request(request)


def read_duration(data: bytes) -> None:
    """A duration as text."""
    told = text(data)
    try:
        found = durations.milliseconds(told)
    except ValueError as error:
        assert len(str(error)) < 500
        return
    assert len(told) <= 100
    assert 0 <= found <= 2**63 // 10**6 + 1
    assert told.removeprefix("+") == "0" or abs(found - exact(told)) < 1, (told, found, exact(told))


def exact(told: str) -> Fraction:
    """The milliseconds of a duration, read with less care."""
    total, digits = Fraction(0), ""
    plain = told.removeprefix("+")
    iso = plain[:1] in "pP"
    units = ISO if iso else GO
    rest = plain[1:].lower().replace("t", "") if iso else plain
    while rest:
        digits = rest[: len(rest) - len(rest.lstrip("0123456789."))]
        rest = rest[len(digits) :]
        unit = next(
            each for each in units if rest.startswith(each) and not (each == "m" and rest.startswith("ms") and not iso)
        )
        total += Fraction(digits if digits[0] != "." else f"0{digits}") * units[unit]
        rest = rest[len(unit) :]
    return total


MICRO = Fraction(1, 1000)
GO = {"ns": MICRO / 1000, "us": MICRO, "µs": MICRO, "μs": MICRO, "ms": Fraction(1), "s": Fraction(1000),
      "m": Fraction(60_000), "h": Fraction(3_600_000)}  # fmt: skip
ISO = {
    "w": Fraction(7 * 86_400_000),
    "d": Fraction(86_400_000),
    "h": Fraction(3_600_000),
    "m": Fraction(60_000),
    "s": Fraction(1000),
}


def read_contents(data: bytes) -> None:
    """The name and the bytes of a file to deploy."""
    name, content = parts(data, 2)
    found = named([(text(name), content)])
    assert found.resources
    for names in (found.processes, found.decisions, found.resources):
        assert len(names) <= MAX_IDS
    for each in (*found.processes, *found.decisions):
        assert each == ANY or (0 < len(each) <= MAX_ID and each.isprintable() and each == each.strip())
        # Nothing is said to be in a file that does not stand there.
        assert each == ANY or each.encode() in content or b"&" in content, each
    if (
        text(name).lower().endswith((".bpmn", ".xml"))
        and b"process" in content
        and not found.processes
        and len(content) < 4096
    ):
        assert not naive(content), content


def naive(content: bytes) -> bool:
    """Whether another reader of XML may see a process in it."""
    plain = re.sub(rb"<!--.*?-->|<!\[CDATA\[.*?\]\]>|<\?.*?\?>|\"[^\"]*\"|'[^']*'", b"", content, flags=re.DOTALL)
    return bool(re.search(rb"<(?:[\w.-]+:)?process[\s/>]", plain))


def field_seeds() -> Iterator[bytes]:
    """Values of every kind in every place."""
    for place in range(len(HOLES)):
        yield joined(place.to_bytes(2, "big"), VALUES[place % len(VALUES)])


VALUES = (
    b"1", b'"1"', b"true", b"null", b'"text"', b"{}", b"[]", b'{"a":1}', b'["a"]', b'"PT5M"', b"2251799813685250",
    b"-1", b"1.5", b"[{}]",
    b'"2013-01-23T13:42:42.000+0200"', b'"eA=="',
)  # fmt: skip
JSON = (
    *VALUES, b"1e400", b"-0", b"1E5", b"1.0", b"9" * 400, b'"' + b"9" * 19 + b'"', b'"\\ud800"', b'"\\u0000"',
    b'"\xed\xa0\x80"', b'"\xff"',
    b"[" * 600, b'{"a":' * 300, b'"a":1,"a":"b"', b"\xef\xbb\xbf", b" ", b"NaN", b'"NaN"', b"Infinity", b'"5m"',
    b'"1h30m"', b"\xc2\xb5s",
    b'"\xd9\xa1"', b"18446744073709551616", b"2147483648", b"-2147483649", b'{"type":"Buffer","data":[1]}', b'"[1]"',
    b'"{}"',
    b'"application/json"', b'{"objectTypeName":"a","serializationDataFormat":"application/json"}',
    b'{"filename":"a"}', b'"+1"', b'" 1 "',
)  # fmt: skip


def duration_seeds() -> Iterator[bytes]:
    """Both syntaxes."""
    yield from (
        b"1h30m",
        b"250ms",
        b"PT5M",
        b"P1W2DT3H4M5.5S",
        b".5s",
        b"1.h",
        b"+0",
        b"0",
        "1µs".encode(),
        "1μs".encode(),
        b"p1dt1s",
        b"1ns",
    )


def contents_seeds() -> Iterator[bytes]:
    """A file of every kind, and XML of every kind."""
    for name in ("a.bpmn", "a.xml", "a.dmn", "a.txt"):
        for content in (
            '<d xmlns:b="u"><b:process id="p"/><decision id="d"/></d>',
            '<?xml version="1.0" encoding="utf-8"?><process id="p">a</process>',
            '<!DOCTYPE a [<!ENTITY b "c">]><process id="&b;"/>',
            '<a><!-- <process id="x"/> --><![CDATA[<process id="y"/>]]></a>',
        ):  # fmt: skip
            yield joined(name, content)
            yield joined(name, content.encode("utf-16"))
    for name in ("a.form", "a.rpa"):
        yield joined(name, '{"id":"f","components":[{"id":"x"}]}')


XML = (
    b'<process id="p"/>', b"<?xml version='1.0' encoding='utf-16'?>", b"<!DOCTYPE a>", b"<!ENTITY", b"<![CDATA[",
    b"]]>", b"<!--", b"-->",
    b"&#0;", b"&#x10ffff;", b"&amp;", b"xmlns:b='u'", b"b:id='q'", b"id=", b"\xef\xbb\xbf", b"\xff\xfe", b"\0",
    b"<a>" * 300, b"\x4c\x6f\xa7\x94",
    b"\n=\n", b".bpmn", b".form", b'{"id":"a"}', b'"id":', b"\\u0069d", b"[", b"process", b"decision",
    b"<\xc3\xa4:process ",
)  # fmt: skip

FIELD = Target("field", read_field, field_seeds, JSON, share=3)
DURATION = Target(
    "duration",
    read_duration,
    duration_seeds,
    (b"h", b"ms", b"PT", b"P1D", b".", "µs".encode(), b"9" * 30, b"+", b"w"),
    share=1,
)
CONTENTS = Target("contents", read_contents, contents_seeds, XML, share=2)
