"""A command's fields as parameters of the command line, made from its type."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from types import MappingProxyType
from typing import Any, Final

import click
import msgspec
from msgspec import inspect

from zeebe_amqp.cli.values import DOCUMENT, NUMBER, TEXT
from zeebe_amqp.commands import Command
from zeebe_amqp.commands.rules import one_of
from zeebe_amqp.schema import docstrings
from zeebe_amqp.schema.fields import KeyNumber, LenientBoolNumber, Period, ReferenceNumber
from zeebe_amqp.schema.json_members import LIST
from zeebe_amqp.schema.validation_errors import describe, type_info

__all__ = ["RENAMED", "data", "fields", "flag", "main_field", "named", "parameters", "place", "words"]

RENAMED: Final[Mapping[str, str]] = MappingProxyType({"timeout": "job-timeout"})
"""Fields whose own name is taken by an option of the program: `--timeout` is how long to wait for the answer."""
PREFIX: Final = "data_"
"""Of the parameters' internal names, so that no field meets an option of the program."""


DURATION: Final = 'a duration, such as "1h30m", "250ms" or "PT5M"'
_KINDS: Final[Mapping[type, str]] = MappingProxyType({KeyNumber: "KEY", Period: "DURATION"})
"""What stands for the values of types that the program does not read itself."""
_SAID: Final = frozenset({"text", "a JSON object"})
"""What the words TEXT and JSON beside an option say already."""


@cache
def fields(kind: type[Command]) -> tuple[inspect.Field, ...]:
    """The fields of a command's data."""
    info = type_info(kind)
    assert isinstance(info, inspect.StructType)
    return info.fields


def main_field(kind: type[Command]) -> str | None:
    """The field that needs no option: the first of a choice, else the first that is required."""
    choice = [wire_name for _, wire_name in one_of(kind)]
    return next(iter([*choice, *(field.encode_name for field in fields(kind) if field.required)]), None)


def flag(wire_name: str) -> str:
    """The option of a field: `--time-to-live` for timeToLive."""
    name = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "-", wire_name).lower()
    return f"--{RENAMED.get(name, name)}"


def parameters(kind: type[Command]) -> list[click.Parameter]:
    """An argument for the main field, an option for every other one."""
    main = main_field(kind)
    choice = [wire_name for _, wire_name in one_of(kind)]
    meanings = docstrings.meanings(kind)
    return [
        _argument(field, words(kind, meanings[field.name]), optional=field.encode_name in choice)
        if field.encode_name == main
        else _option(
            field,
            words(kind, meanings[field.name]),
            [name for name in choice if name != field.encode_name] if field.encode_name in choice else [],
        )
        for field in fields(kind)
    ]


def data(kind: type[Command], given: Mapping[str, Any]) -> bytes:
    """The command's data as JSON, from the values of its parameters; what was not given is left out."""
    members = {
        field.encode_name: _splice(value) if _is_objects(field.type) else value
        for field in fields(kind)
        if (value := given[PREFIX + field.name]) not in (None, ())
    }
    return msgspec.json.encode(members)


def named(kind: type[Command], name: str) -> str | None:
    """What a field (its name in Python) is called on the command line; None when there is none."""
    found = next((field.encode_name for field in fields(kind) if field.name == name), None)
    return found and (_metavar(found) if found == main_field(kind) else flag(found))


def words(kind: type[Command], text: str) -> str:
    """A text of a command's docstring in the words of the command line: `--time-to-live` for `time_to_live`."""
    return re.sub(r"`(\w+)`", lambda match: named(kind, match[1]) or match[0], text).replace("None", "absent")


def place(path: str, kind: type[Command]) -> str:
    """What a refused field, a path such as `data.timeToLive`, is called on the command line."""
    name, rest = re.fullmatch(r"(?:data\.)?([^.\[]*)(.*)", path, re.DOTALL).groups()  # type: ignore[union-attr]
    known = {field.encode_name for field in fields(kind)}
    if name not in known:
        return path
    return (_metavar(name) if name == main_field(kind) else flag(name)) + rest


def _argument(field: inspect.Field, meaning: str, *, optional: bool) -> click.Argument:
    return click.Argument(
        [PREFIX + field.name],
        type=_type(field.type),
        required=not optional,
        metavar=_metavar(field.encode_name),
        help=_help(meaning, _limits(field, [])),
    )


def _option(field: inspect.Field, meaning: str, instead_of: list[str]) -> click.Option:
    kind = _bare(field.type)
    name = flag(field.encode_name)
    names = f"{name}/--no-{name[2:]}" if _is_bool(kind) else name
    return click.Option(
        [names, PREFIX + field.name],
        type=None if _is_bool(kind) else _type(field.type),
        metavar=_KINDS.get(kind.cls) if isinstance(kind, inspect.CustomType) else None,
        default=None,
        multiple=isinstance(kind, inspect.VarTupleType),
        required=field.required,
        help=_help(meaning, _limits(field, instead_of)),
    )


def _help(meaning: str, limits: Iterable[str]) -> str:
    """What a field means, then in brackets what its value may be."""
    what = "; ".join(limits)
    return f"{meaning} [{what}]" if what else meaning


def _limits(field: inspect.Field, instead_of: list[str]) -> Iterator[str]:
    kind = _bare(field.type)
    if isinstance(kind, inspect.VarTupleType):
        yield f"{_describe(kind.item_type)}; may be given several times"
    elif not _is_bool(kind) and _describe(field.type) not in _SAID:
        yield _describe(field.type)
    inner = kind.item_type if isinstance(kind, inspect.VarTupleType) else kind
    if isinstance(inner, inspect.StructType):
        yield f"with {', '.join(each.encode_name for each in inner.fields)}"
    if instead_of:
        yield "instead of " + ", ".join(map(_metavar, instead_of))
    if field.default not in (None, "", (), msgspec.NODEFAULT):
        yield f"default {msgspec.json.encode(field.default).decode()}"


def _describe(kind: inspect.Type) -> str:
    """What a value is, in words; numbers of nanoseconds are not for people."""
    if isinstance(kind, inspect.UnionType):
        kind = _bare(kind)
    return DURATION if isinstance(kind, inspect.CustomType) and kind.cls is Period else describe(kind)


def _type(kind: inspect.Type) -> click.ParamType[Any]:
    match _bare(kind):
        case inspect.VarTupleType() as many:
            return _type(many.item_type)
        case inspect.LiteralType() as literal:
            return click.Choice([str(value) for value in literal.values])
        case inspect.RawType() | inspect.StructType():
            return DOCUMENT
        case inspect.IntType():
            return NUMBER
        case inspect.CustomType(cls=cls) if cls is ReferenceNumber:
            return NUMBER
    # Keys and durations are text on the wire, too, and their own types say what is wrong with them.
    return TEXT


def _bare(kind: inspect.Type) -> inspect.Type:
    """The type without what is said about it, and without "or null"."""
    match kind:
        case inspect.Metadata():
            return _bare(kind.type)
        case inspect.UnionType():
            return _bare(next(each for each in kind.types if not isinstance(each, inspect.NoneType)))
    return kind


def _is_bool(kind: inspect.Type) -> bool:
    return isinstance(kind, inspect.BoolType) or (
        isinstance(kind, inspect.CustomType) and kind.cls is LenientBoolNumber
    )


def _is_objects(kind: inspect.Type) -> bool:
    bare = _bare(kind)
    return isinstance(bare, inspect.VarTupleType) and isinstance(_bare(bare.item_type), inspect.StructType)


def _splice(documents: tuple[msgspec.Raw, ...]) -> list[msgspec.Raw]:
    """Objects and lists of objects as one list."""
    return [item for each in documents for item in (LIST.decode(each) if bytes(each)[:1] == b"[" else [each])]


def _metavar(wire_name: str) -> str:
    return flag(wire_name)[2:].replace("-", "_").upper()
