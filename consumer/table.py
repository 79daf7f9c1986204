"""Rows of facts: a table for people, a JSON line per row when piped."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import click
import orjson
from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

from zeebe_amqp.schema.formatting import printable

__all__ = ["show_rows"]

NOTHING: Final = "-"
"""In the cell of what there is not."""


def show_rows(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Print rows under the names of their columns; the first column is never wrapped. No rows, no table."""
    if not sys.stdout.isatty():
        for row in rows:
            click.echo(orjson.dumps(dict(zip(columns, row, strict=True))))
        return
    cells = [[Text(_cell(value)) for value in row] for row in rows]
    if not cells:
        return
    # What has no room goes on in the next line, it is never cut; names are there to be copied.
    table = Table(*(Column(name, overflow="fold", no_wrap=name == columns[0]) for name in columns))
    for row in cells:
        table.add_row(*row)
    Console().print(table)


def _cell(value: Any) -> str:
    """A value as a person reads it, without anything that the terminal would obey."""
    match value:
        case Mapping():
            text = ", ".join(f"{printable(str(name))} {_cell(each)}" for name, each in value.items())
        case list() | tuple():
            text = ", ".join(map(_cell, value))
        case bool():
            text = "yes" if value else "no"
        case _:
            text = "" if value is None else printable(str(value))
    return text or NOTHING
