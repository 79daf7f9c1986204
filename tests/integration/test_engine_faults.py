"""An engine that is overloaded, paused, frozen or away: what callers are told, and that the consumer gets over it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from scripts.consumer import Consumer
from scripts.zeebe_in_memory import ZeebeInMemory
from tests.conftest import Broker
from tests.fakes.cluster import Cluster
from tests.integration.cluster_setup import ClusterSetup, running_cluster
from tests.integration.process_helper import ABSENT, BY_KEY, ProcessHelper, refused, unique
from zeebe_amqp.errors import Code, Outcome, Source
from zeebe_amqp.reply import Reply


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


# --- 5: overload ---


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
    jobs = await cluster_process.caller.result(
        "activate-jobs", {"jobType": cluster_process.job_type, "maxJobsToActivate": 40}
    )
    found = {job["processInstanceKey"] for job in jobs}
    assert created <= found
    assert len(found) <= len(created) + len(late)  # and so what was refused was not executed


async def test_a_paused_partition_is_not_executed_and_may_be_tried_again(
    cluster_process: ProcessHelper, cluster: ClusterSetup
) -> None:
    await cluster_process.deploy()
    create = {"bpmnProcessId": cluster_process.id}
    with paused(cluster):
        reply, topology, jobs = await asyncio.gather(
            cluster_process.caller.call("create-instance", create),
            cluster_process.caller.result("topology"),
            cluster_process.caller.result(
                "activate-jobs", {"jobType": cluster_process.job_type, "maxJobsToActivate": 1}
            ),
        )
    error = refused(reply)
    assert "Processing paused for partition '1'" in error.message
    assert (error.code, error.source, error.outcome, error.retryable, error.details) == (
        Code.INTERNAL,
        Source.GATEWAY,
        Outcome.NOT_EXECUTED,
        True,
        {"attempts": 5},
    )
    assert (topology["partitionsCount"], jobs) == (1, [])
    instance = await cluster_process.instance()
    assert [job["processInstanceKey"] for job in await cluster_process.jobs(5)] == [instance]


# --- 12: what the engine takes under any load ---

EXEMPT = {"cancel-instance", "complete-job", "fail-job"}
LIMITED = set(BY_KEY) - EXEMPT


async def test_what_relieves_the_engine_is_never_held_back(
    cluster_process: ProcessHelper, cluster: ClusterSetup
) -> None:
    """How often a command was tried stands in its rejection, so all of these are about what is not there."""
    absent = [(name, {field: ABSENT, **more}) for name, (field, more) in BY_KEY.items()] * 10
    with one_request_at_a_time(cluster, 0.1):
        replies = await asyncio.gather(*(cluster_process.caller.call(name, data) for name, data in absent))
    held_back = {reply.operation for reply in replies if "attempts" in (refused(reply).details or {})}
    assert held_back
    assert held_back <= LIMITED
    assert {refused(reply).code for reply in replies if reply.operation in EXEMPT} == {Code.NOT_FOUND}


# --- 8 once more: an engine that does not answer at all ---


async def test_a_frozen_engine_leaves_the_outcome_open(own_process: ProcessHelper, own_zeebe: ZeebeInMemory) -> None:
    await own_process.deploy()
    message = {"messageName": unique("m"), "messageId": unique("i"), "timeToLive": "1m"}
    assert own_zeebe.process is not None
    own_zeebe.process.pause()
    headers = {"deadline": round((time.time() + 2) * 1000)}
    replies = await asyncio.gather(
        own_process.caller.call("create-instance", {"bpmnProcessId": own_process.id}, headers=headers),
        own_process.caller.call("publish-message", message, headers=headers),
    )
    own_zeebe.process.resume()
    for reply, idempotent in zip(replies, (False, True), strict=True):
        error = refused(reply)
        assert (error.code, error.outcome, error.retryable) == (Code.DEADLINE_EXCEEDED, Outcome.UNKNOWN, idempotent)
    assert await own_process.instance()


# --- 15: an engine that comes back ---


async def until(condition: Callable[[], bool]) -> None:
    """Wait for something that the consumer notices by itself; asked over HTTP, so in a thread."""
    async with asyncio.timeout(60):
        while True:
            if await asyncio.to_thread(condition):
                return
            await asyncio.sleep(0.1)


GONE = (Code.UNAVAILABLE, Source.GATEWAY, Outcome.NOT_EXECUTED, True)
"""What callers are told of an engine that is away."""


def ask(process: ProcessHelper) -> asyncio.Task[Reply]:
    """A request that meets an engine that is away: it is told so, or waits in its queue until the engine is back."""
    request = process.caller.call("create-instance", {"bpmnProcessId": process.id}, seconds=180)
    return asyncio.get_running_loop().create_task(request)


def check_answer(reply: Reply) -> None:
    """Told without addresses, or executed."""
    if reply.error is not None:
        assert (reply.error.code, reply.error.source, reply.error.outcome, reply.error.retryable) == GONE
        assert "127.0.0.1" not in reply.error.message


async def test_brokers_that_were_away_are_served_again_with_what_they_had(
    cluster_process: ProcessHelper, cluster: ClusterSetup
) -> None:
    await cluster_process.deploy()
    instance = await cluster_process.instance()
    await asyncio.to_thread(cluster.server.stop)
    asked = ask(cluster_process)
    await until(lambda: "gateway" in cluster.consumer.reasons())
    cluster.restart()
    await asyncio.to_thread(cluster.server.start)
    check_answer(await asked)
    assert instance in [job["processInstanceKey"] for job in await cluster_process.jobs()]
    await until(lambda: cluster.consumer.get("/readyz")[0] == 200)


async def test_an_engine_that_was_away_is_served_again_without_restarting_the_consumer(
    own_process: ProcessHelper, own_zeebe: ZeebeInMemory, own_consumer: Consumer
) -> None:
    await asyncio.to_thread(own_zeebe.stop)
    asked = ask(own_process)
    await until(lambda: "gateway" in own_consumer.reasons())
    await asyncio.to_thread(own_zeebe.start)
    await until(lambda: own_consumer.get("/readyz")[0] == 200)
    check = await asked  # it has forgotten the process that the request names
    assert check.error is not None
    assert check.error.code in (Code.UNAVAILABLE, Code.NOT_FOUND)
    await own_process.deploy()  # it has forgotten what it had
    instance = await own_process.instance()
    assert [job["processInstanceKey"] for job in await own_process.jobs()] == [instance]
