"""Commands about the cluster."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Self

from zeebe_amqp import wire
from zeebe_amqp.commands.command import Command, Result

__all__ = ["Broker", "Partition", "Topology", "TopologyResult"]


class Partition(Result, frozen=True, kw_only=True):
    """A partition on a broker; role LEADER, FOLLOWER or INACTIVE, health HEALTHY, UNHEALTHY or DEAD."""

    partition_id: int
    role: str
    health: str


class Broker(Result, frozen=True, kw_only=True):
    """A broker of the cluster, with the address that the gateway uses."""

    node_id: int
    host: str
    port: int
    partitions: tuple[Partition, ...]
    version: str


class TopologyResult(Result, frozen=True, kw_only=True):
    """The cluster as the gateway sees it. Gateways before 8.9 have no `cluster_id`."""

    brokers: tuple[Broker, ...]
    cluster_size: int
    partitions_count: int
    replication_factor: int
    gateway_version: str
    cluster_id: str | None


class Topology(Command[TopologyResult], frozen=True, kw_only=True):
    """Get the brokers and partitions of the cluster; data is ignored."""

    operation: ClassVar[str] = "topology"
    idempotent: ClassVar[bool] = True
    read_only: ClassVar[bool] = True

    @classmethod
    def from_wire(
        cls, data: bytes, metadata: Mapping[str, str], *, bare: bool = False, max_depth: int = wire.MAX_DEPTH
    ) -> Self:
        """The command; nothing is read."""
        return cls()
