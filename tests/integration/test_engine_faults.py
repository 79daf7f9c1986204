"""An engine that is overloaded, paused or away: what callers are told, and that the consumer gets over it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.conftest import Broker
from tests.fakes.cluster import Cluster
from tests.integration.cluster_setup import ClusterSetup, running_cluster
from tests.integration.process_helper import ProcessHelper, refused
from tests.integration.service import eventually
from zeebe_amqp.errors import Code, Outcome, Source


@pytest.fixture(scope="module")
def cluster(rabbitmq: Broker, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClusterSetup]:
    """Brokers that can be overloaded, paused and taken away; their consumer is never restarted."""
    folder = tmp_path_factory.mktemp("cluster")
    with running_cluster(folder / "consumer", rabbitmq.url, Cluster(journal=folder / "journal")) as running:
        yield running


@contextmanager
def one_request_at_a_time(setup: ClusterSetup, seconds: float) -> Iterator[None]:
    """Backpressure at its hardest: each command takes so long, and all others are refused meanwhile."""
    setup.cluster.limit, setup.cluster.seconds = 1, seconds
    yield
    setup.cluster.limit, setup.cluster.seconds = None, 0.0


@contextmanager
def paused(setup: ClusterSetup) -> Iterator[None]:
    """The partition takes commands and does not process them."""
    setup.cluster.paused = True
    yield
    setup.cluster.paused = False


# --- overload ---


async def test_overload_is_not_executed_and_may_be_tried_again(
    cluster_process: ProcessHelper, cluster: ClusterSetup
) -> None:
    await cluster_process.deploy()
    create = {"bpmnProcessId": cluster_process.id}
    with one_request_at_a_time(cluster, 1.0):
        replies = await asyncio.gather(*(cluster_process.caller.call("create-instance", create) for _ in range(40)))
    errors = [reply.error for reply in replies if reply.error is not None]
    refused = [error for error in errors if error.code is Code.RESOURCE_EXHAUSTED]
    assert refused
    for error in refused:
        assert (error.source, error.outcome, error.retryable) == (Source.GATEWAY, Outcome.NOT_EXECUTED, True)
        assert error.details == {"attempts": 5}
    # On a slow machine the engine may let one in and answer it too late.
    late = [error for error in errors if error not in refused]
    assert all(error.outcome is Outcome.UNKNOWN for error in late)
    created = {reply.data["processInstanceKey"] for reply in replies if reply.error is None}
    poll = {"jobType": cluster_process.job_type, "maxJobsToActivate": 40}
    jobs = await cluster_process.caller.result("activate-jobs", poll)
    found = {job["processInstanceKey"] for job in jobs}
    assert created <= found
    assert len(found) <= len(created) + len(late)  # and so what was refused was not executed


async def test_a_paused_partition_is_not_executed_and_may_be_tried_again(
    cluster_process: ProcessHelper, cluster: ClusterSetup
) -> None:
    await cluster_process.deploy()
    create, poll = {"bpmnProcessId": cluster_process.id}, {"jobType": cluster_process.job_type}
    with paused(cluster):
        reply, topology, jobs = await asyncio.gather(
            cluster_process.caller.call("create-instance", create),
            cluster_process.caller.result("topology"),
            cluster_process.caller.result("activate-jobs", {**poll, "maxJobsToActivate": 1}),
        )
    error = refused(reply)
    assert "Processing paused for partition '1'" in error.message
    told = (error.code, error.source, error.outcome, error.retryable, error.details)
    assert told == (Code.INTERNAL, Source.GATEWAY, Outcome.NOT_EXECUTED, True, {"attempts": 5})
    assert (topology["partitionsCount"], jobs) == (1, [])
    instance = await cluster_process.instance()
    assert [job["processInstanceKey"] for job in await cluster_process.jobs(5)] == [instance]


# --- brokers that come back ---


async def test_brokers_that_were_away_are_served_again_with_what_they_had(
    cluster_process: ProcessHelper, cluster: ClusterSetup
) -> None:
    await cluster_process.deploy()
    instance = await cluster_process.instance()
    await asyncio.to_thread(cluster.server.stop)
    request = cluster_process.caller.call("create-instance", {"bpmnProcessId": cluster_process.id}, seconds=180)
    asked = asyncio.create_task(request)
    await eventually(lambda: "gateway" in cluster.consumer.reasons(), "it is noticed")
    cluster.restart()
    await asyncio.to_thread(cluster.server.start)
    if (error := (await asked).error) is not None:  # it met them while they were away, or else it waited
        told = (error.code, error.source, error.outcome, error.retryable)
        assert told == (Code.UNAVAILABLE, Source.GATEWAY, Outcome.NOT_EXECUTED, True)
        assert "127.0.0.1" not in error.message
    assert instance in [job["processInstanceKey"] for job in await cluster_process.jobs()]
    await eventually(lambda: cluster.consumer.get("/readyz")[0] == 200, "it is ready again")
