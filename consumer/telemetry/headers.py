"""The W3C trace context of a request: in its headers, else in its envelope's metadata."""

from __future__ import annotations

from collections.abc import Mapping

from consumer.core.delivery import Delivery
from zeebe_amqp.trace_context import well_formed

__all__ = ["read"]


def read(delivery: Delivery) -> dict[str, str]:
    """The request's own `traceparent`, `tracestate` and `baggage`.

    A header that is missing or malformed is looked for in the envelope's metadata. Never raises.
    """
    return well_formed(delivery.message.headers, _metadata(delivery))


def _metadata(delivery: Delivery) -> Mapping[str, str]:
    try:
        return delivery.request.metadata
    except Exception:  # the handler meets the same error and answers it; telemetry decides no request's fate
        return {}
