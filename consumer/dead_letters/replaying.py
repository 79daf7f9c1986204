"""Sending letters again, and following what becomes of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import click

from consumer.config import Settings
from consumer.dead_letters.audit import NOT_TAKEN, REPLAYED, LetterAudit
from consumer.dead_letters.letter import DeadLetter
from consumer.dead_letters.outcome import Pending
from consumer.dead_letters.queue import DeadLetters, NotSent
from consumer.dead_letters.replay_policy import ReplayPolicy
from consumer.dead_letters.sweep import Act, Sweep
from consumer.dead_letters.view import Report, row
from consumer.dead_letters.waiting import Inquiries, following

__all__ = ["REFUSED", "follow", "resend", "would_resend"]

REFUSED: Final = "refused"
"""The result of a letter that was not sent again."""


def would_resend(policy: ReplayPolicy) -> Act:
    """Send nothing; tell what would be done."""

    async def act(_: DeadLetters, letter: DeadLetter) -> dict[str, Any]:
        return _tell(letter, policy, "would be replayed", policy.refusal(letter))

    return act


def resend(policy: ReplayPolicy, audit: LetterAudit, pending: Pending | None = None) -> Act:
    """Send what the policy allows, once it is recorded; what was sent is added to `pending`."""

    async def act(dead: DeadLetters, letter: DeadLetter) -> dict[str, Any]:
        problem = policy.refusal(letter) or await _send(dead, letter, policy, audit)
        told = _tell(letter, policy, "replayed", problem)
        if problem is None and pending is not None:
            pending.add(letter, told, dead.resent_as(letter))
        return told

    return act


async def _send(dead: DeadLetters, letter: DeadLetter, policy: ReplayPolicy, audit: LetterAudit) -> str | None:
    """Record and send it; why that was not possible."""
    queue = policy.destination(letter)
    await audit.record(letter, REPLAYED, queue)
    try:
        await dead.replay(letter, queue, keep_deadline=policy.keep_deadline)
    except NotSent as error:
        await audit.record(letter, NOT_TAKEN, queue)
        return str(error)
    return None


def _tell(letter: DeadLetter, policy: ReplayPolicy, done: str, problem: str | None) -> dict[str, Any]:
    told = {**row(letter), "queue": policy.destination(letter)}
    if problem is not None:
        return {**told, "result": REFUSED, "problem": problem}
    return {**told, "replays": letter.replays + 1, "result": done}


async def follow(
    settings: Settings,
    inquiries: Inquiries,
    seconds: float,
    sweep: Sweep,
    policy: ReplayPolicy,
    audit: LetterAudit,
    report: Report,
) -> None:
    """Send letters again and wait for what becomes of them, for at most so many seconds.

    Args:
        settings: where the broker is, and its keys.
        inquiries: opens what asks the service.
        seconds: to wait.
        sweep: which letters; gets its rows.
        policy: on what policy they are sent.
        audit: records each before it is sent.
        report: is told of each letter, when its outcome is known or not waited for any more.
    """

    def tell_refused(told: Mapping[str, Any]) -> None:
        if told["result"] == REFUSED:
            report.tell(told)

    async with following(settings, inquiries, seconds, report, lambda text: click.echo(text, err=True)) as pending:
        sweep.act, sweep.tell, sweep.audit = resend(policy, audit, pending), tell_refused, audit
        await sweep.walk(settings, report.advance)
