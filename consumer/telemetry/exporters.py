"""Where telemetry goes: the exporters that the `OTEL_*` variables ask for.

Only what decides whether and where to export is read here. Headers, certificates, time limits, sampler and batch
sizes are read by the SDK itself, from the environment of the process.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from opentelemetry.exporter.prometheus import PrometheusMetricReader
from opentelemetry.sdk.metrics.export import (
    Metric,
    MetricExporter,
    MetricsData,
    PeriodicExportingMetricReader,
    ResourceMetrics,
    ScopeMetrics,
)
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace.export import SpanExporter
from prometheus_client import CollectorRegistry

from consumer.telemetry import names

_ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT"
_PROTOCOL = "OTEL_EXPORTER_OTLP_PROTOCOL"
_GRPC = "grpc"
_HTTP = "http/protobuf"


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
    return _accepted(variable, environ.get(variable, ""), ("otlp", "none"))


def _protocol(environ: Mapping[str, str], signal: str) -> str:
    own = f"OTEL_EXPORTER_OTLP_{signal}_PROTOCOL"
    variable = own if environ.get(own, "").strip() else _PROTOCOL
    return _accepted(variable, environ.get(variable, ""), (_GRPC, _HTTP))


def _accepted(variable: str, value: str, accepted: tuple[str, ...]) -> str:
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


More = Callable[[], list[Metric]]
"""Metrics to export beside those of the SDK's instruments."""


class PrometheusReader(PrometheusMetricReader):
    """Offers the SDK's metrics and `more` to a Prometheus registry."""

    def __init__(self, registry: CollectorRegistry, more: More) -> None:
        super().__init__(registry=registry, scope_info_enabled=False)
        self._more = more

    def _receive_metrics(self, metrics_data: MetricsData, timeout_millis: float = 10_000, **kwargs: Any) -> None:
        super()._receive_metrics(_joined(metrics_data, self._more()), timeout_millis, **kwargs)


class PeriodicReader(PeriodicExportingMetricReader):
    """Exports the SDK's metrics and `more` at intervals, from a thread of its own."""

    def __init__(self, exporter: MetricExporter, more: More) -> None:
        super().__init__(exporter)
        self._more = more

    def _receive_metrics(self, metrics_data: MetricsData, timeout_millis: float = 10_000, **kwargs: Any) -> None:
        super()._receive_metrics(_joined(metrics_data, self._more()), timeout_millis, **kwargs)


def _joined(data: MetricsData, more: list[Metric]) -> MetricsData:
    whose, *others = data.resource_metrics
    scope, *scopes = whose.scope_metrics
    extended = ScopeMetrics(scope=scope.scope, metrics=[*scope.metrics, *more], schema_url=scope.schema_url)
    first = ResourceMetrics(resource=whose.resource, scope_metrics=[extended, *scopes], schema_url=whose.schema_url)
    return MetricsData(resource_metrics=[first, *others])
