"""Gateways that are away, partitions that are not there, versions that change, and the probe."""

from __future__ import annotations

import asyncio
import socket
import time
from typing import Any

import pytest
from google.protobuf.message import Message

from consumer.config import Zeebe
from consumer.zeebe import FailureKind, GatewayError, ZeebeEngine
from consumer.zeebe.protocol import gateway_pb2 as pb
from tests.cases import for_each
from tests.fakes.gateway import FakeGateway
from tests.unit.consumer.errors import verdict
from tests.unit.consumer.zeebe.calling import send
from tests.unit.consumer.zeebe.samples import COMPLETE, CREATE, DENIED, NO_PARTITION, TAGGED, connected, refusal, until
from zeebe_amqp.errors import Code, CommandError, Outcome, Source
from zeebe_amqp.testing import after, fail


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


async def test_nobody_listening_means_nothing_was_sent(sleeps: Any) -> None:
    gateway = ZeebeEngine(Zeebe(f"127.0.0.1:{free_port()}", plaintext=True), sleep=sleeps)
    error = await refusal(gateway, CREATE)
    assert gateway.circuit.unreached == 5
    assert verdict(error) == (Code.UNAVAILABLE, Source.GATEWAY, Outcome.NOT_EXECUTED, True)
    assert "127.0.0.1" not in error.message
    await gateway.close()


async def answered(gateway: ZeebeEngine, message: Message) -> Any:
    """The answer of a gateway that is coming up."""
    while True:
        try:
            return await send(gateway, message)
        except GatewayError:
            await asyncio.sleep(0.05)


async def test_a_gateway_that_comes_back_is_found_again(gateway: ZeebeEngine, fake: FakeGateway) -> None:
    await send(gateway, CREATE)
    await fake.stop()
    while gateway.circuit.unreached == 0:
        await refusal(gateway, CREATE)
    await fake.start()
    response = await answered(gateway, CREATE)
    assert response.bpmnProcessId == "order"
    assert gateway.circuit.unreached == 0


async def test_a_connection_lost_with_the_call_out_leaves_the_outcome_unknown(
    gateway: ZeebeEngine, fake: FakeGateway
) -> None:
    fake.always("CreateProcessInstance", after(30))
    task = asyncio.create_task(refusal(gateway, CREATE))
    await until(lambda: fake.requests)
    await fake.stop()
    error = await task
    assert (error.code, error.outcome, error.retryable) == (Code.UNAVAILABLE, Outcome.UNKNOWN, False)
    assert gateway.circuit.unreached == 0


@for_each([("NOT_FOUND", DENIED, 0), ("UNAVAILABLE", NO_PARTITION.format(9), 0), ("UNAVAILABLE", "Socket closed", 5)])
async def test_only_an_answer_proves_that_the_gateway_is_there(
    status: str, text: str, unreached: int, gateway: ZeebeEngine, fake: FakeGateway
) -> None:
    fake.always("CreateProcessInstance", fail("UNAVAILABLE", "no healthy upstream"))
    fake.always("CompleteJob", fail(status, text))
    fake.always("Topology", fail("UNAVAILABLE", "Socket closed"))
    await refusal(gateway, CREATE)
    assert gateway.circuit.unreached == 5
    await refusal(gateway, COMPLETE)
    assert gateway.circuit.unreached == unreached


@for_each([(-1, False), (0, False), (3, True), (4, False), (100, False)])
async def test_a_key_of_no_partition_is_not_found_and_a_partition_without_leader_is_unavailable(
    number: int, is_there: bool, sleeps: Any
) -> None:
    async with FakeGateway(partitions=3) as fake:
        gateway = connected(fake, sleep=sleeps)
        fake.always("CompleteJob", fail("UNAVAILABLE", NO_PARTITION.format(number)))
        error = await refusal(gateway, COMPLETE)
        await gateway.close()
    assert fake.count("CompleteJob") == 3
    assert f"partition {number}" in error.message
    code, source = (Code.UNAVAILABLE, Source.GATEWAY) if is_there else (Code.NOT_FOUND, Source.CONSUMER)
    assert verdict(error) == (code, source, Outcome.NOT_EXECUTED, is_there)


async def test_a_partition_is_not_called_missing_while_their_number_is_unknown(
    gateway: ZeebeEngine, fake: FakeGateway
) -> None:
    fake.always("CompleteJob", fail("UNAVAILABLE", NO_PARTITION.format(9)))
    fake.always("Topology", fail("PERMISSION_DENIED", "no"))
    assert (await refusal(gateway, COMPLETE)).code is Code.UNAVAILABLE


async def test_the_version_is_asked_once_and_only_when_it_matters(gateway: ZeebeEngine, fake: FakeGateway) -> None:
    await send(gateway, COMPLETE)
    assert (gateway.last_version, fake.count("Topology")) == (None, 0)
    tenant = pb.CreateProcessInstanceRequest(tenantId="acme")
    await asyncio.gather(*(send(gateway, tenant) for _ in range(20)))
    assert (gateway.last_version, fake.count("Topology")) == ("8.6.0", 1)


async def test_a_field_the_gateway_would_drop_is_refused_before_sending(
    gateway: ZeebeEngine, fake: FakeGateway
) -> None:
    with pytest.raises(CommandError, match=r"data.tags: this field needs a gateway of version 8\.8"):
        await send(gateway, TAGGED)
    assert fake.count("CreateProcessInstance") == 0


async def test_the_version_is_asked_again_after_an_outage(gateway: ZeebeEngine, fake: FakeGateway) -> None:
    await gateway.probe()
    await fake.stop()
    await refusal(gateway, CREATE)
    assert gateway.last_version == "8.6.0"
    fake.version = "8.9.0"
    await fake.start()
    # While nobody can be asked nothing is refused, so the first answer may come before the version is known.
    await answered(gateway, TAGGED)
    await gateway.probe()
    assert gateway.last_version == "8.9.0"


async def test_the_version_is_asked_again_after_a_connection_that_ended_without_a_failing_call(
    gateway: ZeebeEngine, fake: FakeGateway
) -> None:
    fake.version = "8.9.0"
    await send(gateway, TAGGED)
    await fake.stop()
    while gateway._connections.current.is_ready:  # noqa: ASYNC110  # nothing tells
        await asyncio.sleep(0.01)
    fake.version = "8.6.0"
    await fake.start()
    fake.requests.clear()
    with pytest.raises(CommandError, match=r"data.tags: this field needs a gateway of version 8\.8"):
        await send(gateway, TAGGED)
    assert [request.rpc for request in fake.requests] == ["Topology"]


async def test_a_gateway_that_hides_its_version_gets_what_was_asked(gateway: ZeebeEngine, fake: FakeGateway) -> None:
    fake.always("Topology", fail("PERMISSION_DENIED", "no"))
    await asyncio.gather(send(gateway, TAGGED), send(gateway, TAGGED))
    await send(gateway, TAGGED)
    assert fake.count("CreateProcessInstance") == 3
    assert fake.count("Topology") == 1


async def test_an_unanswered_version_question_does_not_outlast_the_deadline(
    gateway: ZeebeEngine, fake: FakeGateway
) -> None:
    fake.always("Topology", after(30))
    error = await refusal(gateway, TAGGED, deadline=time.time() + 0.2)
    assert (error.code, error.source, error.outcome) == (Code.DEADLINE_EXCEEDED, Source.CONSUMER, Outcome.NOT_EXECUTED)


async def test_a_probe_answers_the_topology_and_is_one_attempt(gateway: ZeebeEngine, fake: FakeGateway) -> None:
    topology = await gateway.probe()
    assert (topology.gatewayVersion, gateway.last_version) == ("8.6.0", "8.6.0")
    fake.always("Topology", fail("UNAVAILABLE", "no healthy upstream"))
    with pytest.raises(GatewayError) as raised:
        await gateway.probe()
    assert fake.count("Topology") == 2
    assert (raised.value.code, raised.value.kind) == (Code.UNAVAILABLE, FailureKind.UNREACHABLE)
