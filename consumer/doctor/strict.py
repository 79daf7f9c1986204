"""Strict replies: which mode runs, and whether the permissions at the broker keep what it promises."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from consumer.config import Amqp, Settings
from consumer.doctor.finding import Finding, Section, some
from consumer.doctor.management import ManagementError, PermissionFacts, ask_permissions
from consumer.rabbitmq.permissions import DEFAULT_EXCHANGE, Permissions, of_service
from zeebe_amqp import strict, wire
from zeebe_amqp.amqp.connection import logins, vhost
from zeebe_amqp.jobs.names import DEAD, JOBS_EXCHANGE, RESULTS, UNDONE

__all__ = ["breaches", "judge_permissions", "look_at_replies"]

REPLIES: Final = Section("replies")
MODE: Final = "replies: mode"
PERMISSIONS: Final = "replies: permissions"
STRANGER: Final = "somebody-else"
"""Stands for a user who is yet to come."""
MAX_TEXT: Final = 160
"""Characters that are told of each user."""
_WHY: Final = "one user can read, forge or remove the replies of another"
_PRINTED: Final = "give the permissions that `python -m consumer permissions USER` prints, and no others"


async def look_at_replies(settings: Settings, management: str | None) -> list[Finding]:
    """Say which mode runs; with strict replies ask the management API at this URL for the permissions of all users."""
    exchange = settings.amqp.reply_exchange
    if exchange is None:
        shown = ", ".join(settings.reply_allow)
        return [
            REPLIES.ok(
                MODE,
                f"lax: to direct reply-to, server-named queues and {shown}; whoever may write to the default exchange "
                "can write to every queue, replies of others included; REPLY_EXCHANGE makes them strict",
            )
        ]
    mode = REPLIES.ok(MODE, f"strict: through the exchange {exchange!r}, each under a routing key of its user")
    if management is None:
        look = f"`rabbitmqctl list_permissions` and `list_topic_permissions`, or --management URL; {_PRINTED}"
        return [mode, REPLIES.unseen(PERMISSIONS, "not looked at: AMQP does not tell those of others", look, _WHY)]
    try:
        facts = await ask_permissions(management, settings.amqp)
    except ManagementError as error:
        change = "our login needs the tag `administrator` to see the permissions of others; or see `rabbitmqctl`"
        return [mode, REPLIES.warning(PERMISSIONS, f"not seen: {error}", change, _WHY)]
    return [mode, judge_permissions(facts, settings)]


def judge_permissions(facts: PermissionFacts, settings: Settings) -> Finding:
    """Whether anybody has more permissions than strict replies allow; administrators may do anything in any case."""
    services = _services(facts, settings)
    users = [each for each in facts.permissions if each.user not in services | facts.administrators]
    # Of all: the replies of an administrator, or of the service's console, are not to be read either.
    names = [each.user for each in facts.permissions]
    found = {each.user: reason for each in users if (reason := _reason(facts, each, names, settings))}
    above = _named(facts.administrators)
    more = f"; administrators may give themselves any: {above}" if above else ""
    if found:
        shown = some(f"{user!r} {reason}"[:MAX_TEXT] for user, reason in found.items())
        return REPLIES.problem(PERMISSIONS, f"{len(found)} of {len(users)} users: {shown}{more}", _PRINTED, _WHY)
    served = _named(services - facts.administrators)
    return REPLIES.ok(
        PERMISSIONS,
        f"none of {len(users)} users reaches the replies of another{more}; the service is {served or 'one of them'}",
    )


def _named(users: Iterable[str]) -> str:
    return some(repr(each)[:MAX_TEXT] for each in sorted(users))


def _reason(facts: PermissionFacts, user: Permissions, names: Sequence[str], settings: Settings) -> str | None:
    if user.user in facts.policymakers:  # a policy needs no permissions: it gives any queue a dead-letter exchange
        return "has the tag `policymaker`, and may lead the replies of others elsewhere"
    return next(breaches(user, names, settings), None)


def _services(facts: PermissionFacts, settings: Settings) -> frozenset[str]:
    """The logins of the service: ours. If an administrator looks, it is who has exactly what a service needs, if that
    is one user; of two we cannot tell which is it."""
    ours = logins(settings.amqp.urls)
    if not ours & facts.administrators:
        return ours
    amqp, jobs, audit = settings.amqp, settings.jobs, settings.audit
    found = [each.user for each in facts.permissions if each == of_service(each.user, amqp, jobs, audit)]
    return ours | frozenset(found) if len(found) == 1 else ours


def breaches(permissions: Permissions, users: Sequence[str], settings: Settings) -> Iterator[str]:
    """What a user could do to the replies or requests of others, or to the jobs of workers.

    Args:
        permissions: those of the user.
        users: all that there are.
        settings: the exchange of replies, the request queues, and whether there are jobs.
    """
    amqp = settings.amqp
    exchange = amqp.reply_exchange or ""
    user = permissions.user
    others = [*(each for each in users if each != user), STRANGER, f"{user}-{STRANGER}", f"{STRANGER}-{user}"]
    write, read = permissions.write, permissions.read
    if _permits(write, DEFAULT_EXCHANGE):
        yield f"may write to {DEFAULT_EXCHANGE}, and so into every queue"
    if _permits(write, exchange):
        yield f"may write to {exchange}, and so forge replies"
    if _permits(read, exchange):
        yield from _bindings(permissions, others, amqp)
    for pattern, names, harm in _harms(permissions, settings):
        for name in names:
            if _permits(pattern, name):
                yield f"may {harm.format(name)}"
    for other in others:
        queue = _queue(other)
        for what, pattern in (("configure", permissions.configure), ("write to", write), ("read", read)):
            if _permits(pattern, queue):
                yield f"may {what} the reply queues of {other!r}"


def _harms(permissions: Permissions, settings: Settings) -> Iterator[tuple[str, Sequence[str], str]]:
    """Patterns, with the names that they must not permit, and what would come of it."""
    requests = *settings.amqp.queues, wire.DEAD_LETTER
    types = [each.queue for each in settings.jobs]
    jobs, results, back = ([JOBS_EXCHANGE], [RESULTS], [UNDONE, DEAD]) if types else ([], [], [])
    all_of_requests = wire.REQUESTS_EXCHANGE, *requests
    ours = settings.amqp.reply_exchange or "", *all_of_requests, *jobs, *results, *back, *types
    yield permissions.configure, ours, "configure {}, and so delete it"
    yield permissions.read, all_of_requests, "read {}, and so the requests of others"
    # But for the queues of their types, of which we do not know who works which.
    yield permissions.read, (*jobs, *results, *back), "read {}, and so what other workers get and answer"
    yield permissions.write, (*jobs, *types), "write to {}, and so forge jobs"
    # Whoever may write to a queue can bind it: to the exchange of replies, under keys of their own.
    yield permissions.write, (*requests, *back), "write to {}, and so put messages there"


def _bindings(permissions: Permissions, others: Iterable[str], amqp: Amqp) -> Iterator[str]:
    """Which replies of others could be bound: without permissions on its topics an exchange lets everybody bind all."""
    exchange = amqp.reply_exchange or ""
    _, topics = permissions.topics.get(exchange, ("", None))
    if topics is None:
        yield f"has no topic permissions on {exchange}, and may bind all replies"
        return
    # The broker puts in what these stand for, as it is; the last one is whatever a client of MQTT likes.
    for variable, text in ("username", permissions.user), ("vhost", vhost(amqp.urls[0])), ("client_id", ".*"):
        topics = topics.replace(f"{{{variable}}}", text)
    for key in ("#", "*.#", *(key for other in others for key in _keys(other))):
        if _permits(topics, key):
            yield f"may bind {key!r} to {exchange}"


def _keys(user: str) -> Iterator[str]:
    """What replies of a user could be bound with."""
    word, queue = strict.encoded(user), _queue(user)
    yield from (f"{word}.#", f"{word}.q", f"{word}.{queue}", f"*.{queue}", f"#.{queue}")


def _queue(user: str) -> str:
    """A reply queue of a user."""
    return f"{strict.private_queues(user)}0123456789abcdef"


def _permits(pattern: str, name: str) -> bool:
    """Whether the broker would let it; as it does, an empty pattern permits only an empty name."""
    if "[:" in pattern and ":]" in pattern:  # a class such as [:alpha:], which Python silently reads otherwise
        return True
    try:
        # Erlang, too, matches bytes.
        return re.search((pattern or "^$").encode(), name.encode()) is not None
    except re.error:  # Erlang knows what Python does not: it is not ours, so it is too much
        return True
