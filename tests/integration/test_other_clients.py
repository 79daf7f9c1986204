"""Clients of others, as they are: what they send unasked is taken, and what they get they can read."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

import amqp
import orjson
import pytest
import pytest_asyncio
from yarl import URL

from tests.conftest import Broker
from tests.fakes.gateway import answer
from tests.integration.stage import TIMEOUT, Stage, staged
from zeebe_amqp.reply import Reply

pytestmark = pytest.mark.asyncio(loop_scope="module")

REQUEST = orjson.dumps({"operation": "publish-message", "data": {"messageName": "m"}})


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stage(rabbitmq: Broker, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stage]:
    """A consumer that only this file talks to."""
    async with staged(tmp_path_factory.mktemp("others"), rabbitmq.url) as ready:
        yield ready


def asked(url: str, queue: str, **properties: Any) -> amqp.Message:
    """The reply to a request by py-amqp, which waits for it in this thread."""
    address = URL(url)
    with amqp.Connection(f"{address.host}:{address.port}", address.user, address.password) as connection:
        channel = connection.channel()
        mine = channel.queue_declare(exclusive=True).queue
        channel.basic_publish(amqp.Message(REQUEST, reply_to=mine, **properties), routing_key=queue)
        end = time.monotonic() + TIMEOUT
        while (reply := channel.basic_get(mine, no_ack=True)) is None:
            assert time.monotonic() < end, "no reply"
            time.sleep(0.05)
        return reply


async def test_a_client_that_knows_no_small_integers_reads_every_header(stage: Stage) -> None:
    """A reply after half a second: its duration fits into 16 bits, which this version of py-amqp takes for a text."""
    stage.gateway.script("PublishMessage", answer(latency=0.5))
    reply = await asyncio.to_thread(asked, stage.url, stage.consumer.queues[0], message_id="m-1")
    headers = reply.headers
    assert Reply.decode(reply.body.encode() if isinstance(reply.body, str) else bytes(reply.body)).ok
    assert 500 <= headers["duration-ms"] < 2**15
    assert (headers["status"], headers["request-id"]) == ("ok", "m-1")


@pytest.mark.parametrize("content_type", [None, "text/plain", "application/octet-stream"])
async def test_what_a_client_sets_unasked_or_not_is_taken(stage: Stage, content_type: str | None) -> None:
    properties = {"content_type": content_type, "timestamp": time.time_ns() // 1000, "headers": {"x": 300, "y": 0.5}}
    given = {name: value for name, value in properties.items() if value is not None}
    reply = await asyncio.to_thread(asked, stage.url, stage.consumer.queues[0], **given)
    assert reply.headers["status"] == "ok"
