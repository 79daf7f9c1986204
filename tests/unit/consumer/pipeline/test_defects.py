"""A defect of the decoder costs one request, and its caller is told."""

from __future__ import annotations

from itertools import product
from typing import Any
from unittest.mock import AsyncMock, Mock

import pytest
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from consumer.core.message import Message
from consumer.dead_letters.letter import DeadLetter
from consumer.pipeline.idempotency import idempotent
from consumer.pipeline.middleware import compose, guarded, recovered
from consumer.pipeline.redelivery import RedeliveryMatcher
from consumer.telemetry import setup
from tests.cases import for_each
from tests.unit.consumer.deliveries import FakeDelivery, MemoryLedger
from tests.unit.consumer.errors import verdict
from tests.unit.consumer.workers import FakePublisher, settled, worker_of
from zeebe_amqp import envelope
from zeebe_amqp.errors import Code, Outcome, Source

DEFECTS = [StopIteration(), StopAsyncIteration(), KeyError("x"), AssertionError(), RuntimeError("x"), MemoryError()]
SENT: list[dict[str, Any]] = [{"reply_to": "replies"}, {}, {"reply_to": "replies", "message_id": "m"}]


@for_each(product(DEFECTS, [None, InMemorySpanExporter()], SENT))
async def test_any_exception_while_decoding_is_answered_once_and_the_request_is_done(
    defect: Exception, spans: InMemorySpanExporter | None, properties: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(envelope, "decode", Mock(side_effect=defect))
    watch = setup({}, version="1", spans=spans)
    executed = AsyncMock(side_effect=AssertionError("what cannot be decoded does not run"))
    handler = compose(
        executed, watch.traced, watch.measured, recovered(watch.trace_id), guarded,
        idempotent(MemoryLedger(), RedeliveryMatcher()), recovered(watch.trace_id),
    )  # fmt: skip
    told, delivery = FakePublisher([]), FakeDelivery(Message(b"{}", **properties))
    await settled(worker_of(handler, told), delivery)
    [reply] = told.sent
    assert reply.error is not None
    assert (reply.operation, executed.await_count) == (None, 0)
    assert verdict(reply.error) == (Code.INTERNAL, Source.CONSUMER, Outcome.NOT_EXECUTED, False)
    assert delivery.events == ["ack"]
    watch.shutdown()


def test_a_dead_letter_that_the_decoder_breaks_on_is_shown_without_its_operation(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for defect in DEFECTS:
        monkeypatch.setattr(envelope, "decode", Mock(side_effect=defect))
        assert DeadLetter(b"{}").operation is None, defect
