"""What is inside a file to deploy: the ids that the engine takes from it.

The engine tells the kind of a file by the end of its name, in small letters: `.bpmn` and `.xml` are BPMN, `.dmn`,
`.form` and `.rpa` what they say; what ends otherwise it refuses, or keeps under the file's name from 8.9 on. Here
capitals count as small letters, and XML is looked for behind every other ending, so that nothing passes that a gateway
to come might take.

The engine reads with other readers than this one. So only what all of them read alike is read, plain UTF-8 without
declarations of types and entities; all else may hold `ANY` id.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any, Final
from xml.parsers import expat

from zeebe_amqp.commands.target import ANY, Target

__all__ = ["MAX_ID", "MAX_IDS", "named", "unread"]

MAX_IDS: Final = 1_000
"""Ids in one deployment; of more, any may be among them."""
MAX_ID: Final = 1_000
"""Characters of an id; a longer one may be any."""

_BPMN: Final = (".bpmn", ".xml")
_JSON: Final = (".form", ".rpa")
_ELEMENTS: Final = {"process": "processes", "decision": "decisions"}
"""The elements that are deployed, by their names in any namespace, and their kinds."""
_BEFORE_XML: Final = b" \t\r\n\0\xef\xbb\xbf\xfe\xff"
"""What may stand before the first "<", in UTF-8, UTF-16 and UTF-32."""
_EBCDIC: Final = b"\x4c\x6f\xa7\x94"
"""How XML begins in the encoding of mainframes, which readers guess as well."""
_MARK: Final = b"\xef\xbb\xbf"
_ENCODINGS: Final = frozenset({None, "utf-8", "utf8", "us-ascii", "ascii"})


class _Unclear(Exception):
    """Another reader may find something else in it."""


def named(files: Iterable[tuple[str, bytes]]) -> Target:
    """What is deployed with files, each a name and the bytes. Never raises; takes time in proportion to the bytes."""
    return _target((name, _ids(name.lower(), content)) for name, content in files)


def unread(names: Iterable[str]) -> Target:
    """What may be deployed with files of these names, whatever is in them."""
    return _target((name, _unclear(name.lower())) for name in names)


def _target(files: Iterable[tuple[str, list[tuple[str, str]]]]) -> Target:
    """What names of files, and the kinds and ids inside of each, are together."""
    found: dict[str, dict[str, None]] = {"processes": {}, "decisions": {}, "resources": {}}
    for name, ids in files:
        found["resources"][name] = None
        for kind, id in ids:
            found[kind][id] = None
    return Target(**{kind: _bounded(ids) for kind, ids in found.items()})


def _bounded(ids: dict[str, None]) -> tuple[str, ...]:
    return tuple(ids) if len(ids) <= MAX_IDS and ANY not in ids else (ANY,)


def _ids(name: str, content: bytes) -> list[tuple[str, str]]:
    """The kinds and ids in a file; `name` has no capitals."""
    try:
        if name.endswith(_JSON):
            return [("resources", _json_id(_plain(content)))]
        if _may_be_xml(name, content):
            return list(_xml_ids(_plain(content)))
    except _Unclear:
        return _unclear(name)
    return []


def _unclear(name: str) -> list[tuple[str, str]]:
    """What a file may hold that is not read, or cannot be."""
    return [(kind, ANY) for kind in _kinds(name)]


def _may_be_xml(name: str, content: bytes) -> bool:
    return name.endswith((*_BPMN, ".dmn")) or content.lstrip(_BEFORE_XML).startswith((b"<", _EBCDIC))


def _kinds(name: str) -> tuple[str, ...]:
    if name.endswith(_JSON):
        return ("resources",)
    if name.endswith(_BPMN):
        return ("processes",)
    return ("decisions",) if name.endswith(".dmn") else ("processes", "decisions")


def _plain(content: bytes) -> bytes:
    """The bytes without the byte order mark, if nobody can take them for another encoding than UTF-8."""
    plain = content.removeprefix(_MARK)
    try:
        plain.decode()
    except UnicodeDecodeError:
        raise _Unclear from None
    if b"\0" in plain:
        raise _Unclear
    return plain


def _json_id(content: bytes) -> str:
    try:
        members = json.loads(content, object_pairs_hook=list)
    except (ValueError, RecursionError):
        raise _Unclear from None
    ids = [value for name, value in members if name == "id"] if _is_object(members, content) else []
    # Of two, one reader takes the first and another the last.
    if len(ids) != 1:
        raise _Unclear
    return _checked(ids[0])


def _is_object(members: Any, content: bytes) -> bool:
    return isinstance(members, list) and content.lstrip().startswith(b"{")


def _checked(id: Any) -> str:
    """The id, if it is the same to every reader: some turn numbers into text, or drop white space."""
    if not isinstance(id, str) or not id or len(id) > MAX_ID or not id.isprintable() or id != id.strip():
        raise _Unclear
    return id


def _xml_ids(content: bytes) -> Iterator[tuple[str, str]]:
    found: dict[tuple[str, str], None] = {}

    def start(tag: str, attributes: list[str]) -> None:
        kind = _ELEMENTS.get(tag.rpartition(":")[2])
        if kind is None:
            return
        names = [name.rpartition(":")[2] for name in attributes[::2]]
        ids = [value for name, value in zip(names, attributes[1::2], strict=True) if name == "id"]
        if not ids:
            raise _Unclear
        found.update(dict.fromkeys((kind, _checked(id)) for id in ids))
        if len(found) > MAX_IDS:
            raise _Unclear

    _parse(content, start)
    return iter(found)


def _parse(content: bytes, start: Any) -> None:
    parser = expat.ParserCreate("utf-8")
    parser.ordered_attributes = True
    parser.StartElementHandler = start
    parser.XmlDeclHandler = _check_declaration
    # Types and entities can bring in what stands nowhere in the text, and grow without bounds.
    parser.StartDoctypeDeclHandler = _refuse
    try:
        parser.Parse(content, True)
    except expat.ExpatError:
        raise _Unclear from None


def _check_declaration(version: str, encoding: str | None, _: int) -> None:
    if version != "1.0" or (encoding and encoding.lower()) not in _ENCODINGS:
        raise _Unclear


def _refuse(*_: Any) -> None:
    raise _Unclear
