"""Who may do what, as the rest of the service asks for it; a policy answers, or another engine of rules."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol

from zeebe_amqp.commands import Command
from zeebe_amqp.commands.keys import target
from zeebe_amqp.commands.target import Target

__all__ = ["NO_LIMITS", "Authorizer", "Decision", "Unrestricted", "UserLimits"]


@dataclass(frozen=True, slots=True)
class UserLimits:
    """How much one user may take. None = no limit of his own; the share that everybody has still holds."""

    in_flight: int | None = None
    """Commands that run at a time, over all queues."""
    waiting: int | None = None
    """Long-running commands at a time, over all queues."""
    body: int | None = None
    """Bytes of one request's body."""
    ledger_bytes: int | None = None
    """Bytes of answers that are remembered."""


NO_LIMITS: Final = UserLimits()
"""Of a user without any of his own."""


@dataclass(frozen=True, slots=True)
class Decision:
    """Whether a command may run, and why."""

    allowed: bool
    rule: str
    """What decided, for the audit: "no policy", "role orders", "no role of alice allows it"."""
    target: Target
    """What the command acts on."""
    reason: str = ""
    """Of a refusal, for the caller: what was found and what is accepted."""
    field: str = ""
    """Of a refusal: the field that names what is not allowed, if one does."""
    policy: str = ""
    """Identifies the rules that decided, for the audit, by their SHA-256 in hexadecimal digits: others may be in force
    since; empty when there are none."""


class Authorizer(Protocol):
    """Decides. Both methods are pure, fast, and never raise: they are called for every request."""

    def decide(self, user: str | None, command: Command, target: Target | None = None) -> Decision:
        """Whether `user`, as the broker validated him (None = nobody), may run `command`.

        `target` is what it acts on, where that is known from elsewhere than the command.
        """

    def limits(self, user: str | None) -> UserLimits:
        """How much `user` may take."""


class Unrestricted:
    """The authorizer where there is no policy: everybody who can publish to the queue may do everything.

    Args:
        target: what a command acts on, at the engine that gets it.
    """

    def __init__(self, target: Callable[[Command], Target] = target) -> None:
        self._target = target

    def decide(self, user: str | None, command: Command, target: Target | None = None) -> Decision:
        """See `Authorizer.decide`."""
        return Decision(True, "no policy", self._target(command) if target is None else target)

    def limits(self, user: str | None) -> UserLimits:
        """See `Authorizer.limits`."""
        return NO_LIMITS
