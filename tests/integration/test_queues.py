"""Queues that are missing, deleted or not as they should be: declared again, or named until they are as they should."""

from __future__ import annotations

import logging
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aio_pika
import pytest
from aio_pika.abc import AbstractChannel
from aiormq.exceptions import ChannelNotFoundEntity

from consumer.check import check
from consumer.config import Amqp, Settings
from consumer.rabbitmq import Broker, release
from tests.integration.broker_control import VirtualHost
from tests.integration.service import CONNECTIONS, TIMEOUT, delete, eventually, running_service
from zeebe_amqp import wire


async def test_what_is_deleted_is_declared_again_and_used(vhost: VirtualHost, tmp_path: Path) -> None:
    async with running_service(tmp_path, vhost.url) as service:
        await service.dead_letters.stop()
        await delete(service.url, service.consumer.queues)
        opened = CONNECTIONS + 2
        await eventually(lambda: service.connections() >= opened, "both consuming connections opened again")
        for what in ("queue", "exchange"):
            async with service.caller() as caller:
                assert (await caller.call("topology")).ok
                assert (await caller.call("topology", queue=caller.polls)).ok
                deleting = caller.channel.queue_delete if what == "queue" else caller.channel.exchange_delete
                await deleting(wire.DEAD_LETTER)
                body = b"not json " + uuid.uuid4().hex.encode()
                await caller.publish(body, reply_to=None)
                opened += 1
                await eventually(lambda: service.connections() >= opened, f"reconnected without the {what}")  # noqa: B023
                while (await caller.get(wire.DEAD_LETTER, TIMEOUT)).body != body:
                    pass
                assert (await caller.call("topology")).ok


@asynccontextmanager
async def unusable(
    url: str, caplog: pytest.LogCaptureFixture, queue: str, declare: str, *words: str
) -> AsyncIterator[AbstractChannel]:
    """A broker room that names what is wrong with its queue, as `check` does, until the block has mended it."""
    caplog.set_level(logging.INFO)
    amqp = Amqp(urls=(url,), queues=(queue,), declare=declare)
    broker = Broker(amqp, max_depth=10, accept=lambda _: None)
    await broker.start()
    try:
        await eventually(lambda: all(word in str(broker.problems()) for word in words), f"readiness says {words}")
        await eventually(lambda: all(word in caplog.text for word in words), f"the log says {words}")
        [found] = [each for each in await check(Settings(amqp=amqp)) if each.part == "broker"]
        assert not found.ok
        assert queue in found.found
        async with await aio_pika.connect(url) as connection, connection.channel() as channel:
            yield channel
        await eventually(lambda: not broker.problems(), "it can be used")
    finally:
        await broker.close()


async def test_a_broker_that_is_too_old_is_named_by_readiness_the_log_and_check(
    vhost: VirtualHost, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is declared there; once it is new enough, the service goes on."""
    name = f"test.{uuid.uuid4().hex}"
    amqp = Amqp(urls=(vhost.url,), queues=(name,))
    broker = Broker(amqp, max_depth=10, accept=lambda _: None)
    words = "accepted: 99.1 or newer"
    try:
        with monkeypatch.context() as patch:
            patch.setattr(release, "OLDEST", (99, 1))
            await broker.start()
            await eventually(lambda: [words in each for each in broker.problems().values()] == [True] * 2, "readiness")
            assert words in caplog.text
            [found] = [each for each in await check(Settings(amqp=amqp)) if each.part == "broker"]
            assert (found.ok, words in found.found) == (False, True)
            async with await aio_pika.connect(vhost.url) as connection, connection.channel() as channel:
                with pytest.raises(ChannelNotFoundEntity):
                    await channel.declare_queue(name, passive=True)
        await eventually(lambda: not broker.problems(), "it can be used")
    finally:
        await broker.close()


async def test_a_queue_that_differs_or_is_missing_is_named_until_it_is_as_it_should(
    vhost: VirtualHost, caplog: pytest.LogCaptureFixture
) -> None:
    name, missing = (f"test.{uuid.uuid4().hex}" for _ in range(2))
    async with await aio_pika.connect(vhost.url) as connection, connection.channel() as channel:
        other = {**wire.REQUEST_QUEUE, "x-dead-letter-exchange": "elsewhere"}
        await channel.declare_queue(name, durable=True, arguments=other)
    named = f"inequivalent arg 'x-dead-letter-exchange' for queue '{name}'"
    async with unusable(vhost.url, caplog, name, "active", named) as channel:
        await channel.queue_delete(name)
    async with unusable(vhost.url, caplog, missing, "passive", f"no queue '{missing}'") as channel:
        await channel.declare_queue(missing, durable=True)
    assert f"queue '{missing}' is used as it is, but differs" in caplog.text
