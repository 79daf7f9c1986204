"""The binding's documentation, example by example: its requests work as they stand, with keys that exist.

What is compared is what the documentation promises of the answer: each field it lists is there and has its type.
Fields that it does not know may be there too.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import orjson
import pytest

from tests.integration import processes
from tests.integration.process_helper import ProcessHelper, unique
from tests.unit.test_completeness import BINDING
from zeebe_amqp.errors import Code
from zeebe_amqp.reply import Reply

PRODUCT = {"productId": "7", "productName": "a kettle", "productKey": "k-7"}
"""Three texts, as most examples send them."""

DEPLOYED = {"bpmnProcessId": str, "version": int, "processDefinitionKey": int, "resourceName": str}
CREATED = {"processDefinitionKey": int, "bpmnProcessId": str, "version": int, "processInstanceKey": int}
CLUSTER = {
    "brokers": [
        {
            "nodeId": int,
            "host": str,
            "port": int,
            "partitions": [{"partitionId": int, "role": str, "health": str}],
            "version": str,
        }
    ],
    "clusterSize": int,
    "partitionsCount": int,
    "replicationFactor": int,
    "gatewayVersion": str,
}
JOB = {
    "key": int,
    "type": str,
    "processInstanceKey": int,
    "bpmnProcessId": str,
    "processDefinitionVersion": int,
    "processDefinitionKey": int,
    "elementId": str,
    "elementInstanceKey": int,
    "customHeaders": str,
    "worker": str,
    "retries": int,
    "deadline": int,
    "variables": str,
}

Prepare = Callable[[ProcessHelper], Awaitable[dict[str, Any]]]


async def topology(_: ProcessHelper) -> dict[str, Any]:
    return {"data": {}, "operation": "topology"}


async def deploy_process(process: ProcessHelper) -> dict[str, Any]:
    text = processes.empty(process.id)
    return {"data": text, "metadata": {"fileName": "products.bpmn"}, "operation": "deploy-process"}


async def create_by_id(process: ProcessHelper) -> dict[str, Any]:
    await process.deploy()
    return {"data": {"bpmnProcessId": process.id, "variables": PRODUCT}, "operation": "create-instance"}


async def create_by_key(process: ProcessHelper) -> dict[str, Any]:
    key = (await process.deploy())["processDefinitionKey"]
    return {"data": {"processDefinitionKey": key, "variables": PRODUCT}, "operation": "create-instance"}


async def cancel_instance(process: ProcessHelper) -> dict[str, Any]:
    await process.deploy()
    return {"data": {"processInstanceKey": await process.instance()}, "metadata": {}, "operation": "cancel-instance"}


async def set_variables(process: ProcessHelper) -> dict[str, Any]:
    await process.deploy()
    data = {"elementInstanceKey": await process.instance(), "variables": PRODUCT}
    return {"data": data, "metadata": {}, "operation": "set-variables"}


async def resolve_incident(process: ProcessHelper) -> dict[str, Any]:
    job, incident = await process.incident()
    await process.caller.result("update-job-retries", {"jobKey": job, "retries": 1})
    return {"data": {"incidentKey": incident}, "metadata": {}, "operation": "resolve-incident"}


async def activate_jobs(process: ProcessHelper) -> dict[str, Any]:
    await process.deploy()
    await process.instance(variables=PRODUCT)
    data = {
        "jobType": process.job_type,
        "maxJobsToActivate": 5,
        "timeout": "5m",
        "workerName": "products-worker",
        "fetchVariables": list(PRODUCT),
    }
    return {"data": data, "metadata": {}, "operation": "activate-jobs"}


def with_job(operation: str, **more: Any) -> Prepare:
    """A request about a job that we hold."""

    async def prepare(process: ProcessHelper) -> dict[str, Any]:
        return {"data": {"jobKey": (await process.job())["key"], **more}, "metadata": {}, "operation": operation}

    return prepare


@dataclass(frozen=True)
class Example:
    """A request of the documentation and the shape of the data that its answer has; None = no body."""

    operation: str
    prepare: Prepare
    answer: Any = None


EXAMPLES: list[Example] = [
    Example("topology", topology, CLUSTER),
    Example("deploy-process", deploy_process, {"key": int, "processes": [DEPLOYED]}),
    Example("create-instance", create_by_id, CREATED),
    Example("create-instance", create_by_key, CREATED),
    Example("cancel-instance", cancel_instance),
    Example("set-variables", set_variables, {"key": int}),
    Example("resolve-incident", resolve_incident),
    Example("activate-jobs", activate_jobs, [JOB]),
    Example("complete-job", with_job("complete-job", variables=PRODUCT)),
    Example("fail-job", with_job("fail-job", retries=5, errorMessage="it did not work")),
    Example("update-job-retries", with_job("update-job-retries", retries=10)),
    Example("throw-error", with_job("throw-error", errorCode="no-product", errorMessage="there is none")),
]
"""All examples but publish-message, which has no envelope."""


def mismatch(found: Any, shape: Any, path: str = "data") -> str | None:
    """Where an answer lacks what its shape has; None when it has everything."""
    if isinstance(shape, list):
        if not isinstance(found, list) or len(found) != len(shape):
            return f"{path}: {len(shape)} expected, found {found!r}"
        pairs = [(found[index], part, f"{path}[{index}]") for index, part in enumerate(shape)]
    elif isinstance(shape, dict):
        if absent := set(shape) - set(found):
            return f"{path}: {absent} missing"
        pairs = [(found[name], part, f"{path}.{name}") for name, part in shape.items()]
    else:
        return None if type(found) is shape else f"{path}: {shape.__name__} expected, found {found!r}"
    return next((problem for pair in pairs if (problem := mismatch(*pair))), None)


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: f"{example.operation} {example.prepare.__name__}")
async def test_an_example_works_and_its_answer_has_every_documented_field(
    process: ProcessHelper, example: Example
) -> None:
    request = await example.prepare(process)
    reply = Reply.decode((await process.caller.request(orjson.dumps(request))).body)
    assert (reply.operation, reply.error) == (example.operation, None)
    if example.answer is None:
        assert reply.data is None
    else:
        assert mismatch(reply.data, example.answer) is None


async def test_the_variables_of_an_activation_are_those_it_names(process: ProcessHelper) -> None:
    request = await activate_jobs(process)
    [job] = Reply.decode((await process.caller.request(orjson.dumps(request))).body).data
    assert (orjson.loads(job["variables"]), job["worker"], job["type"]) == (
        PRODUCT,
        "products-worker",
        process.job_type,
    )


def message(name: str) -> bytes:
    """The example of publish-message: all data, no envelope."""
    return orjson.dumps({"messageName": name, "correlationKey": "2", "timeToLive": "1m", "variables": PRODUCT})


async def test_the_example_without_envelope_is_refused_for_its_empty_name(process: ProcessHelper) -> None:
    reply = Reply.decode((await process.caller.request(message(""), type="publish-message")).body)
    assert reply.operation == "publish-message"
    assert reply.error is not None
    assert (reply.error.code, reply.error.details) == (Code.INVALID_ARGUMENT, {"field": "data.messageName"})


async def test_the_example_without_envelope_works_with_a_name(process: ProcessHelper) -> None:
    reply = Reply.decode((await process.caller.request(message(unique("message")), type="publish-message")).body)
    assert (reply.operation, reply.error) == ("publish-message", None)
    assert mismatch(reply.data, {"key": int}) is None


async def test_the_example_without_envelope_needs_the_property_type(process: ProcessHelper) -> None:
    reply = Reply.decode((await process.caller.request(message(unique("message")))).body)
    assert reply.operation is None
    assert reply.error is not None
    assert reply.error.code is Code.INVALID_ARGUMENT
    assert "operation missing" in reply.error.message


def test_every_operation_has_its_example() -> None:
    assert {example.operation for example in EXAMPLES} | {"publish-message"} == set(BINDING)
