"""Jobs through the queue: activated, completed, failed, thrown out of."""

from __future__ import annotations

import asyncio
import time

import orjson

from tests.integration import forms, processes
from tests.integration.process_helper import KEY, ProcessHelper, refused, unique
from zeebe_amqp.errors import Code


async def test_activate_jobs_answers_jobs_with_every_field(process: ProcessHelper) -> None:
    before = time.time() * 1000
    definition = await process.deploy(retries=4, headers={"warehouse": "north", "shelf": "7 < 8"})
    instance = await process.instance(variables={"a": 1, "b": 2})
    [job] = await process.jobs(timeout="1h", workerName="somebody", fetchVariables=["b", "c"])
    assert orjson.loads(job.pop("customHeaders")) == {"warehouse": "north", "shelf": "7 < 8"}
    assert before + 3_600_000 <= job.pop("deadline")
    assert job == {
        "key": KEY,
        "type": process.job_type,
        "processInstanceKey": instance,
        "bpmnProcessId": process.id,
        "processDefinitionVersion": 1,
        "processDefinitionKey": definition["processDefinitionKey"],
        "elementId": "work",
        "elementInstanceKey": KEY,
        "worker": "somebody",
        "retries": 4,
        "variables": '{"b":2}',
        "tenantId": process.features.tenant,
        "kind": process.features.says("8.8", "BPMN_ELEMENT"),
        "listenerEventType": None,
        "userTask": None,
        "tags": process.features.says("8.8", []),
    }


async def test_activate_jobs_answers_an_empty_list_at_once_when_there_are_none(process: ProcessHelper) -> None:
    assert await process.caller.result("activate-jobs", {"jobType": process.job_type, "maxJobsToActivate": 5}) == []


async def test_activate_jobs_locks_no_more_than_asked_for_and_none_twice(process: ProcessHelper) -> None:
    await process.deploy()
    instances = {await process.instance() for _ in range(3)}
    poll = {"jobType": process.job_type, "maxJobsToActivate": 2}
    found: list[int] = []
    for expected in (2, 1, 0):
        jobs = await process.caller.result("activate-jobs", poll)
        assert len(jobs) == expected
        found += [job["processInstanceKey"] for job in jobs]
    assert set(found) == instances


async def test_complete_job_lets_the_process_go_on_with_its_variables(process: ProcessHelper) -> None:
    await process.deploy()
    data = {"bpmnProcessId": process.id, "withResult": True, "requestTimeout": "60s"}
    pending = asyncio.create_task(process.caller.result("create-instance", data, queue=process.caller.polls))
    [job] = await process.jobs()
    assert await process.caller.result("complete-job", {"jobKey": job["key"], "variables": {"done": 1}}) is None
    assert (await pending)["variables"] == '{"done":1}'


async def test_fail_job_offers_the_job_again_with_the_remaining_retries_and_not_before_its_back_off(
    process: ProcessHelper,
) -> None:
    job = await process.job()
    data = {"jobKey": str(job["key"]), "retries": 2, "errorMessage": "not now", "variables": {"tried": 1}}
    assert await process.caller.result("fail-job", data) is None
    [again] = await process.jobs()
    kept = '{"tried":1}' if process.features.keeps_variables_of_failures else "{}"
    assert (again["key"], again["retries"], again["variables"]) == (job["key"], 2, kept)
    assert await process.caller.result("fail-job", {**data, "retryBackOff": "1h"}) is None
    assert await process.caller.result("activate-jobs", {"jobType": process.job_type, "maxJobsToActivate": 1}) == []


async def test_update_job_retries_sets_them(process: ProcessHelper) -> None:
    job = await process.job()
    for given, retries in (({}, 3), ({"retries": 9}, 9)):
        assert await process.caller.result("update-job-retries", {"jobKey": job["key"], **given}) is None
        await process.caller.result("fail-job", {"jobKey": job["key"], "retries": retries})
        [again] = await process.jobs()
        assert again["retries"] == retries


async def test_throw_error_is_caught_by_the_process_with_its_variables(process: ProcessHelper) -> None:
    await process.deploy_text(processes.forgiving(process.id, process.job_type, "out-of-stock"))
    data = {"bpmnProcessId": process.id, "withResult": True, "requestTimeout": "60s"}
    pending = asyncio.create_task(process.caller.result("create-instance", data, queue=process.caller.polls))
    [job] = await process.jobs()
    error = {"errorCode": "out-of-stock", "errorMessage": "the shelf is empty", "variables": {"detail": 7}}
    assert await process.caller.result("throw-error", {"jobKey": job["key"], **error}) is None
    assert (await pending)["variables"] == '{"detail":7}'


async def test_update_job_timeout_sets_how_long_the_job_is_locked(process: ProcessHelper) -> None:
    await process.deploy()
    await process.instance()
    [job] = await process.jobs(timeout="12h")
    assert await process.caller.result("update-job-timeout", {"jobKey": job["key"], "timeout": "1s"}) is None
    poll = {"jobType": process.job_type, "maxJobsToActivate": 1, "workerName": "other"}
    while not (again := await process.caller.result("activate-jobs", poll)):  # noqa: ASYNC110 - the engine tells nobody
        await asyncio.sleep(0.1)
    assert [(other["key"], other["worker"]) for other in again] == [(job["key"], "other")]


async def test_a_user_task_is_a_job_that_names_the_key_of_its_form(process: ProcessHelper) -> None:
    form = unique("form")
    files = [
        {"name": "a.bpmn", "content": processes.approved(process.id, form)},
        {"name": "a.form", "content": forms.approval(form)},
    ]
    deployed = await process.caller.result("deploy-resource", {"resources": files})
    [key] = [entry["form"]["formKey"] for entry in deployed["deployments"] if "form" in entry]
    instance = await process.instance()
    every = await process.jobs(100, jobType=processes.USER_TASK)
    [job] = [job for job in every if job["processInstanceKey"] == instance]
    assert (job["elementId"], job["retries"]) == ("approve", 1)
    assert orjson.loads(job["customHeaders"]) == {"io.camunda.zeebe:formKey": str(key)}
    assert await process.caller.result("complete-job", {"jobKey": job["key"]}) is None


async def test_a_listener_of_a_user_task_is_a_job_of_newer_engines(process: ProcessHelper) -> None:
    text, file = processes.watched(process.id, process.job_type), {"fileName": "process.bpmn"}
    reply = await process.caller.call("deploy-process", text, file)
    if not process.features.listens_to_user_tasks:
        error = refused(reply)
        assert error.code is Code.INVALID_ARGUMENT
        assert "ZeebeTaskListenerEventType.creating" in error.message
        return
    await process.instance()
    [job] = await process.jobs()
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
    assert await process.caller.result("complete-job", {"jobKey": job["key"], "result": result}) is None
