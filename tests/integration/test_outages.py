"""Broker, gateway and consumer come and go: no request is lost, and none with an identity is executed twice."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from signal import SIGTERM

import aio_pika
import orjson
import pytest
import pytest_asyncio
from yarl import URL

from scripts.consumer import Consumer
from scripts.process import free_port
from scripts.rabbitmq import RabbitMQ
from tests.fakes.gateway import FakeGateway
from tests.integration.caller import Caller
from tests.integration.load import Hold, loaded
from tests.integration.rawamqp import RawPublisher, content, short
from tests.integration.service import (
    CONNECTIONS,
    SYNCED,
    TIMEOUT,
    ConsumerSetup,
    create,
    delete,
    eventually,
    new_consumer,
    running_service,
)
from zeebe_amqp import __version__, wire
from zeebe_amqp.amqp.connection import connect
from zeebe_amqp.reply import Reply

pytestmark = pytest.mark.asyncio(loop_scope="module")

NOWHERE = "127.0.0.1:1"


@pytest_asyncio.fixture(loop_scope="module")
async def service(own_rabbitmq: RabbitMQ, tmp_path: Path) -> AsyncIterator[ConsumerSetup]:
    """A consumer of one test, on the broker of this file."""
    async with running_service(
        tmp_path, own_rabbitmq.url, SHUTDOWN_GRACE="20s", CONCURRENCY="16", ZEEBE_REQUEST_TIMEOUT="60s"
    ) as ready:
        yield ready


async def ready(consumer: Consumer) -> None:
    """Wait until it says that it is ready."""
    await asyncio.to_thread(consumer.wait_until_ready)


# --- the connection ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("identified", [True, False], ids=["with an id", "without any id"])
async def test_a_command_that_runs_when_the_connection_is_lost_is_not_cut_off_and_runs_once(
    service: ConsumerSetup, own_rabbitmq: RabbitMQ, identified: bool
) -> None:
    """The AMQP library cancels its callbacks with the connection, and acks on the old channel cannot be sent."""
    gate = Hold(service.gateway)
    reply_to, number = f"test.replies.{uuid.uuid4().hex}", 5
    async with RawPublisher(service.url) as raw, await aio_pika.connect(service.url) as connection:
        channel = await connection.channel()
        await channel.declare_queue(reply_to, durable=True)
        for n in range(number):
            texts = {"correlation_id": f"c{n}", "reply_to": reply_to, **({"message_id": f"m{n}"} if identified else {})}
            header = content(**{name: short(value.encode()) for name, value in texts.items()})
            await raw.publish(service.consumer.queues[0], create(id=n), header)
    await gate.reached(number)
    await asyncio.to_thread(own_rabbitmq.ctl, "close_all_connections", "test")
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


async def test_an_unroutable_reply_is_still_noticed_after_a_reconnect(
    service: ConsumerSetup, own_rabbitmq: RabbitMQ
) -> None:
    """Callbacks for returned messages end with the first connection; an unroutable reply would seem delivered."""
    await asyncio.to_thread(own_rabbitmq.ctl, "close_all_connections", "test")
    await eventually(lambda: service.connections() >= 2 * CONNECTIONS, "every connection opened again")
    async with service.caller() as caller:
        await caller.publish(create(id="x"), reply_to="no.such.reply.after")
        await eventually(lambda: "no.such.reply.after" in service.log(), "a line about the dropped reply")


async def restart(broker: RabbitMQ) -> None:
    await asyncio.to_thread(broker.restart)


async def crash(broker: RabbitMQ) -> None:
    await asyncio.to_thread(broker.kill)
    await asyncio.to_thread(broker.start)


async def cut(broker: RabbitMQ) -> None:
    await asyncio.to_thread(broker.ctl, "close_all_connections", "test")


async def alarm(broker: RabbitMQ) -> None:
    await asyncio.to_thread(broker.ctl, "set_vm_memory_high_watermark", "0.00001")
    await asyncio.sleep(2)
    await asyncio.to_thread(broker.ctl, "set_vm_memory_high_watermark", "0.4")


@pytest.mark.parametrize("fault", [restart, crash, cut, alarm])
async def test_a_broker_in_trouble_under_load_loses_nothing_and_doubles_nothing(
    service: ConsumerSetup, own_rabbitmq: RabbitMQ, fault: object
) -> None:
    if fault is crash:
        await asyncio.sleep(SYNCED)
    async with loaded(service) as load:
        await fault(own_rabbitmq)  # type: ignore[operation]
    await load.check()


async def test_during_an_alarm_nothing_starts_and_afterwards_all_goes_on(
    service: ConsumerSetup, own_rabbitmq: RabbitMQ
) -> None:
    async with service.caller() as caller:
        gate = Hold(service.gateway)
        calls = [asyncio.ensure_future(caller.request(create(id=n))) for n in range(40)]
        await gate.reached(16)
        await asyncio.to_thread(own_rabbitmq.ctl, "set_vm_memory_high_watermark", "0.00001")
        try:
            await asyncio.sleep(1)  # until the alarm has reached the processes that read the connections
            gate.open()
            await eventually(lambda: "broker.publish" in service.consumer.reasons(), "readiness names the alarm")
            assert "alarm" in service.consumer.reasons()["broker.publish"]
            assert not any(call.done() for call in calls)
        finally:
            await asyncio.to_thread(own_rabbitmq.ctl, "set_vm_memory_high_watermark", "0.4")
        replies = await asyncio.gather(*calls)
        assert all(Reply.decode(reply.body).ok for reply in replies)
        assert set(service.gateway.executions.values()) == {1}
        assert len(caller.arrived) == 40
        await ready(service.consumer)


async def test_a_connection_that_publishes_knows_of_an_alarm_and_of_its_end(own_rabbitmq: RabbitMQ) -> None:
    connection = await connect(own_rabbitmq.url, "test alarm")
    channel = await connection.channel(publisher_confirms=False)
    assert not connection.alarm.is_on
    await asyncio.to_thread(own_rabbitmq.ctl, "set_vm_memory_high_watermark", "0.00001")
    try:
        # The broker tells those who publish, once the alarm has reached the process that reads their connection.
        async with asyncio.timeout(TIMEOUT):
            while not connection.alarm.is_on:
                await channel.default_exchange.publish(aio_pika.Message(b""), "no.such.queue", mandatory=False)
                await asyncio.sleep(0.05)
    finally:
        await asyncio.to_thread(own_rabbitmq.ctl, "set_vm_memory_high_watermark", "0.4")
    async with asyncio.timeout(TIMEOUT):
        await connection.alarm.wait_over()
    await connection.close()


# --- queues -----------------------------------------------------------------------------------------------------------


async def test_a_deleted_request_queue_is_declared_again_and_consumed(service: ConsumerSetup) -> None:
    await delete(service.url, service.consumer.queues)
    await eventually(lambda: service.connections() >= CONNECTIONS + 2, "both consuming connections opened again")
    async with service.caller() as caller:
        assert (await caller.call("topology")).ok
        assert (await caller.call("topology", queue=caller.polls)).ok


@pytest.mark.parametrize("kind", ["queue", "exchange"])
async def test_a_deleted_dead_letter_queue_or_exchange_is_declared_again(service: ConsumerSetup, kind: str) -> None:
    await service.dead_letters.stop()
    async with service.caller() as caller:
        delete_it = caller.channel.queue_delete if kind == "queue" else caller.channel.exchange_delete
        await delete_it(wire.DEAD_LETTER)
        body = b"not json " + uuid.uuid4().hex.encode()
        await caller.publish(body, reply_to=None)
        await eventually(lambda: service.connections() > CONNECTIONS, "the publishing connection opened again")
        while (await caller.get(wire.DEAD_LETTER, TIMEOUT)).body != body:
            pass
        assert (await caller.call("topology")).ok


@asynccontextmanager
async def launched(tmp_path: Path, url: str, address: str, **environment: str) -> AsyncIterator[Consumer]:
    """A consumer that cannot become ready yet."""
    consumer = new_consumer(tmp_path, url, address, environment).launch()
    try:
        yield consumer
    finally:
        await asyncio.to_thread(consumer.stop)


async def test_a_queue_with_other_arguments_is_named_with_the_argument_until_it_is_gone(
    own_rabbitmq: RabbitMQ, tmp_path: Path
) -> None:
    name = f"test.{uuid.uuid4().hex}"
    async with await aio_pika.connect(own_rabbitmq.url) as connection:
        other = {**wire.REQUEST_QUEUE, "x-dead-letter-exchange": "elsewhere"}
        await (await connection.channel()).declare_queue(name, durable=True, arguments=other)
    async with (
        FakeGateway() as gateway,
        await aio_pika.connect(own_rabbitmq.url) as connection,
        connection.channel() as channel,
        launched(tmp_path, own_rabbitmq.url, gateway.address, AMQP_QUEUES=name) as consumer,
    ):
        await eventually(lambda: "x-dead-letter-exchange" in str(consumer.reasons()), "readiness names the argument")
        named = f"inequivalent arg 'x-dead-letter-exchange' for queue '{name}'"
        await eventually(lambda: named in consumer.log.read_text(), "the log names it, too")
        assert consumer.get("/livez")[0] == 200
        done = await check(tmp_path, own_rabbitmq.url, gateway.address, AMQP_QUEUES=name)
        assert done == (1, {"broker": False, "gateway": True}, done[2])
        assert "x-dead-letter-exchange" in done[2]
        await channel.queue_delete(name)
        await ready(consumer)


async def test_a_missing_queue_that_may_not_be_declared_is_named_until_it_is_there(
    own_rabbitmq: RabbitMQ, tmp_path: Path
) -> None:
    name = f"test.{uuid.uuid4().hex}"
    async with (
        FakeGateway() as gateway,
        launched(tmp_path, own_rabbitmq.url, gateway.address, AMQP_QUEUES=name, AMQP_DECLARE="passive") as consumer,
        await aio_pika.connect(own_rabbitmq.url) as connection,
    ):
        await eventually(lambda: f"no queue '{name}'" in str(consumer.reasons()), "readiness names the queue")
        done = await check(tmp_path, own_rabbitmq.url, gateway.address, AMQP_QUEUES=name, AMQP_DECLARE="passive")
        assert done == (1, {"broker": False, "gateway": True}, done[2])
        assert name in done[2]
        await (await connection.channel()).declare_queue(name, durable=True)
        await ready(consumer)
        assert f"queue '{name}' is used as it is, but differs" in consumer.log.read_text()


# --- start ------------------------------------------------------------------------------------------------------------


async def check(directory: Path, url: str, address: str, **environment: str) -> tuple[int, dict[str, bool], str]:
    """The exit code of `check`, what is usable, and everything it printed."""
    consumer = new_consumer(directory, url, address, environment)
    command = [sys.executable, "-m", "consumer", "check"]
    done = await asyncio.to_thread(
        subprocess.run, command, env=consumer.environment, capture_output=True, text=True, check=False
    )
    found = [orjson.loads(line) for line in done.stdout.splitlines()]
    return done.returncode, {finding["part"]: finding["ok"] for finding in found}, done.stdout


async def test_a_consumer_without_a_broker_lives_and_is_ready_as_soon_as_there_is_one(
    own_rabbitmq: RabbitMQ, tmp_path: Path
) -> None:
    await asyncio.to_thread(own_rabbitmq.stop)
    async with FakeGateway() as gateway, launched(tmp_path, own_rabbitmq.url, gateway.address) as consumer:
        try:
            await eventually(lambda: consumer.log.read_text().count("next try in") >= 4, "two tries of each connection")
            assert consumer.get("/livez")[0] == 200
            assert set(consumer.reasons()) >= {"broker.consume", "broker.publish"}
            done = await check(tmp_path, own_rabbitmq.url, gateway.address)
            assert done == (1, {"broker": False, "gateway": True}, done[2])
            assert "AMQP_URL" in done[2]
        finally:
            await asyncio.to_thread(own_rabbitmq.start)
        await ready(consumer)
        async with Caller(own_rabbitmq.url, *consumer.queues) as caller:
            assert (await caller.call("topology")).ok


async def test_a_consumer_without_a_gateway_lives_and_is_ready_as_soon_as_there_is_one(
    own_rabbitmq: RabbitMQ, tmp_path: Path
) -> None:
    gateway = FakeGateway(port=free_port())
    async with launched(tmp_path, own_rabbitmq.url, gateway.address) as consumer:
        await eventually(lambda: set(consumer.reasons()) == {"gateway"}, "only the gateway is missing")
        assert consumer.get("/livez")[0] == 200
        done = await check(tmp_path, own_rabbitmq.url, gateway.address)
        assert done == (1, {"broker": True, "bounds": True, "dead letters": True, "gateway": False}, done[2])
        assert gateway.address in done[2]
        async with Caller(own_rabbitmq.url, *consumer.queues) as caller:
            await caller.publish(create(id="forgotten"), reply_to=None)
            error = (await caller.call("create-instance", {"bpmnProcessId": "order"})).error
            assert error is not None
            assert (error.code, error.outcome, error.retryable) == ("UNAVAILABLE", "not-executed", True)
            async with gateway:
                await ready(consumer)
                await eventually(lambda: gateway.executions, "the forgotten request ran")
                assert (await caller.call("topology")).ok
        assert sum(gateway.executions.values()) == 1


# --- end --------------------------------------------------------------------------------------------------------------


async def test_a_consumer_that_ends_under_load_finishes_what_runs_and_leaves_the_rest_to_others(
    service: ConsumerSetup,
) -> None:
    other = await service.another()
    async with loaded(service) as load:
        assert await asyncio.to_thread(service.consumer.stop) == 0
    await load.check()
    assert other.get("/readyz")[0] == 200


async def test_what_does_not_end_within_the_grace_is_given_back(service: ConsumerSetup) -> None:
    gate = Hold(service.gateway)
    short_lived = await service.another(SHUTDOWN_GRACE="1s")
    await asyncio.to_thread(service.consumer.stop)
    async with service.caller() as caller:
        call = asyncio.ensure_future(caller.request(create(id="held")))
        await gate.reached()
        assert await asyncio.to_thread(short_lived.stop) == 1
        gate.open()
        await service.another()
        assert Reply.decode((await call).body).ok
        assert len(caller.arrived) == 1


async def test_a_signal_while_it_connects_ends_it(own_rabbitmq: RabbitMQ, tmp_path: Path) -> None:
    """The AMQP library may take the cancellation for its own, at some moments of the first 50 ms."""

    async def end(milliseconds: int) -> None:
        folder, grace = tmp_path / str(milliseconds), {"SHUTDOWN_GRACE": "3s"}
        async with launched(folder, own_rabbitmq.url, NOWHERE, **grace) as consumer:
            await eventually(lambda: "connecting to" in consumer.log.read_text(), "it connects", pause=0.002)
            await asyncio.sleep(milliseconds / 1000)
            assert await asyncio.to_thread(consumer.stop) == 0, f"signal {milliseconds} ms after it began to connect"

    for first in range(0, 60, 6):
        await asyncio.gather(end(first), end(first + 3))


async def test_a_second_signal_ends_it_at_once(service: ConsumerSetup) -> None:
    gate = Hold(service.gateway)
    async with service.caller() as caller:
        await caller.publish(create(id="held"))
        await gate.reached()
        service.consumer.signal(SIGTERM)
        await eventually(lambda: "draining" in service.log(), "it drains")
        service.consumer.signal(SIGTERM)
        assert service.consumer.process is not None
        assert await asyncio.to_thread(service.consumer.process.wait, TIMEOUT) == 1
        gate.open()
        await service.another()
        await eventually(lambda: caller.arrived, "another consumer answered")
        assert Reply.decode(caller.arrived[0].body).ok


async def test_a_request_that_is_tried_again_does_not_hold_up_the_end(own_rabbitmq: RabbitMQ, tmp_path: Path) -> None:
    async with launched(tmp_path, own_rabbitmq.url, NOWHERE, ZEEBE_REQUEST_TIMEOUT="1s") as consumer:
        await eventually(lambda: set(consumer.reasons()) == {"gateway"}, "the broker is there")
        async with Caller(own_rabbitmq.url, *consumer.queues) as caller:
            await caller.publish(create(id="waits"), reply_to=None)
            await asyncio.sleep(1)
            assert await asyncio.to_thread(consumer.stop) == 0
            assert (await caller.get(caller.commands, TIMEOUT)).redelivered


async def test_a_consumer_that_cannot_reach_its_broker_ends_at_once(tmp_path: Path) -> None:
    async with launched(tmp_path, "amqp://guest:guest@127.0.0.1:1/", NOWHERE) as consumer:
        await eventually(lambda: "next try in" in consumer.log.read_text(), "it tries")
        assert await asyncio.to_thread(consumer.stop) == 0


async def test_the_log_tells_where_it_has_what_and_says_that_it_consumes_when_it_does(service: ConsumerSetup) -> None:
    told = [line.split(" ", 3)[-1] for line in service.log().splitlines()]
    wanted = (
        f"zeebe-amqp-consumer {__version__}: ledger sqlite:///",
        f"connecting to RabbitMQ at {URL(service.url).host}:{URL(service.url).port}",
        "connected to",
    )
    found = [next((number for number, line in enumerate(told) if words in line), None) for words in wanted]
    assert None not in found, told[:10]
    assert found[0] == 0
    assert found == sorted(found, key=lambda number: number or 0), told[:10]
    consuming = sorted(line.partition("consuming ")[2] for line in told if "consuming " in line)
    assert consuming == sorted(service.consumer.queues), "once for each queue, when it does"
    assert f"HTTP at 127.0.0.1:{service.consumer.port}" in told[0]
