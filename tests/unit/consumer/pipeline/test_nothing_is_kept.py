"""A request that is done is forgotten at once, however it ended: none waits for the garbage collector.

An error that was raised from itself kept the request and three copies of its body: 150 of 7 MiB were 1.8 GB.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import weakref
from collections.abc import Iterator

from consumer.core.delivery import Handler
from consumer.core.message import Message
from consumer.core.requeue import Requeue
from consumer.ledger import LedgerError
from consumer.pipeline.handler import executing
from consumer.pipeline.idempotency import idempotent
from consumer.pipeline.middleware import compose, guarded, recovered
from consumer.pipeline.redelivery import RedeliveryMatcher
from consumer.pipeline.waits import bounded_waits
from tests.cases import for_each
from tests.unit.consumer.deliveries import FakeDelivery, MemoryLedger, QuickClock, delivery
from tests.unit.consumer.engines import FakeEngine
from tests.unit.consumer.workers import FakePublisher, settled, worker_of
from zeebe_amqp.errors import Code, CommandError, Outcome, Source

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
    return compose(executing(FakeEngine(answer)), recovered(), guarded, once, recovered(), bounded_waits({}))


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
