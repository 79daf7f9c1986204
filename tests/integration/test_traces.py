"""One trace from the caller over the consumer and its call to the reply, as a collector receives it."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Iterator

import orjson
import pytest
from aio_pika.abc import AbstractIncomingMessage

from scripts.consumer import Consumer
from scripts.spans import Receiver, Span
from tests.conftest import Broker, Engine
from tests.integration.caller import Caller
from tests.integration.process_helper import ABSENT
from tests.integration.service import running_consumer

TOPOLOGY = orjson.dumps({"operation": "topology"})


@pytest.fixture(scope="module")
def receiver() -> Iterator[Receiver]:
    with Receiver() as listening:
        yield listening


@pytest.fixture(scope="module")
def traced(
    rabbitmq: Broker, zeebe: Engine, receiver: Receiver, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Consumer]:
    """A consumer that exports its spans."""
    exporting = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": receiver.endpoint,
        "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
        "OTEL_BSP_SCHEDULE_DELAY": "50",
        "OTEL_METRICS_EXPORTER": "none",
    }
    with running_consumer(tmp_path_factory.mktemp("traced"), rabbitmq.url, zeebe.address, exporting) as running:
        yield running


@pytest.fixture
async def observed(rabbitmq: Broker, traced: Consumer) -> AsyncIterator[Caller]:
    """A caller of that consumer."""
    async with Caller(rabbitmq.url, *traced.queues) as connected:
        yield connected


async def spans(receiver: Receiver, trace: str, count: int) -> dict[str, Span]:
    """The spans of a trace by kind, once so many have arrived."""
    async with asyncio.timeout(60):
        while True:
            found = {span.kind: span for span in receiver.spans if span.trace == trace}
            if len(found) >= count:
                return found
            await asyncio.sleep(0.05)


def context(reply: AbstractIncomingMessage) -> tuple[str, str]:
    """Trace id and parent id of a reply's traceparent."""
    version, trace, parent, flags = str(reply.headers["traceparent"]).split("-")
    assert version == "00"
    assert int(flags, 16) & 1  # sampled; another bit says that the id is random
    return trace, parent


def parent_header() -> tuple[str, str, str]:
    """A caller's traceparent, its trace id and its span id."""
    trace, span = uuid.uuid4().hex, uuid.uuid4().hex[:16]
    return f"00-{trace}-{span}-01", trace, span


async def test_one_trace_runs_from_the_caller_over_the_call_to_the_reply(observed: Caller, receiver: Receiver) -> None:
    header, trace, caller = parent_header()
    state = {"tracestate": "vendor=1", "baggage": "customer=7"}
    reply = await observed.request(TOPOLOGY, headers={"traceparent": header, **state})
    found = await spans(receiver, trace, 3)
    handling, call, publishing = found["consumer"], found["client"], found["producer"]
    assert handling.name == f"process {observed.commands}"
    assert call.name == "gateway_protocol.Gateway/Topology"
    assert publishing.name == "publish reply"
    assert [span.parent for span in (handling, call, publishing)] == [caller, handling.id, handling.id]
    assert not any(span.failed for span in found.values())
    assert context(reply) == (trace, publishing.id)
    assert {name: reply.headers[name] for name in state} == state


async def test_an_error_marks_the_handling_and_the_call_if_there_is_one_and_not_the_publishing(
    observed: Caller, receiver: Receiver
) -> None:
    rejected = orjson.dumps({"operation": "complete-job", "data": {"jobKey": ABSENT}})
    for body, kinds in ((rejected, ("consumer", "client", "producer")), (b"not JSON", ("consumer", "producer"))):
        header, trace, _ = parent_header()
        await observed.request(body, headers={"traceparent": header})
        found = await spans(receiver, trace, len(kinds))
        assert {kind: span.failed for kind, span in found.items()} == {kind: kind != "producer" for kind in kinds}
        assert "client" not in found or found["client"].name == "gateway_protocol.Gateway/CompleteJob"
