"""What the cluster says about itself."""

from __future__ import annotations

from tests.integration.caller import Caller
from tests.integration.engine_features import EngineFeatures

ROLES = ("LEADER", "FOLLOWER")


async def test_topology_answers_the_cluster_with_every_field(caller: Caller, features: EngineFeatures) -> None:
    cluster = await caller.result("topology", {})
    brokers = cluster.pop("brokers")
    assert isinstance(cluster.pop("clusterId"), str | None)
    assert isinstance(cluster.pop("replicationFactor"), int)
    expected = {"partitionsCount": features.partitions, "gatewayVersion": features.version}
    assert cluster == {"clusterSize": len(brokers), **expected}
    for broker in brokers:
        assert list(broker) == ["nodeId", "host", "port", "partitions", "version"]
        assert broker["version"] == features.version
        for partition in broker["partitions"]:
            assert (partition["role"] in ROLES, partition["health"]) == (True, "HEALTHY"), partition
    led = [entry["partitionId"] for broker in brokers for entry in broker["partitions"] if entry["role"] == "LEADER"]
    assert sorted(led) == list(range(1, features.partitions + 1))
    if features.in_memory:
        [broker] = brokers
        assert (broker["nodeId"], broker["host"], type(broker["port"])) == (0, "0.0.0.0", int)
        assert broker["partitions"] == [{"partitionId": 1, "role": "LEADER", "health": "HEALTHY"}]
