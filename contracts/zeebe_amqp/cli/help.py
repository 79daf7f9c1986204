"""The help of a command: its own options first, then those that all have, then examples."""

from __future__ import annotations

import re
from typing import Any

import click

from zeebe_amqp.cli.connection import CONNECTION, REQUEST
from zeebe_amqp.cli.examples import Line
from zeebe_amqp.cli.options import named
from zeebe_amqp.commands import Command

__all__ = ["Explained", "docstring"]


class Explained(click.Command):
    """A command whose help tells its own parameters from those that others have, too, and ends with examples."""

    def __init__(self, *arguments: Any, examples: tuple[Line, ...] = (), **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.examples = examples

    def get_short_help_str(self, limit: int = 45) -> str:
        """The first clause of the help, for the list of commands."""
        return re.split(r"[;.:](?: |$)", self.help or "")[0][:limit]

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The parameters in two sections."""
        common = {*REQUEST, *CONNECTION, self.get_help_option(ctx)}
        sections: dict[str, list[tuple[str, str]]] = {"Options of this command": [], "Common options": []}
        for each in self.get_params(ctx):
            if isinstance(each, click.Option) and (record := each.get_help_record(ctx)):
                sections["Common options" if each in common else "Options of this command"].append(record)
        for title, records in sections.items():
            if records:
                with formatter.section(title):
                    formatter.write_dl(records)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The examples; never wrapped, so that they can be copied."""
        if self.examples:
            with formatter.section("Examples"):
                for title, text in self.examples:
                    formatter.write(f"  # {title}\n  {text}\n")


def docstring(kind: type[Command]) -> str:
    """A command's docstring in the words of the command line: `--time-to-live` for `time_to_live`."""
    text = " ".join((kind.__doc__ or "").split()).replace("None", "absent")
    return re.sub(r"`(\w+)`", lambda match: named(kind, match[1]) or match[0], text)
