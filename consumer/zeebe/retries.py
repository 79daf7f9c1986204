"""Whether and when a failed attempt is followed by another: pure decisions, no waiting."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from consumer.core import backoff
from consumer.zeebe.failures import Failure, FailureKind, GatewayError, error
from zeebe_amqp.errors import Outcome

__all__ = ["Retries"]


NO_PARTITION_ATTEMPTS: Final = 3
"""Attempts when the partition is not there: a leader comes back within these, a bad key never does."""

_FOR_ALL: Final = frozenset(
    {
        FailureKind.OVERLOAD,
        FailureKind.PAUSED,
        FailureKind.UNREACHABLE,
        FailureKind.NOT_PASSED_ON,
        FailureKind.NO_PARTITION,
    }
)
_FOR_IDEMPOTENT: Final = frozenset(
    {FailureKind.LATE, FailureKind.UNCERTAIN, FailureKind.PROXY_LOST, FailureKind.NO_BROKER}
)


@dataclass
class Retries:
    """The attempts of one call so far."""

    idempotent: bool
    deadline: float | None
    """When the caller stops waiting, seconds since 1970."""
    random: Callable[[], float]
    size: int = 0
    """Bytes of the request, for the texts about its size."""
    made: int = 0
    refreshed: bool = False
    """Whether the credentials were already fetched anew for this call."""
    unsure: bool = False
    """Whether an attempt that may have been executed is behind us."""

    def after(self, failure: Failure, now: float) -> float | None:
        """Count a failed attempt; the seconds until the next one, None when there is none."""
        self.made += 1
        delay = self._delay(failure.kind)
        if delay is not None and self.deadline is not None and now + delay >= self.deadline:
            delay = None
        if delay is not None:
            self.unsure = self.unsure or failure.kind.outcome is Outcome.UNKNOWN
        return delay

    def error(self, failure: Failure) -> GatewayError:
        """What the caller is told when `failure` was the last one."""
        return error(failure, idempotent=self.idempotent, attempts=self.made, unsure=self.unsure, size=self.size)

    def _delay(self, kind: FailureKind) -> float | None:
        if kind is FailureKind.CREDENTIALS and not self.refreshed:
            self.refreshed = True
            return 0.0
        if self.made >= (NO_PARTITION_ATTEMPTS if kind is FailureKind.NO_PARTITION else backoff.ATTEMPTS):
            return None
        if kind in _FOR_ALL or (self.idempotent and kind in _FOR_IDEMPOTENT):
            return backoff.delay(self.made, self.random)
        return None
