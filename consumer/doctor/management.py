"""What the management API tells and AMQP does not: policies of queues, the binding of the dead letters, and logins.

Only read, with the login of AMQP_URL: no other secret is needed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import quote, unquote, urlsplit

import orjson

from consumer.config import Amqp
from consumer.doctor.http import get
from consumer.rabbitmq.permissions import Permissions
from zeebe_amqp import wire
from zeebe_amqp.amqp.connection import login, tls_context, vhost

__all__ = [
    "Connection",
    "LoginFacts",
    "ManagementError",
    "ManagementFacts",
    "NotAllowed",
    "PermissionFacts",
    "QueuePolicy",
    "ask_logins",
    "ask_management",
    "ask_permissions",
    "refused_url",
]

IMPERSONATOR: Final = "impersonator"
"""The tag of users who may send any `user_id`."""
ADMINISTRATOR: Final = "administrator"
"""The tag of users who may give permissions."""
POLICYMAKER: Final = "policymaker"
"""The tag of users who may give policies, and with these a dead-letter exchange to any queue."""
MAX_ANSWER: Final = 32 * 2**20
"""Bytes of an answer: a broker may have many connections."""
LOCAL: Final = frozenset({"localhost", "127.0.0.1", "::1"})


class ManagementError(Exception):
    """The management API did not tell; the text says why and what to do, without the password."""


class NotAllowed(ManagementError):
    """It does not tell us."""


@dataclass(frozen=True)
class QueuePolicy:
    """The policies in force for a queue."""

    policy: str | None = None
    """The name of the one that users set; None = none."""
    definition: Mapping[str, Any] = field(default_factory=dict)
    """What they say together, an operator's policy included."""
    messages: int = 0
    """All in it, also those that somebody has taken and not acknowledged."""

    def described(self) -> str:
        """Which one, for people."""
        return f"the policy {self.policy!r} is in force" if self.policy else "no policy of a user is in force"


@dataclass(frozen=True)
class ManagementFacts:
    """What was found."""

    policies: Mapping[str, QueuePolicy]
    bound: bool | None
    """Whether the dead-letter queue is bound to its exchange; None when one of them is not there."""


@dataclass(frozen=True)
class Connection:
    """A connection to the broker."""

    name: str
    """As its client named it, truly or not; empty when it did not."""
    host: str
    """Where it comes from."""


@dataclass(frozen=True)
class LoginFacts:
    """Who logs in as we do, and who may send under any name."""

    login: str
    connections: tuple[Connection, ...]
    """Those of our login."""
    impersonators: tuple[str, ...] | None
    """The users who may send any `user_id`; None when we may not list users."""


@dataclass(frozen=True)
class PermissionFacts:
    """Who may do what in our virtual host."""

    permissions: tuple[Permissions, ...]
    administrators: frozenset[str]
    """The users who may change all that."""
    policymakers: frozenset[str] = frozenset()
    """The users who may give policies to all queues, and are no administrators."""


def refused_url(url: str, amqp: Amqp) -> str | None:
    """Why the login may not be sent to this URL; None when it may."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or "@" in parts.netloc or parts.query:
        return "an http:// or https:// URL without user and password, such as http://127.0.0.1:15672"
    if login(amqp.urls[0]) is None:
        return "no URL, because AMQP_URL has no password that could be used there"
    if parts.scheme == "http" and amqp.urls[0].startswith("amqps") and parts.hostname not in LOCAL:
        return "an https:// URL: AMQP_URL is amqps://, and http:// would send its password in the clear"
    return None


async def ask_management(url: str, amqp: Amqp, names: Sequence[str]) -> ManagementFacts:
    """Ask for the policies of queues and the binding of the dead letters.

    Raises:
        ManagementError: it did not answer, or not to us.
    """
    host, folder = url.rstrip("/"), quote(vhost(amqp.urls[0]), safe="")
    found = await asyncio.gather(*(_ask(host, f"/api/queues/{folder}/{quote(name, safe='')}", amqp) for name in names))
    dead = quote(wire.DEAD_LETTER, safe="")
    bindings = await _ask(host, f"/api/bindings/{folder}/e/{dead}/q/{dead}", amqp)
    policies = {name: _policy(each) for name, each in zip(names, found, strict=True) if each is not None}
    if not isinstance(bindings, list | None):
        raise ManagementError(f"{host} answers with something else than bindings")
    return ManagementFacts(policies, None if bindings is None else bool(bindings))


async def ask_logins(url: str, amqp: Amqp) -> LoginFacts:
    """Ask who logs in as we do, and who may send under any name.

    Raises:
        ManagementError: it did not answer, or not to us.
    """
    host, name = url.rstrip("/"), login(amqp.urls[0]) or ""
    # It lists at least our own to a user with any tag of the management.
    found = await _ask(host, "/api/connections?columns=user,peer_host,client_properties", amqp)
    ours = tuple(_connection(each) for each in _objects(found) if each.get("user") == name)
    try:
        users = _objects(await _ask(host, "/api/users?columns=name,tags", amqp))
    except NotAllowed:
        return LoginFacts(name, ours, None)
    return LoginFacts(name, ours, tuple(sorted(str(each.get("name")) for each in users if _may_impersonate(each))))


async def ask_permissions(url: str, amqp: Amqp) -> PermissionFacts:
    """Ask for the permissions of all users in our virtual host.

    Raises:
        ManagementError: it did not answer, or not to us.
    """
    host, folder = url.rstrip("/"), quote(vhost(amqp.urls[0]), safe="")
    paths = (f"/api/vhosts/{folder}/permissions", f"/api/vhosts/{folder}/topic-permissions", "/api/users")
    permissions, topics, users = [_objects(await _ask(host, path, amqp)) for path in paths]
    by_user: dict[str, dict[str, tuple[str, str]]] = {}
    for each in topics:
        patterns = str(each.get("write", "")), str(each.get("read", ""))
        by_user.setdefault(str(each.get("user")), {})[str(each.get("exchange"))] = patterns
    administrators, policymakers = (
        frozenset(str(each.get("name")) for each in users if tag in _tags(each)) for tag in (ADMINISTRATOR, POLICYMAKER)
    )
    return PermissionFacts(
        tuple(_permissions(each, by_user.get(str(each.get("user")), {})) for each in permissions),
        administrators,
        policymakers - administrators,
    )


def _permissions(found: dict[str, Any], topics: Mapping[str, tuple[str, str]]) -> Permissions:
    user, configure, write, read = (str(found.get(name, "")) for name in ("user", "configure", "write", "read"))
    return Permissions(user, configure, write, read, topics)


async def _ask(host: str, path: str, amqp: Amqp) -> Any:
    parts = urlsplit(amqp.urls[0])
    name = unquote(parts.username or "guest")
    who = (name, unquote(parts.password or "guest"))
    try:
        # Directly, as the broker is reached.
        tls = tls_context(amqp.ca, amqp.cert, amqp.key)
        answer = await get(host + path, login=who, tls=tls, direct=True, max_body=MAX_ANSWER)
    except OSError as error:
        raise ManagementError(f"{host} was not reached: {error}") from error
    if answer.status == HTTPStatus.NOT_FOUND:
        return None
    if answer.status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
        raise NotAllowed(f"{host} does not let user {name!r} look ({answer.status})")
    if answer.status != HTTPStatus.OK:
        raise ManagementError(f"{host} answers {answer.status}")
    try:
        return orjson.loads(answer.body)
    except orjson.JSONDecodeError as error:
        raise ManagementError(f"{host} answers with something else than JSON") from error


def _policy(queue: Any) -> QueuePolicy:
    if not isinstance(queue, dict):
        raise ManagementError("the management API answers with something else than a queue")
    definition, messages = queue.get("effective_policy_definition"), queue.get("messages")
    return QueuePolicy(
        queue.get("policy") or None,
        definition if isinstance(definition, dict) else {},
        messages if isinstance(messages, int) else 0,
    )


def _objects(found: Any) -> list[dict[str, Any]]:
    if not (isinstance(found, list) and all(isinstance(each, dict) for each in found)):
        raise ManagementError("the management API answers with something else than a list")
    return found


def _connection(found: dict[str, Any]) -> Connection:
    told = found.get("client_properties")
    name = told.get("connection_name") if isinstance(told, dict) else None
    return Connection(name if isinstance(name, str) else "", str(found.get("peer_host") or "an unknown host"))


def _may_impersonate(user: dict[str, Any]) -> bool:
    return IMPERSONATOR in _tags(user)


def _tags(user: dict[str, Any]) -> Sequence[str]:
    tags = user.get("tags")
    # A text before 3.9.
    return tags.split(",") if isinstance(tags, str) else tags if isinstance(tags, list) else ()
