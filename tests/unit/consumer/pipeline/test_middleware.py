"""What is around the handler: who is refused, who waits, and what becomes of whatever goes wrong inside."""

from __future__ import annotations

import asyncio
import gc
import logging
import weakref
from collections.abc import Iterator
from itertools import product
from typing import Any, cast
from unittest.mock import AsyncMock, Mock

import pytest
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from consumer.core.call import Call
from consumer.core.delivery import Handler
from consumer.core.message import Message, Reply
from consumer.core.requeue import Requeue
from consumer.dead_letters.letter import DeadLetter
from consumer.ledger import LedgerError
from consumer.pipeline.handler import executing
from consumer.pipeline.idempotency import idempotent
from consumer.pipeline.middleware import compose, guarded, recovered
from consumer.pipeline.redelivery import RedeliveryMatcher
from consumer.pipeline.waits import Waits, bounded
from consumer.telemetry import setup
from tests.cases import for_each
from tests.unit.consumer.deliveries import FakeDelivery, MemoryLedger, QuickClock, delivery
from tests.unit.consumer.errors import verdict
from tests.unit.consumer.workers import FakeEngine, FakePublisher, settled, worker_of
from zeebe_amqp import envelope
from zeebe_amqp.commands import PublishMessage
from zeebe_amqp.errors import Code, CommandError, Outcome, Source


@for_each([
    ("not to q", (), Code.PERMISSION_DENIED, "not to q", {"field": "reply_to"}),
    ("never asked", ("type: bytes", "user_id: bytes"), Code.INVALID_ARGUMENT,
     "not AMQP: type: bytes; user_id: bytes; the message was not run", None),
])  # fmt: skip
async def test_what_may_not_be_answered_or_is_not_amqp_does_not_run_and_anything_else_does(
    reason: str, malformed: tuple[str, ...], code: Code, message: str, details: Any
) -> None:
    handler = AsyncMock(return_value=Reply("topology"))
    request = FakeDelivery(Message(b"", reply_to="q", malformed_properties=malformed))
    request.refusal = reason
    with pytest.raises(CommandError) as refusal:
        await guarded(handler)(request)
    error = refusal.value
    assert (error.message, error.details, handler.await_count) == (message, details, 0)
    assert verdict(error) == (code, Source.CONSUMER, Outcome.NOT_EXECUTED, False)
    assert (await guarded(handler)(FakeDelivery(Message(b"")))).ok


def test_the_first_middleware_is_the_outermost() -> None:
    composed: Any = compose(*cast("Any", ("handler", "a({})".format, "b({})".format)))
    assert composed == "a(b(handler))"


# --- recovered ---


def failing(error: BaseException) -> Handler:
    return recovered(lambda _: "4bf9")(AsyncMock(side_effect=error))


async def test_a_success_passes_unchanged_and_an_error_becomes_a_reply_to_its_operation() -> None:
    success = Reply("topology")
    assert await recovered()(AsyncMock(return_value=success))(FakeDelivery(Message(b""))) is success
    error = CommandError(Code.NOT_FOUND, "no", source=Source.GATEWAY, details={"intent": "CANCEL"})
    assert await failing(error)(delivery("topology")) == Reply("topology", error=error.error())
    error.operation = "complete-job"  # a name in the error counts for more than the request
    assert (await failing(error)(delivery("topology"))).operation == "complete-job"


@for_each([
    (b'{"operation": "topology", "date": 1}', "topology"),
    (b'{"operation": "topologie"}', "topologie"),
    (b'{"operation": 7}', None),
    (b"not JSON", None),
])  # fmt: skip
async def test_a_refused_request_is_answered_under_the_name_it_gave(body: bytes, operation: str | None) -> None:
    reply = await recovered()(executing(FakeEngine()))(FakeDelivery(Message(body)))
    assert (reply.operation, reply.ok) == (operation, False)


@for_each([(False, Outcome.NOT_EXECUTED), (True, Outcome.UNKNOWN)])
async def test_a_defect_is_answered_without_its_inside_and_logged(called: bool, outcome: Outcome, caplog: Any) -> None:
    request, defect = delivery("topology"), ZeroDivisionError("secret inside")
    request.call = Call(PublishMessage(message_name="m"), sent=called)
    caplog.clear()
    with caplog.at_level(logging.ERROR, logger="consumer.pipeline.middleware"):
        reply = await failing(defect)(request)
    assert reply.operation == "topology"
    assert reply.error is not None
    assert reply.error.message == "the consumer failed on this request; its log has the details under trace id 4bf9"
    assert verdict(reply.error) == (Code.INTERNAL, Source.CONSUMER, outcome, False)
    [record] = caplog.records
    assert record.exc_info is not None
    assert (record.exc_info[1], vars(record)["trace_id"]) == (defect, "4bf9")


async def test_neither_a_cancellation_nor_what_goes_back_to_the_queue_is_a_reply() -> None:
    for error in (asyncio.CancelledError(), Requeue("another process is running it")):
        with pytest.raises(type(error)):
            await failing(error)(delivery("topology"))


# --- a defect of the decoder ---


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


def test_a_dead_letter_that_the_decoder_breaks_on_is_shown_without_its_operation(monkeypatch: Any) -> None:
    for defect in DEFECTS:
        monkeypatch.setattr(envelope, "decode", Mock(side_effect=defect))
        assert DeadLetter(b"{}").operation is None, defect


# --- nothing is kept ---


ANSWERS = [
    {"processInstanceKey": 1},
    CommandError(Code.NOT_FOUND, "no", source=Source.GATEWAY),
    CommandError(Code.RESOURCE_EXHAUSTED, "data: too large", details={"field": "data"}),
    CommandError(Code.DEADLINE_EXCEEDED, "late", outcome=Outcome.UNKNOWN),
    ZeroDivisionError("oops"),
    Requeue("not now"),
    LedgerError("away"),
]


def handler(answer: object) -> Handler:
    """The handler of the service, as `app.py` composes it."""
    once = idempotent(MemoryLedger(), RedeliveryMatcher(), clock=QuickClock())
    return compose(executing(FakeEngine(answer)), recovered(), guarded, once, recovered(), bounded(Waits({})))


def requests() -> Iterator[tuple[str, FakeDelivery]]:
    """A request of every kind, by what it is."""
    data = {"bpmnProcessId": "order"}
    yield "identified", delivery("create-instance", data, message_id="m", reply_to="replies")
    yield "without an identity", delivery("create-instance", data, reply_to="replies")
    yield "forgotten by its sender", delivery("create-instance", data, message_id="m")
    yield "not JSON", FakeDelivery(Message(b"{", reply_to="replies"))
    yield "of wrong data", delivery("create-instance", {"version": "x"}, reply_to="replies")
    yield "late", delivery("create-instance", data, headers={"deadline": 1}, message_id="m", reply_to="replies")


@for_each(ANSWERS)
async def test_a_request_is_forgotten_when_it_is_done(answer: object) -> None:
    """At once: an error that was raised from itself kept three copies of a body; 150 of 7 MiB were 1.8 GB."""
    gc.collect()
    gc.disable()
    logging.disable()  # what pytest keeps of a log line holds on to its exception
    try:
        pending = list(requests())
        while pending:
            kind, request = pending.pop(0)
            left = weakref.ref(request)
            await settled(worker_of(handler(answer), FakePublisher([]), forget_retry=0), request)
            del request
            await asyncio.sleep(0)
            assert left() is None, f"{kind}: {gc.get_referrers(left())}"
    finally:
        logging.disable(logging.NOTSET)
        gc.enable()
