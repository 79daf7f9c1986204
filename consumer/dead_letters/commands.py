"""`python -m consumer dead`: look at dead letters, send them again, drop them."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final, TypeAlias, TypeVar

import click

from consumer.config import Settings
from consumer.dead_letters.letter import MAX_REPLAYS, DeadLetter, Filter, ReplayPolicy
from consumer.dead_letters.queue import DeadLetters, NotSent, open_dead_letters
from consumer.dead_letters.view import Report, details, row
from zeebe_amqp import wire
from zeebe_amqp.amqp.connection import BrokerError
from zeebe_amqp.schema.durations import milliseconds

__all__ = ["COMMANDS", "Act", "Sweep", "drop", "listed", "replay", "show"]

FAILED: Final = 1
"""Exit code when something could not be done, or nothing matched."""

LIMIT: Final = 1000
"""How many letters are looked at, unless told otherwise."""

F = TypeVar("F", bound=Callable[..., Any])
Act: TypeAlias = Callable[[DeadLetters, DeadLetter], Awaitable[dict[str, Any]]]
"""What is done with a letter that is meant; gives the row that tells of it."""


@dataclass
class Sweep:
    """One walk over the dead-letter queue."""

    rows: list[dict[str, Any]] = field(default_factory=list)
    """One per letter that was meant."""
    total: int = 0
    """How many letters were there."""

    @property
    def refused(self) -> int:
        """Of how many letters the row tells a problem."""
        return sum(1 for each in self.rows if each.get("problem"))


def _duration(_: click.Context, __: click.Parameter, text: str | None) -> float | None:
    if text is None:
        return None
    try:
        return milliseconds(text) / 1000
    except ValueError:
        raise click.BadParameter(f'found {text!r}; accepted: a duration such as "90s", "36h" or "P2D"') from None


def _filters(function: F) -> F:
    """Give a command the options that say which letters are meant."""
    limit = click.IntRange(min=1)
    for option in (
        click.option("--limit", type=limit, default=LIMIT, show_default=True, help="look at this many, oldest first"),
        click.option(
            "--older-than",
            metavar="DURATION",
            callback=_duration,
            help='failed longer ago than this, such as "36h" or "P2D"',
        ),
        click.option("--from", "origin", metavar="QUEUE", help="only letters from this request queue"),
        click.option("--code", metavar="CODE", help="only this error code, or the broker's reason (delivery_limit)"),
        click.option("--operation", metavar="NAME", help="only this operation"),
    ):
        function = option(function)
    return function


def _choice(function: F) -> F:
    """Give a command that changes something its ids, `--all` and `--dry-run`."""
    function = click.option("--dry-run", is_flag=True, help="only show what would happen")(function)
    function = click.option("--all", "everything", is_flag=True, help="all letters that pass the filters")(function)
    return click.argument("ids", nargs=-1, metavar="[ID]...")(function)


def _filter(ids: tuple[str, ...], everything: bool, filters: Mapping[str, Any]) -> Filter:
    if bool(ids) == everything:
        raise click.UsageError("give either ids (see `dead list`) or --all; filters narrow both")
    return Filter(ids=frozenset(ids), **filters)


async def _collect(settings: Settings, filter: Filter, limit: int, act: Act, report: Report) -> Sweep:
    sweep = Sweep()
    async with open_dead_letters(settings.amqp) as dead:
        async for letter in dead.letters(limit):
            sweep.total = dead.total
            report.advance(min(dead.total, limit))
            if filter.matches(letter):
                sweep.rows.append(await act(dead, letter))
                report.tell(sweep.rows[-1])
    return sweep


def _sweep(settings: Settings, filter: Filter, limit: int, act: Act, report: Report) -> Sweep:
    """Walk over the queue; ends the process with what is wrong at the broker."""
    try:
        with report:
            sweep = asyncio.run(_collect(settings, filter, limit, act, report))
    except BrokerError as error:
        click.echo(f"broker: {error}", err=True)
        sys.exit(FAILED)
    if sweep.total > limit:
        click.echo(f"{sweep.total - limit} newer dead letters were not looked at: --limit is {limit}", err=True)
    return sweep


def _report_missing(filter: Filter, sweep: Sweep) -> int:
    """Say what was asked for and is not there; how much that is."""
    found = {each["id"] for each in sweep.rows}
    missing = sorted(filter.ids - found)
    for each in missing:
        click.echo(f"no dead letter {each!r} among those looked at: see `dead list`", err=True)
    if not sweep.rows and not filter.ids:
        click.echo("no dead letter passes the filters: see `dead list`", err=True)
        return 1
    return len(missing)


async def _look(_: DeadLetters, letter: DeadLetter) -> dict[str, Any]:
    return row(letter)


@_filters
def listed(settings: Settings, /, *, limit: int, **filters: Any) -> None:
    """List dead letters, oldest first. They stay where they are."""
    sweep = _sweep(settings, Filter(**filters), limit, _look, Report(numbered=True))
    if not sweep.rows:
        click.echo(f"no dead letters{' that pass the filters' if sweep.total else ''}", err=True)


@click.argument("ids", nargs=1, metavar="ID")
@click.option("--raw", is_flag=True, help="only the body, byte for byte")
@click.option("--limit", type=click.IntRange(min=1), default=LIMIT, show_default=True, help="look at this many")
def show(settings: Settings, /, *, ids: str, raw: bool, limit: int) -> None:
    """Show headers, properties and body of a dead letter. It stays where it is."""
    letters: list[DeadLetter] = []

    async def keep(_: DeadLetters, letter: DeadLetter) -> dict[str, Any]:
        letters.append(letter)
        return row(letter)

    filter = Filter(ids=frozenset({ids}))
    sweep = _sweep(settings, filter, limit, keep, Report(silent=True))
    if _report_missing(filter, sweep):
        sys.exit(FAILED)
    if raw and len(letters) > 1:
        click.echo(f"{len(letters)} dead letters have the id {ids!r}: --raw shows one only", err=True)
        sys.exit(FAILED)
    for letter in letters:
        if raw and letter.truncation:
            click.echo(f"truncated: {letter.truncation}", err=True)
        click.echo(letter.body if raw else details(letter), nl=not raw)


@_choice
@_filters
@click.option("--queue", metavar="QUEUE", help="send them here  [default: the queue each came from]")
@click.option(
    "--max-replays",
    type=click.IntRange(min=1),
    default=MAX_REPLAYS,
    show_default=True,
    help="skip letters with this many replays",
)
@click.option("--force", is_flag=True, help="replay regardless of earlier replays")
@click.option("--without-deadline", is_flag=True, help="remove the caller's deadline, which may have passed")
def replay(
    settings: Settings,
    /,
    *,
    ids: tuple[str, ...],
    everything: bool,
    dry_run: bool,
    limit: int,
    queue: str | None,
    max_replays: int,
    force: bool,
    without_deadline: bool,
    **filters: Any,
) -> None:
    """Send dead letters back to their request queue; id, properties and headers stay unchanged."""
    if queue == wire.DEAD_LETTER:
        raise click.BadParameter(f"found {queue!r}, the dead-letter queue itself; accepted: a request queue")
    filter = _filter(ids, everything, filters)
    policy = ReplayPolicy(
        settings.amqp.queues, queue, max_replays=max_replays, force=force, keep_deadline=not without_deadline
    )
    sweep = _sweep(settings, filter, limit, _make_replay(policy, dry_run), Report())
    _conclude(filter, sweep, "would be replayed" if dry_run else "replayed")


def _make_replay(policy: ReplayPolicy, dry_run: bool) -> Act:
    async def act(dead: DeadLetters, letter: DeadLetter) -> dict[str, Any]:
        problem = policy.refusal(letter)
        if problem is None and not dry_run:
            try:
                headers = letter.replayed(keep_deadline=policy.keep_deadline)
                await dead.send(letter, policy.destination(letter), headers)
            except NotSent as error:
                problem = str(error)
        told = {**row(letter), "queue": policy.destination(letter)}
        if problem is not None:
            return {**told, "result": "refused", "problem": problem}
        return {**told, "replays": letter.replays + 1, "result": "would be replayed" if dry_run else "replayed"}

    return act


@_choice
@_filters
@click.option("--yes", is_flag=True, help="do not ask")
def drop(
    settings: Settings,
    /,
    *,
    ids: tuple[str, ...],
    everything: bool,
    dry_run: bool,
    limit: int,
    yes: bool,
    **filters: Any,
) -> None:
    """Delete dead letters permanently."""
    filter = _filter(ids, everything, filters)
    if not (yes or dry_run or sys.stdin.isatty()):
        raise click.UsageError(
            "dropping cannot be undone, and no terminal can confirm it: give --yes, or --dry-run to look"
        )
    if not yes:
        sweep = _sweep(settings, filter, limit, _would_drop, Report())
        if dry_run or not sweep.rows:
            _conclude(filter, sweep, "would be dropped")
        # Nothing is held while a person thinks; what comes in meanwhile was not shown, and stays.
        click.confirm(f"Drop {len(sweep.rows)} for good?", abort=True, err=True)
        filter = replace(filter, ids=filter.ids or frozenset(each["id"] for each in sweep.rows))
    _conclude(filter, _sweep(settings, filter, limit, _drop, Report()), "dropped")


async def _would_drop(_: DeadLetters, letter: DeadLetter) -> dict[str, Any]:
    return {**row(letter), "result": "would be dropped"}


async def _drop(dead: DeadLetters, letter: DeadLetter) -> dict[str, Any]:
    dead.drop(letter)
    return {**row(letter), "result": "dropped"}


def _conclude(filter: Filter, sweep: Sweep, done: str) -> None:
    """Say how many were done, and end the process: 0 when all were."""
    missing = _report_missing(filter, sweep)
    refused = sweep.refused
    click.echo(f"{len(sweep.rows) - refused} {done}" + (f", {refused} refused" if refused else ""), err=True)
    sys.exit(FAILED if missing or refused else 0)


COMMANDS: Final[Mapping[str, Callable[..., None]]] = {"list": listed, "show": show, "replay": replay, "drop": drop}
"""The commands by name; each takes the settings in force and its own options."""
