"""What brokers behind a gateway say and the engine in memory does not: the fake gateway plays them."""

from __future__ import annotations

import asyncio

import pytest

from tests.integration.cluster_setup import ClusterSetup
from tests.integration.engines.rejections import REJECTIONS, Rejection
from tests.integration.process_helper import ABSENT, ProcessHelper, refused, unique
from zeebe_amqp.errors import Code, Outcome, Source
from zeebe_amqp.testing import fail

DIFFERENT = [case for case in REJECTIONS if case.newer != {} or case.in_memory != {}]
"""Where some engine says something else than a broker of 8.6."""
RPC = {"deploy-resource": "DeployResource", "evaluate-decision": "EvaluateDecision"}
"""The RPC of an operation whose rejections are scripted: the engine behind the fake knows neither files nor rules."""


@pytest.fixture
def process(cluster_process: ProcessHelper) -> ProcessHelper:
    """A process on the cluster, for cases that ask for any process."""
    return cluster_process


@pytest.mark.parametrize("case", DIFFERENT, ids=lambda case: f"{case.operation}: {case.why}")
async def test_a_rejection_is_told_in_the_broker_s_words(
    process: ProcessHelper, cluster: ClusterSetup, case: Rejection
) -> None:
    data, metadata = await case.prepare(process)
    text = case.message(data, process)
    if "multi-tenancy" not in case.text:  # that the cluster refuses by itself
        cluster.gateway.script(RPC[case.operation], fail(case.code.value, text))
    error = refused(await process.caller.call(case.operation, data, metadata))
    assert (error.code, error.message, error.source) == (case.code, text, Source.GATEWAY)
    assert (error.outcome, error.retryable) == (Outcome.NOT_EXECUTED, False)
    named = {"intent": case.intent, "rejection": case.rejection}
    assert (error.details or {}) == (named if case.intent else {})


async def test_a_tenant_that_the_gateway_does_not_know_is_refused_for_signals_too(process: ProcessHelper) -> None:
    error = refused(await process.caller.call("signal", {"name": "s", "tenantId": "acme"}))
    assert (error.code, error.source) == (Code.INVALID_ARGUMENT, Source.GATEWAY)


async def test_a_poll_that_waits_gets_a_job_that_appears_later(process: ProcessHelper) -> None:
    await process.deploy()
    poll = asyncio.create_task(process.jobs())
    await asyncio.sleep(0.5)
    assert not poll.done()  # an answer at once would be the empty list
    instance = await process.instance()
    assert [job["processInstanceKey"] for job in await poll] == [instance]


async def test_a_poll_that_waits_for_nothing_is_empty_in_the_end(process: ProcessHelper) -> None:
    data = {"jobType": unique("job"), "maxJobsToActivate": 1, "requestTimeout": "300ms"}
    assert await process.caller.result("activate-jobs", data, queue=process.caller.polls) == []


async def test_the_variables_of_a_failed_job_are_kept(process: ProcessHelper) -> None:
    job = await process.job()
    await process.caller.result("fail-job", {"jobKey": job["key"], "retries": 2, "variables": {"tried": 1}})
    [again] = await process.jobs()
    assert (again["key"], again["retries"], again["variables"]) == (job["key"], 2, '{"tried":1}')


async def test_a_deletion_is_answered_with_nothing_in_it(process: ProcessHelper) -> None:
    answered = await process.caller.result("delete-resource", {"resourceKey": ABSENT})
    assert answered == {"resourceKey": "", "batchOperation": None}
