"""The trace that a call belongs to: the one that TRACEPARENT names, or a new one."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from opentelemetry import context, trace
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

__all__ = ["trace_variables", "traced"]


@contextmanager
def traced(begin: bool, environment: Mapping[str, str] = os.environ) -> Iterator[str | None]:
    """Make a trace current: that of the variables TRACEPARENT and TRACESTATE, or with `begin` a new one.

    Gives the trace's id, 32 hexadecimal digits, or None without one.
    """
    carrier = {name: environment[name.upper()] for name in ("traceparent", "tracestate") if name.upper() in environment}
    found = TraceContextTextMapPropagator().extract(carrier)
    if begin and not trace.get_current_span(found).get_span_context().is_valid:
        found = trace.set_span_in_context(NonRecordingSpan(_fresh()))
    token = context.attach(found)
    current = trace.get_current_span(found).get_span_context()
    try:
        yield f"{current.trace_id:032x}" if current.is_valid else None
    finally:
        context.detach(token)


def _fresh() -> SpanContext:
    # Zeros are no ids; of so many random bits there is always one.
    identity = int.from_bytes(os.urandom(24)) | 1 << 64 | 1
    flags = TraceFlags(TraceFlags.SAMPLED)
    return SpanContext(identity >> 64, identity & (1 << 64) - 1, is_remote=False, trace_flags=flags)


def trace_variables() -> dict[str, str]:
    """The current trace as TRACEPARENT and TRACESTATE, for a program that is started; empty without one."""
    carrier: dict[str, str] = {}
    TraceContextTextMapPropagator().inject(carrier)
    return {name.upper(): value for name, value in carrier.items()}
