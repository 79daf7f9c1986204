"""A cluster of five partitions: keys above 2^53, which numbers in other languages do not hold, stay exact."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.conftest import Broker
from tests.fakes.cluster import Cluster
from tests.integration.cluster_setup import ClusterSetup, running_cluster
from tests.integration.process_helper import PARTITION_SHIFT, ProcessHelper, refused
from zeebe_amqp.errors import Code

PARTITIONS = 5
DOUBLE = 2**53
"""From here on a double does not hold every whole number."""


@pytest.fixture(scope="module")
def cluster(rabbitmq: Broker, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClusterSetup]:
    """A consumer of such a cluster."""
    with running_cluster(tmp_path_factory.mktemp("wide"), rabbitmq.url, Cluster(PARTITIONS)) as running:
        yield running


def partition(key: int) -> int:
    """The partition that gave a key."""
    return key >> PARTITION_SHIFT


async def everywhere(process: ProcessHelper) -> dict[int, int]:
    """One instance on each partition, by partition: the gateway deals them out in turn."""
    found: dict[int, int] = {}
    while len(found) < PARTITIONS:
        key = await process.instance()
        found.setdefault(partition(key), key)
    return found


async def gathered(process: ProcessHelper, instances: set[int], **more: Any) -> dict[int, dict[str, Any]]:
    """The jobs of all these instances, by instance; a poll may find those of some partitions only."""
    found: dict[int, dict[str, Any]] = {}
    while not instances <= set(found):
        found |= {int(job["processInstanceKey"]): job for job in await process.jobs(20, **more)}
    return found


async def test_every_command_about_a_key_reaches_its_partition_exactly(cluster_process: ProcessHelper) -> None:
    caller = cluster_process.caller
    assert (await caller.result("topology"))["partitionsCount"] == PARTITIONS
    await cluster_process.deploy()
    instances = await everywhere(cluster_process)
    assert sorted(instances) == [1, 2, 3, 4, 5]
    jobs = await gathered(cluster_process, set(instances.values()))
    odd = [key for job in jobs.values() for key in (job["key"], job["elementInstanceKey"]) if key > DOUBLE and key % 2]
    assert odd, "no key that a double would change"
    for number, instance in instances.items():
        job = jobs[instance]
        assert (partition(job["key"]), partition(job["elementInstanceKey"])) == (number, number)
        variables = {"elementInstanceKey": instance, "variables": {"key": instance}}
        assert partition((await caller.result("set-variables", variables))["key"]) == number
        await caller.result("update-job-retries", {"jobKey": job["key"], "retries": 2})
        await caller.result("update-job-timeout", {"jobKey": str(job["key"]), "timeout": "1h"})
        await caller.result("fail-job", {"jobKey": job["key"], "retries": 1})
    again = await gathered(cluster_process, set(instances.values()), fetchVariables=["key"])
    for number, instance in instances.items():
        assert again[instance]["variables"] == f'{{"key":{instance}}}'
        if number % 2:
            await caller.result("complete-job", {"jobKey": again[instance]["key"]})
        else:
            await caller.result("cancel-instance", {"processInstanceKey": str(instance)})
        gone = refused(await caller.call("cancel-instance", {"processInstanceKey": instance}))
        assert (gone.code, str(instance) in gone.message) == (Code.NOT_FOUND, True)
    beyond = (PARTITIONS + 1) << PARTITION_SHIFT
    error = refused(await caller.call("cancel-instance", {"processInstanceKey": beyond}))
    assert (error.code, error.retryable) == (Code.NOT_FOUND, False)
