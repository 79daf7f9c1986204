"""What the newest release of RabbitMQ does otherwise than older ones: used, or handled."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import aio_pika
import pytest
import pytest_asyncio
from aiormq.exceptions import ConnectionInternalError

from consumer.config import Amqp
from consumer.core.delivery import Delivery
from consumer.rabbitmq import Broker
from scripts.rabbitmq_release import NEWEST
from tests.cases import check_each
from tests.integration.broker_control import VirtualHost, evaluate
from tests.integration.load import Hold
from tests.integration.service import CONNECTIONS, ConsumerSetup, create, eventually, running_service
from tests.releases import Nodes
from zeebe_amqp import CreateInstance, Topology, wire

pytestmark = pytest.mark.asyncio(loop_scope="module")

RETRY = {"delayed-retry-type": "failed", "delayed-retry-min": 300, "delayed-retry-max": 600}


@pytest.fixture(scope="module", params=[NEWEST])
def newest(request: pytest.FixtureRequest, nodes: Nodes) -> Iterator[VirtualHost]:
    """A virtual host on a broker of the newest release."""
    host = VirtualHost(nodes.get("shared", request.param))
    yield host
    host.delete()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def service(newest: VirtualHost, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[ConsumerSetup]:
    """A service that runs one command at a time; what comes back to its queues waits, as a policy says."""
    newest.set_policy("retry", r"\.(commands|polls)$", json.dumps(RETRY))
    settings = {"CONCURRENCY": "1", "AMQP_PREFETCH": "1"}
    async with running_service(tmp_path_factory.mktemp("service"), newest.url, **settings) as running:
        yield running


async def test_a_later_request_with_a_higher_priority_runs_first_and_its_reply_has_it(service: ConsumerSetup) -> None:
    hold, given = Hold(service.gateway), (0, 31, 4, 9, 5)
    async with service.caller() as caller, service.client() as client:
        first = asyncio.create_task(client.call(CreateInstance(bpmn_process_id="order")))
        await hold.reached()
        for priority in given:
            await caller.publish(create(priority=priority), priority=priority, correlation_id=f"c-{priority}")
        hold.open()
        await first
        await eventually(lambda: len(caller.arrived) == len(given), "all are answered")
    first_to_last = sorted(given, reverse=True)
    assert [reply.correlation_id for reply in caller.arrived] == [f"c-{each}" for each in first_to_last]
    assert [reply.priority for reply in caller.arrived] == first_to_last


async def test_a_policy_that_delays_what_comes_back_stops_no_service(
    service: ConsumerSetup, newest: VirtualHost
) -> None:
    """Its declarations agree with the policy, and what a lost connection gave back is run once and answered."""
    queues = f'[Q || Q <- rabbit_amqqueue:list(<<"{newest.name}">>), rabbit_policy:name(Q) =:= <<"retry">>]'
    assert evaluate(newest.node, f"length({queues})") == str(len(service.consumer.queues))
    service.gateway.reset()
    hold, opened = Hold(service.gateway), service.connections()
    async with service.client() as client:
        asked = asyncio.create_task(client.call(CreateInstance(bpmn_process_id="order", variables={"delayed": 1})))
        await hold.reached()
        newest.cut_off_services()
        await eventually(lambda: service.connections() >= opened + CONNECTIONS, "it is back")
        hold.open()
        assert (await asked).process_instance_key
    assert [count for (_, sent), count in service.gateway.executions.items() if "delayed" in str(sent)] == [1]


async def test_a_client_has_no_queue_that_the_broker_refuses(service: ConsumerSetup) -> None:
    """The queues of the service, of its commands and of its tests are none either: they are all declared here."""
    async with await aio_pika.connect(service.url) as connection:
        channel = await connection.channel()
        with pytest.raises(ConnectionInternalError, match="`transient_nonexcl_queues` is deprecated"):
            await channel.declare_queue(f"test.{uuid.uuid4().hex}", auto_delete=True)

    async def is_answered(reply_queue: str | None) -> None:
        async with service.client(reply_queue=reply_queue) as client:
            assert (await client.call(Topology())).cluster_size

    await check_each([None, "", f"test.replies.{uuid.uuid4().hex}"], is_answered)


@asynccontextmanager
async def consuming(url: str, queue: str, *, failed: bool) -> AsyncIterator[list[Delivery]]:
    """The deliveries of a broker room that gives back all of them."""
    deliveries: list[Delivery] = []

    def accept(delivery: Delivery) -> None:
        deliveries.append(delivery)
        delivery.requeue(failed=failed)
        delivery.dismiss()

    broker = Broker(Amqp(urls=(url,), queues=(queue,)), max_depth=10, accept=accept)
    await broker.start()
    try:
        await eventually(lambda: not broker.problems(), "it consumes")
        yield deliveries
    finally:
        await broker.close()


async def test_what_is_given_back_as_failed_counts_and_what_only_waits_does_not(newest: VirtualHost) -> None:
    rounds = wire.REQUEST_QUEUE["x-delivery-limit"] + 1
    async with await aio_pika.connect(newest.url) as connection, connection.channel() as channel:
        dead = await channel.declare_queue(exclusive=True)
        for failed in (True, False):
            name = f"test.{uuid.uuid4().hex}"
            async with consuming(newest.url, name, failed=failed) as deliveries:
                await dead.bind(wire.DEAD_LETTER)
                await channel.default_exchange.publish(aio_pika.Message(b"{}"), name)
                if failed:
                    async with dead.iterator(no_ack=True) as arriving:
                        assert (await anext(arriving)).headers["x-first-death-reason"] == "delivery_limit"
                    assert len(deliveries) == rounds
                else:
                    await eventually(lambda: len(deliveries) > 2 * rounds, "it comes again and again")
                    assert await dead.get(fail=False) is None
            await channel.queue_delete(name)
