"""What a policy is asked: may this user run this? Made of names, or of a whole request."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from functools import cache
from types import MappingProxyType
from typing import Final, NamedTuple

from consumer.config import Settings
from consumer.core.message import Message
from consumer.security.policy import ANONYMOUS
from zeebe_amqp.commands import COMMANDS, Command, Signal
from zeebe_amqp.commands.keys import carries_keys
from zeebe_amqp.commands.target import ANY, DEFAULT_TENANT, KINDS, Target
from zeebe_amqp.errors import nearest
from zeebe_amqp.schema.formatting import quoted

__all__ = ["NAMES", "Question", "Questions", "fields", "has_tenants", "kinds", "user_called"]

NAMES: Final[Mapping[str, str]] = MappingProxyType({
    "process": "processes",
    "message": "messages",
    "signal": "signals",
    "decision": "decisions",
    "job_type": "job_types",
    "resource": "resources",
    "tenant": "tenants",
    "key": "keys",
})  # fmt: skip
"""What one name is called, and the field of `Target` that holds such names."""
_TENANTS: Final = frozenset({"tenant_id", "tenant_ids"})


class Question(NamedTuple):
    """May a user (None = anonymous) run an operation on a target?"""

    user: str | None
    operation: str
    target: Target


def user_called(name: str) -> str | None:
    """The user that is called so in a policy; None for `ANONYMOUS`."""
    return None if name == ANONYMOUS else name


def kinds(command: type[Command]) -> tuple[str, ...]:
    """The kinds of names, fields of `Target`, that commands of a type can have."""
    return tuple(kind for kind in KINDS if kind in command.named_by or kind in command.places)


def has_tenants(command: type[Command]) -> bool:
    """Whether commands of a type can have a tenant."""
    return not _TENANTS.isdisjoint(command.__struct_fields__)


@cache
def fields(operation: str) -> tuple[str, ...]:
    """The fields of `Target` that an operation can fill."""
    command = COMMANDS[operation]
    tenants, keys = ["tenants"] * has_tenants(command), ["keys"] * carries_keys(command)
    return (*kinds(command), *tenants, *keys)


class Questions:
    """Makes questions as the service of these settings asks them: what a signal acts on depends on its engine."""

    def __init__(self, settings: Settings) -> None:
        # Imported here: the engine's room brings an HTTP client, which no other command needs.
        from consumer.camunda7 import reach

        self._max_depth = settings.max_depth
        self._target = reach(settings.camunda7)

    def from_request(self, user: str | None, body: bytes) -> Question:
        """The question about a request's body, decoded as the service does.

        Raises:
            CommandError: the service would refuse the request before it asks the policy.
        """
        request = Message(body).decode(self._max_depth)
        return Question(user, request.operation, self._target(request.command))

    def from_names(self, user: str | None, operation: str, names: Mapping[str, Sequence[str]]) -> Question:
        """The question about an operation on names; `names` has them by the keys of `NAMES`.

        Raises:
            ValueError: no such operation, or it has no names of such a kind, or none is given and it needs some.
        """
        command = _command(operation)
        given = {NAMES[name]: tuple(values) for name, values in names.items() if values}
        _check(operation, given, fields(operation))
        tenants = self._default_tenants(command, keyed="keys" in given)
        return Question(user, operation, Target(**{"tenants": tenants, **given}))

    def _default_tenants(self, command: type[Command], *, keyed: bool) -> tuple[str, ...]:
        """The tenants of a request that names none."""
        if issubclass(command, Signal):
            return () if keyed else self._target(Signal(name=ANY)).tenants
        return (DEFAULT_TENANT,) if has_tenants(command) else ()


def _command(operation: str) -> type[Command]:
    if operation in COMMANDS:
        return COMMANDS[operation]
    near = nearest(operation, COMMANDS)
    hint = f"did you mean {quoted(near)}?" if near else f"known are {', '.join(COMMANDS)}"
    raise ValueError(f"{quoted(operation)} is not an operation; {hint}")


def _check(operation: str, given: Collection[str], accepted: Sequence[str]) -> None:
    for field in given:
        if field not in accepted:
            raise ValueError(f"{operation} has no {_called([field])}; expected {_called(accepted) or 'no names'}")
    # A file has a name, whatever is in it.
    needed = ["resources"] if "resources" in accepted else [field for field in accepted if field != "tenants"]
    if needed and not any(field in given for field in needed):
        raise ValueError(f"{operation} needs what it acts on; expected {_called(needed)}")


def _called(fields: Sequence[str]) -> str:
    """What names in these fields of `Target` are called."""
    return " or ".join(name.replace("_", "-") for name, field in NAMES.items() if field in fields)
