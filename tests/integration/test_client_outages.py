"""The broker goes away while calls are on their way: each is answered, and none is executed twice."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

import pytest
import pytest_asyncio

from scripts.rabbitmq import RabbitMQ
from tests.integration.broker_control import close_connections, memory_alarm, write_declarations
from tests.integration.load import CREATE, Hold
from tests.integration.service import TIMEOUT, ConsumerSetup, eventually, running_service
from zeebe_amqp import CreateInstance, Outcome, Unavailable
from zeebe_amqp.amqp.connection import close, connect
from zeebe_amqp.amqp.depth import measure

pytestmark = pytest.mark.asyncio(loop_scope="module")

CALLS, LATER, SENT = 100, 30, 30
"""Calls before the trouble and during it, and requests without a reply."""
TOTAL = CALLS + LATER + SENT


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def service(own_rabbitmq: RabbitMQ, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[ConsumerSetup]:
    """The consumer of this file, on the broker of this file."""
    async with running_service(tmp_path_factory.mktemp("client"), own_rabbitmq.url) as running:
        yield running


async def crash(broker: RabbitMQ) -> None:
    """Kill it and start it again."""
    await asyncio.to_thread(write_declarations, broker)
    await asyncio.to_thread(broker.kill)
    await asyncio.to_thread(broker.start)


async def cut(broker: RabbitMQ) -> None:
    """Close all its connections."""
    await asyncio.to_thread(close_connections, broker)


async def alarm(broker: RabbitMQ) -> None:
    """Let it take nothing from publishers for two seconds."""
    async with memory_alarm(broker):
        await asyncio.sleep(2)


@pytest.mark.parametrize(("fault", "reply_queue"), [(crash, None), (cut, "test.client.replies"), (alarm, None)])
async def test_calls_in_flight_survive_a_broker_in_trouble_and_run_once(
    service: ConsumerSetup, own_rabbitmq: RabbitMQ, fault: Any, reply_queue: str | None
) -> None:
    before, gate, name = service.gateway.count(CREATE), Hold(service.gateway), fault.__name__
    creates = [CreateInstance(bpmn_process_id=name, variables={name: n}) for n in range(TOTAL)]
    async with service.client(reply_queue=reply_queue, timeout=120) as client:
        calls = [asyncio.create_task(client.call(create)) for create in creates[:CALLS]]
        await gate.reached(before + 16)
        troubled = asyncio.create_task(fault(own_rabbitmq))
        await asyncio.sleep(0.1)
        calls += [asyncio.create_task(client.call(create)) for create in creates[CALLS : CALLS + LATER]]
        sends = [asyncio.create_task(client.send(create)) for create in creates[CALLS + LATER :]]
        gate.open()
        await troubled
        created = await asyncio.gather(*calls)
        await asyncio.gather(*sends)
    assert {found.bpmn_process_id for found in created} == {name}

    def executed() -> list[int]:
        return [count for (_, identity), count in service.gateway.executions.items() if f'"{name}"' in str(identity)]

    await eventually(lambda: len(executed()) == TOTAL, "what was only sent is executed, too")
    assert set(executed()) == {1}


async def test_a_client_that_opens_in_an_alarm_waits_to_call(service: ConsumerSetup, own_rabbitmq: RabbitMQ) -> None:
    """Also where the broker knows it by another name than it says, which comes out only after the alarm."""
    clients = [service.client(timeout=120) for _ in range(2)]
    clients[1]._transport._sender.name = "another"
    async with AsyncExitStack() as running:
        async with memory_alarm(own_rabbitmq):
            for client in clients:
                await running.enter_async_context(client)
            calls = [
                asyncio.create_task(client.call(CreateInstance(bpmn_process_id="alarmed", variables={"n": n})))
                for client in clients
                for n in range(3)
            ]
            await asyncio.wait(calls, timeout=0.5)
            assert not any(call.done() for call in calls)
        assert {each.bpmn_process_id for each in await asyncio.gather(*calls)} == {"alarmed"}


async def test_a_service_that_pauses_is_told_from_one_that_does_not_answer(service: ConsumerSetup) -> None:
    queue = service.consumer.queues[0]
    async with service.client(timeout=2) as client:
        await service.gateway.stop()
        connection = await connect(service.url, "test")
        async with asyncio.timeout(TIMEOUT):
            while (depth := await measure(connection, queue)) is None or depth.consumers:  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        await close(connection)
        said = f"no consumer takes from queue '{queue}' .0 consumers, 1 requests"
        with pytest.raises(Unavailable, match=said) as raised:
            await client.call(CreateInstance(bpmn_process_id="paused"))
        assert (raised.value.outcome, raised.value.retryable) == (Outcome.UNKNOWN, True)
        await service.gateway.start()
        await eventually(lambda: service.consumer.get("/readyz")[0] == 200, "consuming goes on")
        assert (await client.call(CreateInstance(bpmn_process_id="back"), timeout=60)).bpmn_process_id == "back"
    assert not [identity for _, identity in service.gateway.executions if "paused" in str(identity)]
