"""A consumer of brokers that the fake gateway plays: for what the engine in memory does not do."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from scripts.consumer import Consumer
from tests.fakes.background import Background, background
from tests.fakes.cluster import Cluster
from tests.fakes.gateway import FakeGateway
from tests.integration.caller import Caller
from tests.integration.consumers import consumer_on
from tests.integration.kinds import BROKER
from tests.integration.scene import Scene


@dataclass
class Played:
    """A cluster, its gateway, the consumer in front of it."""

    url: str
    cluster: Cluster
    server: Background
    consumer: Consumer

    @property
    def gateway(self) -> FakeGateway:
        """What counts and can be scripted."""
        return self.server.gateway

    def restart(self) -> None:
        """Begin anew with what the journal holds; the server must be stopped."""
        self.cluster = replace(self.cluster)
        self.gateway.otherwise = self.cluster.react

    @asynccontextmanager
    async def scene(self) -> AsyncIterator[Scene]:
        """A process on that cluster."""
        async with Caller(self.url, *self.consumer.queues) as connected:
            yield Scene(connected, replace(BROKER, partitions=self.cluster.partitions))


@contextmanager
def played(directory: Path, url: str, cluster: Cluster) -> Iterator[Played]:
    """A ready consumer of a cluster; both end with the block."""
    gateway = FakeGateway(partitions=cluster.partitions, otherwise=cluster.react)
    with (
        background(gateway) as server,
        consumer_on(directory, url, gateway.address) as consumer,
    ):
        yield Played(url, cluster, server, consumer)
