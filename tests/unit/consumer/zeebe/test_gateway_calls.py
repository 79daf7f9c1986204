"""The engine against a gateway that does what a test says: answers, refusals and retries."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import Any

import msgspec
import pytest
from google.protobuf.message import Message

from consumer.zeebe import ZeebeEngine
from consumer.zeebe.operations import OPERATIONS, Operation
from consumer.zeebe.protocol import gateway_pb2 as pb
from tests.cases import for_each
from tests.fakes.gateway import BUSY, FakeGateway, stream
from tests.unit.consumer.errors import verdict
from tests.unit.consumer.zeebe.calling import send
from tests.unit.consumer.zeebe.samples import ACTIVATE, COMPLETE, CREATE, DENIED, connected, refusal
from tests.unit.contracts.values import commands
from zeebe_amqp import wire
from zeebe_amqp.commands import Command
from zeebe_amqp.errors import Code, CommandError, Outcome, Source
from zeebe_amqp.testing import answer, fail

ALL_REQUESTS = [
    pb.TopologyRequest(),
    CREATE,
    pb.CreateProcessInstanceWithResultRequest(request=CREATE),
    pb.CancelProcessInstanceRequest(processInstanceKey=1),
    COMPLETE,
    pb.FailJobRequest(jobKey=1),
    pb.ThrowErrorRequest(jobKey=1),
    pb.EvaluateDecisionRequest(decisionId="d"),
    pb.DeployProcessRequest(processes=[pb.ProcessRequestObject(name="order.bpmn")]),
    pb.DeployResourceRequest(resources=[pb.Resource(name="order.bpmn")]),
    pb.PublishMessageRequest(name="paid"),
    pb.ResolveIncidentRequest(incidentKey=1),
    pb.SetVariablesRequest(elementInstanceKey=1),
    pb.UpdateJobRetriesRequest(jobKey=1),
    pb.UpdateJobTimeoutRequest(jobKey=1),
    pb.ModifyProcessInstanceRequest(processInstanceKey=1),
    pb.MigrateProcessInstanceRequest(processInstanceKey=1),
    pb.DeleteResourceRequest(resourceKey=1),
    pb.BroadcastSignalRequest(signalName="s"),
    pb.EvaluateConditionalRequest(),
]


@for_each(ALL_REQUESTS)
async def test_a_request_goes_to_the_rpc_of_its_type(message: Message) -> None:
    async with FakeGateway(version="8.9.0") as fake:
        gateway = connected(fake)
        response = await send(gateway, message)
        await gateway.close()
    assert type(response).__name__ == type(message).__name__.replace("Request", "Response")
    assert fake.requests[-1].message == message


async def test_a_stream_is_answered_as_the_list_of_its_responses(gateway: ZeebeEngine, fake: FakeGateway) -> None:
    responses = [pb.ActivateJobsResponse(jobs=[pb.ActivatedJob(key=key)]) for key in (1, 2)]
    fake.script("ActivateJobs", stream(*responses), stream())
    assert await send(gateway, ACTIVATE) == responses
    assert await send(gateway, ACTIVATE) == []


async def test_jobs_that_arrived_before_a_failure_are_answered_and_without_any_it_is_an_error(
    gateway: ZeebeEngine, fake: FakeGateway, caplog: pytest.LogCaptureFixture
) -> None:
    some = pb.ActivateJobsResponse(jobs=[pb.ActivatedJob(key=1)])
    fake.script("ActivateJobs", stream(some, end=fail("UNAVAILABLE", "cut")))
    assert await send(gateway, ACTIVATE) == [some]
    assert "ActivateJobs failed after 1 jobs, which are answered: UNAVAILABLE cut" in caplog.text
    fake.script("ActivateJobs", stream(pb.ActivateJobsResponse(), end=fail("ABORTED", "cut")))
    assert (await refusal(gateway, ACTIVATE)).code is Code.ABORTED


@for_each(
    [
        ("RESOURCE_EXHAUSTED", BUSY),
        ("INTERNAL", "Unexpected error occurred between gateway and broker (Processing paused for partition '1')"),
        ("UNAVAILABLE", "no healthy upstream"),
    ]
)
async def test_what_was_not_executed_for_the_moment_is_tried_five_times(
    status: str, text: str, gateway: ZeebeEngine, fake: FakeGateway, sleeps: Any
) -> None:
    fake.reset()
    sleeps.taken.clear()
    fake.always("CreateProcessInstance", fail(status, text))
    error = await refusal(gateway, CREATE)
    assert fake.count("CreateProcessInstance") == 5
    assert sleeps.taken == pytest.approx([0.1, 0.3, 0.9, 2.7])
    assert verdict(error) == (Code(status), Source.GATEWAY, Outcome.NOT_EXECUTED, True)
    assert error.details == {"attempts": 5}


async def test_a_later_attempt_may_succeed(gateway: ZeebeEngine, fake: FakeGateway) -> None:
    fake.script("CreateProcessInstance", fail("RESOURCE_EXHAUSTED", BUSY), fail("RESOURCE_EXHAUSTED", BUSY))
    response: Any = await send(gateway, CREATE)
    assert response.bpmnProcessId == "order"
    assert fake.count("CreateProcessInstance") == 3


UNKNOWN = [
    ("DEADLINE_EXCEEDED", "Time out between gateway and broker: Request command-api-1 to b timed out in PT5S"),
    ("ABORTED", "Connection was closed"),
    ("CANCELLED", "Stream removed"),
    ("UNAVAILABLE", "Socket closed"),
]


@for_each(UNKNOWN)
async def test_an_unknown_outcome_is_tried_again_only_for_what_may_run_twice(
    status: str, text: str, gateway: ZeebeEngine, fake: FakeGateway
) -> None:
    fake.reset()
    fake.always("CreateProcessInstance", fail(status, text))
    error = await refusal(gateway, CREATE)
    assert fake.count("CreateProcessInstance") == 1
    assert (error.code, error.outcome, error.retryable, error.details) == (Code(status), Outcome.UNKNOWN, False, None)
    fake.always("CompleteJob", fail(status, text))
    error = await refusal(gateway, COMPLETE, idempotent=True)
    assert fake.count("CompleteJob") == 5
    assert (error.code, error.outcome, error.retryable) == (Code(status), Outcome.UNKNOWN, True)


@for_each(product([False, True], ["INTERNAL", "UNKNOWN", "OUT_OF_RANGE", "DATA_LOSS"]))
async def test_an_error_nobody_expects_is_never_tried_again(
    idempotent: bool, status: str, gateway: ZeebeEngine, fake: FakeGateway
) -> None:
    fake.reset()
    fake.always("CompleteJob", fail(status, "null"))
    error = await refusal(gateway, COMPLETE, idempotent=idempotent)
    assert fake.count("CompleteJob") == 1
    assert (error.outcome, error.retryable) == (Outcome.UNKNOWN, idempotent)


async def test_a_rejection_is_final_and_after_an_unknown_outcome_may_mean_it_was_done(
    gateway: ZeebeEngine, fake: FakeGateway
) -> None:
    fake.always("CompleteJob", fail("NOT_FOUND", DENIED))
    error = await refusal(gateway, COMPLETE, idempotent=True)
    assert fake.count("CompleteJob") == 1
    assert (error.message, error.details) == (DENIED, {"intent": "COMPLETE", "rejection": "NOT_FOUND"})
    fake.script("CompleteJob", fail("ABORTED", "closed"), fail("NOT_FOUND", DENIED))
    error = await refusal(gateway, COMPLETE, idempotent=True)
    assert (error.code, error.outcome, error.retryable) == (Code.NOT_FOUND, Outcome.UNKNOWN, False)
    assert "earlier attempt" in (error.details or {})["suggestion"]


async def test_a_long_rejection_arrives_and_is_cut_and_a_long_answer_arrives(
    gateway: ZeebeEngine, fake: FakeGateway
) -> None:
    fake.script("CreateProcessInstance", fail("INVALID_ARGUMENT", "x" * 100_000))
    error = await refusal(gateway, CREATE)
    assert (error.code, error.message, error.details) == (Code.INVALID_ARGUMENT, "x" * 2048, {"truncated": True})
    large = pb.CreateProcessInstanceWithResultResponse(variables="x" * 5_000_000)
    fake.script("CreateProcessInstanceWithResult", answer(large))
    assert await send(gateway, pb.CreateProcessInstanceWithResultRequest()) == large


LARGE: dict[type, Any] = {
    str: "x" * wire.MAX_MESSAGE,
    bytes: b"x" * wire.MAX_MESSAGE,
    # An object that also the variables of `signal` may be.
    msgspec.Raw: msgspec.Raw(b'{"x":{"value":"' + b"x" * wire.MAX_MESSAGE + b'"}}'),
}


def too_large() -> Iterator[Any]:
    """Every operation with more than four mebibytes in one of its fields without limit."""
    for operation, row in OPERATIONS.items():
        command = next(commands(operation))
        for name in command.__struct_fields__:
            large = LARGE.get(type(getattr(command, name)))
            if large is not None and name != "tenant_filter":
                yield row, msgspec.structs.replace(command, **{name: large})


@for_each(too_large())
async def test_a_command_above_four_mebibytes_is_refused_without_a_call(
    row: Operation, command: Command, gateway: ZeebeEngine, fake: FakeGateway
) -> None:
    message = row.to_request(command)
    with pytest.raises(CommandError) as raised:
        await send(gateway, message)
    assert fake.requests == []
    size = message.ByteSize()
    assert raised.value.message == f"data: {size} bytes as a message to the gateway; accepted are at most 4194304"
    assert verdict(raised.value) == (Code.RESOURCE_EXHAUSTED, Source.CONSUMER, Outcome.NOT_EXECUTED, False)


async def test_the_largest_request_is_sent(gateway: ZeebeEngine, fake: FakeGateway) -> None:
    request = pb.SetVariablesRequest(variables="x" * (4_194_304 - 5))
    assert request.ByteSize() == 4_194_304
    await send(gateway, request)
    assert fake.count("SetVariables") == 1
