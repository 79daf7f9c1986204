"""The policy: roles and who has them, read from a TOML file. It decides; the file is described in docs/policy.md."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import Final

from consumer.core.access import NO_LIMITS, Decision, UserLimits
from consumer.security.policy_text import ANONYMOUS, MAX_SIZE, PolicyError, read_text
from consumer.security.refusals import place, refusal
from consumer.security.role import OPERATION, Lack, Role
from consumer.security.warnings import find_warnings
from zeebe_amqp.commands import Command
from zeebe_amqp.commands.keys import outline
from zeebe_amqp.commands.keys import target as target_of
from zeebe_amqp.commands.target import Target

__all__ = ["ANONYMOUS", "Explanation", "Policy", "PolicyError", "parse", "read"]


@dataclass(frozen=True, slots=True)
class Explanation:
    """What one role of a user says about a command."""

    role: str
    allowed: bool
    missing: tuple[Lack, ...]
    """What the role does not allow; none when it allows the command."""


_NO_ROLES: Final[tuple[Role, ...]] = ()


@dataclass(frozen=True)
class Policy:
    """Who may do what; see `consumer.core.access.Authorizer`. Nothing is allowed that no role allows.

    One role has to allow all of a command: rights are not pieced together from two.
    """

    digest: str
    """SHA-256 of the file's bytes, hexadecimal."""
    roles: Mapping[str, Role]
    users: Mapping[str, tuple[str, ...]]
    """The names of each user's roles; `ANONYMOUS` stands for senders without `user_id`."""

    @cached_property
    def warnings(self) -> tuple[str, ...]:
        """Entries that are valid, but probably a mistake."""
        return tuple(find_warnings(self.roles, self.users))

    def decide(self, user: str | None, command: Command, target: Callable[[Command], Target] = target_of) -> Decision:
        """See `Authorizer.decide`; `target` says what a command acts on, at the engine that gets it."""
        operation = command.operation
        # Nobody who may deploy nothing makes the service read files.
        is_known = any(operation in role.operations for role in self._of(user))
        return self.judge(user, operation, target(command) if is_known else outline(command))

    def judge(self, user: str | None, operation: str, target: Target) -> Decision:
        """Whether a user (None = anonymous) may run an operation on a target."""
        roles = self._of(user)
        for role in roles:
            if role.allows(operation, target):
                return Decision(True, f"role {role.name}", target, policy=self.digest)
        name = user or ANONYMOUS
        rule = f"no role of {name} allows it" if roles else f"{name} has no role"
        lack = _closest(roles, operation, target)
        return Decision(False, rule, target, refusal(user, operation, lack), place(operation, lack), self.digest)

    def explain(self, user: str | None, operation: str, target: Target) -> tuple[Explanation, ...]:
        """What each role of a user says, in the order of the file."""
        found = ((role.name, role.lacks(operation, target)) for role in self._of(user))
        return tuple(Explanation(name, not lacks, lacks) for name, lacks in found)

    def limits(self, user: str | None) -> UserLimits:
        """See `Authorizer.limits`; of several roles' limits, each one is the most generous that a role gives."""
        return self._limits.get(user or ANONYMOUS, NO_LIMITS)

    def _of(self, user: str | None) -> tuple[Role, ...]:
        return self._roles.get(user or ANONYMOUS, _NO_ROLES)

    @cached_property
    def _roles(self) -> dict[str, tuple[Role, ...]]:
        return {user: tuple(self.roles[name] for name in names) for user, names in self.users.items()}

    @cached_property
    def _limits(self) -> dict[str, UserLimits]:
        return {user: _united(tuple(role.limits for role in roles)) for user, roles in self._roles.items()}


def parse(text: bytes, name: str) -> Policy:
    """Read a policy; `name` is what errors call it.

    Raises:
        PolicyError: with every problem.
    """
    roles, users = read_text(text, name)
    return Policy(hashlib.sha256(text).hexdigest(), roles, users)


def read(path: Path) -> Policy:
    """Read a policy from a file.

    Raises:
        PolicyError: it cannot be read, or says what it must not; with every problem.
    """
    try:
        with path.open("rb") as file:
            text = file.read(MAX_SIZE + 1)
    except OSError as error:
        raise PolicyError([f"{path}: cannot be read ({error.strerror})"]) from error
    return parse(text, str(path))


def _closest(roles: tuple[Role, ...], operation: str, target: Target) -> Lack | None:
    """What is missing in the role that comes closest; None without a role."""
    meant = [role.lacks(operation, target) for role in roles if operation in role.operations]
    if meant:
        return min(meant, key=len)[0]
    operations = sorted({name for role in roles for name in role.operations})
    return Lack(OPERATION, operation, ", ".join(operations) or "nothing") if roles else None


def _united(limits: tuple[UserLimits, ...]) -> UserLimits:
    given = {each.name: [value for one in limits if (value := getattr(one, each.name)) is not None]
             for each in fields(UserLimits)}  # fmt: skip
    return UserLimits(**{name: max(values) for name, values in given.items() if values})
