"""The objects that the chart makes for RabbitMQ's operator, on a real broker: they are all that the service needs."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aio_pika
import pytest
from aio_pika.abc import AbstractChannel

from scripts.consumer import Consumer
from tests.conftest import Engine
from tests.integration.broker_control import User, VirtualHost
from tests.unit.deploy.manifests import container, of_kind, one
from zeebe_amqp import wire
from zeebe_amqp.client import Client
from zeebe_amqp.commands import Topology

NAME = "topology"
PERMISSION: dict[str, Any] = one(NAME, "Permission")["spec"]


@pytest.fixture
async def channel(vhost: VirtualHost, user: User) -> AsyncIterator[AbstractChannel]:
    """A channel in a virtual host, whose objects are made as the operator makes them in its own."""
    async with await aio_pika.connect(vhost.url) as connection, connection.channel() as opened:
        await declare(opened)
        for spec in (each["spec"] for each in of_kind(NAME, "Policy")):
            assert spec["applyTo"] == "queues"
            await asyncio.to_thread(vhost.set_policy, spec["name"], spec["pattern"], json.dumps(spec["definition"]))
        permissions = PERMISSION["permissions"]
        rights = [permissions[each] for each in ("configure", "write", "read")]
        await user.allow(*rights, vhost=vhost.name)
        yield opened


async def declare(channel: AbstractChannel) -> None:
    """Queues, exchange and binding."""
    for spec in (each["spec"] for each in of_kind(NAME, "Exchange")):
        await channel.declare_exchange(spec["name"], spec["type"], durable=spec["durable"])
    for spec in (each["spec"] for each in of_kind(NAME, "Queue")):
        arguments = {"x-queue-type": spec["type"], **spec.get("arguments", {})}
        await channel.declare_queue(spec["name"], durable=spec["durable"], arguments=arguments)
    for spec in (each["spec"] for each in of_kind(NAME, "Binding")):
        await (await channel.get_queue(spec["destination"])).bind(spec["source"])


async def test_the_service_answers_and_keeps_dead_letters_with_the_rights_and_queues_of_the_chart(
    vhost: VirtualHost, user: User, channel: AbstractChannel, zeebe: Engine, tmp_path: Path
) -> None:
    settings = {each["name"]: each["value"] for each in container(NAME)["env"] if each["name"].startswith("AMQP_D")}
    settings["AMQP_QUEUES"] = ",".join(await policies(vhost))
    with Consumer(tmp_path, f"{user.url()}/{vhost.name}", zeebe.address, settings) as consumer:
        assert consumer.reasons() == {}
        async with Client(vhost.url) as client:
            assert (await client.call(Topology())).brokers
        await channel.default_exchange.publish(aio_pika.Message(b"nonsense"), wire.COMMANDS_QUEUE)
        dead = await channel.get_queue(wire.DEAD_LETTER)
        async with asyncio.timeout(30), dead.iterator() as letters:
            letter = await anext(letters)
            assert letter.headers["error-code"] == "INVALID_ARGUMENT"
            await letter.ack()


async def policies(vhost: VirtualHost) -> list[str]:
    """The request queues, when each queue has the policy that is for it."""
    bounds = await asyncio.to_thread(vhost.policies)
    assert bounds.pop(wire.DEAD_LETTER) == "zeebe-dead"
    assert set(bounds.values()) == {"zeebe-requests"}
    return list(bounds)
