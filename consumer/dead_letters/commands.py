"""`python -m consumer dead`: look at dead letters, send them again, drop them."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from functools import partial, update_wrapper
from textwrap import fill
from typing import Any, Final

import click

from consumer.config import Settings
from consumer.dead_letters.audit import LetterAudit, NoAudit
from consumer.dead_letters.dropping import discard
from consumer.dead_letters.group import Groups
from consumer.dead_letters.letter import DeadLetter, Filter
from consumer.dead_letters.options import choice, chosen, duration, filters, limited
from consumer.dead_letters.outcome import SUCCEEDED, Inquire, summary
from consumer.dead_letters.queue import DeadLetters
from consumer.dead_letters.replay_policy import MAX_REPLAYS, ReplayPolicy
from consumer.dead_letters.replaying import follow, resend, would_resend
from consumer.dead_letters.sweep import FAILED, Act, Sweep, conclude, report_missing, run, sweep
from consumer.dead_letters.view import Report, columns, details, flat, group_lines, group_row, is_called, row
from zeebe_amqp import wire
from zeebe_amqp.jobs.names import RESULTS, UNDONE

__all__ = ["commands", "drop", "listed", "replay", "show"]

MAX_SUMMARY: Final = 1000
"""Columns of what is said at the end, at most; each letter's own text is told with it."""


@filters
@click.option("--each", is_flag=True, help="each letter instead of groups, oldest first")
def listed(settings: Settings, /, *, limit: int, each: bool, **filters: Any) -> None:
    """Count dead letters by their cause, or list each.

    They stay where they are. A cause is an error code, its reason and an operation.
    """
    found = _list_each(settings, limit, Filter(**filters)) if each else _list_groups(settings, limit, Filter(**filters))
    if not found.rows:
        click.echo(f"no dead letters{' that pass the filters' if found.total else ''}", err=True)
    elif sys.stdout.isatty():
        more = "`dead show ID` tells everything about one"
        count = f"{len(found.rows)} dead letter{'s' if len(found.rows) > 1 else ''}"
        _say(more if each else f"{count}; `dead list --each` lists them, {more}")


def _say(text: str) -> None:
    """To standard error, in lines on a terminal."""
    click.echo(fill(text, columns()) if sys.stderr.isatty() else text, err=True)


def _list_each(settings: Settings, limit: int, filter: Filter) -> Sweep:
    report = Report()
    return sweep(settings, Sweep(limit, filter.matches, tell=report.tell), report)


def _list_groups(settings: Settings, limit: int, filter: Filter) -> Sweep:
    groups = Groups()

    async def count(_: DeadLetters, letter: DeadLetter) -> dict[str, Any]:
        groups.add(letter)
        return {}

    found = sweep(settings, Sweep(limit, filter.matches, count), Report())
    with Report(lines=group_lines) as report:
        for group in groups.ordered():
            report.tell(group_row(group))
    return found


@click.argument("name", metavar="ID")
@click.option("--raw", is_flag=True, help="only the body, byte for byte")
@limited
def show(settings: Settings, /, *, name: str, raw: bool, limit: int) -> None:
    """Show headers, properties and body of a dead letter. It stays where it is.

    An id that was cut in the list means every letter whose id begins like this.
    """
    letters: list[DeadLetter] = []

    async def keep(_: DeadLetters, letter: DeadLetter) -> dict[str, Any]:
        letters.append(letter)
        return row(letter)

    walk = Sweep(limit, lambda letter: is_called(letter, name), keep)
    sweep(settings, walk, Report(silent=True))
    if not letters:
        report_missing(Filter(ids=frozenset({name})), walk)
        sys.exit(FAILED)
    if raw and len(letters) > 1:
        click.echo(f"{len(letters)} dead letters have the id {name!r}: --raw shows one only", err=True)
        sys.exit(FAILED)
    for letter in letters:
        if raw and letter.truncation:
            click.echo(f"truncated: {letter.truncation}", err=True)
        click.echo(letter.body if raw else details(letter), nl=not raw)


@choice
@filters
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
@click.option("--unsigned", is_flag=True, help="replay letters without a valid signature too, as nobody's request")
@click.option(
    "--wait",
    metavar="DURATION",
    callback=duration,
    default="30s",
    show_default=True,
    help="wait at most this long for what becomes of them",
)
@click.option("--no-wait", is_flag=True, help="only send them")
def replay(
    inquiries: Callable[[Settings], AbstractAsyncContextManager[Inquire]],
    audits: Callable[[Settings], LetterAudit],
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
    unsigned: bool,
    wait: float,
    no_wait: bool,
    **filters: Any,
) -> None:
    """Send dead letters again, and say what became of each.

    They go back to their request queue; id, properties and headers stay unchanged.
    """
    if queue == wire.DEAD_LETTER:
        raise click.BadParameter(f"found {queue!r}, the dead-letter queue itself; accepted: a request queue")
    filter = chosen(ids, everything, filters)
    policy = ReplayPolicy(
        (*settings.amqp.queues, *((RESULTS, UNDONE) if settings.jobs else ())),
        queue,
        max_replays=max_replays,
        force=force,
        keep_deadline=not without_deadline,
        unsigned=unsigned,
    )
    report = Report()
    if dry_run or no_wait:
        audit = NoAudit() if dry_run else audits(settings)
        act = would_resend(policy) if dry_run else resend(policy, audit)
        found = sweep(settings, Sweep(limit, filter.matches, act, report.tell, audit), report)
        conclude(filter, found, "would be replayed" if dry_run else "replayed")
    found = Sweep(limit, filter.matches)
    try:
        run(report, follow(settings, partial(inquiries, settings), wait, found, policy, audits(settings), report))
    except KeyboardInterrupt:  # while they were sent: later it only ends the waiting
        click.echo("interrupted: what was not sent is still there", err=True)
    found.report_rest()
    missing = report_missing(filter, found)
    _say(flat(summary(found.rows), MAX_SUMMARY))
    sys.exit(FAILED if missing or any(each["result"] != SUCCEEDED for each in found.rows) else 0)


@choice
@filters
@click.option("--yes", is_flag=True, help="do not ask")
def drop(
    audits: Callable[[Settings], LetterAudit],
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
    filter = chosen(ids, everything, filters)
    if not (yes or dry_run or sys.stdin.isatty()):
        raise click.UsageError(
            "dropping cannot be undone, and no terminal can confirm it: give --yes, or --dry-run to look"
        )

    def walk(filter: Filter, act: Act, audit: LetterAudit) -> Sweep:
        report = Report()
        return sweep(settings, Sweep(limit, filter.matches, act, report.tell, audit), report)

    if not yes:
        found = walk(filter, _would_drop, NoAudit())
        if dry_run or not found.rows:
            conclude(filter, found, "would be dropped")
        # Nothing is held while a person thinks; what comes in meanwhile was not shown, and stays.
        click.confirm(f"Drop {len(found.rows)} for good?", abort=True, err=True)
        filter = replace(filter, ids=filter.ids or frozenset(each["id"] for each in found.rows))
    audit = audits(settings)
    conclude(filter, walk(filter, discard(audit), audit), "dropped")


async def _would_drop(_: DeadLetters, letter: DeadLetter) -> dict[str, Any]:
    return {**row(letter), "result": "would be dropped"}


def commands(
    inquiries: Callable[[Settings], AbstractAsyncContextManager[Inquire]], audits: Callable[[Settings], LetterAudit]
) -> dict[str, Callable[..., None]]:
    """The commands by name; each takes the settings in force and its own options.

    Args:
        inquiries: opens what asks the service of these settings what became of a request.
        audits: makes what records each replay and drop.
    """
    replaying = update_wrapper(partial(replay, inquiries, audits), replay)
    dropping = update_wrapper(partial(drop, audits), drop)
    return {"list": listed, "show": show, "replay": replaying, "drop": dropping}
