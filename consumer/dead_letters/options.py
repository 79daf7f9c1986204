"""The options of the commands: which letters are meant."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Final, TypeVar

import click

from consumer.dead_letters.letter import Filter
from zeebe_amqp.schema.durations import milliseconds

__all__ = ["LIMIT", "choice", "chosen", "duration", "filters", "limited"]

LIMIT: Final = 1000
"""How many letters are looked at, unless told otherwise."""

F = TypeVar("F", bound=Callable[..., Any])


def duration(_: click.Context, __: click.Parameter, text: str | None) -> float | None:
    """Seconds; None for none given."""
    if text is None:
        return None
    try:
        return milliseconds(text) / 1000
    except ValueError:
        raise click.BadParameter(f'found {text!r}; accepted: a duration such as "90s", "36h" or "P2D"') from None


def limited(function: F) -> F:
    """Give a command `--limit`."""
    limit = click.IntRange(min=1)
    return click.option(
        "--limit", type=limit, default=LIMIT, show_default=True, help="look at this many, oldest first"
    )(function)


def filters(function: F) -> F:
    """Give a command the options that say which letters are meant."""
    age = partial(click.option, metavar="DURATION", callback=duration)
    for option in (
        limited,
        age("--newer-than", help="failed at most this long ago"),
        age("--older-than", help='failed at least this long ago, such as "36h" or "P2D"'),
        click.option("--user", metavar="NAME", help="only letters that this validated user sent"),
        click.option("--from", "origin", metavar="QUEUE", help="only letters from this request queue"),
        click.option("--code", metavar="CODE", help="only this error code, or the broker's reason (delivery_limit)"),
        click.option("--operation", metavar="NAME", help="only this operation"),
    ):
        function = option(function)
    return function


def choice(function: F) -> F:
    """Give a command that changes something its ids, `--all` and `--dry-run`."""
    function = click.option("--dry-run", is_flag=True, help="only show what would happen")(function)
    function = click.option("--all", "everything", is_flag=True, help="all letters that pass the filters")(function)
    return click.argument("ids", nargs=-1, metavar="[ID]...")(function)


def chosen(ids: tuple[str, ...], everything: bool, filters: Mapping[str, Any]) -> Filter:
    """Which letters are meant by ids or `--all`, and filters.

    Raises:
        click.UsageError: neither ids nor `--all`, or both.
    """
    if bool(ids) == everything:
        raise click.UsageError("give either ids (see `dead list --each`) or --all; filters narrow both")
    return Filter(ids=frozenset(ids), **filters)
