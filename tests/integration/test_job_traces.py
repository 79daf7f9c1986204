"""One trace from a web request over the engine and the queue of a job to the worker, and back to the engine."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple

import aio_pika
import orjson
import pytest
from aio_pika.abc import AbstractIncomingMessage
from opentelemetry.context import Context
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.trace import Span as Current
from opentelemetry.trace import SpanKind
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from scripts.consumer import Consumer
from scripts.spans import Receiver, Span
from tests.conftest import Broker, Engine
from tests.integration.caller import Caller
from tests.integration.job_queue import JobQueue
from tests.integration.process_helper import ProcessHelper, unique
from tests.integration.service import delete, eventually, metric, new_consumer
from zeebe_amqp.jobs.names import RESULTS

PROPAGATOR = TraceContextTextMapPropagator()
TRACER = TracerProvider().get_tracer("test")
"""Of the caller and of the worker, which are programs of their own."""
GATEWAY = "gateway_protocol.Gateway"
ASKED = {"traceVariable": "trace"}
STATE = "vendor=1"


class Parties(NamedTuple):
    """Everybody around one consumer."""

    consumer: Consumer
    caller: Caller
    queue: JobQueue
    process: ProcessHelper

    async def start(self, metadata: Mapping[str, str], trace: Mapping[str, str]) -> None:
        """Start an instance of a process with one job, as a caller that has a trace."""
        await self.process.deploy()
        data = {"bpmnProcessId": self.process.id, "variables": {"amount": 7, "note": "a"}}
        await self.caller.result("create-instance", data, metadata=dict(metadata), headers=dict(trace))

    async def answer(self, job: AbstractIncomingMessage, trace: Mapping[str, str]) -> None:
        """Complete a job, and wait until that is done."""
        assert job.reply_to is not None
        message = aio_pika.Message(b'{"paid":true}', correlation_id=job.correlation_id, headers=dict(trace))
        await self.caller.channel.default_exchange.publish(message, job.reply_to)
        await job.ack()
        await eventually(
            lambda: metric(self.consumer, "jobs_answered_total", type=self.process.job_type), "an answer is counted"
        )


@pytest.fixture(scope="module")
def receiver() -> Iterator[Receiver]:
    with Receiver() as listening:
        yield listening


@asynccontextmanager
async def parties(
    directory: Path, broker: Broker, engine: Engine, fetched: Sequence[str] = (), **settings: str
) -> AsyncIterator[Parties]:
    """A consumer that pushes the jobs of a process, with all variables or those that are fetched."""
    job_type, types = unique("traced"), directory / "jobs.toml"
    types.write_text(f"[jobs.{job_type}]\nfetch_variables = {orjson.dumps(fetched).decode()}\n")
    consumer = new_consumer(directory, broker.url, engine.address, {"JOBS_FILE": str(types), **settings})
    await asyncio.to_thread(consumer.start)
    try:
        async with Caller(broker.url, *consumer.queues) as caller, JobQueue(broker.url, job_type) as queue:
            process = ProcessHelper(caller)
            process.job_type = job_type
            yield Parties(consumer, caller, queue, process)
    finally:
        await asyncio.to_thread(consumer.stop)
        await delete(broker.url, consumer.queues)


def exporting(receiver: Receiver) -> dict[str, str]:
    """The settings of a consumer whose spans the receiver gets."""
    return {
        "OTEL_EXPORTER_OTLP_ENDPOINT": receiver.endpoint,
        "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
        "OTEL_BSP_SCHEDULE_DELAY": "50",
        "OTEL_METRICS_EXPORTER": "none",
    }


def current() -> dict[str, str]:
    """The headers of the span that is current."""
    carrier: dict[str, str] = {}
    PROPAGATOR.inject(carrier)
    return carrier


def span_id(span: Current) -> str:
    return f"{span.get_span_context().span_id:016x}"


def parent_of(job: AbstractIncomingMessage) -> Context:
    """What a worker's library makes of a job's headers."""
    return PROPAGATOR.extract({name: str(value) for name, value in job.headers.items()}, Context())


async def arrived(receiver: Receiver, name: str, has: Callable[[Span], bool] = lambda _: True) -> Span:
    """The span of that name, and of which something is true, once it is there."""
    found: list[Span] = []

    def look() -> bool:
        found[:] = [span for span in receiver.spans if span.name == name and has(span)]
        return bool(found)

    await eventually(look, f"a span {name!r} among {[(span.name, span.parent) for span in receiver.spans]}")
    return found[0]


async def test_one_trace_runs_from_the_caller_through_the_process_and_the_worker_to_the_end_of_the_job(
    rabbitmq: Broker, zeebe: Engine, receiver: Receiver, tmp_path: Path
) -> None:
    async with parties(tmp_path, rabbitmq, zeebe, **exporting(receiver)) as around:
        with TRACER.start_as_current_span("web request", Context()) as web:
            await around.start(ASKED, current())
        job = await around.queue.take()
        with TRACER.start_as_current_span("work", parent_of(job), kind=SpanKind.CONSUMER) as work:
            await around.answer(job, current())
        trace = f"{web.get_span_context().trace_id:032x}"
        found = [
            await arrived(receiver, name, lambda span: span.trace == trace)
            for name in (
                f"process {around.caller.commands}",
                f"{GATEWAY}/CreateProcessInstance",
                f"publish {around.queue.name}",
                f"process {RESULTS}",
                f"{GATEWAY}/CompleteJob",
            )
        ]
        handling, creating, publishing, ending, completing = found
        fetching = await arrived(receiver, f"{GATEWAY}/ActivateJobs", lambda span: span.id in publishing.links)
    assert [handling.parent, creating.parent, publishing.parent] == [span_id(web), handling.id, handling.id]
    assert work.get_span_context().trace_id == web.get_span_context().trace_id
    assert str(job.headers["traceparent"]).split("-")[2] == publishing.id, "the worker's span hangs below the job's"
    assert [ending.parent, completing.parent] == [span_id(work), ending.id]
    kinds = ["consumer", "client", "producer", "consumer", "client"]
    assert [span.kind for span in found] == kinds
    assert not any(span.failed for span in found)
    assert fetching.trace != trace, "one call brings jobs of many traces"
    assert ending.links == ()
    # The worker sees the variable among the others, as the process has it.
    assert orjson.loads(job.body)["trace"]["traceparent"].split("-")[1:3] == [trace, handling.id]


async def test_an_answer_without_a_trace_links_to_its_job_and_a_type_s_list_of_variables_hides_no_trace(
    rabbitmq: Broker, zeebe: Engine, receiver: Receiver, tmp_path: Path
) -> None:
    """For all requests as the operator wants it, in a variable of another name."""
    settings = {**exporting(receiver), "TRACE_VARIABLE": "context"}
    async with parties(tmp_path, rabbitmq, zeebe, ["amount"], **settings) as around:
        with TRACER.start_as_current_span("web request", Context()) as web:
            await around.start({}, current())
        job = await around.queue.take()
        await around.answer(job, {})
        trace = f"{web.get_span_context().trace_id:032x}"
        publishing = await arrived(receiver, f"publish {around.queue.name}")
        ending = await arrived(receiver, f"process {RESULTS}", lambda span: publishing.id in span.links)
    assert publishing.trace == trace
    assert (ending.parent, ending.trace == trace) == ("", False)
    polls = {span.id for span in receiver.spans if span.name == f"{GATEWAY}/ActivateJobs"}
    assert polls == {link for span in receiver.spans if span.kind == "producer" for link in span.links}, "no empty ones"
    assert orjson.loads(job.body).keys() == {"amount", "context"}


async def test_without_telemetry_the_caller_s_context_goes_through_the_process_to_the_worker(
    rabbitmq: Broker, zeebe: Engine, tmp_path: Path
) -> None:
    async with parties(tmp_path, rabbitmq, zeebe) as around:
        with TRACER.start_as_current_span("web request", Context()):
            sent = current()
        await around.start(ASKED, {**sent, "tracestate": STATE})
        job = await around.queue.take()
        await around.start({}, sent)
        untraced = await around.queue.take()
        for each in (job, untraced):
            await around.answer(each, {})
    assert {name: job.headers.get(name) for name in ("traceparent", "tracestate")} == {**sent, "tracestate": STATE}
    assert orjson.loads(job.body) == {"amount": 7, "note": "a", "trace": {**sent, "tracestate": STATE}}
    assert "traceparent" not in untraced.headers
    assert orjson.loads(untraced.body) == {"amount": 7, "note": "a"}, "nobody asked for it"
