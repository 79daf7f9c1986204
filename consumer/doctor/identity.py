"""Logins that pass for the service or for any user: the rights of a request depend on its `user_id`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from yarl import URL

from consumer.config import Amqp
from consumer.doctor.finding import Finding, Section, some
from consumer.doctor.management import Connection, LoginFacts, ManagementError, ask_logins
from zeebe_amqp.amqp.connection import login, logins

__all__ = ["judge_identity", "look_at_identity", "unanswered", "unasked"]

BROKER: Final = Section("broker")
CONNECTIONS: Final = "identity: connections"
USERS: Final = "identity: users"
OURS: Final = "zeebe-amqp "
"""How the connections of the service and of its commands are named; those of callers are not."""
MAX_TEXT: Final = 60
"""Characters of a name or a host that are told."""

_WHY_CONNECTIONS: Final = (
    "a program that logs in as the service can read and remove requests, and its own requests count as the service's"
)
_COMMANDS: Final = "`rabbitmqctl list_connections user peer_host client_properties` and `rabbitmqctl list_users`"
"""What tells the same at the broker."""
_WHY_USERS: Final = "the broker lets them send any `user_id`: they can use the rights and the request ids of everybody"


async def look_at_identity(amqp: Amqp, management: str | None) -> list[Finding]:
    """Ask the management API at this URL, if there is one, and judge what it tells."""
    if management is None:
        return [unasked(amqp)]
    try:
        facts = await ask_logins(management, amqp)
    except ManagementError as error:
        return [unanswered(str(error), amqp)]
    return list(judge_identity(facts, URL(amqp.urls[0]).query.get("name")))


def unasked(amqp: Amqp) -> Finding:
    """Nobody was asked: AMQP does not tell."""
    names = _shown(sorted(logins(amqp.urls))) or "the service"
    option = "" if login(amqp.urls[0]) is None else "give --management URL, or "
    return BROKER.unseen(
        "identity",
        f"not looked at: who else logs in as {names}, and who may send any user_id",
        f"{option}see {_COMMANDS}",
        _WHY_CONNECTIONS,
    )


def unanswered(problem: str, amqp: Amqp) -> Finding:
    """The management API was asked, and did not tell."""
    user = login(amqp.urls[0]) or "USER"
    return BROKER.warning(
        "identity",
        f"not seen: {problem}",
        f"`rabbitmqctl set_user_tags {user} management` lets our login see its own connections, and the tag "
        f"`administrator` the users, too; or see {_COMMANDS}",
        _WHY_CONNECTIONS,
    )


def judge_identity(facts: LoginFacts, own_name: str | None = None) -> Iterator[Finding]:
    """The findings about connections and users.

    Args:
        facts: what the management API told.
        own_name: the name that AMQP_URL gives the service's connections, where it does.
    """
    yield _connections(facts, own_name)
    yield _users(facts)


def _connections(facts: LoginFacts, own_name: str | None) -> Finding:
    others = [each for each in facts.connections if not (each.name.startswith(OURS) or each.name == own_name)]
    if others:
        shown = _shown(f"{each.name or 'without a name'} from {each.host}" for each in others)
        return BROKER.warning(
            CONNECTIONS,
            f"{len(others)} other connections log in as {facts.login!r}: {shown}",
            "give the service a user of its own, and change its password: `rabbitmqctl add_user`, "
            "`rabbitmqctl change_password`",
            _WHY_CONNECTIONS,
        )
    return BROKER.ok(
        CONNECTIONS,
        f"all {len(facts.connections)} of user {facts.login!r} are named as the service's, from "
        f"{_shown(_hosts(facts.connections)) or 'nowhere'}; a connection names itself: compare the hosts",
    )


def _hosts(connections: Iterable[Connection]) -> list[str]:
    return sorted({each.host for each in connections})


def _users(facts: LoginFacts) -> Finding:
    if facts.impersonators is None:
        return BROKER.unseen(
            USERS,
            f"user {facts.login!r} may not list users, which needs the tag `administrator`",
            "`rabbitmqctl list_users` must show no tag `impersonator` where nobody needs it",
            _WHY_USERS,
        )
    if facts.impersonators:
        names = _shown(facts.impersonators)
        return BROKER.warning(
            USERS,
            f"{len(facts.impersonators)} users have the tag `impersonator`: {names}",
            "take it away with `rabbitmqctl set_user_tags USER`, which lists the tags that stay",
            _WHY_USERS,
        )
    return BROKER.ok(USERS, "nobody has the tag `impersonator`")


def _shown(texts: Iterable[str]) -> str:
    return some(repr(each[:MAX_TEXT]) for each in texts)
