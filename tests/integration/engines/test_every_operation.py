"""What all operations can, whatever they do."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from tests.integration.scene import KEY, Scene, unique
from tests.unit.test_completeness import BINDING
from zeebe_amqp.commands import COMMANDS


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
