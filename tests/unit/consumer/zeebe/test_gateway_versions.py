"""Fields and RPCs that the connected gateway does not know are refused by name."""

from __future__ import annotations

from pathlib import Path

import pytest
from google.protobuf.descriptor import Descriptor
from google.protobuf.message import Message

from consumer.zeebe import versions
from consumer.zeebe.protocol import gateway_pb2 as pb
from consumer.zeebe.rpcs import METHODS, SERVICE
from zeebe_amqp.errors import Code, CommandError, Outcome, Source

PACKAGE = f"{pb.DESCRIPTOR.package}."


def every_message(descriptors: list[Descriptor]) -> list[Descriptor]:
    return descriptors + [inner for descriptor in descriptors for inner in every_message(list(descriptor.nested_types))]


FIELDS = {
    field.full_name.removeprefix(PACKAGE)
    for descriptor in every_message(list(pb.DESCRIPTOR.message_types_by_name.values()))
    for field in descriptor.fields
}
RPCS = {f"rpc {method.name}" for method in SERVICE.methods}
FIRST = set((Path(__file__).parent / "first_protocol.txt").read_text("utf-8").split("\n")) - {""}
"""Fields and RPCs of version 1.0 of the protocol."""


def test_every_dated_name_is_in_the_protocol() -> None:
    assert set(versions.SINCE) <= FIELDS | RPCS


def test_every_name_of_the_protocol_is_dated_or_of_the_first_version() -> None:
    assert (FIELDS | RPCS) - set(versions.SINCE) == FIRST


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("8.6.0", (8, 6)),
        ("8.9.0-rc1", (8, 9)),
        ("8.10", (8, 10)),
        ("1.1", (1, 1)),
        ("dev", None),
        ("", None),
        ("8", None),
    ],
)
def test_versions_are_read_by_their_first_two_numbers(text: str, version: versions.Version | None) -> None:
    assert versions.parse(text) == version


TOO_NEW = [
    (pb.CreateProcessInstanceRequest(tags=["a"]), "8.7.3", "data.tags", "8.8"),
    (pb.CreateProcessInstanceRequest(businessId="a"), "8.8.0", "data.businessId", "8.9"),
    (pb.CreateProcessInstanceRequest(tenantId="a"), "8.2.0", "data.tenantId", "8.3"),
    (pb.CreateProcessInstanceRequest(operationReference=1), "8.5.8", "data.operationReference", "8.6"),
    (
        pb.CreateProcessInstanceWithResultRequest(request=pb.CreateProcessInstanceRequest(tags=["a"])),
        "8.6.0",
        "data.tags",
        "8.8",
    ),
    (
        pb.CreateProcessInstanceRequest(
            startInstructions=[pb.ProcessInstanceCreationStartInstruction(elementId="a")],
        ),
        "8.0.0",
        "data.startInstructions",
        "8.1",
    ),
    (pb.CompleteJobRequest(result=pb.JobResult(denied=True)), "8.6.0", "data.result", "8.8"),
    (pb.ActivateJobsRequest(tenantFilter="ASSIGNED"), "8.8.1", "data.tenantFilter", "8.9"),
    (
        pb.ModifyProcessInstanceRequest(moveInstructions=[pb.ModifyProcessInstanceRequest.MoveInstruction()]),
        "8.6.0",
        "data.moveInstructions",
        "8.9",
    ),
    (
        pb.ModifyProcessInstanceRequest(
            terminateInstructions=[
                pb.ModifyProcessInstanceRequest.TerminateInstruction(elementInstanceKey=1),
                pb.ModifyProcessInstanceRequest.TerminateInstruction(elementId="a"),
            ]
        ),
        "8.8.0",
        "data.terminateInstructions[1].elementId",
        "8.9",
    ),
    (pb.DeleteResourceRequest(resourceKey=1, deleteHistory=True), "8.8.0", "data.deleteHistory", "8.9"),
    (pb.EvaluateConditionalRequest(), "8.8.0", "operation", "8.9"),
    (pb.BroadcastSignalRequest(signalName="a"), "8.1.0", "operation", "8.2"),
]


@pytest.mark.parametrize(("message", "gateway", "field", "needed"), TOO_NEW, ids=lambda value: str(value)[:40])
def test_what_the_gateway_would_drop_is_refused_by_name(
    message: Message, gateway: str, field: str, needed: str
) -> None:
    with pytest.raises(CommandError) as raised:
        versions.check(message, gateway)

    assert raised.value.message.startswith(f"{field}: ")
    assert f"version {needed} or newer" in raised.value.message
    assert gateway in raised.value.message
    assert raised.value.details is not None
    assert raised.value.details["field"] == field
    assert (raised.value.code, raised.value.source, raised.value.outcome, raised.value.retryable) == (
        Code.UNIMPLEMENTED,
        Source.CONSUMER,
        Outcome.NOT_EXECUTED,
        False,
    )


@pytest.mark.parametrize(("message", "gateway", "field", "needed"), TOO_NEW, ids=lambda value: str(value)[:40])
def test_the_needed_version_is_enough(message: Message, gateway: str, field: str, needed: str) -> None:
    versions.check(message, f"{needed}.0")


@pytest.mark.parametrize(("message", "gateway", "field", "needed"), TOO_NEW, ids=lambda value: str(value)[:40])
@pytest.mark.parametrize("unknown", [None, "", "dev"])
def test_an_unknown_version_refuses_nothing(
    message: Message, gateway: str, field: str, needed: str, unknown: str | None
) -> None:
    versions.check(message, unknown)


@pytest.mark.parametrize("name", METHODS)
def test_an_empty_request_passes_where_its_rpc_exists(name: str) -> None:
    descriptor = pb.DESCRIPTOR.message_types_by_name[name.removeprefix(PACKAGE)]
    since = versions.SINCE.get(f"rpc {METHODS[name].name}", versions.OLDEST)

    versions.check(getattr(pb, descriptor.name)(), f"{since[0]}.{since[1]}.0")


def test_what_an_older_gateway_knows_passes_beside_what_it_would_not() -> None:
    instruction = pb.ModifyProcessInstanceRequest.TerminateInstruction(elementInstanceKey=1)

    versions.check(pb.ModifyProcessInstanceRequest(terminateInstructions=[instruction]), "8.1.0")


@pytest.mark.parametrize(
    ("message", "depends"),
    [
        (pb.CreateProcessInstanceRequest(bpmnProcessId="a", variables="{}"), False),
        (pb.CreateProcessInstanceRequest(tags=["a"]), True),
        (pb.CreateProcessInstanceWithResultRequest(request=pb.CreateProcessInstanceRequest(tenantId="a")), True),
        (pb.CreateProcessInstanceWithResultRequest(request=pb.CreateProcessInstanceRequest()), False),
        (pb.DeployResourceRequest(), True),
        (pb.TopologyRequest(), False),
        (pb.CompleteJobRequest(jobKey=1), False),
    ],
    ids=lambda value: str(value)[:40],
)
def test_a_version_matters_only_to_what_is_newer_than_the_oldest(message: Message, depends: bool) -> None:
    assert versions.depends(message) is depends
