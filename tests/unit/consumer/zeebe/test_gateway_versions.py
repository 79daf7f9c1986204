"""Fields and RPCs that the connected gateway does not know are refused by name."""

from __future__ import annotations

from pathlib import Path

import pytest
from google.protobuf.descriptor import Descriptor
from google.protobuf.message import Message

from consumer.zeebe import versions
from consumer.zeebe.protocol import gateway_pb2 as pb
from consumer.zeebe.rpcs import SERVICE
from tests.cases import for_each
from tests.unit.consumer.errors import verdict
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


def test_every_name_of_the_protocol_is_dated_or_of_the_first_version_and_no_other_is() -> None:
    assert set(versions.SINCE) <= FIELDS | RPCS
    assert (FIELDS | RPCS) - set(versions.SINCE) == FIRST


@for_each(
    [
        ("8.6.0", (8, 6)),
        ("8.9.0-rc1", (8, 9)),
        ("8.10", (8, 10)),
        ("1.1", (1, 1)),
        ("dev", None),
        ("", None),
        ("8", None),
    ]
)
def test_versions_are_read_by_their_first_two_numbers(text: str, version: versions.Version | None) -> None:
    assert versions.parse(text) == version


TOO_NEW = [
    (pb.CreateProcessInstanceRequest(tags=["a"]), "8.7.3", "data.tags", "8.8"),
    (
        pb.CreateProcessInstanceWithResultRequest(request=pb.CreateProcessInstanceRequest(tags=["a"])),
        "8.6.0",
        "data.tags",
        "8.8",
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
    (pb.EvaluateConditionalRequest(), "8.8.0", "operation", "8.9"),
]
"""A few; every field at every age is asked of a gateway elsewhere."""


@for_each(TOO_NEW)
def test_what_the_gateway_would_drop_is_refused_by_name_and_only_if_its_version_is_known_and_too_old(
    message: Message, gateway: str, field: str, needed: str
) -> None:
    with pytest.raises(CommandError) as raised:
        versions.check(message, gateway)
    assert raised.value.message.startswith(f"{field}: ")
    assert f"version {needed} or newer" in raised.value.message
    assert gateway in raised.value.message
    assert (raised.value.details or {})["field"] == field
    assert verdict(raised.value) == (Code.UNIMPLEMENTED, Source.CONSUMER, Outcome.NOT_EXECUTED, False)
    for enough in (f"{needed}.0", None, "", "dev"):
        versions.check(message, enough)


@for_each(
    [
        (pb.CreateProcessInstanceRequest(bpmnProcessId="a", variables="{}"), False),
        (pb.CreateProcessInstanceRequest(tags=["a"]), True),
        (pb.CreateProcessInstanceWithResultRequest(request=pb.CreateProcessInstanceRequest(tenantId="a")), True),
        (pb.CreateProcessInstanceWithResultRequest(request=pb.CreateProcessInstanceRequest()), False),
        (pb.DeployResourceRequest(), True),
        (pb.TopologyRequest(), False),
        (pb.CompleteJobRequest(jobKey=1), False),
    ]
)
def test_a_version_matters_only_to_what_is_newer_than_the_oldest(message: Message, depends: bool) -> None:
    assert versions.depends(message) is depends
