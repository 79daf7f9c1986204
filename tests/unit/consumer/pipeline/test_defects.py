"""A defect of the decoder costs one request, and its caller is told."""

from __future__ import annotations

import asyncio
from itertools import product
from typing import Any

import pytest
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from consumer.core.delivery import Delivery, Reply
from consumer.core.message import Message
from consumer.dead_letters.letter import DeadLetter
from consumer.ledger import Limits, open_ledger
from consumer.pipeline.idempotency import idempotent
from consumer.pipeline.middleware import compose, guarded, recovered
from consumer.pipeline.redelivery import RedeliveryMatcher
from consumer.telemetry import setup
from tests.cases import for_each
from tests.unit.consumer.deliveries import FakeDelivery
from tests.unit.consumer.workers import FakePublisher, worker_of
from zeebe_amqp import envelope
from zeebe_amqp.errors import Code, Outcome, Source

DEFECTS = [StopIteration(), StopAsyncIteration(), KeyError("x"), AssertionError(), RuntimeError("x"), MemoryError()]


async def executed(_: Delivery) -> Reply:
    raise AssertionError("what cannot be decoded does not run")


@for_each(
    product([None, InMemorySpanExporter()], [{"reply_to": "replies"}, {}, {"reply_to": "replies", "message_id": "m"}])
)
async def test_any_exception_while_decoding_is_answered_once_and_the_request_is_done(
    spans: InMemorySpanExporter | None, properties: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    watch = setup({}, version="1", spans=spans)
    ledger = open_ledger("memory:", Limits(60, 10, 1000))
    handler = compose(
        executed, watch.traced, watch.measured, recovered(watch.trace_id), guarded,
        idempotent(ledger, RedeliveryMatcher()), recovered(watch.trace_id),
    )  # fmt: skip
    for defect in DEFECTS:
        monkeypatch.setattr(envelope, "decode", raising(defect))
        told, delivery = FakePublisher([]), FakeDelivery(Message(b"{}", **properties))
        worker_of(handler, told).accept(delivery)
        for _ in range(100):
            await asyncio.sleep(0)
        [error] = [reply.error for reply in told.sent]
        assert error is not None, defect
        assert (error.code, error.source, error.outcome) == (Code.INTERNAL, Source.CONSUMER, Outcome.NOT_EXECUTED)
        assert delivery.events == ["ack"], defect
    watch.shutdown()


def test_a_dead_letter_that_the_decoder_breaks_on_is_shown_without_its_operation(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for defect in DEFECTS:
        monkeypatch.setattr(envelope, "decode", raising(defect))
        assert DeadLetter(b"{}").operation is None, defect


def raising(defect: Exception) -> Any:
    def decode(*_: Any, **__: Any) -> None:
        raise defect

    return decode
