"""Help of both programs, short enough for a screen: `--help-all` shows the rest. Needs click only."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, Final

import click

__all__ = ["Brief", "BriefGroup", "LateGroup", "Shared", "summary"]

_NAMES: Final = ("-h", "--help")
"""What asks for help."""
_ALL: Final = f"{__name__}.all"
_NAMED: Final = 2
"""How many of the options that are not shown are named."""


class Shared(click.Option):
    """An option that many commands have; only `--help-all` shows it."""


class Brief(click.Command):
    """A command whose help leaves its shared options to `--help-all`; `more` is what else that shows, in words."""

    more: ClassVar[str] = ""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._help_all = click.Option(
            ["--help-all"],
            is_flag=True,
            is_eager=True,
            expose_value=False,
            callback=_show_all,
            help=f"Show also {self.more}{_named(self.params)}.",
        )

    def get_help_option_names(self, ctx: click.Context) -> list[str]:
        """The same for every command, whoever asks."""
        return [*_NAMES]

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        """The parameters and `--help-all`."""
        return [*super().get_params(ctx), self._help_all]

    def get_short_help_str(self, limit: int = 45) -> str:
        """A whole phrase for the list of commands, however long; `limit` would cut it."""
        return self.short_help or summary(self.help or "")

    def collect_usage_pieces(self, ctx: click.Context) -> list[str]:
        """The usage line; what may be left out stands in brackets, also an argument whose name we give."""
        arguments = [each for each in self.params if isinstance(each, click.Argument) and not each.required]
        optional = {piece for each in arguments for piece in each.get_usage_pieces(ctx) if not piece.startswith("[")}
        return [f"[{piece}]" if piece in optional else piece for piece in super().collect_usage_pieces(ctx)]

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The options of this command, and those that it shares when they are asked for."""
        shared = self._shared()
        own = [each for each in self.get_params(ctx) if each not in shared and (shared or each is not self._help_all)]
        _section(ctx, formatter, "Options", own)
        if ctx.meta.get(_ALL):
            self.format_rest(ctx, formatter)

    def format_rest(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """What only `--help-all` shows: the options that it shares."""
        _section(ctx, formatter, "Common options", self._shared())

    def _shared(self) -> list[click.Parameter]:
        return [each for each in self.params if isinstance(each, Shared)]


class BriefGroup(Brief, click.Group):
    """A group of such commands, each listed with a whole phrase."""

    command_class = Brief
    group_class = type

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The options, then the commands."""
        super().format_options(ctx, formatter)
        self.format_commands(ctx, formatter)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The commands, each with a phrase."""
        self.write_commands(formatter, "Commands", self.list_commands(ctx))

    def write_commands(self, formatter: click.HelpFormatter, title: str, names: list[str]) -> None:
        """A section of commands, each with a phrase."""
        with formatter.section(title):
            formatter.write_dl([(name, self.commands[name].get_short_help_str()) for name in names])


class LateGroup(BriefGroup):
    """A group whose commands are made when the first one is asked for: what they import costs nobody else.

    Args:
        make: the functions of its commands, by their names.
    """

    def __init__(self, *arguments: Any, make: Callable[[], Mapping[str, Callable[..., None]]], **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._make = make

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names, once the commands are there."""
        self._fill()
        return super().list_commands(ctx)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """One of them, once all are there."""
        self._fill()
        return super().get_command(ctx, cmd_name)

    def _fill(self) -> None:
        if not self.commands:
            for name, function in self._make().items():
                self.command(name)(function)


def summary(text: str) -> str:
    """The first clause of a help text."""
    return " ".join(re.split(r"[;.:](?:\s|$)", text.strip())[0].split())


def _named(parameters: list[click.Parameter]) -> str:
    """A few of the shared options by name, and how many more there are."""
    names = [each.opts[-1] for each in parameters if isinstance(each, Shared)]
    more = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (f" and {more} more" if more > 0 else "")


def _show_all(context: click.Context, _: click.Parameter, asked: bool) -> None:
    if asked and not context.resilient_parsing:
        context.meta[_ALL] = True
        click.echo(context.get_help(), color=context.color)
        context.exit()


def _section(
    ctx: click.Context, formatter: click.HelpFormatter, title: str, options: Sequence[click.Parameter]
) -> None:
    records = [record for each in options if isinstance(each, click.Option) and (record := each.get_help_record(ctx))]
    if records:
        with formatter.section(title):
            formatter.write_dl(records)
