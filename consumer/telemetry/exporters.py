"""Where telemetry goes: the exporters that the `OTEL_*` variables ask for.

Only what decides whether and where to export is read here. Headers, certificates, time limits, sampler and batch
sizes are read by the SDK itself, from the environment of the process.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace.export import SpanExporter

from consumer.telemetry import names

if TYPE_CHECKING:
    from opentelemetry.sdk.metrics.export import AggregationTemporality, MetricExporter

__all__ = ["TelemetryError", "disabled", "metric_exporter", "resource", "span_exporter", "temporality"]


_ENDPOINT: Final = "OTEL_EXPORTER_OTLP_ENDPOINT"
_PROTOCOL: Final = "OTEL_EXPORTER_OTLP_PROTOCOL"
_GRPC: Final = "grpc"
_HTTP: Final = "http/protobuf"


class TelemetryError(Exception):
    """An `OTEL_*` variable asks for something that is not offered; the text names it."""


def disabled(environ: Mapping[str, str]) -> bool:
    """Whether all telemetry is switched off."""
    return environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true"


def span_exporter(environ: Mapping[str, str]) -> SpanExporter | None:
    """The OTLP exporter for spans, or None when no endpoint is set.

    Raises:
        TelemetryError: unknown protocol or exporter.
    """
    endpoint = _endpoint(environ, "TRACES")
    if endpoint is None:
        return None
    # Imported where it is used: an exporter brings a stack of modules that most installations never need.
    if _protocol(environ, "TRACES") == _GRPC:
        from opentelemetry.exporter.otlp.proto.grpc import trace_exporter as grpc

        return grpc.OTLPSpanExporter(endpoint=endpoint)
    from opentelemetry.exporter.otlp.proto.http import trace_exporter as http

    return http.OTLPSpanExporter(endpoint=endpoint)


def metric_exporter(environ: Mapping[str, str]) -> MetricExporter | None:
    """The OTLP exporter for metrics, or None when no endpoint is set.

    Raises:
        TelemetryError: unknown protocol or exporter.
    """
    endpoint = _endpoint(environ, "METRICS")
    if endpoint is None:
        return None
    if _protocol(environ, "METRICS") == _GRPC:
        from opentelemetry.exporter.otlp.proto.grpc import metric_exporter as grpc

        return grpc.OTLPMetricExporter(endpoint=endpoint)
    from opentelemetry.exporter.otlp.proto.http import metric_exporter as http

    return http.OTLPMetricExporter(endpoint=endpoint)


def temporality(environ: Mapping[str, str]) -> AggregationTemporality:
    """What an exported count counts from: the start, or the export before, as some backends want it."""
    from opentelemetry.sdk.metrics.export import AggregationTemporality

    preference = environ.get("OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE", "").strip().lower()
    return AggregationTemporality.DELTA if preference == "delta" else AggregationTemporality.CUMULATIVE


def _endpoint(environ: Mapping[str, str], signal: str) -> str | None:
    """The URL to send `signal` to, or None for nowhere."""
    if _chosen(environ, signal) == "none":
        return None
    if own := environ.get(f"OTEL_EXPORTER_OTLP_{signal}_ENDPOINT", "").strip():
        return own
    shared = environ.get(_ENDPOINT, "").strip()
    if shared and _protocol(environ, signal) == _HTTP:
        return f"{shared.removesuffix('/')}/v1/{signal.lower()}"
    return shared or None


def _chosen(environ: Mapping[str, str], signal: str) -> str:
    variable = f"OTEL_{signal}_EXPORTER"
    return _check_accepted(variable, environ.get(variable, ""), ("otlp", "none"))


def _protocol(environ: Mapping[str, str], signal: str) -> str:
    own = f"OTEL_EXPORTER_OTLP_{signal}_PROTOCOL"
    variable = own if environ.get(own, "").strip() else _PROTOCOL
    return _check_accepted(variable, environ.get(variable, ""), (_GRPC, _HTTP))


def _check_accepted(variable: str, value: str, accepted: tuple[str, ...]) -> str:
    """The value, the first accepted one when it is blank."""
    value = value.strip() or accepted[0]
    if value not in accepted:
        raise TelemetryError(f"{variable}: found {value[:80]!r}; accepted: {', '.join(accepted)}")
    return value


def resource(environ: Mapping[str, str], version: str) -> Resource:
    """Who we are, for every span and metric."""
    found = Resource.create({names.SERVICE_VERSION: version})
    name = environ.get("OTEL_SERVICE_NAME", "").strip() or str(found.attributes[names.SERVICE_NAME])
    if name.startswith("unknown_service"):
        name = names.SERVICE
    return found.merge(Resource({names.SERVICE_NAME: name}))
