"""A role: the operations that its users may run, on which names and in which tenants."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final

from consumer.core.access import NO_LIMITS, UserLimits
from zeebe_amqp.commands.target import ANY, DEFAULT_TENANT, KINDS, Target

__all__ = ["KEYS", "MAX_NAME", "NO_PATTERNS", "OPERATION", "TENANTS", "Lack", "Patterns", "Role", "is_glob"]

MAX_NAME: Final = 1_000
"""Characters of a name that patterns other than "*" are compared with."""
OPERATION: Final = "operation"
"""The kind of a `Lack`: the role does not allow the operation at all."""
TENANTS: Final = "tenants"
"""The kind of a `Lack`, and the field of `Target`."""
KEYS: Final = "keys"
"""The kind of a `Lack`, and the field of `Target`."""

_WILD: Final = "*?["
"""The characters that mean more than themselves in a pattern."""


def is_glob(text: str) -> bool:
    """Whether a pattern can mean more than one name."""
    return any(char in text for char in _WILD)


@dataclass(frozen=True)
class Patterns:
    """Names that are allowed: `*` any text, `?` one character, `[ab]` one of these; upper and lower case differ."""

    texts: tuple[str, ...]

    def allows(self, name: str) -> bool:
        """Whether a pattern matches. `ANY`, and a name of more than `MAX_NAME` characters, needs the pattern "*"."""
        if self.all:
            return True
        if len(name) > MAX_NAME or name == ANY:
            return False
        return name in self._exact or (self._match is not None and self._match(name) is not None)

    @cached_property
    def all(self) -> bool:
        """Whether every name is allowed."""
        return ANY in self.texts

    @cached_property
    def _exact(self) -> frozenset[str]:
        return frozenset(text for text in self.texts if not is_glob(text))

    @cached_property
    def _match(self) -> Callable[[str], re.Match[str] | None] | None:
        globs = [fnmatch.translate(text) for text in self.texts if is_glob(text)]
        return re.compile("|".join(globs)).match if globs else None

    def __bool__(self) -> bool:
        """Whether it allows any name."""
        return bool(self.texts)

    def __str__(self) -> str:
        return ", ".join(self.texts) or "nothing"


NO_PATTERNS: Final = Patterns(())
"""They allow no name."""


@dataclass(frozen=True, slots=True)
class Lack:
    """Something in a command that a role does not allow."""

    kind: str
    """A kind of `Target`, or `OPERATION`, `TENANTS`, `KEYS`."""
    found: str
    """The operation, name, tenant or key that is not allowed."""
    accepted: str
    """What the role allows in its place."""


@dataclass(frozen=True)
class Role:
    """The rights and limits of its users."""

    name: str
    operations: frozenset[str] = frozenset()
    """By their names; patterns are resolved."""
    names: Mapping[str, Patterns] = field(default_factory=dict)
    """By the kinds of `Target`; an absent kind allows no name."""
    tenants: Patterns = Patterns((DEFAULT_TENANT,))
    allow_keys: bool = False
    limits: UserLimits = NO_LIMITS

    @cached_property
    def _patterns(self) -> tuple[tuple[str, Patterns], ...]:
        return (*((kind, self.names.get(kind, NO_PATTERNS)) for kind in KINDS), (TENANTS, self.tenants))

    def allows(self, operation: str, target: Target) -> bool:
        """Whether it allows an operation, and everything that the command acts on."""
        if operation not in self.operations or (target.keys and not self.allow_keys):
            return False
        for kind, patterns in self._patterns:
            for name in getattr(target, kind):
                if not patterns.allows(name):
                    return False
        return True

    def lacks(self, operation: str, target: Target) -> tuple[Lack, ...]:
        """What it does not allow, each kind with the first name; none when it allows the command."""
        return tuple(self._lacks(operation, target))

    def _lacks(self, operation: str, target: Target) -> Iterator[Lack]:
        if operation not in self.operations:
            yield Lack(OPERATION, operation, ", ".join(sorted(self.operations)) or "nothing")
        for kind, patterns in self._patterns:
            names: Iterable[str] = getattr(target, kind)
            for name in names:
                if not patterns.allows(name):
                    yield Lack(kind, name, str(patterns))
                    break
        if target.keys and not self.allow_keys:
            yield Lack(KEYS, target.keys[0], "no keys without allow_keys = true")
