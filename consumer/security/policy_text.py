"""Reading a policy's TOML: every problem at once, each with its path, what was found and what is accepted."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from fnmatch import fnmatchcase
from typing import Any, Final

from consumer.config.toml import read_toml
from consumer.core.access import NO_LIMITS, UserLimits
from consumer.security.role import MAX_NAME, Patterns, Role, is_glob
from zeebe_amqp import wire
from zeebe_amqp.commands import COMMANDS
from zeebe_amqp.commands.target import DEFAULT_TENANT, KINDS
from zeebe_amqp.errors import nearest
from zeebe_amqp.schema.formatting import found, printable, quoted

__all__ = ["ANONYMOUS", "MAX_SIZE", "PolicyError", "read_text"]

ANONYMOUS: Final = "anonymous"
"""In `users`: whoever sends no `user_id`."""
MAX_SIZE: Final = 2**20
"""Bytes of a policy's file."""
VERSION: Final = 1

_SECTIONS: Final = ("version", "roles", "users")
_LISTS: Final = ("operations", *KINDS, "tenants")
_OF_ROLE: Final = (*_LISTS, "allow_keys", "limits")
_UNITS: Final = {"KiB": 2**10, "MiB": 2**20, "GiB": 2**30}
_MAX: Final = {"in_flight": 1_000_000, "waiting": 1_000_000, "body": wire.MAX_BODY, "ledger_bytes": 2**40}
"""The limits, and the highest values of each."""
_SIZES: Final = ("body", "ledger_bytes")
_MIN: Final = {"in_flight": 1, "waiting": 0, "body": 1, "ledger_bytes": 0}


class PolicyError(Exception):
    """A policy that cannot be used.

    Args:
        problems: every one, with the name of the file and the path inside it.
    """

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


def read_text(text: bytes, name: str) -> tuple[dict[str, Role], dict[str, tuple[str, ...]]]:
    """The roles by name, and the names of each user's roles.

    Raises:
        PolicyError: with every problem; `name` is what they call the file.
    """
    reader = _Reader(name)
    roles, users = reader.policy(_toml(text, name))
    if reader.problems:
        raise PolicyError(reader.problems)
    return roles, users


def _toml(text: bytes, name: str) -> dict[str, Any]:
    if len(text) > MAX_SIZE:
        raise PolicyError([f"{name}: found more than {MAX_SIZE} bytes; expected at most as many"])
    try:
        return read_toml(text)
    except ValueError as error:
        raise PolicyError([f"{name}: {error}"]) from None


class _Reader:
    """Reads the parts of a policy, and keeps the problems that it finds; `name` is the file's."""

    def __init__(self, name: str) -> None:
        self._name = name
        self.problems: list[str] = []

    def policy(self, tables: dict[str, Any]) -> tuple[dict[str, Role], dict[str, tuple[str, ...]]]:
        self._check_known("", tables, _SECTIONS)
        if "version" not in tables:
            self._note("version", f"missing; expected version = {VERSION}")
        elif type(tables["version"]) is not int or tables["version"] != VERSION:
            self._note("version", f"found {found(tables['version'])}; expected {VERSION}")
        roles = {name: self._role(name, value) for name, value in self._table("roles", tables.get("roles", {}))}
        users = {name: self._user(name, value, roles) for name, value in self._table("users", tables.get("users", {}))}
        return roles, users

    def _note(self, path: str, problem: str) -> None:
        self.problems.append(f"{self._name}: {path}: {problem}")

    def _table(self, path: str, value: Any) -> Iterator[tuple[str, Any]]:
        if not isinstance(value, dict):
            self._note(path, f"found {found(value)}; expected a table")
            return
        for name, each in value.items():
            if not name.strip() or len(name.encode()) > wire.MAX_TEXT:
                self._note(_join(path, name), f"expected a name of 1 to {wire.MAX_TEXT} bytes")
            yield name, each

    def _check_known(self, path: str, table: Mapping[str, Any], known: Collection[str]) -> None:
        for key in table:
            if key not in known:
                self._note(_join(path, key), f"unknown{_hint(key, known)}; expected {', '.join(known)}")

    def _role(self, name: str, value: Any) -> Role:
        path = _join("roles", name)
        if not isinstance(value, dict):
            self._note(path, f"found {found(value)}; expected a table")
            return Role(name)
        self._check_known(path, value, _OF_ROLE)
        lists = {key: self._texts(f"{path}.{key}", value[key]) for key in _LISTS if key in value}
        operations = lists.pop("operations", {})
        tenants = lists.pop("tenants", {0: DEFAULT_TENANT})
        return Role(
            name,
            frozenset(self._operations(f"{path}.operations", operations)),
            {kind: Patterns(tuple(texts.values())) for kind, texts in lists.items()},
            Patterns(tuple(tenants.values())),
            self._switch(f"{path}.allow_keys", value.get("allow_keys", False)),
            self._limits(f"{path}.limits", value["limits"]) if "limits" in value else NO_LIMITS,
        )

    def _texts(self, path: str, value: Any) -> dict[int, str]:
        """The texts of a list by their places; those that are none are noted."""
        if not isinstance(value, list):
            self._note(path, f"found {found(value)}; expected a list of texts")
            return {}
        texts = {}
        for index, each in enumerate(value):
            if isinstance(each, str) and 0 < len(each) <= MAX_NAME:
                texts[index] = each
            else:
                self._note(f"{path}[{index}]", f"found {found(each)}; expected text of 1 to {MAX_NAME} characters")
        return texts

    def _operations(self, path: str, patterns: Mapping[int, str]) -> Iterator[str]:
        for index, pattern in patterns.items():
            matching = [name for name in COMMANDS if fnmatchcase(name, pattern)]
            if not matching:
                known = f"{_hint(pattern, COMMANDS)}; expected {', '.join(COMMANDS)}, or a pattern such as *"
                what = "pattern that matches no operation" if is_glob(pattern) else "unknown operation"
                self._note(f"{path}[{index}]", f"{what} {quoted(pattern)}{known}")
            yield from matching

    def _switch(self, path: str, value: Any) -> bool:
        if not isinstance(value, bool):
            self._note(path, f"found {found(value)}; expected true or false")
        return value is True

    def _limits(self, path: str, value: Any) -> UserLimits:
        if not isinstance(value, dict):
            self._note(path, f"found {found(value)}; expected a table such as {{ in_flight = 16 }}")
            return NO_LIMITS
        self._check_known(path, value, _MAX)
        return UserLimits(
            **{key: self._limit(f"{path}.{key}", key, value[key]) for key in _MAX if key in value},
        )

    def _limit(self, path: str, key: str, value: Any) -> int:
        number = _size(value) if key in _SIZES else value
        least, most = _MIN[key], _MAX[key]
        if type(number) is int and least <= number <= most:
            return number
        sizes = ', as a number of bytes or a text such as "1MiB"' if key in _SIZES else ""
        self._note(path, f"found {found(value)}; expected a whole number from {least} to {most}{sizes}")
        return least

    def _user(self, name: str, value: Any, roles: Mapping[str, Role]) -> tuple[str, ...]:
        path = _join("users", name)
        names = self._texts(path, value)
        for index, role in names.items():
            if role not in roles:
                known = ", ".join(roles) or "none, for there is no role"
                self._note(f"{path}[{index}]", f"unknown role {quoted(role)}{_hint(role, roles)}; expected {known}")
        # The order is the file's, and a role counts once.
        return tuple(dict.fromkeys(role for role in names.values() if role in roles))


def _size(value: Any) -> Any:
    """Bytes, from a number or a text with a unit; what is neither stays as it is."""
    if isinstance(value, str):
        for unit, factor in _UNITS.items():
            number = value.removesuffix(unit).rstrip(" ")
            if number != value and number.isascii() and number.isdigit() and len(number) <= len(str(2**40)):
                return int(number) * factor
    return value


def _hint(name: str, known: Collection[str]) -> str:
    near = nearest(name, known)
    return f" (did you mean {near}?)" if near else ""


def _join(path: str, name: str) -> str:
    plain = name.replace("-", "").replace("_", "")
    shown = name if plain.isascii() and plain.isalnum() else quoted(printable(name, ""))
    return f"{path}.{shown}" if path else shown
