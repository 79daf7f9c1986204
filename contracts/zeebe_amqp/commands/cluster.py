"""Commands about the cluster."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Self

from zeebe_amqp import wire
from zeebe_amqp.commands.command import Command, Result

__all__ = ["Broker", "Partition", "Topology", "TopologyResult"]


class Partition(Result, frozen=True, kw_only=True):
    """A partition on a broker.

    Attributes:
        partition_id: the number of the partition, from 1.
        role: what the broker is for it: LEADER, FOLLOWER or INACTIVE.
        health: HEALTHY, UNHEALTHY or DEAD.
    """

    partition_id: int
    role: str
    health: str


class Broker(Result, frozen=True, kw_only=True):
    """A broker of the cluster.

    Attributes:
        node_id: the number of the broker in the cluster.
        host: the host of the address that the gateway uses for it.
        port: the port of that address.
        partitions: the partitions that it holds.
        version: its version.
    """

    node_id: int
    host: str
    port: int
    partitions: tuple[Partition, ...]
    version: str


class TopologyResult(Result, frozen=True, kw_only=True):
    """The cluster as the gateway sees it.

    Attributes:
        brokers: the brokers that the gateway knows of.
        cluster_size: how many brokers the cluster has.
        partitions_count: how many partitions the cluster has.
        replication_factor: how many brokers hold each partition.
        gateway_version: the version of the gateway that answered.
        cluster_id: the id of the cluster.
    """

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
