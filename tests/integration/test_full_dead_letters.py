"""A dead-letter queue with a bound: it is said before it is full, and what finds no room in it is kept."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import aio_pika
import orjson
import pytest
import pytest_asyncio

from scripts.rabbitmq import RabbitMQ
from tests.integration.service import TIMEOUT, create, eventually, running_service
from zeebe_amqp import wire

pytestmark = pytest.mark.asyncio(loop_scope="module")

BOUND = 5


@pytest_asyncio.fixture(loop_scope="module")
async def channel(own_rabbitmq: RabbitMQ) -> AsyncIterator[aio_pika.abc.AbstractChannel]:
    """A channel of the file's own broker, with an empty dead-letter queue that no policy bounds."""
    async with await aio_pika.connect(own_rabbitmq.url) as connection:
        channel = await connection.channel()
        await channel.declare_queue(wire.DEAD_LETTER, durable=True, arguments=wire.DEAD_QUEUE)
        yield channel
        await channel.queue_delete(wire.DEAD_LETTER)


async def fill(channel: aio_pika.abc.AbstractChannel, letters: int) -> None:
    """Put letters into the queue."""
    for _ in range(letters):
        await channel.default_exchange.publish(aio_pika.Message(b"{}"), wire.DEAD_LETTER)


async def waiting(channel: aio_pika.abc.AbstractChannel) -> int:
    """How many letters wait."""
    declared = await channel.declare_queue(wire.DEAD_LETTER, passive=True)
    return int(declared.declaration_result.message_count or 0)


async def test_what_waits_is_counted_and_said_before_it_is_too_much(
    own_rabbitmq: RabbitMQ, tmp_path: Path, channel: aio_pika.abc.AbstractChannel
) -> None:
    await fill(channel, 4)
    async with running_service(tmp_path, own_rabbitmq.url, DEAD_LETTER_BOUND=str(BOUND)) as service:
        said = "dead letters: 4 wait in 'zeebe.dead', 80 % of DEAD_LETTER_BOUND (5)"
        await eventually(lambda: said in service.log(), "the log says so")
        assert service.metric("dead_letters") == 4
        assert service.consumer.get("/readyz")[0] == 200


async def test_a_request_whose_dead_letter_finds_no_room_is_kept_and_tried_again_with_pauses(
    own_rabbitmq: RabbitMQ, tmp_path: Path, channel: aio_pika.abc.AbstractChannel
) -> None:
    policy = orjson.dumps({"max-length": BOUND, "overflow": "reject-publish"}).decode()
    await asyncio.to_thread(
        own_rabbitmq.ctl, "set_policy", "dead-letters", r"^zeebe\.dead$", policy, "--apply-to", "queues"
    )
    with pytest.raises(aio_pika.exceptions.DeliveryError):
        await fill(channel, 4 * BOUND)
    full = await waiting(channel)
    async with running_service(tmp_path, own_rabbitmq.url) as service, service.caller() as caller:
        await service.dead_letters.stop()
        await caller.publish(b"not json", reply_to=None, message_id="kept")
        await eventually(lambda: "dead not confirmed (try 3)" in service.log(), "it is tried again")
        # Doubling pauses, and each try is a line: nothing spins.
        assert service.log().count("dead not confirmed") == 3
        assert "it is full and takes no more" in service.log()
        assert (await caller.call("topology")).ok
        assert await caller.request(create(id="served meanwhile"))
        assert await waiting(channel) == full
        queue = await channel.get_queue(wire.DEAD_LETTER)
        await queue.purge()
        async with asyncio.timeout(TIMEOUT):
            while not await waiting(channel):  # noqa: ASYNC110 - the broker tells nobody
                await asyncio.sleep(0.1)
        letter = await queue.get(no_ack=True)
        assert (letter.body, letter.headers["request-id"]) == (b"not json", "kept")
    await asyncio.to_thread(own_rabbitmq.ctl, "clear_policy", "dead-letters")
