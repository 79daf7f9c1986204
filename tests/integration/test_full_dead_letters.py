"""A dead-letter queue with a bound: it is said that it is full, and what finds no room in it is kept."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from pathlib import Path

import aio_pika
import orjson

from tests.integration.broker_control import VirtualHost
from tests.integration.service import TIMEOUT, create, eventually, running_service
from zeebe_amqp import wire


async def fill(channel: aio_pika.abc.AbstractChannel) -> int:
    """Put letters into the queue until it takes no more; how many it took."""
    with suppress(aio_pika.exceptions.DeliveryError):
        for _ in range(20):
            await channel.default_exchange.publish(aio_pika.Message(b"{}"), wire.DEAD_LETTER)
        raise AssertionError("it is not full")
    return await waiting(channel)


async def waiting(channel: aio_pika.abc.AbstractChannel) -> int:
    """How many letters wait."""
    declared = await channel.declare_queue(wire.DEAD_LETTER, passive=True)
    return int(declared.declaration_result.message_count or 0)


async def test_what_waits_is_counted_and_said_and_what_finds_no_room_is_kept_and_tried_again_with_pauses(
    vhost: VirtualHost, tmp_path: Path
) -> None:
    policy = orjson.dumps({"max-length": 5, "overflow": "reject-publish"}).decode()
    await asyncio.to_thread(vhost.set_policy, "dead-letters", r"^zeebe\.dead$", policy)
    async with await aio_pika.connect(vhost.url) as connection, connection.channel() as channel:
        queue = await channel.declare_queue(wire.DEAD_LETTER, durable=True, arguments=wire.DEAD_QUEUE)
        full = await fill(channel)
        bound = full + 1
        async with (
            running_service(tmp_path, vhost.url, DEAD_LETTER_BOUND=str(bound)) as service,
            service.caller() as caller,
        ):
            await service.dead_letters.stop()
            await caller.publish(b"not json", reply_to=None, message_id="kept")
            await eventually(lambda: "dead not confirmed (try 3)" in service.log(), "it is tried again")
            # Doubling pauses, and each try is a line: nothing spins.
            assert service.log().count("dead not confirmed") == 3
            assert "it is full and takes no more" in service.log()
            assert (await caller.call("topology")).ok
            assert await caller.request(create(id="served meanwhile"))
            said = f"dead letters: {full} wait in 'zeebe.dead', {100 * full // bound} % of DEAD_LETTER_BOUND ({bound})"
            await eventually(lambda: said in service.log(), "the log says how many wait")
            assert service.metric("dead_letters") == full
            assert service.consumer.get("/readyz")[0] == 200
            assert await waiting(channel) == full
            await queue.purge()
            async with asyncio.timeout(TIMEOUT):
                while not await waiting(channel):  # noqa: ASYNC110 - the broker tells nobody
                    await asyncio.sleep(0.1)
            letter = await queue.get(no_ack=True)
            assert (letter.body, letter.headers["request-id"]) == (b"not json", "kept")
