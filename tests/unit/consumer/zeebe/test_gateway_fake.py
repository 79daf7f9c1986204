"""The fake gateway counts what was executed, because the fault suite judges by that."""

from __future__ import annotations

from typing import Any

from consumer.zeebe import GatewayError, ZeebeEngine
from consumer.zeebe.protocol import gateway_pb2 as pb
from tests.cases import for_each
from tests.fakes.gateway import FakeGateway, Step, answer, fail, identity
from tests.unit.consumer.zeebe.samples import send


@for_each(
    [(answer(), 1), (fail("RESOURCE_EXHAUSTED"), 1), (fail("UNKNOWN", executed=True), 1), (Step(executed=False), 0)]
)
async def test_only_what_was_executed_counts(
    step: Step, executed: int, gateway: ZeebeEngine, fake: FakeGateway
) -> None:
    fake.reset()
    fake.script("PublishMessage", step)
    try:
        await send(gateway, pb.PublishMessageRequest(messageId="m-1"))
    except GatewayError:
        assert step.code == "UNKNOWN", "what was refused for load is executed by the second attempt"
    assert fake.executions["PublishMessage", "m-1"] == executed


@for_each(
    [
        (pb.PublishMessageRequest(messageId="m", correlationKey="c", variables="{}"), "m"),
        (pb.PublishMessageRequest(correlationKey="c"), "c"),
        (pb.CreateProcessInstanceWithResultRequest(request={"variables": '{"id":1}'}), '{"id":1}'),
        (pb.CompleteJobRequest(jobKey=7, variables="{}"), 7),
        (pb.CancelProcessInstanceRequest(processInstanceKey=8), 8),
        (pb.TopologyRequest(), None),
    ]
)
def test_requests_are_told_apart(message: Any, key: object) -> None:
    assert identity("", message) == key
