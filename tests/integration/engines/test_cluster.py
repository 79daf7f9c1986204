"""What the cluster says about itself."""

from __future__ import annotations

import pytest

from tests.integration.caller import Caller
from tests.integration.kinds import Kind
from zeebe_amqp.reply import Reply


async def test_topology_answers_the_cluster_with_every_field(caller: Caller, kind: Kind) -> None:
    cluster = await caller.result("topology", {})
    [broker] = cluster.pop("brokers")
    assert cluster == {
        "clusterSize": 1,
        "partitionsCount": 1,
        "replicationFactor": 1,
        "gatewayVersion": kind.version,
        "clusterId": None,
    }
    assert isinstance(broker.pop("port"), int)
    assert broker == {
        "nodeId": 0,
        "host": kind.host,
        "partitions": [{"partitionId": 1, "role": "LEADER", "health": "HEALTHY"}],
        "version": kind.version,
    }


@pytest.mark.parametrize("body", [b"", b"null", b"{}"])
async def test_topology_in_the_bare_form_answers_the_cluster(caller: Caller, body: bytes) -> None:
    reply = Reply.decode((await caller.request(body, type="topology")).body)
    assert (reply.operation, reply.error) == ("topology", None)
    assert reply.data["partitionsCount"] == 1
