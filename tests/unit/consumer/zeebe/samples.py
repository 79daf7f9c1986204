"""Requests, texts and helpers that the tests of the engine share."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from google.protobuf.message import Message

from consumer.config import Zeebe
from consumer.zeebe import GatewayError, ZeebeEngine
from consumer.zeebe.protocol import gateway_pb2 as pb
from tests.fakes.gateway import FIRST_PARTITION, FakeGateway
from tests.unit.consumer.zeebe.calling import send

CREATE = pb.CreateProcessInstanceRequest(bpmnProcessId="order")
COMPLETE = pb.CompleteJobRequest(jobKey=FIRST_PARTITION + 5)
ACTIVATE = pb.ActivateJobsRequest(type="pack", maxJobsToActivate=2)
TAGGED = pb.CreateProcessInstanceRequest(bpmnProcessId="order", tags=["urgent"])
NO_PARTITION = "Expected to execute command on partition {}, but either it does not exist, or the gateway is not"
DENIED = "Command 'COMPLETE' rejected with code 'NOT_FOUND': no such job was found"


def connected(fake: FakeGateway, **rest: Any) -> ZeebeEngine:
    """An engine behind that gateway, without luck in its delays."""
    return ZeebeEngine(Zeebe(fake.address, plaintext=True), random=lambda: 1.0, **rest)


async def refusal(gateway: ZeebeEngine, message: Message, **rest: Any) -> GatewayError:
    """The error of a call that must fail."""
    with pytest.raises(GatewayError) as raised:
        await send(gateway, message, **rest)
    return raised.value


async def until(condition: Callable[[], object]) -> None:
    """Wait for what happens elsewhere."""
    while not condition():  # noqa: ASYNC110 - what is waited for happens inside a library
        await asyncio.sleep(0.005)
