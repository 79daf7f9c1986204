"""The rights at the broker that workers of jobs and the service need: exactly those that the page names."""

from __future__ import annotations

import asyncio
import re
import uuid
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from textwrap import dedent
from typing import Any

import aio_pika
import pytest
from aio_pika.abc import AbstractChannel, AbstractIncomingMessage
from aiormq.exceptions import ChannelAccessRefused

from scripts.prometheus import ROOT
from scripts.rabbitmq import RabbitMQ
from tests.cases import check_each
from tests.fakes.gateway import FakeGateway
from tests.integration.broker_control import User
from tests.integration.service import TIMEOUT, delete, eventually, metric, new_consumer
from zeebe_amqp import wire
from zeebe_amqp.jobs.names import DEAD, RESULTS, UNDONE, job_queue

PAGE = (ROOT / "docs" / "security.md").read_text()
SERVICE = "the service in addition, with `JOBS` or `JOBS_FILE`"
PASSIVE = "the service in addition, with `AMQP_DECLARE=passive`"
WORKER = "worker of one type"


def cells(role: str) -> list[list[str]]:
    """The names that the page's table has for a role: to configure, write and read."""
    [row] = re.findall(rf"^\| {re.escape(role)} \| (.*) \|$", PAGE, re.MULTILINE)
    return [re.findall(r"`([^`]+)`", cell) for cell in row.split(" | ")]


def rights(*lists: list[list[str]], job_type: str = "") -> list[str]:
    """Patterns for all the names of some lists."""
    merged = [sorted({name for each in column for name in each}) for column in zip(*lists, strict=True)]
    patterns = [[re.escape(name.replace("TYPE", job_type)).replace(r"\*", ".*") for name in names] for names in merged]
    return [f"^({'|'.join(names)})$" for names in patterns]


@pytest.fixture
def job_type() -> str:
    """A type of this test only."""
    return f"test-{uuid.uuid4().hex[:8]}"


@pytest.fixture
async def gateway() -> AsyncIterator[FakeGateway]:
    """It always has jobs."""
    async with FakeGateway() as started:
        yield started


@pytest.fixture
async def admin(own_rabbitmq: RabbitMQ) -> AsyncIterator[AbstractChannel]:
    """A channel of somebody who may do everything."""
    async with await aio_pika.connect(own_rabbitmq.url) as connection, connection.channel() as opened:
        yield opened


@pytest.fixture
def service(own_rabbitmq: RabbitMQ) -> User:
    """The user of the service."""
    return User(own_rabbitmq)


@pytest.fixture
def worker(own_rabbitmq: RabbitMQ) -> User:
    """The user of a worker."""
    return User(own_rabbitmq)


def base(queues: tuple[str, ...]) -> list[list[str]]:
    """What the service needs without jobs, as the page's first table says."""
    requests = [*queues, wire.DEAD_LETTER]
    return [requests, ["amq.default", wire.DEAD_LETTER], requests]


async def take(channel: AbstractChannel, name: str) -> AbstractIncomingMessage:
    """The next job of a queue."""
    queue = await channel.get_queue(name, ensure=False)
    async with asyncio.timeout(TIMEOUT):
        while (message := await queue.get(fail=False)) is None:  # noqa: ASYNC110 - the broker tells nobody
            await asyncio.sleep(0.05)
    return message


async def test_with_the_rights_of_the_page_jobs_go_out_and_answers_and_rejected_ones_come_back(
    own_rabbitmq: RabbitMQ, service: User, worker: User, gateway: FakeGateway, tmp_path: Path, job_type: str
) -> None:
    consumer = new_consumer(tmp_path, service.url(), gateway.address, {"JOBS": job_type})
    await service.allow(*rights(base(consumer.queues), cells(SERVICE)))
    await worker.allow(*rights(cells(WORKER), job_type=job_type))
    await asyncio.to_thread(consumer.start)
    try:
        async with await aio_pika.connect(worker.url()) as connection, connection.channel() as channel:
            # That the queue is there may be asked.
            await channel.declare_queue(job_queue(job_type), passive=True)
            job = await take(channel, job_queue(job_type))
            answer = aio_pika.Message(b"{}", correlation_id=job.correlation_id)
            await channel.default_exchange.publish(answer, str(job.reply_to))
            await job.ack()
            await eventually(lambda: gateway.count("CompleteJob") == 1, "the answer is executed")
            await (await take(channel, job_queue(job_type))).reject(requeue=False)
            await eventually(lambda: gateway.count("FailJob") >= 1, "the rejected job is failed")
        assert consumer.reasons() == {}
        assert metric(consumer, "jobs_undone_total", type=job_type, reason="rejected") == [1]
    finally:
        await asyncio.to_thread(consumer.stop)
        await delete(own_rabbitmq.url, (*consumer.queues, job_queue(job_type)))


async def test_with_the_policy_of_the_page_a_worker_s_answers_need_its_name_and_it_may_run_nothing_else(
    own_rabbitmq: RabbitMQ, worker: User, gateway: FakeGateway, tmp_path: Path, job_type: str
) -> None:
    [example] = [each for each in re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL) if "complete-job" in each]
    policy = dedent(example).replace("charge-card", job_type).replace("cards = [", f'"{worker.name}" = [')
    (tmp_path / "policy.toml").write_text(policy)
    settings = {"JOBS": job_type, "REQUIRE_USER_ID": "true", "POLICY_FILE": str(tmp_path / "policy.toml")}
    await worker.allow(*rights(cells(WORKER), job_type=job_type))
    consumer = new_consumer(tmp_path, own_rabbitmq.url, gateway.address, settings)
    await asyncio.to_thread(consumer.start)
    try:
        async with await aio_pika.connect(worker.url()) as connection, connection.channel() as channel:

            async def publish(to: str, **properties: Any) -> None:
                body = properties.pop("body", b"{}")
                await channel.default_exchange.publish(aio_pika.Message(body, **properties), to)

            def refused() -> float:
                [number] = metric(consumer, "jobs_refused_total", reason="rejected")
                return number

            job = await take(channel, job_queue(job_type))
            await publish(RESULTS, correlation_id=job.correlation_id)
            await eventually(lambda: refused() == 1, "an answer without a sender is refused")
            await publish(consumer.queues[0], body=b'{"operation": "topology"}', user_id=worker.name)
            await publish(RESULTS, correlation_id=job.correlation_id, user_id=worker.name)
            await eventually(lambda: gateway.count("CompleteJob") == 1, "the answer is executed")
            # The gateway is asked for its topology by the service itself, too.
            denied = partial(metric, consumer, "refused_total", reason="denied")
            await eventually(lambda: denied() == [1], "the request is denied")
    finally:
        await asyncio.to_thread(consumer.stop)
        await delete(own_rabbitmq.url, (*consumer.queues, job_queue(job_type)))


async def test_without_any_one_of_them_the_service_is_not_ready_and_says_which(
    own_rabbitmq: RabbitMQ, service: User, gateway: FakeGateway, tmp_path: Path, job_type: str
) -> None:
    needed = cells(SERVICE)
    consumer = new_consumer(tmp_path, service.url(), gateway.address, {"JOBS": job_type})

    async def is_missed(column: int, name: str) -> None:
        others = [[each for each in names if (number, each) != (column, name)] for number, names in enumerate(needed)]
        await service.allow(*rights(base(consumer.queues), others))
        await asyncio.to_thread(consumer.launch)
        try:
            await eventually(lambda: "ACCESS_REFUSED" in str(consumer.reasons()), f"{name} is missed")
        finally:
            await asyncio.to_thread(consumer.stop)

    await check_each([(column, name) for column, names in enumerate(needed) for name in names], is_missed)
    await delete(own_rabbitmq.url, (*consumer.queues, job_queue(job_type)))


async def test_a_service_that_declares_nothing_needs_less(
    own_rabbitmq: RabbitMQ, service: User, gateway: FakeGateway, tmp_path: Path, job_type: str
) -> None:
    first = new_consumer(tmp_path / "first", own_rabbitmq.url, gateway.address, {"JOBS": job_type})
    await asyncio.to_thread(first.start)
    await asyncio.to_thread(first.stop)
    settings = {"JOBS": job_type, "AMQP_DECLARE": "passive", "AMQP_QUEUES": ",".join(first.queues)}
    consumer = new_consumer(tmp_path / "second", service.url(), gateway.address, settings)
    plain = [[], ["amq.default", wire.DEAD_LETTER], [*first.queues]]
    try:
        await service.allow(*rights(plain, cells(PASSIVE), job_type=job_type))
        await asyncio.to_thread(consumer.start)
        await eventually(lambda: metric(consumer, "jobs_out_total", type=job_type)[0] > 0, "jobs go out")
        await asyncio.to_thread(consumer.stop)
        for name in (RESULTS, UNDONE):
            read = [each for each in cells(PASSIVE)[2] if each != name]
            await service.allow(*rights(plain, [[], [], read], job_type=job_type))
            await asyncio.to_thread(consumer.launch)
            await eventually(lambda: "ACCESS_REFUSED" in str(consumer.reasons()), f"{name} is missed")
            await asyncio.to_thread(consumer.stop)
    finally:
        await delete(own_rabbitmq.url, (*first.queues, job_queue(job_type)))


async def test_a_worker_sees_its_own_jobs_only_and_can_write_to_any_queue(
    worker: User, admin: AbstractChannel, job_type: str
) -> None:
    other = job_queue(f"other-{job_type}")
    for name in (job_queue(job_type), other, RESULTS, UNDONE):
        await admin.declare_queue(name, durable=True, passive=name in (RESULTS, UNDONE))
    await worker.allow(*rights(cells(WORKER), job_type=job_type))
    async with await aio_pika.connect(worker.url()) as connection:

        async def is_refused(name: str, how: str) -> None:
            async with connection.channel() as channel:
                queue = await channel.get_queue(name, ensure=False)
                with pytest.raises(ChannelAccessRefused):
                    await (queue.get(no_ack=True) if how == "get" else channel.declare_queue(name, durable=True))

        refused = [(name, "get") for name in (other, RESULTS, UNDONE)] + [(job_queue(job_type), "declare")]
        await check_each(refused, is_refused)
        async with connection.channel() as channel:
            exchange = await channel.get_exchange(DEAD, ensure=False)
            with pytest.raises(ChannelAccessRefused):
                await exchange.publish(aio_pika.Message(b"{}"), "")
        # This is what the page warns of.
        async with connection.channel() as channel:
            await channel.default_exchange.publish(aio_pika.Message(b"not mine"), other)
    assert (await take(admin, other)).body == b"not mine"
    for name in (job_queue(job_type), other):
        await admin.queue_delete(name)
