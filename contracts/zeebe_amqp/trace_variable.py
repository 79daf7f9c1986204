"""The variable that carries a trace context into a process, and from there to the jobs of the process."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any, Final

import msgspec

from zeebe_amqp import wire
from zeebe_amqp.commands import COMMANDS, Command
from zeebe_amqp.errors import invalid
from zeebe_amqp.schema import json_documents as documents
from zeebe_amqp.schema.fields import Variables, text
from zeebe_amqp.schema.formatting import quoted
from zeebe_amqp.trace_context import well_formed

__all__ = [
    "ACCEPTED",
    "DEFAULT",
    "DEPTH",
    "MAX_ADDED",
    "PATTERN",
    "check",
    "insert",
    "is_name",
    "is_used",
    "read",
    "with_name",
]

DEFAULT: Final = "trace"
"""Where the trace context of a job is looked for, unless a setting names another variable."""
DEPTH: Final = 2
"""Levels that a document has with the variable, at least."""
MAX_NAME: Final = 100
"""Characters of a name."""
MAX_ADDED: Final = 2048
"""Bytes that a document grows by, at most."""
ACCEPTED: Final = (
    f"the name of a variable, such as {DEFAULT}: a letter, then letters, digits and _, at most {MAX_NAME} characters"
)
"""What a name must be, for errors."""
PATTERN: Final = f"[A-Za-z_][A-Za-z0-9_]{{0,{MAX_NAME - 1}}}"
"""The same as a pattern, for schemas."""

_ESCAPE: Final = b"\\u"


def is_name(name: str) -> bool:
    """Whether a variable may be called so."""
    return name.isascii() and name.isidentifier() and len(name) <= MAX_NAME


def check(command: Command, name: str, field: str, max_depth: int = wire.MAX_DEPTH) -> None:
    """Refuse a command that cannot carry a trace context in a variable of this name; `field` is where that was asked.

    Raises:
        CommandError: INVALID_ARGUMENT.
    """
    if not command.carries_trace:
        operations = ", ".join(kind.operation for kind in COMMANDS.values() if kind.carries_trace)
        raise invalid(field, f"not allowed with {command.operation}; accepted with {operations}")
    if not is_name(name):
        raise invalid(field, f"expected {ACCEPTED}, found {quoted(name)}")
    if max_depth < DEPTH:
        raise documents.too_deep(field, max_depth)
    if is_used(command, name):
        raise invalid(field, f"the variables have {quoted(name)} already; use another name, or leave that variable out")


def is_used(command: Command, name: str) -> bool:
    """Whether a command that carries a trace has a variable of this name; its variables must be JSON that is valid."""
    document = _document(command.variables)  # type: ignore[attr-defined]
    # A name is plain text: nothing but \u can spell it otherwise.
    if _quoted(name) not in document and _ESCAPE not in document:
        return False
    return name in documents.parse(document, "variables")


def insert(command: Command, name: str, context: Mapping[str, str]) -> Command:
    """The command with a trace context as the last one of its variables; all other bytes of them stay as they are.

    Args:
        command: of a request that was read, so that its variables are JSON as sent.
        name: one that its variables do not use.
        context: `traceparent`, and `tracestate` where there is one.
    """
    value = msgspec.json.encode(
        {each: context[each] for each in (wire.TRACEPARENT, wire.TRACESTATE) if each in context}
    )
    document = _document(command.variables)  # type: ignore[attr-defined]
    end = document.rindex(b"}")
    start = document[:end]
    comma = b"" if start.rstrip().endswith(b"{") else b","
    carrying = b"".join((start, comma, _quoted(name), b":", value, document[end:]))
    return msgspec.structs.replace(command, variables=msgspec.Raw(carrying))


def read(variables: str, name: str) -> dict[str, str]:
    """The `traceparent` and `tracestate` that a job's variables carry; empty where they carry none.

    Anything may stand in a variable of that name: what is no trace context is as if absent. Never raises.

    Args:
        variables: JSON as the engine gave it, of any length: of its members only this one is made an object.
        name: of the variable.
    """
    if f'"{name}"' not in variables:
        return {}
    try:
        found = _CONTEXT.decode(_reader(name).decode(variables).value)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return {}
    return well_formed({wire.TRACEPARENT: found.traceparent, wire.TRACESTATE: found.tracestate})


def with_name(names: Iterable[str], name: str) -> tuple[str, ...]:
    """The variables to fetch for jobs whose trace is wanted; none, which means all, stay none."""
    fetched = tuple(names)
    return (*fetched, name) if fetched and name not in fetched else fetched


def _document(variables: Variables | None) -> bytes:
    """The variables as JSON, an object also where there are none."""
    document = bytes(variables) if isinstance(variables, msgspec.Raw) else text(variables).encode()
    return b"{}" if document in (b"", b"null") else document


def _quoted(name: str) -> bytes:
    return b'"%s"' % name.encode()


class _Context(msgspec.Struct):
    traceparent: Any = None
    tracestate: Any = None


_CONTEXT: Final = msgspec.json.Decoder(_Context)


@lru_cache(maxsize=8)
def _reader(name: str) -> msgspec.json.Decoder[Any]:
    """Reads one member of an object as it stands, and passes over all others."""
    field = ("value", msgspec.Raw, msgspec.field(name=name, default=msgspec.Raw(b"null")))
    return msgspec.json.Decoder(msgspec.defstruct("Variables", [field]))
