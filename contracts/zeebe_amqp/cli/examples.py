"""Command lines that mean the same as the examples of the contract."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

import orjson

from zeebe_amqp import wire
from zeebe_amqp.cli.options import flag, main_field
from zeebe_amqp.commands import COMMANDS
from zeebe_amqp.examples import EXAMPLES, Example, filled

__all__ = ["PROGRAM", "Line", "arguments", "lines"]

PROGRAM: Final = "zeebe-amqp"
"""The name of the command line."""


class Line(NamedTuple):
    """A command line, and what it does."""

    title: str
    text: str


def lines(operation: str, name: str) -> tuple[Line, ...]:
    """The examples of an operation, as calls of the command `name`."""
    return tuple(
        Line(each.title, shlex.join([PROGRAM, name, *arguments(each)]))
        for each in EXAMPLES
        if each.operation == operation and each.title
    )


def arguments(example: Example) -> list[str]:
    """What stands after the command's name; files are named, not contained."""
    data = filled(example.data)
    if isinstance(data, str):
        return [example.metadata[wire.FILE_NAME]]
    if "resources" in data:
        return [each["name"] for each in data["resources"]]
    main = main_field(COMMANDS[example.operation])
    first = [str(data[main])] if main in data else []
    return [*first, *(word for name, value in data.items() if name != main for word in _words(flag(name), value))]


def _words(option: str, value: Any) -> Iterator[str]:
    match value:
        case bool():
            yield option if value else f"--no-{option[2:]}"
        case list():
            for each in value:
                yield from _words(option, each)
        case dict():
            yield from (option, orjson.dumps(value).decode())
        case _:
            yield from (option, str(value))
