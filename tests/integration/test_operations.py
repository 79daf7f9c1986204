"""Each operation through the queue on a real engine: what it answers when it works.

The table at the end is complete: it names a success of every operation.
"""

from __future__ import annotations

import asyncio
import base64
import time
from collections.abc import Awaitable, Callable
from typing import Any

import orjson
import pytest

from tests.integration import processes
from tests.integration.caller import Caller
from tests.integration.scene import KEY, Scene, unique
from tests.unit.test_completeness import BINDING
from zeebe_amqp.commands import COMMANDS
from zeebe_amqp.errors import Code
from zeebe_amqp.reply import Reply

TENANT = "<default>"


def deployment(process: str, version: int = 1, name: str = "process.bpmn") -> dict[str, Any]:
    """The whole answer to the deployment of one process."""
    deployed = {
        "bpmnProcessId": process,
        "version": version,
        "processDefinitionKey": KEY,
        "resourceName": name,
        "tenantId": TENANT,
    }
    return {"key": KEY, "processes": [deployed], "tenantId": TENANT}


def creation(process: str, **more: Any) -> dict[str, Any]:
    """The whole answer to the creation of an instance."""
    return {
        "processDefinitionKey": KEY,
        "bpmnProcessId": process,
        "version": 1,
        "processInstanceKey": KEY,
        "tenantId": TENANT,
        "tags": [],
        "businessId": None,
        **more,
    }


# --- what works ---


async def test_topology_answers_the_cluster_with_every_field(caller: Caller) -> None:
    cluster = await caller.result("topology", {})
    [broker] = cluster.pop("brokers")
    assert cluster == {
        "clusterSize": 1,
        "partitionsCount": 1,
        "replicationFactor": 1,
        "gatewayVersion": "8.6.0",
        "clusterId": "",
    }
    assert isinstance(broker.pop("port"), int)
    assert broker == {
        "nodeId": 0,
        "host": "127.0.0.1",
        "partitions": [{"partitionId": 1, "role": "LEADER", "health": "HEALTHY"}],
        "version": "8.6.0",
    }


@pytest.mark.parametrize("body", [b"", b"null", b"{}"])
async def test_topology_in_the_bare_form_answers_the_cluster(caller: Caller, body: bytes) -> None:
    reply = Reply.decode((await caller.request(body, type="topology")).body)
    assert (reply.operation, reply.error) == ("topology", None)
    assert reply.data["partitionsCount"] == 1


async def test_deploy_process_answers_the_deployment_and_again_the_same_version(scene: Scene) -> None:
    text, file = processes.work(scene.process, scene.job_type), {"fileName": "process.bpmn"}
    first = await scene.caller.result("deploy-process", text, metadata=file)
    again = await scene.caller.result("deploy-process", text, metadata=file)
    assert first == deployment(scene.process)
    assert again["processes"] == first["processes"]
    assert again["key"] != first["key"]


async def test_deploy_process_answers_the_next_version_of_a_changed_process(scene: Scene) -> None:
    await scene.worked()
    changed = processes.work(scene.process, scene.job_type, retries=7)
    answer = await scene.caller.result("deploy-process", changed, metadata={"fileName": "process.bpmn"})
    assert answer == deployment(scene.process, version=2)


async def test_deploy_process_in_the_bare_form_takes_the_file_as_it_is(scene: Scene) -> None:
    reply = await scene.caller.request(
        processes.empty(scene.process).encode(),
        type="deploy-process",
        content_type="application/xml",
        headers={"fileName": "raw.bpmn"},
    )
    assert Reply.decode(reply.body).data == deployment(scene.process, name="raw.bpmn")


async def test_deploy_process_takes_base64(scene: Scene) -> None:
    text = base64.b64encode(processes.empty(scene.process).encode()).decode()
    answer = await scene.caller.result(
        "deploy-process", text, metadata={"fileName": "process.bpmn", "encoding": "base64"}
    )
    assert answer == deployment(scene.process)


async def test_create_instance_by_id_answers_the_instance(scene: Scene) -> None:
    await scene.worked()
    answer = await scene.caller.result("create-instance", {"bpmnProcessId": scene.process, "variables": {"a": 1}})
    assert answer == creation(scene.process)


async def test_create_instance_by_key_starts_that_version(scene: Scene) -> None:
    old = await scene.worked()
    await scene.worked(retries=7)
    answer = await scene.caller.result("create-instance", {"processDefinitionKey": old["processDefinitionKey"]})
    assert answer == creation(scene.process, processDefinitionKey=old["processDefinitionKey"])


@pytest.mark.parametrize(("version", "started"), [(None, 2), (-1, 2), (1, 1), (2, 2)])
async def test_create_instance_starts_the_version_or_the_latest(
    scene: Scene, version: int | None, started: int
) -> None:
    await scene.worked()
    await scene.worked(retries=7)
    data = {"bpmnProcessId": scene.process, **({} if version is None else {"version": version})}
    assert await scene.caller.result("create-instance", data) == creation(scene.process, version=started)


async def test_create_instance_starts_where_the_instructions_say(scene: Scene) -> None:
    await scene.worked()
    answer = await scene.caller.result(
        "create-instance",
        {"bpmnProcessId": scene.process, "withResult": True, "startInstructions": [{"elementId": "end"}]},
    )
    assert answer == creation(scene.process, variables="{}")


async def test_create_instance_with_result_answers_the_variables_as_text(scene: Scene) -> None:
    await scene.deploy(processes.empty(scene.process))
    data = {"bpmnProcessId": scene.process, "withResult": True, "variables": {"a": 1, "b": [None]}}
    every = await scene.caller.result("create-instance", data, queue=scene.caller.polls)
    some = await scene.caller.result("create-instance", {**data, "fetchVariables": ["b", "c"]})
    assert every == creation(scene.process, variables=every["variables"])
    assert orjson.loads(every["variables"]) == {"a": 1, "b": [None]}
    assert some == creation(scene.process, variables='{"b":[null]}')


async def test_cancel_instance_ends_the_instance(scene: Scene) -> None:
    await scene.worked()
    instance = await scene.instance()
    assert await scene.caller.result("cancel-instance", {"processInstanceKey": instance}) is None
    gone = await scene.caller.call("cancel-instance", {"processInstanceKey": instance})
    assert gone.error is not None
    assert gone.error.code is Code.NOT_FOUND


async def test_set_variables_reach_the_job(scene: Scene) -> None:
    await scene.worked()
    instance = await scene.instance(variables={"a": 1, "b": 1})
    answer = await scene.caller.result("set-variables", {"elementInstanceKey": instance, "variables": {"b": 2}})
    [job] = await scene.jobs()
    assert answer == {"key": KEY}
    assert orjson.loads(job["variables"]) == {"a": 1, "b": 2}


async def test_set_variables_locally_stay_at_the_element(scene: Scene) -> None:
    await scene.worked()
    pending = asyncio.create_task(
        scene.caller.result(
            "create-instance", {"bpmnProcessId": scene.process, "withResult": True, "requestTimeout": "60s"}
        )
    )
    [job] = await scene.jobs()
    data = {"elementInstanceKey": job["elementInstanceKey"], "variables": {"here": 1}, "local": True}
    assert await scene.caller.result("set-variables", data) == {"key": KEY}
    await scene.caller.result("complete-job", {"jobKey": job["key"]})
    assert (await pending)["variables"] == "{}"


async def test_resolve_incident_brings_the_job_back(scene: Scene) -> None:
    job, incident = await scene.incident()
    await scene.caller.result("update-job-retries", {"jobKey": job, "retries": 1})
    assert await scene.caller.result("resolve-incident", {"incidentKey": incident}) is None
    [again] = await scene.jobs()
    assert (again["key"], again["retries"]) == (job, 1)


async def test_publish_message_answers_its_key_and_wakes_who_waits_for_it(scene: Scene) -> None:
    message, key = unique("message"), unique("key")
    await scene.deploy(processes.waiting(scene.process, message))
    pending = asyncio.create_task(
        scene.caller.result(
            "create-instance",
            {"bpmnProcessId": scene.process, "withResult": True, "requestTimeout": "60s", "variables": {"key": key}},
        )
    )
    answer = await scene.caller.result(
        "publish-message",
        {
            "messageName": message,
            "correlationKey": key,
            "messageId": unique("id"),
            "timeToLive": "1m",
            "variables": {"told": True},
        },
    )
    assert answer == {"key": KEY, "tenantId": TENANT}
    assert orjson.loads((await pending)["variables"]) == {"key": key, "told": True}


async def test_publish_message_in_the_bare_form_answers_its_key(caller: Caller) -> None:
    body = orjson.dumps({"messageName": unique("message"), "correlationKey": "2", "timeToLive": "1m"})
    reply = Reply.decode((await caller.request(body, type="publish-message")).body)
    assert (reply.operation, reply.data, reply.error) == ("publish-message", {"key": KEY, "tenantId": TENANT}, None)


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
        "tenantId": TENANT,
        "kind": "BPMN_ELEMENT",
        "listenerEventType": "ASSIGNING",
        "userTask": None,
        "tags": [],
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
    assert (again["key"], again["retries"], again["variables"]) == (job["key"], 2, '{"tried":1}')


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


# --- what every operation can ---


async def test_keys_come_as_text_on_request(scene: Scene) -> None:
    metadata = {"keys": "string"}
    await scene.worked()
    created = await scene.caller.result("create-instance", {"bpmnProcessId": scene.process}, metadata=metadata)
    assert created["version"] == 1
    poll = {"jobType": scene.job_type, "maxJobsToActivate": 1, "requestTimeout": "30s"}
    [job] = await scene.caller.result("activate-jobs", poll, metadata=metadata, queue=scene.caller.polls)
    assert job["processInstanceKey"] == created["processInstanceKey"]
    keys = [created["processDefinitionKey"], created["processInstanceKey"], job["key"], job["elementInstanceKey"]]
    assert [int(key) for key in keys if isinstance(key, str)] == [KEY] * 4
    assert isinstance(job["deadline"], str)  # an int64 too
    assert await scene.caller.result("complete-job", {"jobKey": job["key"]}, metadata=metadata) is None


@pytest.mark.parametrize("reference", [1, 2**64 - 1])
async def test_operation_references_are_accepted(scene: Scene, reference: int) -> None:
    mark = {"operationReference": reference}
    job, incident = await scene.incident()
    instance = await scene.instance(**mark)
    calls: list[tuple[str, dict[str, Any]]] = [
        ("set-variables", {"elementInstanceKey": instance, "variables": {}}),
        ("update-job-retries", {"jobKey": job, "retries": 1}),
        ("resolve-incident", {"incidentKey": incident}),
        ("cancel-instance", {"processInstanceKey": instance}),
    ]
    for operation, data in calls:
        await scene.caller.result(operation, {**data, **mark})
    having = {name for name in BINDING if "operation_reference" in COMMANDS[name].__struct_fields__}
    assert having == {"create-instance", *(operation for operation, _ in calls)}


async def test_a_replayed_request_is_answered_again_and_not_run_again(scene: Scene) -> None:
    await scene.worked()
    identity = unique("request")
    body = orjson.dumps({"operation": "create-instance", "data": {"bpmnProcessId": scene.process}})
    first, second = [await scene.caller.request(body, headers={"request-id": identity}) for _ in range(2)]
    assert first.body == second.body
    assert (first.headers.get("replayed"), second.headers.get("replayed")) == (None, True)
    assert len(await scene.jobs(2)) == 1


# --- the table is complete ---

SUCCESSES: dict[str, Callable[..., Awaitable[None]]] = {
    "topology": test_topology_answers_the_cluster_with_every_field,
    "deploy-process": test_deploy_process_answers_the_deployment_and_again_the_same_version,
    "create-instance": test_create_instance_by_id_answers_the_instance,
    "cancel-instance": test_cancel_instance_ends_the_instance,
    "set-variables": test_set_variables_reach_the_job,
    "resolve-incident": test_resolve_incident_brings_the_job_back,
    "publish-message": test_publish_message_answers_its_key_and_wakes_who_waits_for_it,
    "activate-jobs": test_activate_jobs_answers_jobs_with_every_field,
    "complete-job": test_complete_job_lets_the_process_go_on_with_its_variables,
    "fail-job": test_fail_job_offers_the_job_again_with_the_remaining_retries,
    "update-job-retries": test_update_job_retries_sets_them,
    "throw-error": test_throw_error_is_caught_by_the_process_with_its_variables,
}
"""The test of each operation's success in an envelope with every field of its reply."""


def test_every_operation_has_a_success() -> None:
    assert set(SUCCESSES) == set(BINDING)
