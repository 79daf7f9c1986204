"""The help of a command: what it does, its options, examples, what is inside its JSON and its answer, its errors."""

from __future__ import annotations

from typing import Any, ClassVar, Final

import click

from zeebe_amqp.cli import options
from zeebe_amqp.cli.brief import Brief
from zeebe_amqp.cli.examples import Line
from zeebe_amqp.commands import Command
from zeebe_amqp.schema import docstrings
from zeebe_amqp.schema.field_paths import members

__all__ = ["Explained", "OfOperation"]

_INSIDE: Final = "Fields inside JSON"
_ANSWER: Final = "Fields of the answer"
_ERRORS: Final = "Errors of its own"


class Explained(Brief):
    """A command whose help ends with examples."""

    def __init__(self, *arguments: Any, examples: tuple[Line, ...] = (), **settings: Any) -> None:
        super().__init__(*arguments, **settings)
        self.examples = examples

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The examples; never wrapped, so that they can be copied."""
        if self.examples:
            with formatter.section("Examples"):
                for title, text in self.examples:
                    formatter.write(f"  # {title}\n  {text}\n")


class OfOperation(Explained):
    """The command of an operation, explained by the docstring of its type; `of_files`: its data are files."""

    more: ClassVar[str] = "all fields, "

    def __init__(self, name: str, kind: type[Command], *, of_files: bool, **settings: Any) -> None:
        super().__init__(name, help=options.words(kind, docstrings.about(kind)), **settings)
        self._kind, self._of_files = kind, of_files

    def format_rest(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The fields that have no option: those inside objects, and those of the answer; and what may go wrong."""
        inside = [] if self._of_files else [each for each in members(self._kind) if each.holder is not self._kind]
        answer = [each for result in self._kind.results()[:1] for each in members(result)]
        _list(formatter, _INSIDE, [(each.path, each.meaning) for each in inside])
        _list(formatter, _ANSWER, [(each.path, each.meaning) for each in answer])
        errors = docstrings.errors(self._kind)
        _list(formatter, _ERRORS, [(code, options.words(self._kind, why)) for code, why in errors.items()])
        super().format_rest(ctx, formatter)


def _list(formatter: click.HelpFormatter, title: str, rows: list[tuple[str, str]]) -> None:
    if rows:
        with formatter.section(title):
            formatter.write_dl(rows)
