"""Why a command's JSON was refused, in words: which field, what was expected, what was found."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from typing import Final

import msgspec
from msgspec import inspect

from zeebe_amqp.errors import CommandError, invalid, nearest
from zeebe_amqp.schema import bytes_in_json
from zeebe_amqp.schema.fields import Scalar
from zeebe_amqp.schema.formatting import found_in, quoted, truncate, unparsed
from zeebe_amqp.schema.json_members import LIST, OBJECT

__all__ = ["describe", "explain", "type_info"]


_AT: Final = " - at `$"
_STEP: Final = re.compile(r"\.([^.\[\]]+)|\[([0-9]+)\]")
_MISSING: Final = re.compile(r"Object missing required field `(\w+)`")
_EMPTY: Final = re.compile(rb"\[\s*\]")
_UNKNOWN: Final = "Object contains unknown field `"


def explain(problem: msgspec.ValidationError, kind: type, data: bytes, field: str) -> CommandError:
    """The refusal for `problem`, met while decoding `data` as `kind`; `field` is where the data stands.

    The decoder's own words name Python types; a caller is told the contract's instead.
    """
    # The decoder quotes callers, who may write what looks like its own words: an unknown name is looked up in the data.
    if str(problem).startswith(_UNKNOWN):
        name, parent, path, raw = next(_unknown_fields(data.strip(), type_info(kind), field))
        return _mistyped(parent, path, raw) if bytes_in_json.named(raw) else _unknown(name, parent, path)
    text, path = _split(str(problem))
    steps = [name or int(index) for name, index in _STEP.findall(path)]
    expected = _walk(type_info(kind), steps)
    if missing := _MISSING.fullmatch(text):
        return invalid(f"{field}{path}.{missing[1]}", f"missing; expected {describe(_walk(expected, [missing[1]]))}")
    if text.startswith("expected "):  # a field type's own words
        return invalid(field + path, text)
    return _mistyped(expected, field + path, _at(data, steps))


@cache
def type_info(kind: type) -> inspect.Type:
    """What the decoder knows about a type; it is slow to find out."""
    return inspect.type_info(kind)


def describe(kind: inspect.Type) -> str:
    """What a value of this type is called, such as "text" or "a list of objects"."""
    match kind:
        case inspect.Metadata(extra_json_schema={"description": str(words)}):
            return words
        case inspect.Metadata():
            return describe(kind.type)
        case inspect.CustomType():
            assert issubclass(kind.cls, Scalar)  # the only types with a reading of their own
            return kind.cls.description
        case inspect.VarTupleType():
            length = f" of at least {kind.min_length}" if kind.min_length else ""
            return f"a list{length}; each item is {describe(kind.item_type)}"
        case inspect.LiteralType():
            return "one of " + ", ".join(quoted(str(value)) for value in kind.values)
        case inspect.RawType():
            return "a JSON object"
        case inspect.UnionType():  # only "or null", which is as if absent
            return describe(next(each for each in kind.types if not isinstance(each, inspect.NoneType)))
    return _PLAIN.get(type(kind), "another value")


_PLAIN: Final[dict[type[inspect.Type], str]] = {
    inspect.StrType: "text",
    inspect.IntType: "a whole number",
    inspect.BoolType: "true or false",
    inspect.StructType: "an object",
}


def _split(words: str) -> tuple[str, str]:
    """What the decoder says, and its path: names of ours and indexes, which come last, after all that it quotes."""
    text, found, path = words.rpartition(_AT)
    return (text, path.removesuffix("`")) if found else (words, "")


def _unknown_fields(raw: bytes, kind: inspect.Type, path: str) -> Iterator[tuple[str, inspect.StructType, str, bytes]]:
    """The unknown fields in the order of the document: the name, the type that does not know it, its path and JSON."""
    match kind:
        case inspect.StructType() if raw.startswith(b"{"):
            types = {field.encode_name: field.type for field in kind.fields}
            for name, member in OBJECT.decode(raw).items():
                if name not in types:
                    yield name, kind, path, raw
                else:
                    yield from _unknown_fields(bytes(member), types[name], f"{path}.{name}")
        case inspect.VarTupleType() if raw.startswith(b"["):
            for index, item in enumerate(LIST.decode(raw)):
                yield from _unknown_fields(bytes(item), kind.item_type, f"{path}[{index}]")


def _unknown(name: str, parent: inspect.StructType, path: str) -> CommandError:
    known = [field.encode_name for field in parent.fields]
    suggestion = nearest(name, known)
    hint = f"did you mean {quoted(suggestion)}?" if suggestion else f"known are {', '.join(sorted(known))}"
    return invalid(f"{path}.{truncate(name)}", f"unknown field; {hint}", suggestion=suggestion)


def _mistyped(expected: inspect.Type, path: str, found: bytes) -> CommandError:
    advice = bytes_in_json.advice(found) if _is_text(expected) or _is_file(expected) else ""
    advice = advice or (unparsed(found) if _is_nested(expected) else "")
    return invalid(path, f"expected {describe(expected)}, found {_describe_value(found)}{advice}")


def _walk(kind: inspect.Type, steps: list[str | int]) -> inspect.Type:
    """The type at the end of a path."""
    for step in steps:
        if isinstance(step, int):
            assert isinstance(kind, inspect.VarTupleType)  # only lists have indexes
            kind = kind.item_type
        else:
            kind = next(field.type for field in _struct(kind).fields if field.encode_name == step)
    return kind


def _struct(kind: inspect.Type) -> inspect.StructType:
    assert isinstance(kind, inspect.StructType)  # only objects have fields
    return kind


def _is_text(kind: inspect.Type) -> bool:
    return _is_text(kind.type) if isinstance(kind, inspect.Metadata) else isinstance(kind, inspect.StrType)


def _is_file(kind: inspect.Type) -> bool:
    """Whether values of this type are files, each with its text or its base64."""
    return isinstance(kind, inspect.StructType) and {"content", "encoding"} <= {field.name for field in kind.fields}


def _is_nested(kind: inspect.Type) -> bool:
    """Whether values of this type are objects or lists, which some callers send as their own text."""
    match kind:
        case inspect.Metadata():
            return _is_nested(kind.type)
        case inspect.UnionType():
            return any(map(_is_nested, kind.types))
    return isinstance(kind, inspect.StructType | inspect.VarTupleType)


def _at(data: bytes, steps: list[str | int]) -> bytes:
    """What stands at the end of a path; read step by step, since the rest may not be decodable."""
    raw = msgspec.Raw(data.strip())
    for step in steps:
        raw = LIST.decode(raw)[step] if isinstance(step, int) else OBJECT.decode(raw)[step]
    return bytes(raw)


def _describe_value(raw: bytes) -> str:
    return "an empty list" if _EMPTY.fullmatch(raw) else found_in(raw)
