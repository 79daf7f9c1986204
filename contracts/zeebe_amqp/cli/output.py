"""What is told: words for people on a terminal, a line of JSON for each thing when piped."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any, Final, TextIO

import click
import msgspec
from rich.console import Console

from zeebe_amqp.errors import CommandError, Outcome
from zeebe_amqp.schema.formatting import printable
from zeebe_amqp.schema.json_members import LIST

__all__ = ["AUTO", "MODES", "Output", "compact", "layout", "timed"]

AUTO: Final = "auto"
"""Each stream decides for itself."""
MODES: Final = (AUTO, "text", "json")
"""What `-o` takes."""
_DOCUMENTS: Final = ("variables", "customHeaders")
"""Fields of replies that are JSON documents as text."""
_DEADLINE: Final = "deadline"
"""The field of replies that is a moment: milliseconds since 1970."""


class Output:
    """Tells results on standard output and everything else on standard error.

    Args:
        mode: "text" or "json"; "auto" lets each of the two decide for itself: text on a terminal, else JSON.
    """

    def __init__(self, mode: str = AUTO) -> None:
        self._mode = mode

    @property
    def people(self) -> bool:
        """Whether results are for people."""
        return self._is_for_people(sys.stdout)

    def _is_for_people(self, stream: TextIO) -> bool:
        return stream.isatty() if self._mode == AUTO else self._mode == "text"

    def result(self, raw: bytes) -> None:
        """The data of a reply; a list is a line for each of its items when piped."""
        if self.people:
            click.echo("\n".join(layout(timed(msgspec.json.decode(raw)))) or "none")
            return
        for item in LIST.decode(raw) if raw.lstrip()[:1] == b"[" else [raw]:
            click.echo(compact(bytes(item)))

    def line(self, raw: bytes) -> None:
        """One JSON value: laid out for people, else as one line."""
        click.echo(printable(msgspec.json.format(raw, indent=2).decode()) if self.people else compact(raw))

    def record(self, facts: dict[str, Any], body: msgspec.Raw | str) -> None:
        """A message: a line of facts and what is in it, or all as one object."""
        if not self.people:
            click.echo(compact(msgspec.json.encode({**facts, "body": body})))
            return
        words = " ".join(f"{name}={value}" for name, value in facts.items())
        click.echo(click.style(printable(words), fg="cyan"))
        value = timed(msgspec.json.decode(body)) if isinstance(body, msgspec.Raw) else body
        click.echo("\n".join(f"  {line}" for line in layout(value)))

    def note(self, words: str, **facts: Any) -> None:
        """Something beside the result."""
        if self._is_for_people(sys.stderr):
            click.echo(click.style(printable(words), dim=True), err=True)
        else:
            click.echo(msgspec.json.encode(facts), err=True)

    def error(self, error: CommandError) -> None:
        """A command that failed."""
        if not self._is_for_people(sys.stderr):
            facts = {"operation": error.operation, "error": error.error(), "requestId": error.request_id}
            click.echo(msgspec.json.encode(facts), err=True)
            return
        click.echo(f"{click.style(error.code, fg='red', bold=True)} {printable(error.message)}", err=True)
        for line in layout(_facts(error)):
            click.echo("  " + line, err=True)

    @contextmanager
    def waiting(self, words: str) -> Iterator[None]:
        """Show that something is under way, where people look."""
        if self._mode == "json" or not sys.stderr.isatty():
            yield
            return
        with Console(stderr=True).status(printable(words).replace("[", r"\[")):
            yield


def _facts(error: CommandError) -> dict[str, Any]:
    """What a person does next depends on."""
    unknown = error.outcome is Outcome.UNKNOWN
    facts: dict[str, Any] = {"outcome": "it may have been executed" if unknown else "not executed"}
    if error.retryable and error.request_id:
        facts["again"] = f"safe with --request-id {error.request_id}"
    elif error.retryable:
        facts["again"] = "safe"
    return facts | dict(error.details or {})


def layout(value: Any) -> Iterator[str]:
    """A JSON value in lines: a name and its value each, what is inside deeper, items of a list after a dash."""
    match value:
        case dict():
            width = max((len(printable(key)) for key in value), default=0)
            for key, each in value.items():
                yield from _member(printable(key), _parse(each) if key in _DOCUMENTS else each, width)
        case list():
            for each in value:
                first, *rest = [*layout(each)] or ["none"]
                yield f"- {first}"
                yield from (f"  {line}" for line in rest)
        case _:
            yield _word(value)


def _member(key: str, value: Any, width: int) -> Iterator[str]:
    lines = list(layout(value)) or ["none"]
    if value and isinstance(value, dict | list):
        yield click.style(key, fg="cyan")
        yield from (f"  {line}" for line in lines)
    else:
        yield f"{click.style(f'{key:<{width}}', fg='cyan')}  {lines[0]}"


def _word(value: Any) -> str:
    match value:
        case str():
            return printable(value).replace("\n", " ")
        case None:
            return "none"
    return msgspec.json.encode(value).decode()


def timed(value: Any) -> Any:
    """A reply with its moments as times; its documents are text still, and mean what they like by such a name."""
    match value:
        case dict():
            return {key: _moment(each) if key == _DEADLINE else timed(each) for key, each in value.items()}
        case list():
            return [timed(each) for each in value]
    return value


def _moment(value: Any) -> Any:
    """Milliseconds since 1970 as a time here, with its zone; what is none, or out of range, stays as it is."""
    try:
        return datetime.fromtimestamp(int(value) / 1000).astimezone().isoformat(timespec="milliseconds")
    except (TypeError, ValueError, OverflowError, OSError):
        return value


def _parse(value: Any) -> Any:
    """A document in a reply, opened; what is none stays as it is."""
    try:
        return msgspec.json.decode(value)
    except (TypeError, msgspec.DecodeError, RecursionError):
        return value


def compact(raw: bytes) -> bytes:
    """JSON on one line, its numbers and texts as they were written."""
    return msgspec.json.format(raw, indent=-1)
