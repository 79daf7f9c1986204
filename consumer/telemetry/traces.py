"""Spans around the handling of a request and the publishing of its reply: one trace from caller to caller."""

from __future__ import annotations

from dataclasses import dataclass

from opentelemetry.context import Context, attach, detach
from opentelemetry.trace import SpanContext, SpanKind, format_trace_id, set_span_in_context

from consumer.core.delivery import Delivery, Handler, Reply
from consumer.jobs.signed_id import hide_signature
from consumer.telemetry import headers, names
from consumer.telemetry.requests import queue_wait
from consumer.telemetry.spans import HotSpan, Spans, carried, remote
from zeebe_amqp import wire
from zeebe_amqp.trace_context import well_formed

__all__ = ["Trace", "Traces"]


@dataclass(slots=True)
class Trace:
    """What `Delivery.trace` holds: the ids of the handling span, and the caller's baggage as it was sent."""

    context: SpanContext
    baggage: str | None

    def id(self) -> str:
        """The trace id, 32 hexadecimal digits."""
        return format_trace_id(self.context.trace_id)


class Traces:
    """Makes the spans.

    Args:
        spans: makes them.
    """

    def __init__(self, spans: Spans) -> None:
        self._spans = spans

    def traced(self, handler: Handler) -> Handler:
        """Run `handler` inside a span that continues the caller's trace; it is current meanwhile."""

        async def trace(delivery: Delivery) -> Reply:
            span = self._begin(delivery)
            token = attach(set_span_in_context(span, Context()))
            try:
                reply = await handler(delivery)
                _conclude(span, delivery, reply)
                return reply
            except BaseException as error:
                span.fail(type(error).__name__, names.ERROR_TYPE)
                raise
            finally:
                detach(token)
                if delivery.waits:
                    _tell_waits(span, delivery)
                if delivery.link and span.parent is None:
                    _link(span, delivery.link)
                span.end()

        return trace

    def _begin(self, delivery: Delivery) -> HotSpan:
        found = headers.read(delivery)
        span = self._spans.root(
            names.process(delivery.message.queue), SpanKind.CONSUMER, remote(found), _described(delivery)
        )
        delivery.trace = Trace(span.get_span_context(), found.get(wire.BAGGAGE))
        if delivery.waits:
            # It waited before anything ran: the span begins there, and shows why.
            span.begin_at(int(delivery.waits[0].began * 1e9))
            _tell_waits(span, delivery)
        return span

    def publish(self, delivery: Delivery, reply: Reply) -> tuple[HotSpan, dict[str, str]]:
        """Start the span of publishing a reply; with it the trace headers that the reply must carry."""
        attributes = _addressed(delivery, reply)
        if isinstance(delivery.trace, Trace):
            span = self._spans.child(names.PUBLISH_REPLY, SpanKind.PRODUCER, delivery.trace.context, attributes)
            baggage = delivery.trace.baggage
        else:
            parent, baggage = remote(headers.read(delivery)), None
            span = self._spans.root(names.PUBLISH_REPLY, SpanKind.PRODUCER, parent, attributes)
        carrier = carried(span.get_span_context())
        if baggage is not None:
            carrier[wire.BAGGAGE] = baggage
        return span, carrier


def _tell_waits(span: HotSpan, delivery: Delivery) -> None:
    for wait in delivery.waits:
        attributes = {names.WAIT_REASON: wait.reason.value, names.WAIT_DURATION: round(wait.seconds, 6)}
        span.add_event(names.WAIT, attributes, int(wait.began * 1e9))
    delivery.waits = ()


def _link(span: HotSpan, traceparent: str) -> None:
    # It was read from a store, and need not be what we wrote.
    if (context := remote(well_formed({wire.TRACEPARENT: traceparent}))) is not None:
        span.add_link(context)


def _described(delivery: Delivery) -> dict[str, str | int | float | bool]:
    message = delivery.message
    replays = message.headers.get(wire.REPLAYS)
    optional = {
        names.MESSAGE_ID: hide_signature(message.message_id),
        names.CONVERSATION_ID: hide_signature(message.correlation_id),
        names.USER: message.user_id,
        names.REQUEST_ID: hide_signature(message.known_request_id) if wire.REQUEST_ID in message.headers else None,
        names.WAITED_IN_QUEUE: queue_wait(message, message.received),
        names.REPLAYS: replays if type(replays) is int else None,
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
    if (correlation_id := hide_signature(delivery.message.correlation_id)) is not None:
        described[names.CONVERSATION_ID] = correlation_id
    if reply.operation is not None:
        described[names.ZEEBE_OPERATION] = reply.operation
    return described


def _conclude(span: HotSpan, delivery: Delivery, reply: Reply) -> None:
    if not span.is_recording():
        return
    if reply.operation is not None:
        span.set_attribute(names.ZEEBE_OPERATION, reply.operation)
    if reply.replayed:
        span.set_attribute(names.REPLAYED, True)
        if isinstance(delivery.earlier, Trace):
            span.add_link(delivery.earlier.context)
    span.set_attributes(_keys(delivery, reply))
    if reply.error is not None:
        # Never the error's text: it may quote what the caller sent.
        span.set_attribute(names.ERROR_SOURCE, str(reply.error.source))
        span.set_attribute(names.ERROR_OUTCOME, str(reply.error.outcome))
        span.fail(str(reply.error.code), names.ERROR_TYPE)


def _keys(delivery: Delivery, reply: Reply) -> dict[str, str]:
    """The keys that the command or its result names, as text: they exceed what many trace stores keep of a number."""
    command, result = delivery.command, reply.data
    keys = {}
    for field, (rendered, attribute) in names.KEYS.items():
        found = result.get(rendered) if isinstance(result, dict) else getattr(result, field, None)
        key = found or getattr(command, field, None)
        if isinstance(key, (int, str)):
            keys[attribute] = str(key)
    return keys
