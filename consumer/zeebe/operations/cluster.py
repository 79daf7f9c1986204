"""Operations on the cluster itself."""

from __future__ import annotations

from typing import Any, Final

from consumer.zeebe.operations.rendering import render
from consumer.zeebe.operations.row import Operation
from consumer.zeebe.protocol import gateway_pb2 as pb
from zeebe_amqp.commands.cluster import Topology

__all__ = ["OPERATIONS"]


def _topology(_: Topology) -> pb.TopologyRequest:
    return pb.TopologyRequest()


def _cluster(response: pb.TopologyResponse, keys_as_text: bool, _: str | None = None) -> dict[str, Any]:
    # Who answers says its version, which may not be known otherwise yet.
    return render(response, keys_as_text, response.gatewayVersion)


OPERATIONS: Final = (Operation(Topology, _topology, _cluster),)
