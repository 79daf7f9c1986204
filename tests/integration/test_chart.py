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
from scripts.rabbitmq import RabbitMQ
from tests.conftest import Engine
from tests.unit.deploy.manifests import container, of_kind, one
from zeebe_amqp import wire
from zeebe_amqp.client import Client
from zeebe_amqp.commands import Topology

NAME = "topology"
PERMISSION: dict[str, Any] = one(NAME, "Permission")["spec"]
VHOST, USER = PERMISSION["vhost"], PERMISSION["user"]


@pytest.fixture
async def channel(own_rabbitmq: RabbitMQ) -> AsyncIterator[AbstractChannel]:
    """A channel in the virtual host, whose objects are made as the operator makes them."""
    await ctl(own_rabbitmq, "add_vhost", VHOST)
    await ctl(own_rabbitmq, "set_permissions", "--vhost", VHOST, "guest", ".*", ".*", ".*")
    await ctl(own_rabbitmq, "add_user", USER, "secret")
    async with await aio_pika.connect(f"{own_rabbitmq.url}/{VHOST}") as connection, connection.channel() as opened:
        await declare(opened)
        await limit(own_rabbitmq)
        yield opened
    await ctl(own_rabbitmq, "delete_vhost", VHOST)
    await ctl(own_rabbitmq, "delete_user", USER)


async def ctl(broker: RabbitMQ, *words: str) -> str:
    """What rabbitmqctl says."""
    return await asyncio.to_thread(broker.ctl, *words)


async def declare(channel: AbstractChannel) -> None:
    """Queues, exchange and binding."""
    for spec in (each["spec"] for each in of_kind(NAME, "Exchange")):
        await channel.declare_exchange(spec["name"], spec["type"], durable=spec["durable"])
    for spec in (each["spec"] for each in of_kind(NAME, "Queue")):
        arguments = {"x-queue-type": spec["type"], **spec.get("arguments", {})}
        await channel.declare_queue(spec["name"], durable=spec["durable"], arguments=arguments)
    for spec in (each["spec"] for each in of_kind(NAME, "Binding")):
        await (await channel.get_queue(spec["destination"])).bind(spec["source"])


async def limit(broker: RabbitMQ) -> None:
    """Policies and rights."""
    for spec in (each["spec"] for each in of_kind(NAME, "Policy")):
        bound = json.dumps(spec["definition"])
        words = ("set_policy", "--vhost", VHOST, "--apply-to", spec["applyTo"], spec["name"], spec["pattern"], bound)
        await ctl(broker, *words)
    rights = [PERMISSION["permissions"][each] for each in ("configure", "write", "read")]
    await ctl(broker, "set_permissions", "--vhost", VHOST, USER, *rights)


async def test_the_service_answers_and_keeps_dead_letters_with_the_rights_and_queues_of_the_chart(
    own_rabbitmq: RabbitMQ, channel: AbstractChannel, zeebe: Engine, tmp_path: Path
) -> None:
    settings = {each["name"]: each["value"] for each in container(NAME)["env"] if each["name"].startswith("AMQP_D")}
    settings["AMQP_QUEUES"] = ",".join(await policies(own_rabbitmq))
    url = f"amqp://{USER}:secret@127.0.0.1:{own_rabbitmq.port}/{VHOST}"
    with Consumer(tmp_path, url, zeebe.address, settings) as consumer:
        assert consumer.reasons() == {}
        async with Client(f"{own_rabbitmq.url}/{VHOST}") as client:
            assert (await client.call(Topology())).brokers
        await channel.default_exchange.publish(aio_pika.Message(b"nonsense"), wire.COMMANDS_QUEUE)
        dead = await channel.get_queue(wire.DEAD_LETTER)
        async with asyncio.timeout(30), dead.iterator() as letters:
            letter = await anext(letters)
            assert letter.headers["error-code"] == "INVALID_ARGUMENT"
            await letter.ack()


async def policies(broker: RabbitMQ) -> list[str]:
    """The request queues, when each queue has the policy that is for it."""
    told = await ctl(broker, "list_queues", "--vhost", VHOST, "--formatter", "json", "name", "policy")
    bounds = {each["name"]: each["policy"] for each in json.loads(told)}
    assert bounds.pop(wire.DEAD_LETTER) == "zeebe-dead"
    assert set(bounds.values()) == {"zeebe-requests"}
    return list(bounds)
