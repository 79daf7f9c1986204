"""A worker at a queue: what comes to it once, twice or too late, and what becomes of messages without an answer."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any
from unittest import mock

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from tests.cases import check_each
from tests.unit.contracts.client.queue_transport import PATIENCE, TRACE, message, pushing, running, until
from zeebe_amqp import Job, JobFailure, Worker
from zeebe_amqp.client import Denied, Refused, Unroutable, queued_jobs
from zeebe_amqp.client.tracing import Silent, Spans
from zeebe_amqp.client.transport import ConnectionLost, NotConnected
from zeebe_amqp.commands import CompleteJob, FailJob
from zeebe_amqp.errors import Code, NotFound
from zeebe_amqp.testing import FakeConsumer, JobState

pytestmark = pytest.mark.usefixtures("short_pauses")


@pytest.fixture
def consumer() -> FakeConsumer:
    return pushing()


class WaitingHandler:
    """A handler that waits until it may end; counts its runs."""

    def __init__(self) -> None:
        self.begun, self.go, self.runs = asyncio.Event(), asyncio.Event(), 0

    async def __call__(self, job: Job) -> dict[str, int]:
        self.runs += 1
        self.begun.set()
        await self.go.wait()
        return {"runs": self.runs}


# --- what came back ---------------------------------------------------------------------------------------------------


async def test_a_message_that_comes_again_while_its_job_runs_is_the_same_job(consumer: FakeConsumer) -> None:
    """The broker was away, with the message of a job that goes on: it is run once, and answered once."""
    job, handler = consumer.add_job("ship"), WaitingHandler()
    async with consumer.client() as client:
        worker = Worker(client, "ship", handler)
        running = asyncio.create_task(consumer.work(worker, PATIENCE))
        await handler.begun.wait()
        for _ in range(2):
            consumer.disconnect()
            await asyncio.sleep(0.05)
            consumer.reconnect()
            await asyncio.sleep(0.05)
        handler.go.set()
        await running
    assert (job.state, job.result, job.activations) == (JobState.COMPLETED, {"runs": 1}, 1)
    assert consumer.count(CompleteJob) == 1


async def test_an_answer_waits_for_the_broker_as_long_as_the_job_is_ours(consumer: FakeConsumer) -> None:
    async def ship(_: Job) -> None:
        consumer.disconnect()
        asyncio.get_running_loop().call_later(0.1, consumer.reconnect)

    job = consumer.add_job("ship")
    async with consumer.client() as client:
        await consumer.work(Worker(client, "ship", ship), PATIENCE)
    assert (job.state, consumer.count(CompleteJob)) == (JobState.COMPLETED, 1)


async def test_a_message_whose_answer_is_taken_is_not_run_when_it_comes_again() -> None:
    seen: list[int] = []
    async with running([message(1)], [message(1, redelivered=True), message(2)], handler=seen.append) as transport:
        await until(lambda: transport.ended("ack") == [1, 1, 2])
    assert len(seen) == 2
    assert [queue for queue, *_ in transport.answers] == ["answers"] * 2


async def test_a_message_that_comes_again_after_its_end_is_settled_though_its_handler_goes_on() -> None:
    """What settled it before may have been lost with the connection."""

    async def settled(settle: Callable[[Job], Any], ends: list[tuple[str, int]], runs: int) -> None:
        seen: list[Job] = []
        last = asyncio.Event()

        async def ship(job: Job) -> None:
            seen.append(job)
            await (settle(job) if len(seen) == 1 else job.complete())
            await last.wait()

        async with running([message(1)], [message(1, redelivered=True), message(2)], handler=ship) as transport:
            await until(lambda: transport.settled == ends)
            last.set()
        assert (transport.settled, len(seen)) == (ends, runs)

    await check_each(
        {
            "answered": (lambda job: job.complete(), [("ack", 1), ("ack", 1), ("ack", 2)], 2),
            "requeued": (lambda job: job.requeue(), [("requeue", 1), ("ack", 1), ("ack", 2)], 3),
        },
        settled,
    )


async def test_a_message_is_settled_once_whatever_ends_its_job_at_the_same_time() -> None:
    """A broker closes the channel of whoever settles a message twice, and gives all its messages to others."""

    async def ship(job: Job) -> None:
        await asyncio.gather(job.complete({"a": 1}), job.fail("no"), job.requeue())

    async with running([message(1)], [message(1, redelivered=True)], handler=ship) as transport:
        await until(lambda: len(transport.settled) > 1)
    assert len(transport.answers) == 2
    assert transport.settled == [("requeue", 1), ("ack", 1)]


async def test_an_answer_of_a_superseded_activation_is_not_executed(consumer: FakeConsumer) -> None:
    """Whoever has the job now ends it."""
    job, slow, fast = consumer.add_job("ship"), WaitingHandler(), WaitingHandler()
    fast.go.set()
    async with consumer.client() as first, consumer.client() as second:
        late = asyncio.create_task((worker := Worker(first, "ship", slow, concurrency=1)).run())
        await slow.begun.wait()
        consumer.advance(301)
        await consumer.work(Worker(second, "ship", fast), PATIENCE)
        slow.runs = 99
        slow.go.set()
        await until(lambda: consumer.count(CompleteJob) == 2)
        worker.stop()
        await late
    assert (job.state, job.result, job.activations) == (JobState.COMPLETED, {"runs": 1}, 2)
    assert [len(consumer.executed(CompleteJob)), consumer.dead_letters] == [1, []]
    error = consumer.calls[-1].reply and consumer.calls[-1].reply.error
    assert error
    assert error.code is Code.FAILED_PRECONDITION


# --- what does not end ------------------------------------------------------------------------------------------------


async def test_a_job_that_is_returned_comes_again_until_the_limit_takes_a_retry(consumer: FakeConsumer) -> None:
    consumer.push_jobs("ship", delivery_limit=2)
    job, seen = consumer.add_job("ship", retries=1), []

    async def ship(found: Job) -> None:
        seen.append(found.retries)
        await found.requeue()
        assert found.settled

    async with consumer.client() as client:
        await consumer.work(Worker(client, "ship", ship), PATIENCE)
    assert (job.state, job.retries, job.activations, len(seen)) == (JobState.FAILED, 0, 1, 3)
    assert "returned it or died with it 3 times" in job.error_message


async def test_a_job_ends_once_whoever_says_it_again(consumer: FakeConsumer) -> None:
    async def ship(found: Job) -> None:
        await found.complete({"a": 1})
        for again in (found.complete, found.requeue):
            with pytest.raises(NotFound, match="the job is settled"):
                await again()
        raise JobFailure("too late")

    job = consumer.add_job("ship")
    async with consumer.client() as client:
        await consumer.work(Worker(client, "ship", ship), PATIENCE)
    assert (job.state, job.result, consumer.count(FailJob)) == (JobState.COMPLETED, {"a": 1}, 0)


async def test_where_no_answer_can_be_told_the_message_is_rejected_or_left_when_its_time_is_over() -> None:
    async def ends(failures: list[Exception], works: float, end: str) -> None:
        async def ship(_: Job) -> None:
            await asyncio.sleep(works)

        messages = [message(1, seconds=works or 60)]
        async with running(messages, handler=ship, failures=failures, extend=None) as transport:
            await until(lambda: transport.settled)
        assert transport.settled == [(end, 1)]

    denied = Denied("no right", Code.PERMISSION_DENIED)
    passing = [Refused(), NotConnected(), ConnectionLost("x"), TimeoutError(), Unroutable()]
    cases: dict[str, tuple[list[Exception], float, str]] = {
        "refused for good": ([denied] * 2, 0, "reject"),
        "refused for now": (passing, 0, "ack"),
        "refused when its time is over": ([Refused()] * 9, 0.1, "ack"),
    }
    await check_each(cases, ends)


async def test_what_is_no_job_is_rejected_and_what_is_late_is_left(caplog: pytest.LogCaptureFixture) -> None:
    bad = [
        message(1, correlation_id=None), message(2, reply_to=None), message(3, headers={}),
        message(4, headers={"retries": "x"}), message(5, body=b"\xff"),
    ]  # fmt: skip
    seen: list[Job] = []
    async with running([*bad, message(6, seconds=-1), message(7)], handler=seen.append) as transport:
        await until(lambda: transport.ended("ack") == [6, 7])
    assert transport.ended("reject") == [1, 2, 3, 4, 5]
    assert [found.key for found in seen] == [7]
    for words in ("correlation_id: missing", "reply_to: missing", "header job-key: expected", "s after its time-out"):
        assert words in caplog.text


async def test_where_every_job_is_late_a_worker_says_once_that_its_clock_may_be_wrong(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def told() -> int:
        return caplog.text.count("the clock of this machine is probably ahead of the engine's")

    late = [message(number, seconds=-100) for number in range(1, 6)]
    async with running([*late[:2], message(6), *late[2:4]], handler=print) as transport:
        await until(lambda: len(transport.settled) == 5)
    assert told() == 0  # it works some
    async with running(late, handler=print) as transport:
        await until(lambda: len(transport.settled) == 5)
    assert told() == 1
    assert "no job of queue 'zeebe.jobs.ship' is worked here: the last 3 came" in caplog.text


async def test_a_stopped_worker_gets_no_more_and_ends_what_it_has_and_a_cancelled_one_leaves_it() -> None:
    handler = WaitingHandler()
    async with running([message(1)], handler=handler, concurrency=2) as transport:
        await handler.begun.wait()
        transport.worker.stop()
        await until(lambda: transport.subscriptions[0].is_cancelled)
        assert not transport.subscriptions[0].is_closed
        handler.go.set()
    assert (transport.ended("ack"), transport.subscriptions[0].is_closed) == ([1], True)
    handler = WaitingHandler()
    async with running([message(1)], handler=handler) as transport:
        await handler.begun.wait()
        transport.task.cancel()
    assert (transport.settled, transport.subscriptions[0].is_closed) == ([], True)


async def test_a_worker_that_is_stopped_while_it_goes_to_the_queue_takes_nothing() -> None:
    seen: list[Job] = []
    async with running([message(1)], handler=seen.append) as transport:
        transport.on_subscribe = transport.worker.stop
        await until(lambda: transport.subscriptions)
    assert (seen, transport.settled, len(transport.subscriptions)) == ([], [], 1)
    assert transport.subscriptions[0].is_closed


# --- the trace -------------------------------------------------------------------------------------------------------


@pytest.fixture
def spans(monkeypatch: pytest.MonkeyPatch) -> InMemorySpanExporter:
    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(trace, "get_tracer", provider.get_tracer)
    return exporter


async def test_a_handler_runs_in_a_span_of_the_message_s_trace_that_its_answer_continues(
    spans: InMemorySpanExporter,
) -> None:
    async def ship(job: Job) -> None:
        inside.append(trace.get_current_span().get_span_context().span_id)
        if job.key == 3:
            raise JobFailure("no van")

    inside: list[int] = []
    messages = [message(1), message(2, trace={}), message(3)]
    async with running(messages, handler=ship, concurrency=1) as transport:
        await until(lambda: transport.ended("ack") == [1, 2, 3])
    found = spans.get_finished_spans()
    assert [(each.name, each.kind) for each in found] == [("process zeebe.jobs.ship", SpanKind.CONSUMER)] * 3
    assert inside == [each.get_span_context().span_id for each in found]
    assert [(each.attributes or {})["zeebe.job.outcome"] for each in found] == ["complete", "complete", "fail"]
    assert [each.status.status_code is StatusCode.ERROR for each in found] == [False, False, True]
    _, trace_id, parent, _ = TRACE["traceparent"].split("-")
    for at, span in enumerate(found):
        context = span.get_span_context()
        sent = (transport.answers[at][2].headers or {})["traceparent"]
        assert sent.startswith(f"00-{context.trace_id:032x}-{context.span_id:016x}-")
        assert (f"{context.trace_id:032x}" == trace_id) is (at != 1)
        assert (span.parent is not None and f"{span.parent.span_id:016x}" == parent) is (at != 1)


async def test_without_telemetry_the_answer_has_the_trace_of_its_message() -> None:
    for tracing in (Silent(), Spans()):
        with mock.patch.object(queued_jobs, "tracing", return_value=tracing):
            async with running([message(1)], handler=lambda _: None) as transport:
                await until(lambda transport=transport: transport.answers)  # type: ignore[misc]
        assert dict(transport.answers[0][2].headers or {}) == TRACE
