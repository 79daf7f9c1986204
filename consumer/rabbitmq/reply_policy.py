"""The reply policy: whoever chooses `reply_to` chooses where our service writes, so it is held."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from consumer.rabbitmq.direct import is_direct, is_sound
from consumer.rabbitmq.queue_address import is_exchange
from zeebe_amqp import strict
from zeebe_amqp.jobs.names import PREFIX
from zeebe_amqp.reply_queue import SERVER_NAMED, is_allowed

__all__ = ["refusal", "strict_refusal"]


def refusal(reply_to: str | None, *, own_queues: Collection[str], allow: Sequence[str]) -> str | None:
    """Say why no reply may go to `reply_to`; None when it may.

    Args:
        reply_to: the request's property; None or empty means that nobody waits.
        own_queues: names of the queues of this service, which are never a place for replies; nor is any queue of jobs.
        allow: globs of allowed queue names (the setting REPLY_ALLOW), in whatever case.
    """
    if not reply_to or reply_to.startswith(SERVER_NAMED):
        return None
    if is_direct(reply_to):
        return None if is_sound(reply_to) else f"reply_to: {reply_to[:80]!r} is not a direct reply-to address"
    if reply_to in own_queues or reply_to.startswith(PREFIX):
        return f"reply_to: {reply_to[:80]!r} is a queue of this service; replies go to a queue of the caller"
    if is_exchange(reply_to):
        return f"reply_to: {reply_to[:80]!r} is the address of an exchange; replies go to a queue: /queues/NAME"
    if is_allowed(reply_to, allow):
        return None
    return (
        f"reply_to: {reply_to[:80]!r} is not an allowed reply queue; accepted: direct reply-to, server-named queues "
        f"and names matching REPLY_ALLOW ({', '.join(allow) or 'nothing'})"
    )


def strict_refusal(reply_to: str | None, user: str | None) -> str | None:
    """Say why no reply may go through the exchange of strict replies; None when one may.

    Args:
        reply_to: the request's property; None or empty means that nobody waits.
        user: the validated sender.
    """
    if not reply_to:
        return None
    shown = f"reply_to: {reply_to[:80]!r}"
    if not user:
        return f"{shown} is answered under a routing key of the sender, but the request has no user_id; set it"
    if is_direct(reply_to):
        return f"{shown} is direct reply-to, which REPLY_EXCHANGE rules out; bind a queue to that exchange"
    if is_exchange(reply_to):
        return f"{shown} is the address of an exchange; give the rest of the routing key that your queue is bound with"
    try:
        strict.routing_key(user, reply_to)
    except ValueError as error:
        return f"{shown}: {error}"
    return None
