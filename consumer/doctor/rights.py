"""The policy, the audit and the signing key, as the service finds them when it starts."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from consumer import audit
from consumer.config import Amqp, Settings
from consumer.config.values import AuditSink
from consumer.core.key_file import NAME, KeyFileError, known_keys
from consumer.doctor.finding import Finding, Section
from consumer.security.audit_sinks import AuditError
from consumer.security.policy import PolicyError, read
from zeebe_amqp.amqp.connection import BrokerError

__all__ = ["look_at_rights", "unexamined"]

RIGHTS: Final = Section("rights")
MAX_SHOWN: Final = 3
"""Problems or warnings of a policy that a finding repeats."""
_CHECK: Final = "`python -m consumer policy check` names all of them"


async def look_at_rights(settings: Settings) -> list[Finding]:
    """Look at them, and judge them; nothing is made."""
    return [_policy(settings.policy_file), await _audit(settings.audit, settings.amqp), _signing_key(settings)]


def unexamined(problem: str) -> Finding:
    """They could not be looked at."""
    return RIGHTS.unseen("rights", problem, "see the log of a start", "nothing is known of this section")


def _policy(path: Path | None) -> Finding:
    if path is None:
        return RIGHTS.ok("policy", "none: whoever may publish to the request queues may run everything")
    try:
        policy = read(path)
    except PolicyError as error:
        why = "the service does not start with it; one that runs keeps the policy before"
        return RIGHTS.problem("policy", _few(error.problems), _CHECK, why)
    found = f"{path}: {len(policy.roles)} roles, {len(policy.users)} users, digest {policy.digest}"
    if policy.warnings:
        why = "it allows more or less than it seems to"
        return RIGHTS.warning("policy", f"{found}; {_few(policy.warnings)}", _CHECK, why)
    return RIGHTS.ok("policy", found)


def _few(texts: Sequence[str]) -> str:
    more = f"; and {len(texts) - MAX_SHOWN} more" if len(texts) > MAX_SHOWN else ""
    return "; ".join(texts[:MAX_SHOWN]) + more


async def _audit(sink: AuditSink | None, amqp: Amqp) -> Finding:
    if sink is None:
        return RIGHTS.ok("audit", "off: no command is recorded")
    try:
        return RIGHTS.ok("audit", await audit.look(sink, amqp))
    except (AuditError, BrokerError) as error:
        why = "without it the service does not start, or consumes nothing"
        return RIGHTS.problem("audit", str(error), "see to it that AUDIT can be written", why)


def _signing_key(settings: Settings) -> Finding:
    try:
        keys = known_keys(settings)
    except KeyFileError as error:
        change = "do as it says, or set SIGNING_KEYS"
        return RIGHTS.problem("signing key", str(error), change, "the service does not start with it")
    if settings.signing_keys:
        return RIGHTS.ok("signing key", f"{len(keys)} in SIGNING_KEYS; the first one signs")
    here = settings.state_dir / NAME
    return RIGHTS.ok("signing key", f"{here}" if keys else f"{here}: not there yet; the service makes it")
