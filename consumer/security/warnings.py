"""Entries of a policy that are valid, but probably a mistake."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from consumer.security.policy_text import ANONYMOUS
from consumer.security.role import Role, is_glob
from zeebe_amqp.commands import COMMANDS
from zeebe_amqp.commands.keys import carries_keys

__all__ = ["find_warnings"]


def find_warnings(roles: Mapping[str, Role], users: Mapping[str, tuple[str, ...]]) -> Iterator[str]:
    """Every warning, in the order of the file."""
    had = {name for names in users.values() for name in names}
    for role in roles.values():
        if role.name not in had:
            yield f"roles.{role.name}: no user has it"
        yield from _of_role(role)
    for user, names in users.items():
        if not names and user != ANONYMOUS:
            yield f"users.{user}: has no role, so the line has no effect"
        if is_glob(user):
            yield f"users.{user}: is the user of exactly this name; user names are no patterns"


def _of_role(role: Role) -> Iterator[str]:
    if not role.operations:
        yield f"roles.{role.name}: allows no operation"
    named = {kind for name in role.operations for kind in COMMANDS[name].named_by}
    for operation in COMMANDS:
        if operation in role.operations and (problem := _useless(role, operation)):
            yield f"roles.{role.name}: allows {operation}, but {problem}"
    for kind, patterns in role.names.items():
        if patterns and kind not in named:
            yield f"roles.{role.name}.{kind}: none of its operations names any"


def _useless(role: Role, operation: str) -> str:
    """Why no command of an operation is allowed; "" when one may be."""
    command = COMMANDS[operation]
    # Of several kinds in one field, such as all that files may hold, only the first is always there.
    kinds = {field: kind for kind, field in reversed(list(command.named_by.items()))}.values()
    keyed = carries_keys(command)
    if (keyed and role.allow_keys) or not (kinds or keyed):
        return ""
    empty = [kind for kind in kinds if not role.names.get(kind)]
    if kinds and not empty:
        return ""
    ways = [f"names no {' and no '.join(empty)}"] if kinds else []
    return " and ".join([*ways, *(["has no allow_keys = true"] if keyed else [])])
