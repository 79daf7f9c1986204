"""What brokers behind a gateway say and the engine in memory does not: the fake gateway plays them."""

from __future__ import annotations

import asyncio

import pytest

from tests.fakes.cluster import FACTS
from tests.integration.clusters import Played
from tests.integration.engines.rejection import NOT_FOUND, Rejection
from tests.integration.engines.test_rejections import REJECTIONS
from tests.integration.scene import ABSENT, Scene, refused, unique
from zeebe_amqp.errors import Code, Outcome, Source
from zeebe_amqp.testing import answer, fail

DIFFERENT = [case for case in REJECTIONS if case.differs]
RPC = {
    "deploy-resource": "DeployResource",
    "evaluate-decision": "EvaluateDecision",
}
"""The RPC of an operation whose rejections are scripted: the engine behind the fake knows neither files nor rules."""


@pytest.fixture
def scene(broker_scene: Scene) -> Scene:
    """A process on the cluster, for cases that ask for any scene."""
    return broker_scene


def is_about_tenants(case: Rejection) -> bool:
    """Whether the cluster refuses the case by itself."""
    return "multi-tenancy" in case.text


@pytest.mark.parametrize("case", DIFFERENT, ids=lambda case: f"{case.operation}: {case.why}")
async def test_a_rejection_is_told_in_the_broker_s_words(scene: Scene, cluster: Played, case: Rejection) -> None:
    data, metadata = await case.prepare(scene)
    text = case.message(data, scene)
    if not is_about_tenants(case):
        cluster.gateway.script(RPC[case.operation], fail(case.code.value, text))
    error = refused(await scene.caller.call(case.operation, data, metadata))
    assert (error.code, error.message, error.source) == (case.code, text, Source.GATEWAY)
    assert (error.outcome, error.retryable) == (Outcome.NOT_EXECUTED, False)
    named = {"intent": case.intent, "rejection": case.rejection}
    assert (error.details or {}) == (named if case.intent else {})


async def test_an_incident_without_retries_is_not_found_by_older_brokers(scene: Scene, cluster: Played) -> None:
    reason = f"Expected to resolve incident with key '{ABSENT}', but job with key '1' has no retries left"
    text = f"Command 'RESOLVE' rejected with code 'NOT_FOUND': {reason}"
    cluster.gateway.script("ResolveIncident", fail(NOT_FOUND, text))
    error = refused(await scene.caller.call("resolve-incident", {"incidentKey": ABSENT}))
    assert (error.code, error.details) == (Code.NOT_FOUND, {"intent": "RESOLVE", "rejection": NOT_FOUND})


async def test_a_tenant_that_the_gateway_does_not_know_is_refused_for_signals_too(scene: Scene) -> None:
    error = refused(await scene.caller.call("signal", {"name": "s", "tenantId": "acme"}))
    assert (error.code, error.source) == (Code.INVALID_ARGUMENT, Source.GATEWAY)


async def test_a_poll_that_waits_gets_a_job_that_appears_later(scene: Scene) -> None:
    await scene.worked()
    poll = asyncio.create_task(scene.jobs())
    await asyncio.sleep(0.5)
    assert not poll.done()  # an answer at once would be the empty list
    instance = await scene.instance()
    assert [job["processInstanceKey"] for job in await poll] == [instance]


async def test_a_poll_that_waits_for_nothing_is_empty_in_the_end(scene: Scene) -> None:
    data = {"jobType": unique("job"), "maxJobsToActivate": 1, "requestTimeout": "300ms"}
    assert await scene.caller.result("activate-jobs", data, queue=scene.caller.polls) == []


async def test_the_variables_of_a_failed_job_are_kept(scene: Scene) -> None:
    job = await scene.job()
    await scene.caller.result("fail-job", {"jobKey": job["key"], "retries": 2, "variables": {"tried": 1}})
    [again] = await scene.jobs()
    assert (again["key"], again["retries"], again["variables"]) == (job["key"], 2, '{"tried":1}')


async def test_a_deletion_is_answered_with_nothing_in_it(scene: Scene) -> None:
    answered = await scene.caller.result("delete-resource", {"resourceKey": ABSENT})
    assert answered == {"resourceKey": "", "batchOperation": None}


async def test_a_decision_that_fails_has_no_output_and_a_key(scene: Scene, cluster: Played) -> None:
    failed = answer(failed_decision_id="guard", decision_output="", decision_instance_key=ABSENT)
    cluster.gateway.script("EvaluateDecision", failed)
    result = await scene.caller.result("evaluate-decision", {"decisionId": "fee"})
    assert (result["decisionOutput"], result["failedDecisionId"]) == ("", "guard")
    assert result["decisionInstanceKey"] == ABSENT


def test_every_played_behaviour_says_what_it_stands_for() -> None:
    assert set(FACTS) == {
        "refuse_tenant",
        "refuse_variables",
        "refuse_partition",
        "refuse_while_paused",
        "refuse_under_load",
        "activate_jobs",
        "await_result",
        "delete_resource",
    }
