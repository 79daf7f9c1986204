"""Clients of others, as they are: what they send unasked is taken, and what they get they can read."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import time
from collections.abc import Callable, Mapping
from itertools import product
from typing import Any, TypeAlias

import amqp
import orjson
import pika
import pytest
from yarl import URL

from scripts import npm
from scripts.callers import TYPESCRIPT
from tests.cases import for_each
from tests.integration.service import TIMEOUT, ConsumerSetup
from zeebe_amqp.reply import Reply
from zeebe_amqp.testing import after

pytestmark = pytest.mark.asyncio(loop_scope="module")

PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
REQUEST = orjson.dumps({"operation": "publish-message", "data": {"messageName": "m"}})

Ask: TypeAlias = Callable[..., tuple[bytes, Mapping[str, Any]]]
"""Sends the request to a queue with properties; body and headers of the reply."""


def awaited(get: Callable[[], Any]) -> Any:
    """What `get` returns once that is something."""
    end = time.monotonic() + TIMEOUT
    while (found := get()) is None:
        assert time.monotonic() < end, "no reply"
        time.sleep(0.05)
    return found


def py_amqp(url: str, queue: str, request: bytes = REQUEST, **properties: Any) -> tuple[bytes, Mapping[str, Any]]:
    """By py-amqp, which Celery and kombu use."""
    address = URL(url)
    if "headers" in properties:
        properties["application_headers"] = properties.pop("headers")
    with amqp.Connection(f"{address.host}:{address.port}", address.user, address.password) as connection:
        channel = connection.channel()
        mine = channel.queue_declare(exclusive=True).queue
        channel.basic_publish(amqp.Message(request, reply_to=mine, **properties), routing_key=queue)
        reply = awaited(lambda: channel.basic_get(mine, no_ack=True))
        return reply.body.encode() if isinstance(reply.body, str) else bytes(reply.body), reply.headers


def by_pika(url: str, queue: str, request: bytes = REQUEST, **properties: Any) -> tuple[bytes, Mapping[str, Any]]:
    """By pika, which most scripts use."""
    connection = pika.BlockingConnection(pika.URLParameters(url))
    try:
        channel = connection.channel()
        mine = channel.queue_declare("", exclusive=True).method.queue
        channel.basic_publish("", queue, request, pika.BasicProperties(reply_to=mine, **properties))

        def get() -> tuple[bytes, Mapping[str, Any]] | None:
            found, received, body = channel.basic_get(mine, auto_ack=True)
            return None if found is None else (body, received.headers)

        return awaited(get)
    finally:
        connection.close()


NODE = """
const [url, queue, request, options] = process.argv.slice(1);
require('amqplib').connect(url).then(async (connection) => {
  const channel = await connection.createChannel();
  const { queue: mine } = await channel.assertQueue('', { exclusive: true });
  await channel.consume(mine, (reply) => {
    console.log(JSON.stringify({ body: reply.content.toString(), headers: reply.properties.headers }));
    connection.close();
  }, { noAck: true });
  const given = JSON.parse(options, (_, value) => (value?.buffer ? Buffer.from(value.buffer) : value));
  channel.sendToQueue(queue, Buffer.from(request), { ...given, replyTo: mine });
});
"""
CAMEL = {"content_type": "contentType", "message_id": "messageId", "timestamp": "timestamp", "headers": "headers"}


def amqplib(url: str, queue: str, request: bytes = REQUEST, **properties: Any) -> tuple[bytes, Mapping[str, Any]]:
    """By amqplib, which is Node's."""
    options = json.dumps({CAMEL[name]: value for name, value in properties.items()})
    done = subprocess.run(
        ["node", "-e", NODE, url, queue, request.decode(), options],
        env={**os.environ, "NODE_PATH": str(npm.install(TYPESCRIPT) / "node_modules")},
        capture_output=True,
        check=False,
        timeout=TIMEOUT,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    reply = json.loads(done.stdout)
    return reply["body"].encode(), reply["headers"]


CLIENTS: dict[str, Ask] = {"py-amqp": py_amqp, "pika": by_pika, "amqplib": amqplib}


async def ask(client: str, service: ConsumerSetup, **properties: Any) -> tuple[Reply, Mapping[str, Any]]:
    """The reply to a request of a client, and its headers."""
    body, headers = await asyncio.to_thread(CLIENTS[client], service.url, service.consumer.queues[0], **properties)
    return Reply.decode(body), headers


@for_each(CLIENTS)
async def test_a_client_reads_every_header_of_a_reply(client: str, service: ConsumerSetup) -> None:
    """A reply after half a second: its duration fits into 16 bits, which this version of py-amqp takes for a text."""
    service.gateway.script("PublishMessage", after(0.5))
    reply, headers = await ask(client, service, message_id=f"read by {client}")
    assert reply.ok
    assert 500 <= headers["duration-ms"] < 2**15
    assert (headers["status"], headers["request-id"]) == ("ok", f"read by {client}")


@for_each(CLIENTS)
async def test_a_trace_that_a_client_sends_as_bytes_is_the_trace_of_its_reply(
    client: str, service: ConsumerSetup
) -> None:
    """Bytes, which pika and amqplib write as an array of bytes and py-amqp as text."""
    trace = {"traceparent": PARENT, "tracestate": "vendor=x", "baggage": "a=1"}
    sent = {name: {"buffer": text} if client == "amqplib" else text.encode() for name, text in trace.items()}
    _, received = await ask(client, service, headers=sent)
    assert {name: received[name] for name in trace} == trace


@for_each(product(CLIENTS, (None, "text/plain", "application/octet-stream")))
async def test_what_a_client_sets_unasked_or_not_is_taken(
    client: str, content_type: str | None, service: ConsumerSetup
) -> None:
    headers = {"x": 300} if client == "pika" else {"x": 300, "y": 0.5}  # pika cannot write fractions
    given = {} if content_type is None else {"content_type": content_type}
    reply, _ = await ask(client, service, timestamp=time.time_ns() // 1000, headers=headers, **given)
    assert reply.ok
