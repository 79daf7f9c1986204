"""What data become: operation, data, metadata, and the request of the protocol; most are made from the types."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count, product
from typing import Any

import orjson
from google.protobuf.json_format import ParseDict
from google.protobuf.message import Message

from consumer.zeebe.protocol import gateway_pb2 as pb
from tests.unit.contracts.samples import SMALLEST
from tests.unit.contracts.values import alternatives, info
from zeebe_amqp.commands import COMMANDS

KEY = 2251799813685249
BPMN = "<definitions/>"
FILE = pb.Resource(name="a.bpmn", content=BPMN.encode())
NAMED = {"fileName": "a.bpmn"}
RENAMED = {"jobType": "type", "workerName": "worker", "fetchVariables": "fetchVariable", "messageName": "name"}
"""What the protocol calls otherwise."""
PERIODS = {"timeToLive", "timeout", "requestTimeout", "retryBackOff"}
WHERE_ABSENT: dict[str, dict[str, Any]] = {
    "create-instance": {"version": -1},
    "activate-jobs": {"timeout": 300_000, "worker": "default", "requestTimeout": -1},
    "update-job-retries": {"retries": 3},
}
"""What is sent for a field that nobody set."""
GATEWAY_GRACE = 600_000
"""Milliseconds that the gateway waits longer for the end of an instance than the service does."""


def told_apart(data: Any, numbers: Iterator[int], flags: Iterator[bool]) -> Any:
    """The same data, with a number in every value: one that arrives in another's place is noticed."""
    match data:
        case dict():
            return {name: told_apart(each, numbers, flags) for name, each in data.items()}
        case list():
            return [told_apart(each, numbers, flags) for each in data]
        case bool():
            return next(flags)
        case "text" | "1s":
            return f"{next(numbers)}{'s' if data == '1s' else ''}"
        case int() if data >= KEY or data == 1:
            return data + next(numbers)
    return data


def in_protocol(data: Any) -> Any:
    """Data as the protocol has them: variables are text, durations numbers, lists that may be absent wrapped."""
    match data:
        case list():
            return [in_protocol(each) for each in data]
        case dict():
            return {RENAMED.get(name, name): member(name, value) for name, value in data.items()}
    return data


def member(name: str, value: Any) -> Any:
    if name == "variables":
        return orjson.dumps(value).decode()
    if name in ("candidateUsers", "candidateGroups"):
        return {"values": value}
    return int(value[:-1]) * 1000 if name in PERIODS else in_protocol(value)


def row(operation: str, data: dict[str, Any]) -> Any:
    """A row whose request says what the data say."""
    absent = {} if "processDefinitionKey" in data else WHERE_ABSENT.get(operation, {})
    said = {**absent, **in_protocol(data)}
    name = operation.title().replace("-", "").replace("Instance", "ProcessInstance")
    if operation == "create-instance":
        wait, fetched, waits = (said.pop(each, None) for each in ("requestTimeout", "fetchVariable", "withResult"))
        if waits:
            name += "WithResult"
            wait = (15_000 if wait is None else wait) + GATEWAY_GRACE
            said = {"request": said, "requestTimeout": wait, "fetchVariables": fetched or []}
    return operation, data, {}, ParseDict(said, getattr(pb, f"{name}Request")())


def rows() -> Iterator[Any]:
    """The smallest request of every operation that is an object, and those that have all fields."""
    for operation, smallest in SMALLEST.items():
        if operation in ("topology", "deploy-resource", "signal"):
            continue
        yield row(operation, smallest)
        for data, parity in product(alternatives(info(COMMANDS[operation])), (0, 1)):
            if operation == "create-instance" and "processDefinitionKey" in data:
                data.pop("version", None)  # a definition is of one version
            yield row(operation, told_apart(data, count(2), map(bool, (each % 2 for each in count(parity)))))


signal = pb.BroadcastSignalRequest
modification = pb.ModifyProcessInstanceRequest
REQUESTS: list[tuple[str, Any, dict[str, str], Message]] = [
    *rows(),
    ("topology", {}, {}, pb.TopologyRequest()),
    ("topology", {"whatever": 1}, {}, pb.TopologyRequest()),
    *((operation, BPMN, NAMED | {"tenantId": "acme"}, pb.DeployResourceRequest(resources=[FILE], tenantId="acme"))
      for operation in ("deploy-process", "deploy-resource")),
    *((operation, "PGRlZmluaXRpb25zLz4=", NAMED | {"encoding": "base64"}, pb.DeployResourceRequest(resources=[FILE]))
      for operation in ("deploy-process", "deploy-resource")),
    ("deploy-resource",
     {"resources": [{"name": "a.bpmn", "content": BPMN}, {"name": "b.dmn", "content": "/w==", "encoding": "base64"}],
      "tenantId": "acme"}, {},
     pb.DeployResourceRequest(resources=[FILE, pb.Resource(name="b.dmn", content=b"\xff")], tenantId="acme")),
    row("create-instance", {"bpmnProcessId": "p", "withResult": True}),
    row("create-instance", {"processDefinitionKey": str(KEY)}),
    ("modify-instance",
     {"processInstanceKey": KEY,
      "activateInstructions": [{"elementId": "a", "variableInstructions": [{"variables": {}}]}],
      "moveInstructions": [{"sourceElementId": "e", "targetElementId": "d"}]}, {},
     modification(
         processInstanceKey=KEY,
         activateInstructions=[{"elementId": "a", "ancestorElementInstanceKey": -1,
                                "variableInstructions": [{"variables": "{}"}]}],
         moveInstructions=[{"sourceElementId": "e", "targetElementId": "d", "ancestorElementInstanceKey": -1}])),
    row("complete-job", {"jobKey": KEY, "result": {"type": "userTask", "corrections": {"candidateGroups": []}}}),
    row("fail-job", {"jobKey": KEY, "retries": -1}),
    ("signal",
     {"name": "s", "executionId": None, "variables": {"a": {"value": 1}}, "tenantId": "t", "withoutTenantId": False},
     {}, signal(signalName="s", variables='{"a":1}', tenantId="t")),
    *(("signal", {"name": "s", "variables": none, "withoutTenantId": False}, {}, signal(signalName="s"))
      for none in (None, {})),
    *(("signal", {"name": "s", "tenantId": "t", "withoutTenantId": without}, {}, signal(signalName="s", tenantId="t"))
      for without in (None, True)),
    *(("signal", {"name": "s", "withoutTenantId": without}, {}, signal(signalName="s", tenantId="<default>"))
      for without in (True, "true")),
]  # fmt: skip
