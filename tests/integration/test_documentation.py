"""The binding's documentation, example by example: its requests work as they stand, with keys that exist.

What their answers have is tested in `engines`, field by field.
"""

from __future__ import annotations

from typing import Any

import orjson

from tests.cases import check_each
from tests.integration import processes
from tests.integration.process_helper import ProcessHelper, unique
from tests.unit.test_completeness import BINDING
from zeebe_amqp.errors import Code
from zeebe_amqp.reply import Reply

PRODUCT = {"productId": "7", "productName": "a kettle", "productKey": "k-7"}
"""Three texts, as most examples send them."""
SILENT = {"cancel-instance", "resolve-incident", "complete-job", "fail-job", "update-job-retries", "throw-error"}
"""Operations whose answers have no body."""


async def examples(process: ProcessHelper) -> list[tuple[str, Any, dict[str, str] | None]]:
    """Operations with data and metadata; each is about a thing of its own."""

    async def job() -> int:
        await process.instance()
        return int((await process.jobs())[0]["key"])

    definition = await process.deploy()
    repaired, incident = await process.incident()
    await process.caller.result("update-job-retries", {"jobKey": repaired, "retries": 1})
    jobs = [await job() for _ in range(4)]
    cancelled, changed = await process.instance(), await process.instance(variables=PRODUCT)
    polled = {"jobType": process.job_type, "maxJobsToActivate": 5, "timeout": "5m", "workerName": "products-worker"}
    return [
        ("topology", {}, None),
        ("deploy-process", processes.empty(unique("process")), {"fileName": "products.bpmn"}),
        ("create-instance", {"bpmnProcessId": process.id, "variables": PRODUCT}, None),
        ("create-instance", {"processDefinitionKey": definition["processDefinitionKey"], "variables": PRODUCT}, None),
        ("cancel-instance", {"processInstanceKey": cancelled}, {}),
        ("set-variables", {"elementInstanceKey": changed, "variables": PRODUCT}, {}),
        ("resolve-incident", {"incidentKey": incident}, {}),
        ("activate-jobs", {**polled, "fetchVariables": list(PRODUCT)}, {}),
        ("complete-job", {"jobKey": jobs[0], "variables": PRODUCT}, {}),
        ("fail-job", {"jobKey": jobs[1], "retries": 5, "errorMessage": "it did not work"}, {}),
        ("update-job-retries", {"jobKey": jobs[2], "retries": 10}, {}),
        ("throw-error", {"jobKey": jobs[3], "errorCode": "no-product", "errorMessage": "there is none"}, {}),
    ]


async def test_every_example_with_an_envelope_works(process: ProcessHelper) -> None:
    async def works(operation: str, data: Any, metadata: dict[str, str] | None) -> None:
        body = {"data": data, "operation": operation} | ({} if metadata is None else {"metadata": metadata})
        reply = Reply.decode((await process.caller.request(orjson.dumps(body))).body)
        assert (reply.operation, reply.error) == (operation, None)
        assert (reply.data is None) == (operation in SILENT)

    cases = await examples(process)
    assert {operation for operation, *_ in cases} | {"publish-message"} == set(BINDING)
    await check_each(cases, works)


async def test_the_example_without_envelope_needs_a_name_and_the_property_type(process: ProcessHelper) -> None:
    async def answer(name: str, **properties: Any) -> Reply:
        data = {"messageName": name, "correlationKey": "2", "timeToLive": "1m", "variables": PRODUCT}
        return Reply.decode((await process.caller.request(orjson.dumps(data), **properties)).body)

    fine = await answer(unique("message"), type="publish-message")
    assert (fine.operation, fine.error, type(fine.data["key"])) == ("publish-message", None, int)
    nameless, typeless = await answer("", type="publish-message"), await answer(unique("message"))
    assert nameless.error is not None
    assert (nameless.error.code, nameless.error.details) == (Code.INVALID_ARGUMENT, {"field": "data.messageName"})
    assert typeless.error is not None
    assert (typeless.operation, typeless.error.code) == (None, Code.INVALID_ARGUMENT)
    assert "operation missing" in typeless.error.message
