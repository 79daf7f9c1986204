"""The replies: which names the policy allows, and whether the queues that callers use are there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase
from typing import Final

from consumer.config import Settings
from consumer.doctor.finding import Finding, Section
from consumer.doctor.queues import failing
from consumer.rabbitmq import queue_names, reply_policy
from consumer.rabbitmq.direct import is_direct
from consumer.rabbitmq.look import QueueFacts
from zeebe_amqp import wire

__all__ = ["judge_policy", "judge_reply_queues", "refusals", "unexamined"]

REPLIES: Final = Section("replies")
SOMEBODY: Final = "somebody"
"""Stands for the user who names a reply queue."""


def unexamined(problem: str) -> Finding:
    """It could not be looked at how replies go."""
    return REPLIES.unseen("mode", problem, "see the log of a start", "nothing is known of this section")


def judge_policy(settings: Settings) -> Iterator[Finding]:
    """The policy as a whole."""
    allow = settings.reply_allow
    shown = ", ".join(allow)
    if own := [name for name in ("orders", "zeebe") if any(fnmatchcase(name, each.lower()) for each in allow)]:
        yield REPLIES.warning(
            "REPLY_ALLOW",
            f"{shown}: it allows any name, such as {own[0]!r}",
            "name the queues of your callers, with patterns such as *reply*",
            "whoever may send a request chooses where the service writes, so they can write to any queue",
        )
    else:
        yield REPLIES.ok("REPLY_ALLOW", f"{shown}; direct reply-to and server-named queues are always allowed")


def refusals(names: Sequence[str], settings: Settings) -> dict[str, str | None]:
    """By name, why no reply may go to a queue; None when it may."""
    if settings.amqp.reply_exchange is not None:
        return {name: reply_policy.strict_refusal(name, SOMEBODY) for name in names}
    own = frozenset(queue_names(settings.amqp, settings.jobs))
    return {name: reply_policy.refusal(name, own_queues=own, allow=settings.reply_allow) for name in names}


def judge_reply_queues(
    names: Sequence[str], settings: Settings, looked_at: Sequence[QueueFacts] | None
) -> Iterator[Finding]:
    """A finding for each queue that callers use; without the broker `looked_at` is None."""
    if not names:
        yield REPLIES.unseen(
            "queues",
            "callers choose them with each request",
            "name them with --reply-queue NAME, once for each",
            "a request whose reply queue is not allowed becomes a dead letter, and a reply to a queue that is not "
            "there is dropped",
        )
    refused, found = refusals(names, settings), {each.name: each for each in looked_at or ()}
    for name in names:
        yield _reply_queue(name, refused[name], found.get(name))


def _reply_queue(name: str, refused: str | None, queue: QueueFacts | None) -> Finding:
    if refused is not None:
        return REPLIES.problem(
            name,
            refused,
            "let the caller use an allowed name, or without REPLY_EXCHANGE add a pattern for it to REPLY_ALLOW",
            "requests that name it become dead letters, and nobody gets an answer",
        )
    if name == wire.DIRECT_REPLY_TO or is_direct(name):
        return REPLIES.ok(name, "allowed; the broker makes it for each caller")
    if queue is not None and queue.failing:
        return failing(REPLIES, queue)
    if queue is None or queue.there is None:
        return REPLIES.unseen(
            name,
            "allowed; it could not be looked at",
            f"`rabbitmqctl list_queues name consumers` must show {name!r}",
            "a reply to a queue that is not there is dropped",
        )
    if queue.locked:
        return REPLIES.ok(name, "allowed; it belongs exclusively to a caller's connection")
    if not queue.there:
        return REPLIES.warning(
            name,
            "allowed; it is not there",
            "let the caller declare it before it sends, or declare it durable",
            "a reply to a queue that is not there is dropped",
        )
    if not queue.consumers:
        return REPLIES.warning(
            name,
            f"allowed; nobody reads it, and {queue.messages} messages wait",
            "start its caller, or delete the queue",
            "replies pile up, and when the queue has a bound and is full, further ones are dropped",
        )
    return REPLIES.ok(name, f"allowed; {queue.messages} messages wait, {queue.consumers} consumers")
