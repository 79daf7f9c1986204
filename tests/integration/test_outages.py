"""The broker is cut off, stopped, killed or full: no request is lost, and none with an identity is executed twice."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator
from pathlib import Path

import aio_pika
import pytest
import pytest_asyncio

from consumer.check import check
from consumer.config import Amqp, Settings
from scripts import guard
from scripts.rabbitmq import RabbitMQ
from tests.integration.broker_control import close_connections, memory_alarm, write_declarations
from tests.integration.caller import Caller
from tests.integration.load import Hold, loaded
from tests.integration.rawamqp import RawPublisher, content, short
from tests.integration.service import (
    CONNECTIONS,
    TIMEOUT,
    ConsumerSetup,
    create,
    eventually,
    new_consumer,
    running_service,
)
from zeebe_amqp.amqp.connection import connect
from zeebe_amqp.reply import Reply

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(loop_scope="module")
async def service(own_rabbitmq: RabbitMQ, tmp_path: Path) -> AsyncIterator[ConsumerSetup]:
    """A consumer of one test, on the broker of this file: the pauses of one that was cut off before are longer."""
    settings = {"SHUTDOWN_GRACE": "20s", "CONCURRENCY": "16", "ZEEBE_REQUEST_TIMEOUT": "60s"}
    async with running_service(tmp_path, own_rabbitmq.url, **settings) as ready:
        yield ready


async def test_during_an_alarm_nothing_starts_and_afterwards_all_goes_on(
    service: ConsumerSetup, own_rabbitmq: RabbitMQ
) -> None:
    """Whoever publishes knows of it, and of its end."""
    watching = await connect(own_rabbitmq.url, "test alarm")
    channel = await watching.channel(publisher_confirms=False)
    assert not watching.alarm.is_on
    async with service.caller() as caller:
        gate = Hold(service.gateway)
        calls = [asyncio.ensure_future(caller.request(create(id=n))) for n in range(40)]
        await gate.reached(16)
        async with memory_alarm(own_rabbitmq):
            # The broker tells those who publish, once the alarm has reached the process that reads their connection.
            async with asyncio.timeout(TIMEOUT):
                while not watching.alarm.is_on:
                    await channel.default_exchange.publish(aio_pika.Message(b""), "no.such.queue", mandatory=False)
                    await asyncio.sleep(0.05)
            await asyncio.sleep(0.5)  # until it has reached the others, too
            gate.open()
            await eventually(lambda: "broker.publish" in service.consumer.reasons(), "readiness names the alarm")
            assert "alarm" in service.consumer.reasons()["broker.publish"]
            assert not any(call.done() for call in calls)
        replies = await asyncio.gather(*calls)
        assert all(Reply.decode(reply.body).ok for reply in replies)
        assert set(service.gateway.executions.values()) == {1}
        assert len(caller.arrived) == 40
        await asyncio.to_thread(service.consumer.wait_until_ready)
    async with asyncio.timeout(TIMEOUT):
        await watching.alarm.wait_over()
    await watching.close()
    async with loaded(service), memory_alarm(own_rabbitmq):
        await asyncio.sleep(2)


async def test_a_command_that_runs_when_the_connection_is_lost_is_not_cut_off_and_runs_once(
    service: ConsumerSetup, own_rabbitmq: RabbitMQ
) -> None:
    """The AMQP library cancels its callbacks with the connection, and acks on the old channel cannot be sent."""
    gate = Hold(service.gateway)
    reply_to, number = f"test.replies.{uuid.uuid4().hex}", 10
    async with RawPublisher(service.url) as raw, await aio_pika.connect(service.url) as connection:
        channel = await connection.channel()
        await channel.declare_queue(reply_to, durable=True)
        for n in range(number):
            identity = {"message_id": f"m{n}"} if n % 2 else {}
            texts = {"correlation_id": f"c{n}", "reply_to": reply_to, **identity}
            header = content(**{name: short(value.encode()) for name, value in texts.items()})
            await raw.publish(service.consumer.queues[0], create(id=n), header)
    await gate.reached(number)
    await asyncio.to_thread(close_connections, own_rabbitmq)
    await eventually(lambda: service.connections() >= 2 * CONNECTIONS, "every connection opened again")
    gate.open()
    async with await aio_pika.connect(service.url) as connection:
        queue = await (await connection.channel()).get_queue(reply_to)
        correlations = set()
        async with asyncio.timeout(TIMEOUT), queue.iterator(no_ack=True) as messages:
            async for message in messages:
                assert Reply.decode(message.body).ok
                correlations.add(message.correlation_id)
                if len(correlations) == number:
                    break
        await queue.delete(if_unused=False, if_empty=False)
    assert set(service.gateway.executions.values()) == {1}
    assert len(service.gateway.executions) == number
    # Callbacks for returned messages end with the first connection; an unroutable reply would seem delivered.
    async with service.caller() as caller:
        await caller.publish(create(id="x"), reply_to="no.such.reply.after")
        await eventually(lambda: "no.such.reply.after" in service.log(), "a line about the dropped reply")


async def test_a_broker_that_is_cut_off_or_killed_under_load_loses_nothing_and_doubles_nothing(
    service: ConsumerSetup, own_rabbitmq: RabbitMQ
) -> None:
    async with loaded(service):
        await asyncio.to_thread(close_connections, own_rabbitmq)
    async with loaded(service):
        await asyncio.to_thread(write_declarations, own_rabbitmq)
        await asyncio.to_thread(own_rabbitmq.kill)
        assert not own_rabbitmq.answers()
        await asyncio.to_thread(own_rabbitmq.start)


async def test_a_broker_that_is_stopped_under_load_loses_nothing_and_who_starts_meanwhile_is_ready_with_it(
    service: ConsumerSetup, own_rabbitmq: RabbitMQ, tmp_path: Path
) -> None:
    settings = Settings(amqp=Amqp(urls=(own_rabbitmq.url,)))
    late = new_consumer(tmp_path / "late", own_rabbitmq.url, service.gateway.address, {})
    assert own_rabbitmq.process is not None
    members = guard.family(own_rabbitmq.process.pid)
    async with loaded(service):
        await asyncio.to_thread(own_rabbitmq.stop)
        try:
            assert not set(members) & set(guard.family(1)), "it left processes"
            late.launch()
            await eventually(lambda: late.log.exists() and late.log.read_text().count("next try in") >= 4, "two tries")
            assert late.get("/livez")[0] == 200
            assert set(late.reasons()) >= {"broker.consume", "broker.publish"}
            [broker, *_] = await check(settings)
            assert (broker.part, broker.ok, "AMQP_URL" in broker.found) == ("broker", False, True)
        finally:
            await asyncio.to_thread(own_rabbitmq.start)
    try:
        await asyncio.to_thread(late.wait_until_ready)
        async with Caller(own_rabbitmq.url, *late.queues) as caller:
            assert (await caller.call("topology")).ok
    finally:
        await asyncio.to_thread(late.stop)
