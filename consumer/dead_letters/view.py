"""Dead letters for the eye, and as JSON lines when piped."""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Final, Self

import click
import msgspec
import orjson
from rich.cells import cell_len, set_cell_size
from rich.console import Console
from rich.progress import Progress
from rich.text import Text

from consumer.dead_letters.group import Group
from consumer.dead_letters.letter import DeadLetter, Signature
from zeebe_amqp.schema.formatting import printable

__all__ = [
    "Report",
    "age",
    "columns",
    "details",
    "flat",
    "flat_line",
    "group_lines",
    "group_row",
    "is_called",
    "letter_lines",
    "pretty",
    "row",
]

CUT: Final = "…"
"""At the end of a text that goes on."""
MIN_COLUMNS: Final = 24
"""What is shown needs a terminal at least as wide."""
MAX_SHOWN: Final = 100_000
"""Columns of an id that is compared as it is shown."""
MAX_TOLD: Final = 1000
"""Columns of what was done with a letter and why not, at most."""
_REJECTION: Final = re.compile(r"\ACommand '[A-Z_]+' rejected with code '[A-Z_]+': (?=.)")
_DOUBTS: Final[Mapping[str, str]] = {
    Signature.UNSIGNED: "unsigned",
    Signature.WRONG: "signature wrong",
}
_UNITS: Final = (("d", 86_400), ("h", 3600), ("m", 60), ("s", 1))


def row(letter: DeadLetter) -> dict[str, Any]:
    """What is told of a letter in one line."""
    told = {
        "id": letter.id,
        "operation": letter.operation,
        "user": letter.sender,
        "signature": letter.signature,
        "code": letter.code,
        "failed-at": _moment(letter.failed_at),
        "size": len(letter.body),
        "replays": letter.replays,
        "queue": letter.origin,
        "message": letter.message,
    }
    return {**told, "truncated": letter.truncation} if letter.truncation else told


def group_row(group: Group) -> dict[str, Any]:
    """What is told of a group."""
    return {
        "count": group.count,
        "code": group.code,
        "signature": group.signature,
        "operation": group.operation,
        "reason": group.reason or None,
        "oldest": _moment(group.oldest),
        "newest": _moment(group.newest),
        "example": group.example,
    }


def _moment(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat(timespec="milliseconds")


class Report:
    """Tells rows as they come: a line of JSON each when piped; a bar that moves and then lines of text on a terminal.

    Args:
        silent: tell nothing.
        lines: the text of a row, no line of it wider than so many columns.
    """

    def __init__(
        self, *, silent: bool = False, lines: Callable[[Mapping[str, Any], int], list[str]] | None = None
    ) -> None:
        self._silent = silent
        self._lines = lines or letter_lines
        self._people = sys.stdout.isatty()
        self._rows: list[Mapping[str, Any]] = []
        self._bar = Progress(transient=True, disable=silent or not self._people)
        self._task = self._bar.add_task("dead letters", total=None)

    def advance(self, of: int) -> None:
        """One more letter was looked at, of so many."""
        self._bar.update(self._task, advance=1, total=of)

    def await_outcome(self, done: int, of: int) -> None:
        """From now on what became of replays is waited for; `done` of so many are known."""
        self._bar.update(self._task, description="outcomes", completed=done, total=of)

    def tell(self, found: Mapping[str, Any]) -> None:
        """Tell a row, or keep it for the end."""
        if self._people:
            self._rows.append(found)
        elif not self._silent:
            click.echo(orjson.dumps(found))

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, _: BaseException | None, __: TracebackType | None) -> None:
        self._bar.stop()
        # What was done before something went wrong was done: it is told in any case.
        if not self._silent:
            for each in self._rows:
                click.echo("\n".join(self._lines(each, columns())))


def columns() -> int:
    """The width of the terminal."""
    return max(MIN_COLUMNS, shutil.get_terminal_size().columns)


def flat(text: object, width: int) -> str:
    """Foreign text in one line of at most `width` columns of a terminal, and without what that would obey."""
    shown = printable(" ".join(str(text)[: 4 * width].split()), kept="")
    if cell_len(shown) <= width and len(str(text)) <= 4 * width:
        return shown
    return set_cell_size(shown, min(cell_len(shown), width - 1)).rstrip() + CUT


def is_called(letter: DeadLetter, name: str) -> bool:
    """Whether a name means this letter: its id, as it is or as it is shown, also cut."""
    shown = flat(letter.id, MAX_SHOWN)
    return name in (letter.id, shown) or (name.endswith(CUT) and shown.startswith(name.removesuffix(CUT)))


def group_lines(row: Mapping[str, Any], width: int) -> list[str]:
    """A group for people: how many, what and since when; the reason; one to look at."""
    indent = " " * 6
    ages = [age(datetime.fromisoformat(row[name])) for name in ("newest", "oldest") if row[name]]
    since = " to ".join(dict.fromkeys(ages))
    first = [
        f"{row['count']:>4}",
        _short(row["code"], width),
        _short(row["operation"], width),
        since and f"{since} old",
    ]
    room = width - len(indent)
    rest = [flat(_claim(row, row["reason"]), room), f"such as {flat(row['example'], room - 8)}"]
    return [flat_line(first, width), *(indent + each for each in rest if each)]


def letter_lines(row: Mapping[str, Any], width: int) -> list[str]:
    """A letter for people, in two lines: what it is; the message. What was done with it has lines between them."""
    failed = row["failed-at"]
    fields = [
        # An id is there to be copied: a UUID fits whole where the usual width allows it.
        flat(row["id"], max(MIN_COLUMNS // 2, width - 44)),
        age(datetime.fromisoformat(failed), units=1) if failed else "-",
        _short(row["operation"], width),
        _short(row["code"], width),
        f"{row['replays']}x",
        flat(row["queue"] or "-", width),
    ]
    told = ": ".join(str(row[name]) for name in ("result", "problem") if row.get(name))
    done = [line.plain for line in Text(flat(told, MAX_TOLD)).wrap(Console(), width - 2)] if told else []
    claim = _claim(row, row["message"])
    message = [flat(claim, width - 2)] if claim else []
    notes = [flat(f"truncated: {row['truncated']}", width - 2)] if row.get("truncated") else []
    return [flat_line(fields, width), *(f"  {each}".rstrip() for each in (*done, *notes, *message))]


def _claim(row: Mapping[str, Any], reason: str | None) -> str:
    """A reason, and before it what keeps it from being certain."""
    return ": ".join(filter(None, (_DOUBTS.get(row.get("signature") or ""), _brief(reason))))


def _brief(message: str | None) -> str:
    """An error's message without how the engine begins each: there is little room, and its code is beside it."""
    return _REJECTION.sub("", message or "", count=1)


def flat_line(fields: list[str], width: int) -> str:
    """Fields side by side, in one line; what is too much is cut at its end."""
    line = "  ".join(filter(None, fields))
    return line if cell_len(line) <= width else set_cell_size(line, width - 1).rstrip() + CUT


def _short(name: str | None, width: int) -> str:
    return flat(name or "-", max(MIN_COLUMNS // 2, width // 4))


def age(since: datetime, now: datetime | None = None, *, units: int = 2) -> str:
    """How long ago something was, in its largest units: "3d 4h"."""
    rest = max(0, int(((now or datetime.now(UTC)) - since).total_seconds()))
    parts: list[str] = []
    for unit, seconds in _UNITS:
        count, rest = divmod(rest, seconds)
        if count or parts:
            parts.append(f"{count}{unit}")
    return " ".join(parts[:units]) or "0s"


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
