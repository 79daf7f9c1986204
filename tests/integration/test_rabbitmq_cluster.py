"""The private cluster: a node that ends leaves the others alone, and a start brings everything back."""

from __future__ import annotations

import asyncio
from pathlib import Path

import aio_pika

from scripts.rabbitmq_cluster import RabbitMQCluster
from tests.integration.service import connected

QUORUM = {"x-queue-type": "quorum"}


async def keep(url: str) -> None:
    """Put a message into a queue of three members."""
    async with connected(url) as connection:
        channel = await connection.channel()
        queue = await channel.declare_queue("kept", durable=True, arguments=QUORUM)
        await channel.default_exchange.publish(aio_pika.Message(b"a message"), queue.name)


async def kept(url: str) -> bytes:
    """The message that is in it."""
    async with connected(url) as connection:
        queue = await (await connection.channel()).get_queue("kept")
        message = await queue.get(timeout=30)
        assert message is not None
        return message.body


async def test_a_killed_node_takes_no_other_with_it_and_a_start_brings_back_members_and_messages(
    tmp_path: Path,
) -> None:
    names = set[str]()
    with await asyncio.to_thread(RabbitMQCluster(tmp_path / "cluster").start) as cluster:
        names.update(node.name for node in cluster.nodes)
        assert [cluster.running_nodes(node) for node in cluster.nodes] == [names] * 3
        await keep(cluster.url)
        first, second, third = cluster.nodes
        await asyncio.to_thread(first.kill)
        assert (cluster.running, cluster.names.running) == (False, True)
        assert cluster.running_nodes(second) == {second.name, third.name}
        pid = second.process.pid
        await asyncio.to_thread(cluster.start)
        assert second.process.pid == pid
        assert [cluster.running_nodes(node) for node in cluster.nodes] == [names] * 3
        await asyncio.to_thread(cluster.kill)
        await asyncio.to_thread(cluster.start)
        assert [cluster.running_nodes(node) for node in cluster.nodes] == [names] * 3
        assert await kept(cluster.url) == b"a message"
    assert not any(node.running for node in (*cluster.nodes, cluster.names))
