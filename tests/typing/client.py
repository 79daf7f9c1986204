"""What type checkers see; `make types` proves it. The lines marked with `ignore` must be errors."""

from __future__ import annotations

from typing import Any, assert_type

from zeebe_amqp import (
    ActivateJobs,
    CancelInstance,
    Client,
    CompleteJob,
    CreateInstance,
    DeployProcess,
    Job,
    Jobs,
    PublishMessage,
    SetVariables,
    SyncClient,
    Topology,
    Worker,
)
from zeebe_amqp.client import Delivery, QueueState, Subscription
from zeebe_amqp.commands import Command
from zeebe_amqp.commands.cluster import TopologyResult
from zeebe_amqp.commands.deployments import Deployed
from zeebe_amqp.commands.instances import InstanceCreated, InstanceResult, VariablesSet
from zeebe_amqp.commands.jobs import ActivatedJob
from zeebe_amqp.commands.messages import MessagePublished


class Order:
    """Some caller's own type."""


async def results(zeebe: Client) -> None:
    """The result's type follows from the command's."""
    create = CreateInstance(bpmn_process_id="order", variables={"id": 7})
    assert_type(await zeebe.call(create), InstanceCreated)
    assert_type(await zeebe.call(create.until_end("30s")), InstanceResult)
    assert_type(await zeebe.call(Topology()), TopologyResult)
    assert_type(await zeebe.call(DeployProcess(name="a.bpmn", content=b"")), Deployed)
    assert_type(await zeebe.call(PublishMessage(message_name="a")), MessagePublished)
    assert_type(await zeebe.call(SetVariables(element_instance_key=1, variables={})), VariablesSet)
    jobs = await zeebe.call(ActivateJobs(job_type="a", max_jobs_to_activate=1))
    assert_type(jobs, tuple[ActivatedJob, ...])
    assert_type(jobs[0].values(), dict[str, Any])
    assert_type(jobs[0].values(Order), Order)
    assert_type(jobs[0].headers(), dict[str, str])
    created = await zeebe.call(CompleteJob(job_key=1))  # type: ignore[func-returns-value]
    assert_type(created, None)
    assert_type(await zeebe.send(CancelInstance(process_instance_key=1)), str)
    assert_type(await zeebe.call_raw(b""), bytes)


def synchronous(zeebe: SyncClient, anything: Command) -> None:
    """The facade is typed alike; a command of no known type returns anything."""
    assert_type(zeebe.call(Topology()), TopologyResult)
    assert_type(zeebe.call(anything), Any)
    zeebe.call("topology")  # type: ignore[arg-type]
    CreateInstance(bpmn_process_id=7)  # type: ignore[arg-type]


async def working(zeebe: Client) -> None:
    """Handlers may be coroutine functions or plain ones."""

    async def coroutine(job: Job) -> dict[str, int]:
        return {"a": job.retries}

    def plain(job: Job) -> None:
        assert_type(job.variables, dict[str, Any])

    Worker(zeebe, "a", coroutine)
    Worker(zeebe, "a", plain)
    Worker(zeebe, "a", plain, source="queue", queue="jobs", extend=None, at_most=1, timeout="1m")
    Worker(zeebe, "a", plain, source="stream")  # type: ignore[arg-type]
    Worker(zeebe, "a", plain, time="1m")  # type: ignore[call-arg]
    Worker(zeebe, "a", lambda job: 7)  # type: ignore[arg-type]
    async for job in Jobs(zeebe, "a"):
        assert_type(job, Job)
        await job.extend("10m")
        await job.requeue()


async def queues(zeebe: Client) -> None:
    """Messages of a queue are taken and settled."""
    assert_type(await zeebe.look("jobs"), QueueState | None)
    subscription = await zeebe.subscribe("jobs", 1)
    assert_type(subscription, Subscription)
    delivery = await subscription.take()
    assert_type(delivery, Delivery | None)
    subscription.ack(delivery)  # type: ignore[arg-type]
    if delivery is not None:
        assert_type(subscription.ack(delivery), bool)
        assert_type(subscription.nack(delivery, requeue=True), bool)
        subscription.nack(delivery)  # type: ignore[call-arg]
    created = await zeebe.call(CreateInstance(bpmn_process_id="order"), trace_variable="trace")
    assert_type(created, InstanceCreated)
