"""The policy in force; another one takes its place without a restart."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

from consumer.core.access import Decision, UserLimits
from consumer.core.large import offload
from consumer.security.policy import PolicyError, read
from zeebe_amqp.commands import Command
from zeebe_amqp.commands.target import Target

__all__ = ["Rights"]

log = logging.getLogger(__name__)


class Rights:
    """Decides by the policy that was read last; see `consumer.core.access.Authorizer`.

    Args:
        path: of the policy's file.
        target: what a command acts on, at the engine that gets it.

    Raises:
        PolicyError: the file cannot be used.
    """

    def __init__(self, path: Path, target: Callable[[Command], Target]) -> None:
        self._path = path
        self._target = target
        self._policy = read(path)
        self._tell()

    def decide(self, user: str | None, command: Command, target: Target | None = None) -> Decision:
        """See `Authorizer.decide`."""
        # Whatever happens to the attribute meanwhile: one policy decides.
        if target is not None:
            return self._policy.judge(user, command.operation, target)
        return self._policy.decide(user, command, self._target)

    def limits(self, user: str | None) -> UserLimits:
        """See `Authorizer.limits`."""
        return self._policy.limits(user)

    async def reload(self) -> None:
        """Read the file again, beside the event loop; one that cannot be used changes nothing, and is logged."""
        try:
            self._policy = await offload(read, self._path)
        except PolicyError as error:
            fields = {"event": "policy.refused", "problems": error.problems, "digest": self._policy.digest}
            log.error("the old policy stays in force: %s", "; ".join(error.problems), extra=fields)
        else:
            self._tell()

    def _tell(self) -> None:
        policy = self._policy
        fields = {
            "event": "policy.loaded",
            "digest": policy.digest,
            "roles": len(policy.roles),
            "users": len(policy.users),
        }
        log.info("policy %s is in force", policy.digest[:12], extra=fields)
        for warning in policy.warnings:
            log.warning("policy: %s", warning, extra={"event": "config.warning"})
