"""Operations on the cluster itself."""

from __future__ import annotations

from consumer.gateway.protocol import gateway_pb2 as pb
from consumer.operations.row import Operation, always, rendered
from zeebe_amqp.commands.cluster import Topology


def _topology(_: Topology) -> pb.TopologyRequest:
    return pb.TopologyRequest()


OPERATIONS = (Operation(Topology, _topology, rendered, repeatable=always, recorded=False),)
