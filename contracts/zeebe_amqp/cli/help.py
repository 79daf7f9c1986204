"""The help of a command: what it does, its options, examples."""

from __future__ import annotations

import re
from typing import Any

import click

from zeebe_amqp.cli.brief import Brief
from zeebe_amqp.cli.examples import Line
from zeebe_amqp.cli.options import named
from zeebe_amqp.commands import Command

__all__ = ["Explained", "docstring"]


class Explained(Brief):
    """A command whose help ends with examples."""

    def __init__(self, *arguments: Any, examples: tuple[Line, ...] = (), **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.examples = examples

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
