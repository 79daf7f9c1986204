"""Jobs of Zeebe: asked for by long polls and streams, and the same as callers get them."""

from __future__ import annotations

import asyncio

import msgspec
import pytest
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from consumer.config.settings import JobType
from consumer.jobs.source import Fetched
from consumer.telemetry import setup
from consumer.telemetry.spans import carried
from consumer.zeebe import GatewayError, ZeebeEngine
from consumer.zeebe.jobs import ZeebeJobs, to_job
from consumer.zeebe.operations.jobs import OPERATIONS
from consumer.zeebe.protocol import gateway_pb2 as pb
from consumer.zeebe.protocol.since import parse
from tests.cases import check_all
from tests.fakes.gateway import FakeGateway, stream
from tests.unit.consumer.zeebe.samples import Connect, until
from zeebe_amqp.commands.jobs import ActivatedJob
from zeebe_amqp.errors import CommandError
from zeebe_amqp.testing import after, answer, fail

TYPE = JobType("charge-card", timeout=61.5, fetch_variables=("card", "amount"))
PLAIN = pb.ActivatedJob(key=2**60, type="t", retries=3, deadline=99, variables='{"n": 1.50}', customHeaders="{}")
TASK = pb.UserTaskProperties(action="assign", candidateGroups=["a"], priority=0, userTaskKey=7)
JOBS = [
    PLAIN,
    pb.ActivatedJob(key=1, kind=pb.ActivatedJob.TASK_LISTENER, listenerEventType=3, userTask=TASK, tags=["x"]),
    pb.ActivatedJob(key=1, kind=pb.ActivatedJob.EXECUTION_LISTENER),
    pb.ActivatedJob(key=1, kind=pb.ActivatedJob.AD_HOC_SUB_PROCESS, tenantId="acme", worker="w", elementId="e"),
    pb.ActivatedJob(processInstanceKey=1, bpmnProcessId="p", processDefinitionVersion=2, elementInstanceKey=4),
]


def test_a_job_is_what_callers_get_of_every_gateway() -> None:
    [row] = [each for each in OPERATIONS if each.command.operation == "activate-jobs"]

    def same(job: pb.ActivatedJob, version: str | None) -> None:
        [rendered] = row.to_result([pb.ActivateJobsResponse(jobs=[job])], False, version)
        expected = msgspec.convert(rendered, ActivatedJob)
        assert to_job(job, parse(version) if version else None) == expected

    check_all([(job, version) for job in JOBS for version in (None, "8.5.0", "8.7.9", "8.8.0", "8.9.1")], same)


async def test_a_poll_asks_as_the_settings_say_and_waits(gateway: ZeebeEngine, fake: FakeGateway) -> None:
    fake.always("ActivateJobs", answer(pb.ActivateJobsResponse(jobs=[PLAIN])))
    [job], _ = await ZeebeJobs(gateway).activate(TYPE, 17, 10.0)
    assert (job.key, job.variables) == (2**60, '{"n": 1.50}')
    [request] = fake.of("ActivateJobs")
    assert request.message == pb.ActivateJobsRequest(
        type="charge-card",
        worker="zeebe-amqp",
        timeout=61_500,
        maxJobsToActivate=17,
        fetchVariable=["card", "amount"],
        requestTimeout=10_000,
    )


async def test_a_poll_leaves_a_span_where_it_brings_jobs_which_know_it(connect: Connect, fake: FakeGateway) -> None:
    exporter = InMemorySpanExporter()
    engine = connect(fake.address, observer=setup({}, version="1", spans=exporter).calling)
    fake.script("ActivateJobs", stream(), stream(pb.ActivateJobsResponse()))
    fake.always("ActivateJobs", answer(pb.ActivateJobsResponse(jobs=[PLAIN])))
    jobs = ZeebeJobs(engine)
    for _ in range(2):
        assert (await jobs.activate(TYPE, 1, 1.0)).jobs == []
    found = await jobs.activate(TYPE, 1, 1.0)
    [span] = [each for each in exporter.get_finished_spans() if each.name.endswith("/ActivateJobs")]
    context = span.get_span_context()
    assert context is not None
    assert found.trace == carried(context)


async def test_tenants_are_asked_for_where_they_are_named(connect: Connect) -> None:
    async with FakeGateway() as fake:
        jobs = ZeebeJobs(connect(fake.address))
        fake.always("ActivateJobs", stream())
        assert await jobs.activate(JobType("t", tenant_ids=("a", "b")), 1, 1.0) == Fetched([])
        assert [*fake.of("ActivateJobs")[0].message.tenantIds] == ["a", "b"]


async def test_a_refusal_is_an_error(gateway: ZeebeEngine, fake: FakeGateway) -> None:
    fake.always("ActivateJobs", fail("PERMISSION_DENIED", "no"))
    with pytest.raises(GatewayError, match="no"):
        await ZeebeJobs(gateway).activate(TYPE, 1, 1.0)


async def test_a_stream_hands_on_each_job_as_it_comes_until_it_ends(gateway: ZeebeEngine, fake: FakeGateway) -> None:
    taken: list[ActivatedJob] = []
    fake.script("StreamActivatedJobs", stream(PLAIN, PLAIN))
    await ZeebeJobs(gateway).stream(TYPE, taken.append)
    assert [job.key for job in taken] == [2**60] * 2
    [request] = fake.of("StreamActivatedJobs")
    assert request.message == pb.StreamActivatedJobsRequest(
        type="charge-card", worker="zeebe-amqp", timeout=61_500, fetchVariable=["card", "amount"]
    )


async def test_what_came_before_a_stream_broke_was_handed_on(gateway: ZeebeEngine, fake: FakeGateway) -> None:
    taken: list[ActivatedJob] = []
    fake.script("StreamActivatedJobs", stream(PLAIN, end=fail("INTERNAL", "broken")))
    with pytest.raises(GatewayError) as raised:
        await ZeebeJobs(gateway).stream(TYPE, taken.append)
    assert raised.value.text == "broken"
    assert [job.key for job in taken] == [2**60]


async def test_an_old_gateway_has_no_streams(connect: Connect) -> None:
    async with FakeGateway(version="8.2.0") as fake:
        with pytest.raises(CommandError, match=r"8\.3"):
            await ZeebeJobs(connect(fake.address)).stream(TYPE, lambda _: None)
        assert fake.count("StreamActivatedJobs") == 0


async def test_a_stream_ends_with_its_task_and_with_the_polls_of_the_service(connect: Connect) -> None:
    async with FakeGateway() as fake:
        engine, taken = connect(fake.address), list[ActivatedJob]()
        fake.always("StreamActivatedJobs", stream(PLAIN, open_for=60))
        fake.always("ActivateJobs", after(60))
        jobs = ZeebeJobs(engine)
        streams = [asyncio.create_task(jobs.stream(TYPE, taken.append)) for _ in range(2)]
        poll = asyncio.create_task(jobs.activate(TYPE, 1, 60.0))
        await until(lambda: len(taken) == 2 and fake.count("ActivateJobs"))
        streams[0].cancel()
        await asyncio.wait(streams[:1])
        assert streams[0].cancelled()
        await engine.end_polls()
        assert (await streams[1], await poll) == (None, Fetched([]))
        await engine.close()
