"""What the broker refuses: in its own words, with what they mean for a caller and what to do."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, TypeAlias

from aiormq.exceptions import (
    ChannelAccessRefused,
    ChannelClosed,
    ChannelLockedResource,
    ChannelNotFoundEntity,
    ChannelPreconditionFailed,
)

from zeebe_amqp.amqp.hot import ChannelEnded
from zeebe_amqp.errors import Code
from zeebe_amqp.reply_queue import SERVER_NAMED

__all__ = [
    "BIND",
    "CONSUME",
    "DECLARE",
    "PUBLISH",
    "BrokerRefusal",
    "Rights",
    "is_in_use",
    "is_of_another_name",
    "max_message_size",
    "refusal",
    "refusals",
]

Rights: TypeAlias = Mapping[str, str]
"""By kind (queue, exchange), the right that a method needs on it, for brokers before 3.12: they do not say which."""

_ACCESS: Final = {"configure": "configure", "write": "write to", "read": "read from"}
"""The rights by the words of newer brokers."""

DECLARE: Final[Rights] = MappingProxyType({"queue": "configure"})
"""What declaring a queue needs."""
BIND: Final[Rights] = MappingProxyType({"queue": "write to", "exchange": "read from"})
"""What binding a queue to an exchange needs."""
CONSUME: Final[Rights] = MappingProxyType({"queue": "read from"})
"""What consuming a queue needs."""
PUBLISH: Final[Rights] = MappingProxyType({"exchange": "write to"})
"""What publishing to an exchange needs."""


class BrokerRefusal(ConnectionError):
    """The broker says no, and would say it again; the text has its words and what to do, never a password."""

    def __init__(self, message: str, code: Code) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True)
class _Rule:
    """A channel closed with `status` and words of this pattern is a refusal with `code`; other words are an outage."""

    status: int
    pattern: re.Pattern[str]
    code: Code
    advice: str
    """May name the groups of the pattern, and the missing `right`."""


_RULES: Final = tuple(
    _Rule(status, re.compile(pattern), code, advice)
    for status, pattern, code, advice in (
        (
            403,
            r"ACCESS_REFUSED - (?:\w+ )?access to topic '(?P<name>[^']*)' in exchange '(?P<exchange>[^']*)' "
            r".*refused for user '(?P<user>[^']*)'$",
            Code.PERMISSION_DENIED,
            "user {user!r} needs the right to that routing key, which `rabbitmqctl set_topic_permissions` gives for "
            "the exchange {exchange!r}",
        ),
        (
            403,
            r"ACCESS_REFUSED - (?:(?P<said>\w+) )?access to (?P<kind>\w+) '(?P<name>[^']*)' "
            r".*refused for user '(?P<user>[^']*)'$",
            Code.PERMISSION_DENIED,
            "user {user!r} needs the right to {right} the {kind} {name!r}, which `rabbitmqctl set_permissions` gives",
        ),
        (
            403,
            r"ACCESS_REFUSED - queue .* in exclusive use$",
            Code.PERMISSION_DENIED,
            "another client reads it, or the broker has not noticed yet that it is gone: use a queue that nobody else "
            "reads, or try again in 30 seconds",
        ),
        (403, r"ACCESS_REFUSED - (?!.*returned an error)", Code.PERMISSION_DENIED, "use another name"),
        (
            404,
            r"NOT_FOUND - no (?P<kind>queue|exchange) '",
            Code.NOT_FOUND,
            "declare the {kind} first, or check its name and the virtual host",
        ),
        (
            405,
            r"",
            Code.PERMISSION_DENIED,
            "it belongs to another connection: use another name, or close that connection",
        ),
        (406, r"inequivalent arg .* for (?P<kind>queue|exchange) '", Code.FAILED_PRECONDITION, "delete the {kind}"),
        (
            406,
            r"user_id property set to '.*' but authenticated user was '(?P<user>.*)'$",
            Code.PERMISSION_DENIED,
            "leave `user_id` out, or give the login's own name {user!r}: only users with the tag `impersonator` may "
            "name others",
        ),
        (
            406,
            r"message size \d+ .*larger than",
            Code.FAILED_PRECONDITION,
            "send less, or raise the broker's max_message_size",
        ),
        (406, r"", Code.FAILED_PRECONDITION, "the broker's log may say more"),
    )
)

_STATUSES: Final = (
    (ChannelAccessRefused, 403),
    (ChannelNotFoundEntity, 404),
    (ChannelLockedResource, 405),
    (ChannelPreconditionFailed, 406),
)

_NOTHING: Final[Mapping[Code, str]] = MappingProxyType({})


def refusal(error: Exception, rights: Rights, more: Mapping[Code, str] = _NOTHING) -> BrokerRefusal | None:
    """What the end of a channel says about us; None where the broker is only in trouble, or was not asked.

    Args:
        error: the end, as the library or a hot channel tells it.
        rights: the rights that were used.
        more: what else can be done, by code.
    """
    status, words = _status(error), str(error).rstrip(".")
    for rule in _RULES:
        found = rule.pattern.search(words) if rule.status == status else None
        if found is not None:
            advice = rule.advice.format(**found.groupdict() | {"name": _name(found), "right": _right(found, rights)})
            return BrokerRefusal(f"{words}; {advice}{more.get(rule.code, '')}", rule.code)
    return None


@contextmanager
def refusals(rights: Rights, more: Mapping[Code, str] = _NOTHING) -> Iterator[None]:
    """Raise BrokerRefusal where the broker says no; the arguments are those of `refusal`."""
    try:
        yield
    except (ChannelEnded, ChannelClosed) as error:
        found = refusal(error, rights, more)
        if found is None:
            raise
        raise found from error


def is_in_use(error: BaseException) -> bool:
    """Whether a queue is refused because somebody reads it exclusively."""
    return "in exclusive use" in str(error)


def is_of_another_name(error: BaseException | None) -> bool:
    """Whether a message is refused because its `user_id` is not the name that we are logged in by."""
    return "user_id property set to" in str(error)


def max_message_size(error: BaseException | None) -> int | None:
    """The most bytes of a body that the broker takes, where the end of a channel says that one had more."""
    found = re.search(r"message size \d{1,20} .{0,60}larger than \D{0,60}(\d{1,20})", str(error))
    return None if found is None else int(found[1])


def _status(error: Exception) -> int | None:
    if isinstance(error, ChannelEnded):
        return error.code
    return next((status for kind, status in _STATUSES if isinstance(error, kind)), None)


def _right(found: re.Match[str], rights: Rights) -> str:
    groups = found.groupdict()
    return _ACCESS.get(groups.get("said") or "") or rights.get(groups.get("kind") or "", "use")


def _name(found: re.Match[str]) -> str:
    name = found.groupdict().get("name") or ""
    return f"{SERVER_NAMED}*" if name.startswith(SERVER_NAMED) else name
