"""Dead letters for the eye, and as JSON lines when piped."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Final, Self

import click
import msgspec
import orjson
from rich.console import Console
from rich.progress import Progress
from rich.table import Table
from rich.text import Text

from consumer.dead_letters.letter import DeadLetter
from zeebe_amqp.schema.formatting import printable

__all__ = ["Report", "age", "details", "pretty", "row"]

_UNITS: Final = (("d", 86_400), ("h", 3600), ("m", 60), ("s", 1))


def row(letter: DeadLetter) -> dict[str, Any]:
    """What is told of a letter in one line."""
    told = {
        "id": letter.id,
        "operation": letter.operation,
        "code": letter.code,
        "failed-at": letter.failed_at and letter.failed_at.isoformat(timespec="milliseconds"),
        "size": len(letter.body),
        "replays": letter.replays,
        "queue": letter.origin,
        "message": letter.message,
    }
    return {**told, "truncated": letter.truncation} if letter.truncation else told


class Report:
    """Tells rows as they come: a line of JSON each when piped; a bar that moves and then a table on a terminal.

    Args:
        numbered: count the rows.
        silent: tell nothing.
    """

    def __init__(self, *, numbered: bool = False, silent: bool = False) -> None:
        self._numbered = numbered
        self._silent = silent
        self._people = sys.stdout.isatty()
        self._rows: list[Mapping[str, Any]] = []
        self._count = 0
        self._bar = Progress(transient=True, disable=silent or not self._people)
        self._task = self._bar.add_task("dead letters", total=None)

    def advance(self, of: int) -> None:
        """One more letter was looked at, of so many."""
        self._bar.update(self._task, advance=1, total=of)

    def tell(self, found: Mapping[str, Any]) -> None:
        """Tell a row, or keep it for the table."""
        self._count += 1
        numbered = {"number": self._count, **found} if self._numbered else found
        if self._people:
            self._rows.append(numbered)
        elif not self._silent:
            click.echo(orjson.dumps(numbered))

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, _: BaseException | None, __: TracebackType | None) -> None:
        self._bar.stop()
        # What was done before something went wrong was done: it is told in any case.
        if self._rows and not self._silent:
            _print(self._rows)


def _print(rows: list[Mapping[str, Any]]) -> None:
    columns = [name for name in {name: None for each in rows for name in each} if name != "message"]
    table = Table()
    for name in columns:
        # An id is there to be copied: the other columns make room for it.
        table.add_column("age" if name == "failed-at" else name, overflow="fold", no_wrap=name == "id")
    for each in rows:
        table.add_row(*(Text(_cell(name, each.get(name))) for name in columns))
    Console().print(table)


def _cell(name: str, value: Any) -> str:
    if value is None:
        return ""
    return age(datetime.fromisoformat(value)) if name == "failed-at" else printable(str(value)).replace("\n", " ")


def age(since: datetime, now: datetime | None = None) -> str:
    """How long ago something was, in its two largest units: "3d 4h"."""
    rest = max(0, int(((now or datetime.now(UTC)) - since).total_seconds()))
    parts: list[str] = []
    for unit, seconds in _UNITS:
        count, rest = divmod(rest, seconds)
        if count or parts:
            parts.append(f"{count}{unit}")
    return " ".join(parts[:2]) or "0s"


def details(letter: DeadLetter) -> str:
    """Everything about a letter: sections for people, one JSON object when piped."""
    properties = {
        **letter.properties,
        **({"undecodable": "; ".join(letter.malformed_properties)} if letter.malformed_properties else {}),
    }
    if not sys.stdout.isatty():
        whole = {**row(letter), "properties": properties, "headers": letter.headers, **_body(letter.body)}
        return orjson.dumps(whole, default=str).decode()
    facts = {name: value for name, value in row(letter).items() if value is not None}
    sections = {"dead letter": facts, "properties": properties, "headers": letter.headers}
    lines = [line for title, values in sections.items() for line in _section(title, values)]
    size = f"truncated: {letter.truncation}" if letter.truncation else f"{len(letter.body)} bytes"
    return "\n".join([*lines, f"body ({size})", pretty(letter.body)])


def _body(body: bytes) -> dict[str, Any]:
    try:
        return {"body": body.decode()}
    except UnicodeDecodeError:
        return {"body-hex": body.hex()}


def _section(title: str, values: Mapping[str, Any]) -> list[str]:
    width = max(map(len, values), default=0)
    return [title, *(f"  {printable(name):<{width}}  {printable(str(value))}" for name, value in values.items()), ""]


def pretty(body: bytes) -> str:
    """A JSON body with line breaks, its numbers as they were written; anything else as text."""
    try:
        # Refuses what is nested deep: each level is indented further, and the text would grow with the square.
        orjson.loads(body)
        return printable(msgspec.json.format(body, indent=2).decode())
    except (orjson.JSONDecodeError, msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
        return printable(body.decode(errors="backslashreplace"))
