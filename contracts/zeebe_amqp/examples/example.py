"""What an example is: a request, and the reply's data as an engine gives it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import resources
from typing import Any

__all__ = ["Example", "Kept", "file_text", "filled", "kept"]


@dataclass(frozen=True)
class Kept:
    """A value of an earlier reply, by the name under which it was kept; `like` is what it may look like."""

    name: str
    like: int


@dataclass(frozen=True)
class Example:
    """A request and the data of its reply.

    `data` and `reply` are plain JSON values, with a `Kept` where a value comes from an earlier reply. `keeps` says
    what later examples need of the reply: names, each with its path such as "0.key".
    """

    operation: str
    data: Any
    reply: Any = None
    title: str = ""
    metadata: Mapping[str, str] = field(default_factory=dict)
    keeps: Mapping[str, str] = field(default_factory=dict)


def file_text(name: str) -> str:
    """The text of a file beside the examples, such as "parcel.bpmn"."""
    return resources.files(__package__).joinpath(name).read_text("utf-8")


def filled(value: Any, values: Mapping[str, Any] | None = None) -> Any:
    """Plain JSON: what was kept is replaced by `values`, or without them by what it may look like.

    Raises:
        KeyError: an example needs a value that nobody kept.
    """
    match value:
        case Kept():
            return value.like if values is None else values[value.name]
        case dict():
            return {name: filled(each, values) for name, each in value.items()}
        case list():
            return [filled(each, values) for each in value]
    return value


def kept(example: Example, reply: Any) -> dict[str, Any]:
    """What later examples need of this one's reply data, by name."""
    return {name: _at(reply, path) for name, path in example.keeps.items()}


def _at(value: Any, path: str) -> Any:
    for step in path.split("."):
        value = value[int(step)] if isinstance(value, list) else value[step]
    return value
