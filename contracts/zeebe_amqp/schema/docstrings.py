"""The docstrings of commands, their parts and results, for callers, who know the names on the wire and no Python.

A docstring says what a thing is. Then come its sections: `Args:` (of a result `Attributes:`) with the meaning of each
field, and of a command `Errors:` with the codes that only its operation has, and when. They are the one source of these
facts: editors show them as they are, and pages, schemas and help are made from them. They are read when somebody asks.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from inspect import cleandoc
from types import MappingProxyType
from typing import Final

import msgspec

__all__ = ["about", "camel", "errors", "meanings", "summary", "words"]


_FIELDS: Final = ("Args:", "Attributes:")
_ERRORS: Final = "Errors:"
_TITLES: Final = (*_FIELDS, _ERRORS)
_CONTINUED: Final = " " * 8


def words(text: str) -> str:
    """A text of a docstring as one line: names in their spelling on the wire, and "absent" for None."""
    line = " ".join(text.split())
    return re.sub(r"`(\w+)`", lambda match: f"`{camel(match[1])}`", line).replace("None", "absent")


def camel(name: str) -> str:
    """A name of the code in its spelling on the wire."""
    head, *tail = name.split("_")
    return head + "".join(part.capitalize() for part in tail)


def about(kind: type) -> str:
    """What a type is: the text of its docstring before the sections, as one line."""
    return " ".join(" ".join(_sections(kind)[""]).split())


def summary(kind: type) -> str:
    """The same in one sentence: the first line."""
    return next(iter(_sections(kind)[""]), "")


@cache
def meanings(kind: type[msgspec.Struct]) -> Mapping[str, str]:
    """The meaning of each field of a struct, by its name in Python; an inherited field may have it where it is from.

    It is "" where there is none: Python may run without docstrings.
    """
    found = dict.fromkeys(kind.__struct_fields__, "")
    for base in reversed(kind.__mro__):
        for title in _FIELDS:
            found |= _entries(base, title)
    return MappingProxyType(found)


@cache
def errors(kind: type) -> Mapping[str, str]:
    """When a command gets which code, by the code; only what its operation has of its own."""
    return MappingProxyType(_entries(kind, _ERRORS))


def _entries(kind: type, title: str) -> dict[str, str]:
    """The entries of a section by their names, each as one line without the period at its end."""
    found: dict[str, str] = {}
    name = ""
    for line in filter(None, _sections(kind).get(title, ())):
        if line.startswith(_CONTINUED):
            found[name] += f" {line.strip()}"
        else:
            name, _, text = line.strip().partition(": ")
            found[name] = text
    return {name: text.removesuffix(".") for name, text in found.items()}


@cache
def _sections(kind: type) -> Mapping[str, list[str]]:
    """The lines of a type's own docstring by the title of their section; those before the first have none."""
    title = ""
    found: dict[str, list[str]] = {title: []}
    for line in cleandoc(kind.__dict__.get("__doc__") or "").splitlines():
        if line in _TITLES:
            title = line
            found[title] = []
        else:
            found[title].append(line)
    return found
