"""Process instances through the queue, from their creation to their end."""

from __future__ import annotations

import asyncio

import orjson
import pytest

from tests.integration import processes
from tests.integration.engines.answers import creation
from tests.integration.scene import KEY, Scene
from zeebe_amqp.errors import Code


async def test_create_instance_by_id_answers_the_instance(scene: Scene) -> None:
    await scene.worked()
    answer = await scene.caller.result("create-instance", {"bpmnProcessId": scene.process, "variables": {"a": 1}})
    assert answer == creation(scene)


async def test_create_instance_by_key_starts_that_version(scene: Scene) -> None:
    old = await scene.worked()
    await scene.worked(retries=7)
    answer = await scene.caller.result("create-instance", {"processDefinitionKey": old["processDefinitionKey"]})
    assert answer == creation(scene, processDefinitionKey=old["processDefinitionKey"])


@pytest.mark.parametrize(("version", "started"), [(None, 2), (-1, 2), (1, 1), (2, 2)])
async def test_create_instance_starts_the_version_or_the_latest(
    scene: Scene, version: int | None, started: int
) -> None:
    await scene.worked()
    await scene.worked(retries=7)
    data = {"bpmnProcessId": scene.process, **({} if version is None else {"version": version})}
    assert await scene.caller.result("create-instance", data) == creation(scene, version=started)


async def test_create_instance_starts_where_the_instructions_say(scene: Scene) -> None:
    await scene.worked()
    answer = await scene.caller.result(
        "create-instance",
        {"bpmnProcessId": scene.process, "withResult": True, "startInstructions": [{"elementId": "end"}]},
    )
    assert answer == creation(scene, variables="{}")


async def test_create_instance_with_result_answers_the_variables_as_text(scene: Scene) -> None:
    await scene.deploy(processes.empty(scene.process))
    data = {"bpmnProcessId": scene.process, "withResult": True, "variables": {"a": 1, "b": [None]}}
    every = await scene.caller.result("create-instance", data, queue=scene.caller.polls)
    some = await scene.caller.result("create-instance", {**data, "fetchVariables": ["b", "c"]})
    assert every == creation(scene, variables=every["variables"])
    assert orjson.loads(every["variables"]) == {"a": 1, "b": [None]}
    assert some == creation(scene, variables='{"b":[null]}')


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
