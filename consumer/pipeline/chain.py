"""The middleware of a request, in its order; the service is wired with it, and so is the simulation."""

from __future__ import annotations

from collections.abc import Sequence

from consumer.core.delivery import Middleware
from consumer.pipeline.middleware import guarded
from consumer.pipeline.waits import Waits, bounded

__all__ = ["inner_chain", "request_chain"]


def inner_chain(idempotent: Middleware, recover: Middleware, waits: Waits) -> tuple[Middleware, ...]:
    """What is next to the handler, outermost first; answers of workers pass it, too."""
    # Inside: what is answered from the ledger, or by a run that is out already, takes none of these places.
    return (idempotent, recover, bounded(waits))


def request_chain(
    inner: Sequence[Middleware],
    recover: Middleware,
    *,
    observed: Sequence[Middleware] = (),
    rights: Sequence[Middleware] = (),
) -> tuple[Middleware, ...]:
    """What a request passes, outermost first.

    Args:
        inner: what `inner_chain` gave.
        recover: turns errors into replies; it stands twice, so that the ledger sees an error as the answer it is.
        observed: telemetry, around everything.
        rights: who may run what; before the ledger, so that it remembers no denial.
    """
    return (*observed, recover, guarded, *rights, *inner)
