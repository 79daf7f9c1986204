"""Process instances through the queue, from their creation to their end."""

from __future__ import annotations

import asyncio

import orjson
import pytest

from tests.integration import processes
from tests.integration.engines.answers import creation
from tests.integration.engines.conftest import Passing
from tests.integration.scene import KEY, Scene, refused, unique
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


# --- what processes meet on their way ---


async def test_an_incident_of_an_element_ends_when_its_variable_is_set_and_it_is_resolved(scene: Scene) -> None:
    await scene.deploy(processes.demanding(scene.process, scene.job_type))
    async with scene.new_keys() as keys:
        instance = await scene.instance()
    await scene.caller.result("set-variables", {"elementInstanceKey": instance, "variables": {"amount": 7}})
    tried = [await scene.caller.call("resolve-incident", {"incidentKey": key}) for key in keys]
    assert [reply.error is None for reply in tried].count(True) == 1
    [job] = await scene.jobs()
    assert (job["processInstanceKey"], job["variables"]) == (instance, '{"amount":7}')


async def test_a_timer_lets_the_process_go_on(scene: Scene, passing: Passing) -> None:
    await scene.deploy(processes.timed(scene.process, passing.duration))
    data = {"bpmnProcessId": scene.process, "withResult": True, "requestTimeout": "60s"}
    pending = asyncio.create_task(scene.caller.result("create-instance", data, queue=scene.caller.polls))
    while not pending.done():
        await passing.passes()
    assert await pending == creation(scene, variables="{}")


# --- where a process stands, changed from outside ---


async def test_modify_instance_ends_one_element_and_starts_another_with_variables(scene: Scene) -> None:
    await scene.deploy(processes.steps(scene.process, scene.job_type, "first", "second"))
    instance = await scene.instance()
    [first] = await scene.jobs()
    change = {
        "processInstanceKey": instance,
        "terminateInstructions": [{"elementInstanceKey": first["elementInstanceKey"]}],
        "activateInstructions": [
            {
                "elementId": "second",
                "variableInstructions": [{"variables": {"a": 1}}, {"variables": {"b": 2}, "scopeId": "second"}],
            }
        ],
    }
    assert await scene.caller.result("modify-instance", change) is None
    [second] = await scene.jobs()
    assert (second["elementId"], second["processInstanceKey"]) == ("second", instance)
    assert orjson.loads(second["variables"]) == {"a": 1, "b": 2}
    gone = refused(await scene.caller.call("complete-job", {"jobKey": first["key"]}))
    assert gone.code is Code.NOT_FOUND


async def test_modify_instance_starts_an_element_in_a_new_scope_of_an_ancestor(scene: Scene) -> None:
    await scene.deploy(processes.boxed(scene.process, scene.job_type, "first", "second"))
    instance = await scene.instance()
    [first] = await scene.jobs()
    activate = {"elementId": "second", "ancestorElementInstanceKey": instance}
    change = {"processInstanceKey": instance, "activateInstructions": [activate]}
    assert await scene.caller.result("modify-instance", change) is None
    [second] = await scene.jobs()
    assert [first["elementId"], second["elementId"]] == ["first", "second"]


async def test_migrate_instance_goes_on_in_the_other_process(scene: Scene) -> None:
    await scene.worked()
    target = unique("process")
    deployed = await scene.deploy(processes.steps(target, scene.job_type, "before", "after"))
    instance = await scene.instance(variables={"kept": 1})
    [job] = await scene.jobs()
    plan = {
        "targetProcessDefinitionKey": deployed["processDefinitionKey"],
        "mappingInstructions": [{"sourceElementId": "work", "targetElementId": "before"}],
    }
    data = {"processInstanceKey": instance, "migrationPlan": plan}
    assert await scene.caller.result("migrate-instance", data) is None
    await scene.caller.result("complete-job", {"jobKey": job["key"]})
    [after] = await scene.jobs()
    assert (after["bpmnProcessId"], after["elementId"], after["variables"]) == (target, "after", '{"kept":1}')
    assert after["processInstanceKey"] == instance
