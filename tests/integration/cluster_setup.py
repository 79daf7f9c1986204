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
from tests.integration.engine_features import BROKER
from tests.integration.process_helper import ProcessHelper
from tests.integration.service import running_consumer


@dataclass
class ClusterSetup:
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
    async def process(self) -> AsyncIterator[ProcessHelper]:
        """A process on that cluster."""
        async with Caller(self.url, *self.consumer.queues) as connected:
            yield ProcessHelper(connected, replace(BROKER, partitions=self.cluster.partitions))


@contextmanager
def running_cluster(directory: Path, url: str, cluster: Cluster) -> Iterator[ClusterSetup]:
    """A ready consumer of a cluster; both end with the block."""
    gateway = FakeGateway(partitions=cluster.partitions, otherwise=cluster.react, unsent=cluster.take_back)
    with background(gateway) as server, running_consumer(directory, url, gateway.address) as consumer:
        yield ClusterSetup(url, cluster, server, consumer)
