"""The overview of all operations, and what their pages have in common."""

from __future__ import annotations

import sys
from collections.abc import Iterator

from zeebe_amqp.commands import COMMANDS, Command
from zeebe_amqp.schema import docstrings

INTRODUCTION = """
Name an operation in the envelope's `operation`, and put its fields into `data`. Each page below shows a request and its
answer, then every field, the errors, and whether you may repeat the command. The service refuses an unknown field, and
suggests the nearest known name.
"""

VALUES = """
## Values

- A **key** is a JSON integer above 0, or its decimal text. The engine gives keys out. They stay exact both ways.
- A **duration** is text such as `"1h30m"`, `"250ms"` or `"PT5M"`, or an integer of nanoseconds. 0 is as if absent.
- **Variables** are a JSON object. The engine gets it byte for byte. In replies they are a JSON document as text.
- **Since** is the version of the gateway that brought a field. An older one would drop it silently, so the service
  refuses it by name. In a reply of an older gateway the field is null. All gateways know a field without a version.
- **Idempotent** says whether running a command twice is harmless, so that the service may try it again when its outcome
  is unknown.
- Long texts of examples are cut with "…".
"""


def page() -> str:
    """The page's text."""
    return "\n".join([INTRODUCTION.strip() + "\n", *_groups(), VALUES.strip()])


def _groups() -> Iterator[str]:
    """A table for each module of commands, headed by its docstring."""
    modules: dict[str, list[type[Command]]] = {}
    for command in COMMANDS.values():
        modules.setdefault(command.__module__, []).append(command)
    for module, commands in modules.items():
        yield f"## {(sys.modules[module].__doc__ or '').strip().removesuffix('.')}\n"
        yield from ("| operation | what you can do with it |", "| --- | --- |")
        for each in commands:
            purpose = docstrings.words(docstrings.summary(each)).removesuffix(".")
            yield f"| [`{each.operation}`](operations/{each.operation}.md) | {purpose} |"
        yield ""
