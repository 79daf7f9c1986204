"""What each command acts on, as rules about rights and the audit see it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.cases import check_all, for_each
from tests.unit.contracts.samples import FULLEST, SMALLEST, command, smallest
from zeebe_amqp import wire
from zeebe_amqp.commands import COMMANDS, DeployProcess, DeployResource, EvaluateConditional
from zeebe_amqp.commands.jobs import MAX_TENANTS
from zeebe_amqp.commands.keys import MAX_KEYS, carries_keys, outline, place, target
from zeebe_amqp.commands.resources import Resource
from zeebe_amqp.commands.target import ANY, DEFAULT_TENANT, KINDS, Target

NOTHING = {"topology": "it asks for the cluster, and changes nothing"}
"""Operations that act on nothing, and why."""
BPMN = b'<definitions><process id="order"/></definitions>'
DMN = b'<definitions><decision id="risk"/></definitions>'


def names(found: Target) -> dict[str, tuple[str, ...]]:
    return {kind: given for kind in KINDS if (given := getattr(found, kind))}


def test_every_operation_names_something_or_carries_a_key_and_says_where() -> None:
    def check(operation: str) -> None:
        kind = COMMANDS[operation]
        found = target(smallest(operation))
        acts_on = [*names(found), *(["keys"] if found.keys else [])]
        assert bool(acts_on) == (operation not in NOTHING)
        assert bool(found.keys) <= carries_keys(kind)
        assert names(found).keys() <= kind.named_by.keys()
        for each in (*kind.named_by, *(["keys"] if carries_keys(kind) else [])):
            assert place(kind, each).partition(".")[0] in ("data", "metadata")

    check_all(((name,) for name in COMMANDS), check)


def test_whoever_has_a_tenant_acts_in_one() -> None:
    def check(operation: str) -> None:
        found = target(command(operation, FULLEST[operation]))
        has_tenant = {"tenant_id", "tenant_ids"} & set(COMMANDS[operation].__struct_fields__)
        assert bool(found.tenants) == bool(has_tenant)
        assert DEFAULT_TENANT in target(smallest(operation)).tenants or not has_tenant

    check_all(((name,) for name in SMALLEST), check)


@for_each([
    ("create-instance", {"bpmnProcessId": "order"}, Target(processes=("order",), tenants=(DEFAULT_TENANT,))),
    ("create-instance", {"processDefinitionKey": 2**52}, Target(keys=(str(2**52),), tenants=(DEFAULT_TENANT,))),
    ("create-instance", {"bpmnProcessId": "a", "tenantId": "t"}, Target(processes=("a",), tenants=("t",))),
    ("evaluate-decision", {"decisionId": "risk"}, Target(decisions=("risk",), tenants=(DEFAULT_TENANT,))),
    ("evaluate-decision", {"decisionKey": 2**52}, Target(keys=(str(2**52),), tenants=(DEFAULT_TENANT,))),
    ("evaluate-conditional", {}, Target(processes=(ANY,), tenants=(DEFAULT_TENANT,))),
    ("evaluate-conditional", {"processDefinitionKey": 2**52}, Target(keys=(str(2**52),), tenants=(DEFAULT_TENANT,))),
    ("publish-message", {"messageName": "paid"}, Target(messages=("paid",), tenants=(DEFAULT_TENANT,))),
    ("broadcast-signal", {"signalName": "stop"}, Target(signals=("stop",), tenants=(DEFAULT_TENANT,))),
    ("cancel-instance", {"processInstanceKey": str(2**52)}, Target(keys=(str(2**52),))),
    ("migrate-instance", {"processInstanceKey": 2**52, "migrationPlan": {"targetProcessDefinitionKey": 2**53}},
     Target(keys=(str(2**52), str(2**53)))),
    ("activate-jobs", {"jobType": "pay", "maxJobsToActivate": 1},
     Target(job_types=("pay",), tenants=(DEFAULT_TENANT,))),
    ("activate-jobs", {"jobType": "pay", "maxJobsToActivate": 1, "tenantIds": ["a", "b"]},
     Target(job_types=("pay",), tenants=("a", "b"))),
    ("activate-jobs", {"jobType": "pay", "maxJobsToActivate": 1, "tenantIds": ["a"], "tenantFilter": "ASSIGNED"},
     Target(job_types=("pay",), tenants=(ANY,))),
    ("activate-jobs", {"jobType": "pay", "maxJobsToActivate": 1, "tenantIds": ["a"] * (MAX_TENANTS + 1)},
     Target(job_types=("pay",), tenants=(ANY,))),
    ("signal", {"name": "stop"}, Target(signals=("stop",), tenants=(DEFAULT_TENANT,))),
    ("signal", {"name": "stop", "tenantId": "t"}, Target(signals=("stop",), tenants=("t",))),
    ("signal", {"name": "stop", "tenantId": ""}, Target(signals=("stop",), tenants=(ANY,))),
    ("signal", {"name": "stop", "withoutTenantId": True}, Target(signals=("stop",), tenants=(DEFAULT_TENANT,))),
    ("signal", {"name": "stop", "withoutTenantId": True, "tenantId": "t"},
     Target(signals=("stop",), tenants=("t", DEFAULT_TENANT))),
    ("signal", {"name": "stop", "executionId": "e-1"}, Target(signals=("stop",), keys=("e-1",))),
])  # fmt: skip
def test_names_are_the_commands_own_and_an_absent_tenant_is_the_default_one(
    operation: str, data: dict[str, Any], expected: Target
) -> None:
    assert target(command(operation, data)) == expected


@for_each([
    ({}, (DEFAULT_TENANT,)),
    ({wire.TENANT_ID: "t"}, ("t",)),
])  # fmt: skip
def test_a_deployment_names_the_files_and_what_is_inside(metadata: dict[str, str], tenants: tuple[str, ...]) -> None:
    one = DeployProcess.from_wire(BPMN, {**metadata, wire.FILE_NAME: "order.bpmn"}, bare=True)
    assert target(one) == Target(resources=("order.bpmn",), processes=("order",), tenants=tenants)
    single = DeployResource.from_wire(DMN, {**metadata, wire.FILE_NAME: "risk.dmn"}, bare=True)
    assert target(single) == Target(resources=("risk.dmn",), decisions=("risk",), tenants=tenants)


def test_every_file_of_a_deployment_counts_also_in_base64() -> None:
    files = [
        {"name": "order.bpmn", "content": BPMN.decode()},
        {"name": "risk.dmn", "content": "PGQ+PGRlY2lzaW9uIGlkPSJyaXNrIi8+PC9kPg==", "encoding": "base64"},
        {"name": "a.form", "content": '{"id": "f"}'},
    ]
    found = target(DeployResource.from_wire(json.dumps({"resources": files, "tenantId": "t"}).encode(), {}))
    assert found == Target(
        resources=("order.bpmn", "risk.dmn", "a.form", "f"), processes=("order",), decisions=("risk",), tenants=("t",)
    )


@pytest.mark.parametrize("count", [MAX_KEYS, MAX_KEYS + 1, 10 * MAX_KEYS])
def test_a_target_lists_a_bounded_number_of_keys(count: int) -> None:
    instructions = [{"elementInstanceKey": 2**52 + index} for index in range(count - 1)]
    modify = command("modify-instance", {"processInstanceKey": 2**52, "terminateInstructions": instructions})
    assert len(target(modify).keys) == min(count, MAX_KEYS)


@for_each([
    ("a.bpmn", BPMN, {"processes": (ANY,), "resources": ("a.bpmn",)}),
    ("a.DMN", DMN, {"decisions": (ANY,), "resources": ("a.DMN",)}),
    ("a.form", b'{"id":"f"}', {"resources": (ANY,)}),
    ("a.txt", b"text", {"processes": (ANY,), "decisions": (ANY,), "resources": ("a.txt",)}),
])  # fmt: skip
def test_in_outline_a_file_may_hold_any_id_of_its_kind(name: str, content: bytes, may: dict[str, Any]) -> None:
    """What is recorded of a denied deployment must not look as if nothing had been in it."""
    command = DeployResource(resources=(Resource.of(name, content),), tenant_id="t")
    assert (names(outline(command)), outline(command).tenants) == (may, ("t",))


def test_what_has_no_files_is_the_same_in_outline() -> None:
    for operation in COMMANDS:
        tried = smallest(operation)
        assert tried.files() or outline(tried) == target(tried), operation


def test_a_condition_says_any_process_in_python_too() -> None:
    assert target(EvaluateConditional()).processes == (ANY,)
