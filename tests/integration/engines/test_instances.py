"""Process instances through the queue, from their creation to their end."""

from __future__ import annotations

import asyncio
from typing import Any

import orjson

from tests.cases import check_each
from tests.integration import processes
from tests.integration.engines.answers import creation
from tests.integration.process_helper import KEY, ProcessHelper, refused, unique
from zeebe_amqp.errors import Code


async def test_create_instance_starts_the_definition_the_version_or_the_latest(process: ProcessHelper) -> None:
    old = (await process.deploy())["processDefinitionKey"]
    await process.deploy(retries=7)

    async def starts(data: dict[str, Any], version: int) -> None:
        data = data or {"bpmnProcessId": process.id, "variables": {"a": 1}}
        answer = await process.caller.result("create-instance", data)
        assert answer == creation(process, version=version)
        assert (answer["processDefinitionKey"] == old) == (version == 1)

    versions = [
        ({"bpmnProcessId": process.id, "version": given}, started) for given, started in ((-1, 2), (1, 1), (2, 2))
    ]
    await check_each([({}, 2), ({"processDefinitionKey": old}, 1), *versions], starts)


async def test_create_instance_starts_where_the_instructions_say(process: ProcessHelper) -> None:
    await process.deploy()
    data = {"bpmnProcessId": process.id, "withResult": True, "startInstructions": [{"elementId": "end"}]}
    assert await process.caller.result("create-instance", data) == creation(process, variables="{}")


async def test_create_instance_with_result_answers_the_variables_as_text(process: ProcessHelper) -> None:
    await process.deploy_text(processes.empty(process.id))
    data = {"bpmnProcessId": process.id, "withResult": True, "variables": {"a": 1, "b": [None]}}
    every = await process.caller.result("create-instance", data, queue=process.caller.polls)
    some = await process.caller.result("create-instance", {**data, "fetchVariables": ["b", "c"]})
    assert every == creation(process, variables=every["variables"])
    assert orjson.loads(every["variables"]) == {"a": 1, "b": [None]}
    assert some == creation(process, variables='{"b":[null]}')


async def test_set_variables_reach_the_job_of_an_instance_until_it_is_cancelled(process: ProcessHelper) -> None:
    await process.deploy()
    instance = await process.instance(variables={"a": 1, "b": 1})
    answer = await process.caller.result("set-variables", {"elementInstanceKey": instance, "variables": {"b": 2}})
    [job] = await process.jobs()
    assert answer == {"key": KEY}
    assert orjson.loads(job["variables"]) == {"a": 1, "b": 2}
    assert await process.caller.result("cancel-instance", {"processInstanceKey": instance}) is None
    gone = refused(await process.caller.call("cancel-instance", {"processInstanceKey": instance}))
    assert gone.code is Code.NOT_FOUND


async def test_set_variables_locally_stay_at_the_element(process: ProcessHelper) -> None:
    await process.deploy()
    awaited = {"bpmnProcessId": process.id, "withResult": True, "requestTimeout": "60s"}
    pending = asyncio.create_task(process.caller.result("create-instance", awaited))
    [job] = await process.jobs()
    data = {"elementInstanceKey": job["elementInstanceKey"], "variables": {"here": 1}, "local": True}
    assert await process.caller.result("set-variables", data) == {"key": KEY}
    await process.caller.result("complete-job", {"jobKey": job["key"]})
    assert (await pending)["variables"] == "{}"


async def test_resolve_incident_brings_the_job_back(process: ProcessHelper) -> None:
    job, incident = await process.incident()
    await process.caller.result("update-job-retries", {"jobKey": job, "retries": 1})
    assert await process.caller.result("resolve-incident", {"incidentKey": incident}) is None
    [again] = await process.jobs()
    assert (again["key"], again["retries"]) == (job, 1)


# --- where a process stands, changed from outside ---


async def test_modify_instance_ends_one_element_and_starts_another_with_variables(process: ProcessHelper) -> None:
    await process.deploy_text(processes.steps(process.id, process.job_type, "first", "second"))
    instance = await process.instance()
    [first] = await process.jobs()
    variables = [{"variables": {"a": 1}}, {"variables": {"b": 2}, "scopeId": "second"}]
    change = {
        "processInstanceKey": instance,
        "terminateInstructions": [{"elementInstanceKey": first["elementInstanceKey"]}],
        "activateInstructions": [{"elementId": "second", "variableInstructions": variables}],
    }
    assert await process.caller.result("modify-instance", change) is None
    [second] = await process.jobs()
    assert (second["elementId"], second["processInstanceKey"]) == ("second", instance)
    assert orjson.loads(second["variables"]) == {"a": 1, "b": 2}
    gone = refused(await process.caller.call("complete-job", {"jobKey": first["key"]}))
    assert gone.code is Code.NOT_FOUND


async def test_modify_instance_starts_an_element_in_a_new_scope_of_an_ancestor(process: ProcessHelper) -> None:
    await process.deploy_text(processes.boxed(process.id, process.job_type, "first", "second"))
    instance = await process.instance()
    [first] = await process.jobs()
    activate = {"elementId": "second", "ancestorElementInstanceKey": instance}
    change = {"processInstanceKey": instance, "activateInstructions": [activate]}
    assert await process.caller.result("modify-instance", change) is None
    [second] = await process.jobs()
    assert [first["elementId"], second["elementId"]] == ["first", "second"]


async def test_migrate_instance_goes_on_in_the_other_process(process: ProcessHelper) -> None:
    await process.deploy()
    target = unique("process")
    deployed = await process.deploy_text(processes.steps(target, process.job_type, "before", "after"))
    instance = await process.instance(variables={"kept": 1})
    [job] = await process.jobs()
    plan = {
        "targetProcessDefinitionKey": deployed["processDefinitionKey"],
        "mappingInstructions": [{"sourceElementId": "work", "targetElementId": "before"}],
    }
    data = {"processInstanceKey": instance, "migrationPlan": plan}
    assert await process.caller.result("migrate-instance", data) is None
    await process.caller.result("complete-job", {"jobKey": job["key"]})
    [after] = await process.jobs()
    assert (after["bpmnProcessId"], after["elementId"], after["variables"]) == (target, "after", '{"kept":1}')
    assert after["processInstanceKey"] == instance
