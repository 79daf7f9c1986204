"""Fields and operations that are newer than the engine: refused by name on the older, executed on the newer."""

from __future__ import annotations

import json
from importlib import resources
from typing import Any

from consumer.zeebe import protocol
from tests.cases import for_each
from tests.integration.caller import Caller
from tests.integration.engine_features import EngineFeatures
from tests.integration.process_helper import ABSENT, ProcessHelper, refused
from zeebe_amqp.errors import Code, Outcome, Source

PROCESS = "{process}"
"""Stands for the process of the test's process, which exists."""

INSIDE = "ModifyProcessInstanceRequest.TerminateInstruction.elementId"
OPERATION = "rpc EvaluateConditional"
START, POLL = {"bpmnProcessId": PROCESS}, {"jobType": "t", "maxJobsToActivate": 1}
CHANGE = {"processInstanceKey": ABSENT}
LEAVE = {"terminate": {"afterElementId": "work"}}
MOVE = {"sourceElementId": "work", "targetElementId": "end"}
NEWER: dict[str, tuple[str, dict[str, Any]]] = {
    "CreateProcessInstanceRequest.tags": ("create-instance", {**START, "tags": ["a"]}),
    "CreateProcessInstanceRequest.businessId": ("create-instance", {**START, "businessId": "b"}),
    "CreateProcessInstanceRequest.runtimeInstructions": ("create-instance", {**START, "runtimeInstructions": [LEAVE]}),
    "ActivateJobsRequest.tenantFilter": ("activate-jobs", {**POLL, "tenantFilter": "ASSIGNED"}),
    "CompleteJobRequest.result": ("complete-job", {"jobKey": ABSENT, "result": {"denied": True}}),
    "DeleteResourceRequest.deleteHistory": ("delete-resource", {"resourceKey": ABSENT, "deleteHistory": True}),
    INSIDE: ("modify-instance", {**CHANGE, "terminateInstructions": [{"elementId": "work"}]}),
    "ModifyProcessInstanceRequest.moveInstructions": ("modify-instance", {**CHANGE, "moveInstructions": [MOVE]}),
    OPERATION: ("evaluate-conditional", {"variables": {"a": 1}}),
}
"""By its name in the protocol: a request that uses it."""
PLACES = {INSIDE: "data.terminateInstructions[0].elementId", OPERATION: "operation"}
"""How a refusal names what is no field of the data itself."""

SINCE: dict[str, str] = json.loads(resources.files(protocol).joinpath("since.json").read_text("utf-8"))


def number(version: str) -> tuple[int, ...]:
    """A version as what can be compared: major and minor."""
    return tuple(map(int, version.split(".")[:2]))


@for_each(NEWER)
async def test_what_the_engine_does_not_know_yet_is_refused_by_name_and_not_executed(
    name: str, caller: Caller, features: EngineFeatures
) -> None:
    operation, data = NEWER[name]
    process = ProcessHelper(caller, features)
    await process.deploy()
    reply = await process.caller.call(
        operation, {key: process.id if value == PROCESS else value for key, value in data.items()}
    )
    if number(SINCE[name]) <= number(process.features.version):
        assert reply.error is None or reply.error.source is Source.GATEWAY  # it was asked
        return
    error = refused(reply)
    told = (error.code, error.source, error.outcome, error.retryable)
    assert told == (Code.UNIMPLEMENTED, Source.CONSUMER, Outcome.NOT_EXECUTED, False)
    assert error.details is not None
    assert error.details["field"] == PLACES.get(name, f"data.{name.partition('.')[2]}")
    assert f"version {SINCE[name]} or newer, and the connected one is {process.features.version}" in error.message
    poll = {"jobType": process.job_type, "maxJobsToActivate": 1}
    assert await process.caller.result("activate-jobs", poll) == []


def test_every_field_of_a_request_that_is_newer_than_the_oldest_engine_is_tried() -> None:
    """Fields inside of what is newer as a whole come with it."""
    newer = {name for name, version in SINCE.items() if number(version) > (8, 6)}
    requests = {name for name in newer if name.split(".")[0].endswith("Request") or name.startswith("rpc ")}
    inside = ("EvaluateConditionalRequest.", "ModifyProcessInstanceRequest.MoveInstruction.")
    never_sent = {"StreamActivatedJobsRequest.tenantFilter"}
    assert {name for name in requests if not name.startswith(inside)} - never_sent == set(NEWER)
