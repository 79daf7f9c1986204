"""What all operations can, whatever they do."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from tests.integration.process_helper import KEY, ProcessHelper, unique
from tests.unit.test_completeness import BINDING
from zeebe_amqp.commands import COMMANDS


async def test_keys_come_as_text_on_request(process: ProcessHelper) -> None:
    metadata = {"keys": "string"}
    await process.deploy()
    created = await process.caller.result("create-instance", {"bpmnProcessId": process.id}, metadata=metadata)
    assert created["version"] == 1
    poll = {"jobType": process.job_type, "maxJobsToActivate": 1, "requestTimeout": "30s"}
    [job] = await process.caller.result("activate-jobs", poll, metadata=metadata, queue=process.caller.polls)
    assert job["processInstanceKey"] == created["processInstanceKey"]
    keys = [created["processDefinitionKey"], created["processInstanceKey"], job["key"], job["elementInstanceKey"]]
    assert [int(key) for key in keys if isinstance(key, str)] == [KEY] * 4
    assert isinstance(job["deadline"], str)  # an int64 too
    assert await process.caller.result("complete-job", {"jobKey": job["key"]}, metadata=metadata) is None


@pytest.mark.parametrize("reference", [1, 2**64 - 1])
async def test_operation_references_are_accepted(process: ProcessHelper, reference: int) -> None:
    mark = {"operationReference": reference}
    job, incident = await process.incident()
    instance = await process.instance(**mark)
    calls: list[tuple[str, dict[str, Any]]] = [
        ("set-variables", {"elementInstanceKey": instance, "variables": {}}),
        ("update-job-retries", {"jobKey": job, "retries": 1}),
        ("resolve-incident", {"incidentKey": incident}),
        ("cancel-instance", {"processInstanceKey": instance}),
    ]
    for operation, data in calls:
        await process.caller.result(operation, {**data, **mark})
    having = {name for name in BINDING if "operation_reference" in COMMANDS[name].__struct_fields__}
    assert having == {"create-instance", *(operation for operation, _ in calls)}


async def test_a_replayed_request_is_answered_again_and_not_run_again(process: ProcessHelper) -> None:
    await process.deploy()
    identity = unique("request")
    body = orjson.dumps({"operation": "create-instance", "data": {"bpmnProcessId": process.id}})
    first, second = [await process.caller.request(body, headers={"request-id": identity}) for _ in range(2)]
    assert first.body == second.body
    assert (first.headers.get("replayed"), second.headers.get("replayed")) == (None, True)
    assert len(await process.jobs(2)) == 1
