"""Rows of facts: a table for people, a JSON line per row when piped."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import click
import orjson

from zeebe_amqp.schema.formatting import printable

if TYPE_CHECKING:
    from rich.table import Table

__all__ = ["fits", "show_rows"]

NOTHING: Final = "-"
"""In the cell of what there is not."""
WIDE: Final = 10_000
"""Columns in which every table has room."""


def show_rows(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Print rows under the names of their columns; the first column is never wrapped. No rows, no table."""
    if not sys.stdout.isatty():
        for row in rows:
            click.echo(orjson.dumps(dict(zip(columns, row, strict=True))))
        return
    from rich.console import Console

    table = _table(columns, rows)
    if table.row_count:
        Console().print(table)


def fits(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> bool:
    """Whether the terminal has room for a table with each cell in one line."""
    from rich.console import Console

    console = Console()
    needed = console.measure(_table(columns, rows), options=console.options.update(max_width=WIDE))
    return needed.maximum <= console.width


def _table(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> Table:
    from rich.table import Column, Table
    from rich.text import Text

    # What has no room goes on in the next line, it is never cut; names are there to be copied.
    table = Table(*(Column(name, overflow="fold", no_wrap=name == columns[0]) for name in columns))
    for row in rows:
        table.add_row(*(Text(_cell(value)) for value in row))
    return table


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
