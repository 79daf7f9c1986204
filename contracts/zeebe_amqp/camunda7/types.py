"""The value types of Camunda 7's REST API: what each accepts, and the plain JSON value that it means.

Texts are read as the engine's parsers do (spaces around them, a sign, leading zeros); where the engine is lenient
to the point of changing a value (30 February, a list as text), it is refused.
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from types import MappingProxyType
from typing import Final, TypeAlias

import msgspec

from zeebe_amqp.errors import invalid
from zeebe_amqp.schema import json_documents as documents
from zeebe_amqp.schema.formatting import found_in

__all__ = ["NULL", "TYPES", "Converted", "Reader", "Unconvertible", "Value", "ValueType"]


NULL: Final = b"null"
"""JSON's null, which is what an absent value is."""
JSON_FORMAT: Final = "application/json"
"""The only serialization of an Object that has a meaning outside of Java."""
JAVA_FORMAT: Final = "application/x-java-serialized-object"
"""The data format of objects that only Java can read."""
MAX_TEXT: Final = 4000
"""UTF-16 units of a text that Camunda 7 can store as a String."""

_WHOLE: Final = re.compile(r"[+-]?[0-9]{1,40}")
_DOUBLE: Final = re.compile(r"[+-]?(?:[0-9]++(?:\.[0-9]*+)?|\.[0-9]++)(?:[eE][+-]?[0-9]++)?")
_JSON_NUMBER: Final = re.compile(r"-?(?:0|[1-9][0-9]*+)(?:\.[0-9]++)?(?:[eE][+-]?[0-9]++)?")
_NOT_FINITE: Final = frozenset({"NaN", "Infinity", "INF", "-Infinity", "-INF"})
_BOOLEANS: Final = {"true": b"true", "True": b"true", "TRUE": b"true"} | {
    "false": b"false", "False": b"false", "FALSE": b"false"
}  # fmt: skip
_DATE: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{3}[+-][0-9]{4}")


class Unconvertible(Exception):
    """The value is not one of its type."""


@dataclass
class Converted:
    """A variable that was read.

    `json` is its plain JSON value. `zeebe` and `camunda7` say why that engine cannot take it, "" when it can.
    """

    json: bytes
    zeebe: str = ""
    camunda7: str = ""
    transient: bool = False


@dataclass(frozen=True)
class Value:
    """A variable as it was sent: the JSON of its value, its `valueInfo`, and where it stands."""

    raw: bytes
    info: Mapping[str, msgspec.Raw]
    field: str

    @cached_property
    def text(self) -> str | None:
        """The value when it is text, else None."""
        return msgspec.json.decode(self.raw, type=str) if self.raw.startswith(b'"') else None

    @property
    def is_number(self) -> bool:
        """Whether the value is a JSON number."""
        return self.raw[:1] in b"-0123456789"

    @property
    def shown(self) -> str:
        """What an error calls the value; contents of lists and objects are never repeated."""
        return found_in(self.raw) if self.text is None else self.text

    def described(self, name: str) -> str | None:
        """A text of `valueInfo`, None when it is absent.

        Raises:
            CommandError: INVALID_ARGUMENT for anything but text.
        """
        raw = bytes(self.info.get(name, NULL))
        if raw == NULL:
            return None
        if not raw.startswith(b'"'):
            raise invalid(f"{self.field}.valueInfo.{name}", f"expected text, found {found_in(raw)}")
        return msgspec.json.decode(raw, type=str)

    def required(self, name: str, example: str) -> str:
        """A text of `valueInfo` that may not be absent or empty.

        Raises:
            CommandError: INVALID_ARGUMENT when it is.
        """
        text = self.described(name)
        if not text:
            raise invalid(f"{self.field}.valueInfo.{name}", f'missing; expected text such as "{example}"')
        return text


Reader: TypeAlias = Callable[[Value], Converted]
"""Reads a value of one type; raises `Unconvertible` when it is none."""


@dataclass(frozen=True)
class ValueType:
    """A type: the Java class that errors name, what it accepts in words, and its reader."""

    java: str
    accepted: str
    read: Reader


def _any(value: Value) -> Converted:
    return _stored(value.raw, value.text)


def _stored(json: bytes, text: str | None) -> Converted:
    if text is not None and len(text.encode("utf-16-le")) > 2 * MAX_TEXT:
        return Converted(json, camunda7=f"text of more than {MAX_TEXT} characters; use the type Json, Xml or Bytes")
    return Converted(json)


def _string(value: Value) -> Converted:
    if value.raw[:1] in b"{[":
        raise Unconvertible
    if value.text is not None or value.raw == NULL:
        return _stored(value.raw, value.text)
    return Converted(b'"' + value.raw + b'"')


def _parser(parse: Callable[[str], Converted], takes: Callable[[Value], bool]) -> Reader:
    """A reader of null, text that `parse` reads (blank = null), and the JSON values that the type `takes`."""

    def read(value: Value) -> Converted:
        if value.raw != NULL and value.text is None and not takes(value):
            raise Unconvertible
        text = value.raw.decode() if value.text is None else value.text.strip(" ")
        return parse(text) if text and value.raw != NULL else Converted(NULL)

    return read


def _whole(bits: int) -> Reader:
    most = 2 ** (bits - 1) - 1

    def parse(text: str) -> Converted:
        if not _WHOLE.fullmatch(text) or not -most - 1 <= int(text) <= most:
            raise Unconvertible
        return Converted(str(int(text)).encode())

    return _parser(parse, lambda value: value.is_number)


def _double(text: str) -> Converted:
    if text not in _NOT_FINITE and not _DOUBLE.fullmatch(text):
        raise Unconvertible
    number = 0.0 if text in _NOT_FINITE else float(text)
    if text in _NOT_FINITE or number in (float("inf"), float("-inf")):
        return Converted(NULL, zeebe=f"{text[:20]} is no JSON number; send a finite one")
    return Converted((text if _JSON_NUMBER.fullmatch(text) else repr(number)).encode())


def _boolean(text: str) -> Converted:
    if text not in _BOOLEANS:
        raise Unconvertible
    return Converted(_BOOLEANS[text])


def _date(text: str) -> Converted:
    try:
        if not _DATE.fullmatch(text):
            raise Unconvertible
        datetime.strptime(text, "%Y-%m-%dT%H:%M:%S.%f%z")
    except ValueError:
        raise Unconvertible from None
    return Converted(msgspec.json.encode(text))


def _null(value: Value) -> Converted:
    if value.raw != NULL:
        raise Unconvertible
    return Converted(NULL)


def _bytes(value: Value) -> Converted:
    if value.raw != NULL:
        _check_base64(value)
    return Converted(value.raw)


def _check_base64(value: Value) -> None:
    try:
        if value.text is None:
            raise Unconvertible
        binascii.a2b_base64(value.text.encode("ascii"), strict_mode=True)
    except (binascii.Error, UnicodeEncodeError):
        raise Unconvertible from None


def _file(value: Value) -> Converted:
    name = value.required("filename", "invoice.pdf")
    _check_base64(value)
    parts = {"filename": name, "mimetype": value.described("mimetype"), "encoding": value.described("encoding")}
    return Converted(msgspec.json.encode(parts | {"content": msgspec.Raw(value.raw)}))


def _serialized(value: Value, kind: str) -> str | None:
    """The text of a serialized value; None for null."""
    if value.text is None and value.raw != NULL:
        text = f"Must provide 'null' or String value for value of SerializableValue type '{kind}'."
        raise invalid(f"{value.field}.value", f"{text} Found {found_in(value.raw)}")
    return value.text


def _json(value: Value) -> Converted:
    return _document(value, _serialized(value, "Json"))


def _document(value: Value, text: str | None) -> Converted:
    """The JSON document inside a text: Camunda 7 would store one that is broken."""
    if text is None:
        return Converted(NULL)
    raw = text.strip(" \t\r\n").encode()
    documents.parse(raw, f"{value.field}.value")
    return Converted(raw)


def _xml(value: Value) -> Converted:
    _serialized(value, "Xml")
    return Converted(value.raw)


def _object(value: Value) -> Converted:
    text = _serialized(value, "Object")
    value.required("objectTypeName", "java.util.ArrayList")
    form = value.required("serializationDataFormat", JSON_FORMAT)
    if form == JAVA_FORMAT:
        field = f"{value.field}.valueInfo.serializationDataFormat"
        raise invalid(field, f"{form} is refused by engines, because it runs code; use {JSON_FORMAT}")
    if form == JSON_FORMAT or text is None:
        return _document(value, text)
    return Converted(NULL, zeebe=f"an Object in the format {form[:80]}; accepted is {JSON_FORMAT}")


def _numbers(bits: int) -> str:
    return f"a whole number of {bits} bits, or text that reads as one"


TYPES: Final[Mapping[str, ValueType]] = MappingProxyType(
    {
        "": ValueType("java.lang.Object", "any JSON value", _any),
        "String": ValueType("java.lang.String", "text, a number, true or false", _string),
        "Integer": ValueType("java.lang.Integer", _numbers(32), _whole(32)),
        "Short": ValueType("java.lang.Short", _numbers(16), _whole(16)),
        "Long": ValueType("java.lang.Long", _numbers(64), _whole(64)),
        "Double": ValueType(
            "java.lang.Double", "a number, or text that reads as one", _parser(_double, lambda value: value.is_number)
        ),
        "Boolean": ValueType(
            "java.lang.Boolean", "true or false", _parser(_boolean, lambda value: value.raw in (b"true", b"false"))
        ),
        "Date": ValueType(
            "java.util.Date", "text such as 2013-01-23T13:42:42.000+0200", _parser(_date, lambda _: False)
        ),
        "Null": ValueType("javax.lang.model.type.NullType", "null", _null),
        "Bytes": ValueType("[B", "padded Base64 text", _bytes),
        "Json": ValueType("java.lang.String", "text that holds JSON", _json),
        "Xml": ValueType("java.lang.String", "text", _xml),
        "Object": ValueType("java.lang.Object", "text in its serializationDataFormat", _object),
        "File": ValueType("java.io.InputStream", "padded Base64 text", _file),
    }
)
"""Every type by its name; "" stands for none."""
