"""The client against the service as a program, with a gateway that counts: every operation, typed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import get_origin

import pytest
import pytest_asyncio

from tests.fakes.gateway import Request
from tests.integration.service import UNMEASURED, ConsumerSetup, eventually
from tests.unit.contracts.samples import smallest
from zeebe_amqp import (
    AlreadyExists,
    CancelInstance,
    Client,
    Code,
    CompleteJob,
    CreateInstance,
    DeadlineExceeded,
    NotFound,
    Outcome,
    Source,
    SyncClient,
    Topology,
)
from zeebe_amqp.commands import COMMANDS
from zeebe_amqp.testing import Step, fail

pytestmark = pytest.mark.asyncio(loop_scope="module")

SETTINGS = {"gateway_version": "8.9.0", **UNMEASURED}
KEY = (1 << 51) + 7
CREATE = CreateInstance(bpmn_process_id="order", variables={"id": 7})


@pytest_asyncio.fixture(loop_scope="module")
async def client(service: ConsumerSetup) -> AsyncIterator[Client]:
    """A client of it."""
    commands, polls = service.consumer.queues
    async with Client(service.url, commands=commands, polls=polls) as connected:
        yield connected


@pytest.mark.parametrize("operation", COMMANDS)
async def test_every_operation_returns_its_typed_result(client: Client, operation: str) -> None:
    command = smallest(operation)
    found = await client.call(command)
    expected = get_origin(command.result) or command.result
    assert type(found) is (expected or type(None))


async def test_an_error_of_the_engine_is_raised_as_it_was_said(service: ConsumerSetup, client: Client) -> None:
    text = "Command 'COMPLETE' rejected with code 'NOT_FOUND': no such job"
    service.gateway.script("CompleteJob", fail("NOT_FOUND", text))
    with pytest.raises(NotFound) as raised:
        await client.call(CompleteJob(job_key=KEY))
    assert (raised.value.message, raised.value.source) == (text, Source.GATEWAY)
    assert raised.value.details == {"intent": "COMPLETE", "rejection": "NOT_FOUND"}


async def test_the_same_identity_is_answered_again_and_not_executed_again(
    service: ConsumerSetup, client: Client
) -> None:
    create = CreateInstance(bpmn_process_id="order", variables={"once": 1})
    first = await client.call(create, request_id="the same")
    assert await client.call(create, request_id="the same") == first
    with pytest.raises(AlreadyExists):
        await client.call(CREATE, request_id="the same")
    assert [count for (_, what), count in service.gateway.executions.items() if "once" in str(what)] == [1]


async def test_at_the_deadline_the_service_says_what_is_known(service: ConsumerSetup, client: Client) -> None:
    held = asyncio.Event()

    async def hold(_: Request) -> Step:
        await held.wait()
        return fail("UNAVAILABLE")

    service.gateway.script("CancelProcessInstance", hold)
    with pytest.raises(DeadlineExceeded) as raised:
        await client.call(CancelInstance(process_instance_key=KEY), timeout=5)
    held.set()
    assert (raised.value.source, raised.value.outcome) == (Source.CONSUMER, Outcome.UNKNOWN)


async def test_what_is_only_sent_is_executed(service: ConsumerSetup, client: Client) -> None:
    await client.send(CreateInstance(bpmn_process_id="order", variables={"sent": 1}))
    await eventually(lambda: any("sent" in str(what) for _, what in service.gateway.executions), "it is executed")


async def test_bytes_are_answered_by_bytes(client: Client) -> None:
    reply = await client.call_raw(b"<xml/>", type="deploy-process", headers={"fileName": "order.bpmn"})
    assert reply.startswith(b'{"operation":"deploy-process","data":{')
    assert Code.UNIMPLEMENTED.encode() in await client.call_raw(b'{"operation": "toplogy"}')


async def test_code_without_an_event_loop_calls_the_same_service(service: ConsumerSetup) -> None:
    commands, polls = service.consumer.queues

    def script() -> int:
        with SyncClient(service.url, commands=commands, polls=polls) as zeebe:
            return zeebe.call(Topology()).cluster_size

    assert await asyncio.to_thread(script) == 1
