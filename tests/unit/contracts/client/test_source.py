"""Where a worker takes its jobs from: the queue of the type, or polls."""

from __future__ import annotations

import asyncio

import pytest

from tests.cases import for_each
from tests.unit.contracts.client.queue_transport import PATIENCE, QueueTransport, pushing, until
from zeebe_amqp import Client, CommandError, Worker
from zeebe_amqp.client import Denied, QueueState, source
from zeebe_amqp.client.source import SourceName
from zeebe_amqp.commands import ActivateJobs
from zeebe_amqp.errors import Code
from zeebe_amqp.testing import FakeConsumer, JobState

pytestmark = pytest.mark.usefixtures("short_pauses")


@pytest.fixture
def consumer() -> FakeConsumer:
    return pushing()


@for_each([("poll", "ship", None), (None, "results", None), (None, "x" * 250, None), (None, "undone", None)])
async def test_jobs_are_polled_for_where_that_is_said_and_where_no_queue_can_have_the_type_s_name(
    name: SourceName | None, job_type: str, queue: str | None
) -> None:
    consumer = FakeConsumer()
    consumer.push_jobs("ship")
    consumer.push_jobs("results")
    job = consumer.add_job(job_type)
    async with consumer.client() as client:
        await consumer.work(Worker(client, job_type, lambda _: None, source=name, queue=queue), PATIENCE)
    assert (job.state, consumer.count(ActivateJobs) > 0) == (JobState.COMPLETED, True)


async def test_a_type_without_a_queue_s_name_needs_one_and_a_source_is_one_of_two() -> None:
    consumer = FakeConsumer()
    consumer.push_jobs("results", queue="named")
    job = consumer.add_job("results")
    async with consumer.client() as client:
        for options, words in (
            (
                {"source": "queue"},
                "queue: missing; accepted: a name, because no queue can be named after the type 'results'",
            ),
            ({"source": "poll", "queue": "named"}, "queue: expected none, since jobs are polled for, found 'named'"),
            ({"source": "stream"}, """source: expected "queue", "poll" or None, found 'stream'"""),
            ({"extend": "soon"}, "extend: expected a duration"),
            ({"timeout": "soon"}, "timeout: expected a duration"),
        ):
            with pytest.raises(ValueError, match=words):
                Worker(client, "results", print, **options)  # type: ignore[arg-type]
        await consumer.work(Worker(client, "results", lambda _: None, queue="named"), PATIENCE)
    assert (job.state, consumer.count(ActivateJobs)) == (JobState.COMPLETED, 0)


async def test_a_worker_goes_to_the_queue_when_it_is_there_and_polls_again_when_it_is_gone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(source, "LOOK_AGAIN", 0.0)
    consumer, seen = FakeConsumer(), []
    queues = consumer._wire.answers.queues
    async with consumer.client() as client:
        worker = Worker(client, "ship", seen.append, request_timeout="10ms")
        running = asyncio.create_task(worker.run())
        for polled in (True, False, True):
            if polled:
                queues.delete("zeebe.jobs.ship")
            else:
                consumer.push_jobs("ship")
                await until(lambda: (queues.look("zeebe.jobs.ship") or QueueState(0, 0)).consumers)
            before, number = consumer.count(ActivateJobs), len(seen)
            consumer.add_job("ship")
            await until(lambda number=number: len(seen) > number)  # type: ignore[misc]
            assert (consumer.count(ActivateJobs) > before) is polled
        worker.stop()
        await running


async def test_a_worker_of_a_queue_alone_waits_for_it_and_ends_where_it_may_not_read_it(
    consumer: FakeConsumer, caplog: pytest.LogCaptureFixture
) -> None:
    late = FakeConsumer()
    job = late.add_job("ship")
    async with late.client() as client:
        running = asyncio.create_task(late.work(Worker(client, "ship", lambda _: None, source="queue"), PATIENCE))
        await until(lambda: "waiting for it" in caplog.text)
        late.push_jobs("ship")
        await running
    assert (job.state, late.count(ActivateJobs)) == (JobState.COMPLETED, 0)
    transport = QueueTransport()
    transport.refusals = [Denied("no right", Code.PERMISSION_DENIED)]
    async with Client(transport) as client:
        with pytest.raises(CommandError, match="no right"):
            await Worker(client, "ship", print, source="queue").run()
    with pytest.raises(RuntimeError, match="the client is not open"):
        await Worker(client, "ship", print, source="queue").run()


async def test_a_queue_that_may_not_be_read_is_polled_instead_and_not_asked_for_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(source, "LOOK_AGAIN", 0.0)
    transport = QueueTransport(always=lambda _: b'{"data":[]}')
    transport.refusals = [Denied("no right", Code.PERMISSION_DENIED)]
    async with Client(transport) as client:
        running = asyncio.create_task((worker := Worker(client, "ship", print)).run())
        await transport.arrived(2)
        worker.stop()
        await running
    assert transport.looked == ["zeebe.jobs.ship"]
