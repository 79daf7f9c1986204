"""What a file to deploy holds: nothing that an engine would take from it is overlooked, whoever wrote it."""

from __future__ import annotations

import base64
import time
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tests.cases import for_each
from tests.untraced import untraced
from zeebe_amqp.commands.contents import MAX_ID, MAX_IDS, named
from zeebe_amqp.commands.target import ANY

BPMN = (
    '<?xml version="1.0" encoding="UTF-8"?><bpmn:definitions xmlns:bpmn="http://www.omg.org/spec/BPMN/20100524/MODEL">'
    '<bpmn:process id="order" isExecutable="true"><bpmn:task id="t"/></bpmn:process></bpmn:definitions>'
)
LAUGHS = (
    '<!DOCTYPE a [<!ENTITY b "ha"><!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;&b;&b;">'
    '<!ENTITY d "&c;&c;&c;&c;&c;&c;&c;&c;&c;&c;">]><a><process id="&d;"/></a>'
)
SECONDS = 10.0
"""What reading a hostile file of some megabytes may take here, with everything else that runs."""


def found(name: str, content: bytes) -> dict[str, tuple[str, ...]]:
    """What is found inside, by kind; the file's own name is no part of it."""
    target = named([(name, content)])
    inside = {"processes": target.processes, "decisions": target.decisions, "resources": target.resources}
    inside["resources"] = tuple(each for each in target.resources if each != name)
    return {kind: ids for kind, ids in inside.items() if ids}


@for_each([
    ("order.bpmn", BPMN, {"processes": ("order",)}),
    ("order.xml", BPMN, {"processes": ("order",)}),
    ("order.BPMN", BPMN, {"processes": ("order",)}),
    ("order.bpmn", f"\ufeff{BPMN}", {"processes": ("order",)}),
    ("order.bpmn", BPMN.replace("bpmn:", "").replace(":bpmn", ""), {"processes": ("order",)}),
    ("order.bpmn", BPMN.replace('"order"', '"&#x6f;rder"'), {"processes": ("order",)}),
    ("order.bpmn", BPMN.replace("</bpmn:definitions>", '<x:process xmlns:x="y" id="b"/></bpmn:definitions>'),
     {"processes": ("order", "b")}),
    ("order.bpmn", '<d><process id="a" xml:id="b"/></d>', {"processes": ("a", "b")}),
    ("risk.dmn", '<definitions id="d"><decision id="risk"/><decision id="fee"/></definitions>',
     {"decisions": ("risk", "fee")}),
    ("a.form", '{"id": "form-1", "components": [{"id": "field"}]}', {"resources": ("form-1",)}),
    ("a.form", '\ufeff{"\\u0069d": "form-1"}', {"resources": ("form-1",)}),
    ("a.rpa", '{"id": "robot"}', {"resources": ("robot",)}),
    ("notes.txt", "if a < b: deploy", {}),
    ("none", BPMN, {"processes": ("order",)}),
    ("notes.txt", f" \n{BPMN.partition('?>')[2]}", {"processes": ("order",)}),
])  # fmt: skip
def test_the_ids_that_the_engine_takes_are_found(name: str, content: str, expected: dict[str, tuple[str, ...]]) -> None:
    assert found(name, content.encode()) == expected


def utf7(text: str) -> bytes:
    return text.replace("UTF-8", "UTF-7").encode("utf-7")


UNCLEAR: list[tuple[str, bytes]] = [
    ("empty", b""),
    ("not XML", b"order"),
    ("cut off", BPMN.encode()[:-4]),
    ("two documents", BPMN.encode() + b"<a/>"),
    ("UTF-16 with a mark", BPMN.replace("UTF-8", "UTF-16").encode("utf-16")),
    ("UTF-16 without a mark", BPMN.replace("UTF-8", "UTF-16").encode("utf-16-le")),
    ("UTF-16 the other way round", BPMN.encode("utf-16-be")),
    ("UTF-32", BPMN.encode("utf-32")),
    ("EBCDIC", BPMN.encode("cp500")),
    ("UTF-7", utf7(BPMN)),
    ("Latin-1", BPMN.replace("UTF-8", "ISO-8859-1").replace("order", "ör").encode("latin-1")),
    ("calls itself Latin-1", BPMN.replace("UTF-8", "ISO-8859-1").encode()),
    ("XML 1.1", BPMN.replace('"1.0"', '"1.1"').encode()),
    ("a NUL", BPMN.replace("order", "or\0der").encode()),
    ("a DTD", f"<!DOCTYPE a>{BPMN.partition('?>')[2]}".encode()),
    ("a billion laughs", LAUGHS.encode()),
    ("an entity of elsewhere", b'<!DOCTYPE a SYSTEM "file:///etc/passwd"><process id="a"/>'),
    ("an undeclared entity", b'<d><process id="&a;"/></d>'),
    ("a process without an id", b"<d><process/></d>"),
    ("an id in white space", b'<d><process id=" order "/></d>'),
    ("an empty id", b'<d><process id=""/></d>'),
    ("a line in an id", b'<d><process id="a&#10;b"/></d>'),
    ("too long an id", b'<d><process id="%s"/></d>' % (b"a" * (MAX_ID + 1))),
    ("base64", base64.b64encode(BPMN.encode())),
]


@for_each([(content,) for _, content in UNCLEAR])
def test_a_file_that_another_reader_may_read_otherwise_may_hold_any_process(content: bytes) -> None:
    assert found("order.bpmn", content) == {"processes": (ANY,)}
    assert found("order.xml", content) == {"processes": (ANY,)}


@for_each([
    ("risk.dmn", b"<a>", ("decisions",)),
    ("risk.DMN", BPMN.encode("utf-16"), ("decisions",)),
    ("none", b"<a>", ("processes", "decisions")),
    ("none", BPMN.encode("utf-16"), ("processes", "decisions")),
    ("none", BPMN.encode("utf-16-be"), ("processes", "decisions")),
    ("none", BPMN.encode("utf-32"), ("processes", "decisions")),
    ("none", BPMN.encode("cp500"), ("processes", "decisions")),
    ("a.form", b"", ("resources",)),
    ("a.form", b"{}", ("resources",)),
    ("a.form", b'{"id": 5}', ("resources",)),
    ("a.form", b'{"id": null}', ("resources",)),
    ("a.form", b'{"id": "a", "id": "b"}', ("resources",)),
    ("a.form", b'{"id": "a"} {"id": "b"}', ("resources",)),
    ("a.form", b'[["id", "a"]]', ("resources",)),
    ("a.form", b'{"id": "\\ud800"}', ("resources",)),
    ("a.form", b'{"id": " a"}', ("resources",)),
    ("a.form", '{"id": "a"}'.encode("utf-16"), ("resources",)),
    ("a.rpa", b'{"id": "a"', ("resources",)),
    ("a.form", b'{"id": ' + b"[" * 200_000, ("resources",)),
])  # fmt: skip
def test_a_file_of_another_kind_that_cannot_be_read_may_hold_any_id_of_its_kind(
    name: str, content: bytes, kinds: tuple[str, ...]
) -> None:
    assert found(name, content) == dict.fromkeys(kinds, (ANY,))


@for_each([
    ("order.bpmn", '<process id="p{}"/>', "processes"),
    ("risk.dmn", '<decision id="p{}"/>', "decisions"),
])  # fmt: skip
def test_of_too_many_ids_any_may_be_meant(name: str, element: str, kind: str) -> None:
    def file(count: int) -> bytes:
        return f"<d>{''.join(element.format(index) for index in range(count))}</d>".encode()

    assert len(found(name, file(MAX_IDS))[kind]) == MAX_IDS
    assert found(name, file(MAX_IDS + 1)) == {kind: (ANY,)}


def test_too_many_files_count_as_any() -> None:
    assert named((f"{index}.txt", b"") for index in range(MAX_IDS + 1)).resources == (ANY,)


@for_each([
    b"<a>" * 1_000_000,
    b"<a>" * 500_000 + b"</a>" * 500_000,
    b"<r>" + b"<a/>" * 1_000_000 + b"</r>",
    b"<a b='" + b"x" * 4_000_000,
    b"<a " + b" ".join(b"b%d='1'" % index for index in range(300_000)) + b"/>",
    b"<r>" + b"&amp;" * 800_000 + b"</r>",
    b"<!--" + b"-" * 4_000_000,
    b"<?a " + b"?" * 4_000_000,
    b"<![CDATA[" * 400_000,
    b'<!DOCTYPE a [' + b'<!ENTITY a "b">' * 200_000,
    LAUGHS.encode() * 10_000,
])  # fmt: skip
def test_no_file_holds_the_reader_up(content: bytes) -> None:
    for name in ("a.bpmn", "a.form", "none"):
        before = time.thread_time()
        with untraced():
            named([(name, content)])
        assert time.thread_time() - before < SECONDS


@given(st.from_regex(r"[A-Za-z_][\w.-]{0,20}", fullmatch=True), st.sampled_from(["utf-8", "utf-16", "utf-32"]))
def test_a_readable_id_is_found_or_counts_as_any(id: str, encoding: str) -> None:
    files: list[tuple[str, str, Any]] = [
        ("a.bpmn", f'<d><process id="{id}"/></d>', "processes"),
        ("a.dmn", f'<d><decision id="{id}"/></d>', "decisions"),
        ("a.form", f'{{"id": "{id}"}}', "resources"),
    ]
    for name, text, kind in files:
        assert found(name, text.encode(encoding))[kind] == ((id,) if encoding == "utf-8" else (ANY,))
