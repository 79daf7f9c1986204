"""Jobs through the queue: activated, completed, failed, thrown out of."""

from __future__ import annotations

import asyncio
import time

import orjson
import pytest

from tests.integration import forms, processes
from tests.integration.engines.conftest import Passing
from tests.integration.scene import KEY, Scene, refused, unique
from zeebe_amqp.errors import Code


async def test_activate_jobs_answers_jobs_with_every_field(scene: Scene) -> None:
    before = time.time() * 1000
    definition = await scene.worked(retries=4, headers={"warehouse": "north", "shelf": "7 < 8"})
    instance = await scene.instance(variables={"a": 1, "b": 2})
    [job] = await scene.jobs(timeout="1h", workerName="somebody", fetchVariables=["b", "c"])
    assert orjson.loads(job.pop("customHeaders")) == {"warehouse": "north", "shelf": "7 < 8"}
    assert before + 3_600_000 <= job.pop("deadline")
    assert job == {
        "key": KEY,
        "type": scene.job_type,
        "processInstanceKey": instance,
        "bpmnProcessId": scene.process,
        "processDefinitionVersion": 1,
        "processDefinitionKey": definition["processDefinitionKey"],
        "elementId": "work",
        "elementInstanceKey": KEY,
        "worker": "somebody",
        "retries": 4,
        "variables": '{"b":2}',
        "tenantId": scene.kind.tenant,
        "kind": scene.kind.says("8.8", "BPMN_ELEMENT"),
        "listenerEventType": None,
        "userTask": None,
        "tags": scene.kind.says("8.8", []),
    }


async def test_activate_jobs_answers_an_empty_list_at_once_when_there_are_none(scene: Scene) -> None:
    assert await scene.caller.result("activate-jobs", {"jobType": scene.job_type, "maxJobsToActivate": 5}) == []


async def test_activate_jobs_locks_no_more_than_asked_for_and_none_twice(scene: Scene) -> None:
    await scene.worked()
    instances = {await scene.instance() for _ in range(3)}
    poll = {"jobType": scene.job_type, "maxJobsToActivate": 2}
    found: list[int] = []
    for expected in (2, 1, 0):
        jobs = await scene.caller.result("activate-jobs", poll)
        assert len(jobs) == expected
        found += [job["processInstanceKey"] for job in jobs]
    assert set(found) == instances


async def test_a_long_poll_gets_a_job_that_appears_later(scene: Scene) -> None:
    await scene.worked()
    if not scene.kind.waits:
        data = {"jobType": scene.job_type, "maxJobsToActivate": 1, "requestTimeout": "10m"}
        assert await scene.caller.result("activate-jobs", data, queue=scene.caller.polls) == []
        return
    poll = asyncio.create_task(scene.jobs())
    await asyncio.sleep(0.5)
    assert not poll.done()  # an answer at once would be the empty list
    instance = await scene.instance()
    assert [job["processInstanceKey"] for job in await poll] == [instance]


async def test_complete_job_lets_the_process_go_on_with_its_variables(scene: Scene) -> None:
    await scene.worked()
    data = {"bpmnProcessId": scene.process, "withResult": True, "requestTimeout": "60s"}
    pending = asyncio.create_task(scene.caller.result("create-instance", data, queue=scene.caller.polls))
    [job] = await scene.jobs()
    assert await scene.caller.result("complete-job", {"jobKey": job["key"], "variables": {"done": 1}}) is None
    assert (await pending)["variables"] == '{"done":1}'


async def test_a_key_may_be_sent_as_text(scene: Scene) -> None:
    job = await scene.job()
    assert await scene.caller.result("complete-job", {"jobKey": str(job["key"])}) is None


async def test_fail_job_offers_the_job_again_with_the_remaining_retries(scene: Scene) -> None:
    job = await scene.job()
    data = {"jobKey": job["key"], "retries": 2, "errorMessage": "not now", "variables": {"tried": 1}}
    assert await scene.caller.result("fail-job", data) is None
    [again] = await scene.jobs()
    kept = '{"tried":1}' if scene.kind.keeps_variables_of_failures else "{}"
    assert (again["key"], again["retries"], again["variables"]) == (job["key"], 2, kept)


async def test_fail_job_keeps_the_job_back_for_the_time_of_its_back_off(scene: Scene) -> None:
    job = await scene.job()
    data = {"jobKey": job["key"], "retries": 2, "retryBackOff": "1h"}
    assert await scene.caller.result("fail-job", data) is None
    assert await scene.caller.result("activate-jobs", {"jobType": scene.job_type, "maxJobsToActivate": 1}) == []


@pytest.mark.parametrize(("given", "retries"), [({}, 3), ({"retries": 9}, 9)])
async def test_update_job_retries_sets_them(scene: Scene, given: dict[str, int], retries: int) -> None:
    job = await scene.job()
    assert await scene.caller.result("update-job-retries", {"jobKey": job["key"], **given}) is None
    await scene.caller.result("fail-job", {"jobKey": job["key"], "retries": retries})
    [again] = await scene.jobs()
    assert again["retries"] == retries


async def test_throw_error_is_caught_by_the_process_with_its_variables(scene: Scene) -> None:
    await scene.deploy(processes.forgiving(scene.process, scene.job_type, "out-of-stock"))
    data = {"bpmnProcessId": scene.process, "withResult": True, "requestTimeout": "60s"}
    pending = asyncio.create_task(scene.caller.result("create-instance", data, queue=scene.caller.polls))
    [job] = await scene.jobs()
    thrown = {
        "jobKey": job["key"],
        "errorCode": "out-of-stock",
        "errorMessage": "the shelf is empty",
        "variables": {"detail": 7},
    }
    assert await scene.caller.result("throw-error", thrown) is None
    assert (await pending)["variables"] == '{"detail":7}'


async def test_update_job_timeout_sets_how_long_the_job_is_locked(scene: Scene, passing: Passing) -> None:
    await scene.worked()
    await scene.instance()
    [job] = await scene.jobs(timeout="12h")
    assert await scene.caller.result("update-job-timeout", {"jobKey": job["key"], "timeout": "1s"}) is None
    poll = {"jobType": scene.job_type, "maxJobsToActivate": 1, "workerName": "other"}
    while not (again := await scene.caller.result("activate-jobs", poll)):
        await passing.passes()
    assert [(other["key"], other["worker"]) for other in again] == [(job["key"], "other")]


async def test_a_task_for_each_of_several_items_gathers_their_results(scene: Scene) -> None:
    await scene.deploy(processes.each(scene.process, scene.job_type))
    data = {
        "bpmnProcessId": scene.process,
        "withResult": True,
        "requestTimeout": "60s",
        "variables": {"items": [3, 1, 2]},
        "fetchVariables": ["results"],
    }
    pending = asyncio.create_task(scene.caller.result("create-instance", data, queue=scene.caller.polls))
    for _ in range(3):
        [job] = await scene.jobs(fetchVariables=["item"])
        double = 2 * orjson.loads(job["variables"])["item"]
        await scene.caller.result("complete-job", {"jobKey": job["key"], "variables": {"result": double}})
    assert (await pending)["variables"] == '{"results":[6,2,4]}'


async def test_a_user_task_is_a_job_that_names_the_key_of_its_form(scene: Scene) -> None:
    form = unique("form")
    files = [
        {"name": "a.bpmn", "content": processes.approved(scene.process, form)},
        {"name": "a.form", "content": forms.approval(form)},
    ]
    deployed = await scene.caller.result("deploy-resource", {"resources": files})
    [key] = [entry["form"]["formKey"] for entry in deployed["deployments"] if "form" in entry]
    instance = await scene.instance()
    every = await scene.jobs(100, jobType=processes.USER_TASK)
    [job] = [job for job in every if job["processInstanceKey"] == instance]
    assert (job["elementId"], job["retries"]) == ("approve", 1)
    assert orjson.loads(job["customHeaders"]) == {"io.camunda.zeebe:formKey": str(key)}
    assert await scene.caller.result("complete-job", {"jobKey": job["key"]}) is None


async def test_a_listener_of_a_user_task_is_a_job_of_newer_engines(scene: Scene) -> None:
    text, file = processes.watched(scene.process, scene.job_type), {"fileName": "process.bpmn"}
    reply = await scene.caller.call("deploy-process", text, file)
    if not scene.kind.listens_to_user_tasks:
        error = refused(reply)
        assert error.code is Code.INVALID_ARGUMENT
        assert "ZeebeTaskListenerEventType.creating" in error.message
        return
    await scene.instance()
    [job] = await scene.jobs()
    headers = orjson.loads(job["customHeaders"])
    assert headers.pop("io.camunda.zeebe:userTaskKey")
    assert headers == {
        "io.camunda.zeebe:assignee": "ann",
        "io.camunda.zeebe:candidateGroups": '["board","staff"]',
        "io.camunda.zeebe:priority": "50",
    }
    # The gateway for tests knows nothing of kinds and properties yet; what a job's result says it drops.
    assert (job["kind"], job["userTask"]) == ("BPMN_ELEMENT", None)
    result = {"type": "userTask", "corrections": {"assignee": "ben", "candidateGroups": []}}
    assert await scene.caller.result("complete-job", {"jobKey": job["key"], "result": result}) is None
