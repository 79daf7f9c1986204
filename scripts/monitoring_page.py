"""The page of monitoring: metrics, events of the log, health and spans, from the tables of the service."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from consumer.health import PARTS
from consumer.telemetry import events, names, span_catalog
from consumer.telemetry.catalog import HISTOGRAM, METRICS
from consumer.telemetry.prometheus import exposed

INTRODUCTION = """
You can watch the service with Prometheus: let it read `/metrics` of each replica.

```yaml
scrape_configs:
- job_name: zeebe-amqp
  static_configs: [{targets: ["consumer:8080"]}]
```

`HTTP_ADDRESS` must be open to it: the default, `127.0.0.1:8080`, is for this machine only. The image listens on all
addresses. To send metrics and traces by OTLP instead, set `OTEL_EXPORTER_OTLP_ENDPOINT`.
"""


class Watched(NamedTuple):
    """A number to watch: its query, and what it tells."""

    query: str
    meaning: str


NUMBERS = (
    Watched("min(zeebe_amqp_ready)", "0: a replica is not ready; `/readyz` says why"),
    Watched(
        "max by (part) (zeebe_amqp_paused_seconds)",
        "Seconds for which the gateway or the ledger has been away. Nothing is consumed meanwhile",
    ),
    Watched(
        "max(zeebe_amqp_oldest_request_age_seconds)",
        "The longest that a caller has waited. It grows when something is stuck, whatever it is",
    ),
    Watched(
        "max by (queue) (zeebe_amqp_queue_messages)",
        "Requests that wait in their queue. It grows when more come than are handled",
    ),
    Watched(
        'sum(increase(zeebe_amqp_outcomes_total{outcome="unknown"}[15m]))',
        "Commands that may or may not have been executed. Somebody should look at each",
    ),
    Watched(
        'sum by (source) (rate(zeebe_amqp_commands_total{code!="OK"}[5m]))',
        "Errors, by source: `gateway` is the engine, `consumer` the service or the caller's request",
    ),
    Watched("max(zeebe_amqp_dead_letters)", "Letters that wait for somebody to replay or drop them"),
    Watched(
        "histogram_quantile(0.99, sum by (le) (rate(rpc_client_call_duration_seconds_bucket"
        '{rpc_method!~".*/ActivateJobs",rpc_method!~".*/CreateProcessInstanceWithResult"}[5m])))',
        "How slow the engine is, without the calls that wait on purpose. Compare "
        "`messaging_client_operation_duration_seconds` (the broker) and "
        "`zeebe_amqp_ledger_duration_seconds` (the ledger)",
    ),
)
"""What somebody who has eight places on a screen should see."""

HEALTH = """
`/livez` returns 200 and the text `alive` while the process is healthy, even if RabbitMQ or Zeebe is down: restart the
process only when this fails. `/readyz` returns 200 when the service takes requests, else 503, and JSON:

```json
{"ready": false, "reasons": {"gateway": "nobody answers at zeebe:26500; nothing is consumed until it answers"}}
```

`reasons` has a text for each part that is not well, and is empty when all are:
"""

METRICS_TEXT = """
All names follow OpenTelemetry; Prometheus shows them with `_` for `.`, with the unit, and with `_total` for counters. A
histogram has `_bucket`, `_count` and `_sum`. A label without a value is empty.

- Counters begin at zero, so that an increase shows the first event. Only the series of `zeebe_amqp.retries`, and those
  of `zeebe_amqp.commands` with an error, begin with their first count.
- A gauge that cannot be read is NaN.
- Gauges of queues, of the dead letters and of a ledger in Redis are the same for all replicas: take the largest, not
  the sum.
- `target_info` has the attributes of `OTEL_RESOURCE_ATTRIBUTES`.
"""

LOG_TEXT = """
`LOG_FORMAT=json` writes a JSON object for each line; `text` writes a sentence for people, with the same fields after
it:

```json
{"event": "broker.unreached", "connection": "zeebe-amqp consume", "error": "connection lost: …", "seconds": 0.9,
 "time": "2026-11-27T08:19:50.123Z", "level": "warning", "logger": "zeebe_amqp.amqp.reconnecting", "message": "…"}
```

Every line has `time`, `level`, `logger` and `message`. Lines of the service have an `event`, and lines about a request
have a `trace_id` where there is one. An error of the service itself has its `exception`. Alert on events, not on
sentences: sentences may change.

A storm does not fill the disk. The service writes ten lines a minute for each event. One more line at the end of the
minute counts the others in `left_out`. Where the table says so, another bound applies. Passwords and tokens are
masked, and texts of errors about a request end after 200 characters.
"""

TRACES_TEXT = """
Set `OTEL_EXPORTER_OTLP_ENDPOINT`, and each request has at least three spans in the trace of its caller. They show how
long it was in its queue, what it waited for, each attempt at the gateway, and its reply. Find a trace by
`zeebe.process_instance_key` or `zeebe_amqp.request.id`. Without tracing, the caller's context passes through to the
reply.

### One trace through a process

A process continues after the request that started it is answered, and the engine keeps no traces. But a variable of the
process can carry one. Name the variable with `metadata.traceVariable`, the client's `trace_variable=` or
`--trace-variable`, or set `TRACE_VARIABLE` for all requests. Then `create-instance`, `publish-message` and
`broadcast-signal` put the trace context into it:

```json
{"id": 7, "trace": {"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}}
```

[Jobs in queues](jobs.md) take it from there. So one trace shows the web request, its queue, the call to the engine, the
job in its queue, the worker, and the command that ends the job. The worker has to continue the `traceparent` of the job
and to send its own with the answer; instrumented AMQP libraries do both. If an answer has none, its span has a link to
the publishing of its job.

- The variable is the last member of the document; all other bytes stay as they were sent. Everybody who may see the
  variables of the process can read it.
- The context is that of the service's own span, or with tracing off that of the caller. Without a context the service
  adds nothing.
- The service refuses a name that the request's variables already have. With `TRACE_VARIABLE` it sends such a request
  unchanged, and also one that is nearly as large as the gateway accepts.
- A message that continues a process brings its own trace, and later jobs belong to the trace of the message.
- A poll that brings no jobs leaves no span.
- The service looks for the trace of a job in the variable that `TRACE_VARIABLE` names, by default `trace`. It fetches
  this variable even if `fetch_variables` in the type's table leaves it out.
"""


def page() -> str:
    """All of it, from the first heading of its own on."""
    return "\n".join([
        INTRODUCTION.strip(),
        "\n## The eight numbers to watch\n",
        *_rows(("query", "meaning"), ((_code(each.query), each.meaning) for each in NUMBERS)),
        "\n## Health\n",
        HEALTH.strip() + "\n",
        *_rows(("part", "what is not well"), ((_code(part), meaning) for part, meaning in PARTS.items())),
        "\n## Metrics\n",
        METRICS_TEXT.strip() + "\n",
        *_rows(("metric, and its name in Prometheus", "kind", "unit", "labels", "meaning"), _metrics()),
        f"\nHistograms have the bounds {', '.join(f'{bound:g}' for bound in names.BUCKETS)} seconds.",
        "\n## Log\n",
        LOG_TEXT.strip() + "\n",
        *_rows(("event", "level", "meaning", "fields", "bound"), _events()),
        "\nFields of a request:\n",
        *_rows(("field", "meaning"), ((_code(name), meaning) for name, meaning in events.REQUEST.items())),
        "\n## Traces\n",
        TRACES_TEXT.strip(),
        *(line for span in span_catalog.SPANS for line in _span(span)),
    ])  # fmt: skip


def _metrics() -> Iterator[tuple[str, ...]]:
    for name, metric in METRICS.items():
        shown = _code(exposed(name, metric.kind, metric.unit))
        labels = ", ".join(map(_code, metric.labels))
        unit = "s" if metric.kind == HISTOGRAM else metric.unit
        yield f"{_code(name)}<br>{shown}", metric.kind, _code(unit), labels, metric.meaning


def _events() -> Iterator[tuple[str, ...]]:
    for name, event in events.EVENTS.items():
        bound = event.bound or ("none" if event.level == "debug" else "")
        fields = "those of a request" if event.fields == tuple(events.REQUEST) else ", ".join(map(_code, event.fields))
        yield _code(name), event.level, event.meaning, fields, bound


def _span(span: span_catalog.SpanKind) -> Iterator[str]:
    yield f"\n### `{span.name}`\n"
    yield f"Kind {span.kind}. {span.meaning}.\n"
    yield from _rows(("attribute", "meaning"), ((_code(name), text) for name, text in span.attributes.items()))
    for name in span.events:
        event = span_catalog.EVENTS[name]
        yield f"\nEvent `{name}`: {event.meaning}.\n"
        yield from _rows(("attribute", "meaning"), ((_code(each), text) for each, text in event.attributes.items()))


def _rows(heading: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> Iterator[str]:
    for row in (heading, ("---",) * len(heading), *rows):
        yield f"| {' | '.join(row)} |"


def _code(text: str) -> str:
    return f"`{text}`" if text else ""
