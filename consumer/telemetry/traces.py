"""Spans around the handling of a request and the publishing of its reply: one trace from caller to caller."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from opentelemetry.context import Context, attach, detach
from opentelemetry.trace import Link, Span, SpanKind, Tracer, format_trace_id, get_current_span, set_span_in_context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from opentelemetry.trace.status import StatusCode

from consumer.core.delivery import Delivery, Handler, Reply
from consumer.telemetry import headers, names
from zeebe_amqp import wire

_PROPAGATOR = TraceContextTextMapPropagator()


@dataclass(frozen=True, slots=True)
class Trace:
    """What `Delivery.trace` holds: the context of the handling span, and the caller's baggage as it was sent."""

    context: Context
    baggage: str | None

    def id(self) -> str:
        """The trace id, 32 hexadecimal digits."""
        return format_trace_id(get_current_span(self.context).get_span_context().trace_id)


class Traces:
    """Makes the spans.

    Args:
        tracer: starts them.
        link: the handling begins a trace of its own that links to the caller's, instead of being part of it.
    """

    def __init__(self, tracer: Tracer, *, link: bool = False) -> None:
        self._tracer = tracer
        self._link = link

    def traced(self, handler: Handler) -> Handler:
        """Run `handler` inside a span that continues the caller's trace; it is current meanwhile."""

        async def trace(delivery: Delivery) -> Reply:
            span, context = self._begin(delivery)
            token = attach(context)
            try:
                reply = await handler(delivery)
                _conclude(span, delivery, reply)
                return reply
            except BaseException as error:
                fail(span, type(error).__name__)
                raise
            finally:
                detach(token)
                span.end()

        return trace

    def _begin(self, delivery: Delivery) -> tuple[Span, Context]:
        carried = headers.read(delivery)
        caller = _PROPAGATOR.extract(carried, Context())
        remote = get_current_span(caller).get_span_context()
        span = self._tracer.start_span(
            names.process(delivery.message.queue),
            context=Context() if self._link else caller,
            kind=SpanKind.CONSUMER,
            attributes=_described(delivery),
            links=[Link(remote)] if self._link and remote.is_valid else None,
        )
        context = set_span_in_context(span, Context())
        delivery.trace = Trace(context, carried.get(wire.BAGGAGE))
        return span, context

    def publish(self, delivery: Delivery, reply: Reply) -> tuple[Span, dict[str, str]]:
        """Start the span of publishing a reply; with it the trace headers that the reply must carry."""
        span = self._tracer.start_span(
            names.PUBLISH_REPLY,
            context=self._parent(delivery),
            kind=SpanKind.PRODUCER,
            attributes=_addressed(delivery, reply),
        )
        carrier: dict[str, str] = {}
        _PROPAGATOR.inject(carrier, set_span_in_context(span, Context()))
        if isinstance(delivery.trace, Trace) and delivery.trace.baggage is not None:
            carrier[wire.BAGGAGE] = delivery.trace.baggage
        return span, carrier

    def _parent(self, delivery: Delivery) -> Context:
        if isinstance(delivery.trace, Trace):
            return delivery.trace.context
        return _PROPAGATOR.extract(headers.read(delivery), Context())


def _described(delivery: Delivery) -> dict[str, str | int | bool]:
    optional = {
        names.MESSAGE_ID: delivery.message.message_id,
        names.CONVERSATION_ID: delivery.message.correlation_id,
        names.USER: delivery.message.user_id,
    }
    return {
        names.SYSTEM: names.RABBITMQ,
        names.OPERATION_NAME: names.PROCESS,
        names.OPERATION_TYPE: names.PROCESS,
        names.DESTINATION: delivery.message.queue,
        names.ROUTING_KEY: delivery.message.queue,
        names.BODY_SIZE: delivery.message.size,
        names.REDELIVERED: delivery.message.redelivered,
        **{name: value for name, value in optional.items() if value is not None},
    }


def _addressed(delivery: Delivery, reply: Reply) -> dict[str, str | int | bool]:
    described: dict[str, str | int | bool] = {
        names.SYSTEM: names.RABBITMQ,
        names.OPERATION_NAME: names.PUBLISH,
        names.OPERATION_TYPE: names.SEND,
        names.DESTINATION_TEMPLATE: names.REPLY,
        # The broker names such queues itself, and they go with the connection that made them.
        names.DESTINATION_TEMPORARY: (delivery.message.reply_to or "").startswith("amq."),
    }
    if delivery.message.correlation_id is not None:
        described[names.CONVERSATION_ID] = delivery.message.correlation_id
    if reply.operation is not None:
        described[names.ZEEBE_OPERATION] = reply.operation
    return described


def _conclude(span: Span, delivery: Delivery, reply: Reply) -> None:
    if not span.is_recording():
        return
    if reply.operation is not None:
        span.set_attribute(names.ZEEBE_OPERATION, reply.operation)
    if reply.replayed:
        span.set_attribute(names.REPLAYED, True)
    span.set_attributes(_keys(delivery, reply))
    if reply.error is not None:
        # Never the error's text: it may quote what the caller sent.
        span.set_attribute(names.ERROR_SOURCE, str(reply.error.source))
        span.set_attribute(names.ERROR_OUTCOME, str(reply.error.outcome))
        fail(span, str(reply.error.code))


def fail(span: Span, kind: str) -> None:
    """Mark `span` as ended by an error of that name."""
    span.set_attribute(names.ERROR_TYPE, kind)
    span.set_status(StatusCode.ERROR)


def _keys(delivery: Delivery, reply: Reply) -> dict[str, str]:
    """The keys that the command or its result names, as text: they exceed what many trace stores keep of a number."""
    command = _command(delivery)
    keys = {}
    for field, (rendered, attribute) in names.KEYS.items():
        key = _value(reply.data, field, rendered) or getattr(command, field, None)
        if isinstance(key, (int, str)):
            keys[attribute] = str(key)
    return keys


def _value(result: object, field: str, rendered: str) -> object:
    return result.get(rendered) if isinstance(result, Mapping) else getattr(result, field, None)


def _command(delivery: Delivery) -> object:
    try:
        return delivery.request.command
    except Exception:  # it was answered already; here it only means that there is nothing to describe
        return None
