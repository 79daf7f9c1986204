"""What is said of the engines."""

from __future__ import annotations

from typing import Any

from consumer.config import Camunda7, Zeebe
from consumer.doctor.finding import Level
from consumer.doctor.gateway import NOT_CALLED, judge_camunda7, judge_gateway, unreached, unreached_camunda7
from consumer.zeebe.operations import OPERATIONS
from consumer.zeebe.protocol import gateway_pb2 as pb
from consumer.zeebe.rpcs import METHODS
from scripts import operation_page
from tests.cases import check_all
from tests.unit.consumer.doctor.facts import OK, PROBLEM, WARNING, by_subject, expect, levels

ZEEBE = Zeebe("gateway:26500")


def partition(number: int, role: str = "LEADER", health: str = "HEALTHY") -> pb.Partition:
    return pb.Partition(partitionId=number, role=role, health=health)  # type: ignore[arg-type]


def topology(version: str = "8.8.2", *brokers: pb.BrokerInfo, partitions: int = 1) -> pb.TopologyResponse:
    """A gateway with these brokers, else with one that is well."""
    return pb.TopologyResponse(
        gatewayVersion=version,
        partitionsCount=partitions,
        brokers=brokers or [pb.BrokerInfo(nodeId=0, version=version, partitions=[partition(1)])],
    )


def broker(version: str, *partitions: pb.Partition) -> pb.BrokerInfo:
    return pb.BrokerInfo(version=version, partitions=partitions)


def test_where_all_is_well_everything_is() -> None:
    assert levels(judge_gateway(topology(), ZEEBE)) == {OK}


NOBODY = pb.TopologyResponse(gatewayVersion="8.8.2")
CASES: list[tuple[Any, ...]] = [
    ("connection", topology(), OK, "Zeebe 8.8.2 at gateway:26500"),
    ("connection", topology(""), OK, "an unknown version"),
    ("version", topology("8.4.9"), WARNING, "found 8.4.9; tested: 8.5 to 8.9", "upgrade the engine"),
    ("version", topology("8.5.0"), OK, "8.5.0"),
    ("version", topology("8.9.0"), OK, "8.9.0"),
    ("version", topology("8.10.0"), WARNING, "found 8.10.0", "newer release of this service"),
    ("version", topology("odd"), WARNING, "found 'odd'", "drops them silently"),
    ("version", topology(""), WARNING, "found ''"),
    ("what it does not know", topology("8.9.0"), OK, "nothing that this service can send"),
    ("what it does not know", topology("8.8.0"), OK, "8.9: ActivateJobs (tenantFilter)", "EvaluateConditional,"),
    ("what it does not know", topology("8.3.0"), OK, "8.4: BroadcastSignal (tenantId), MigrateProcessInstance, Up"),
    ("brokers", topology(), OK, "1, version 8.8.2"),
    ("brokers", NOBODY, PROBLEM, "no broker is behind it", "contact points"),
    ("brokers", topology("8.8.2", broker("8.8.2", partition(1)), broker("8.7.1")), WARNING, "8.7.1, 8.8.2", "upgrade"),
    ("partitions", topology(), OK, "1, each with a healthy leader"),
    ("partitions", topology("8.8.2", broker("8.8.2", partition(2), partition(1, "FOLLOWER")), partitions=3), PROBLEM,
     "3; without a leader: 1, 3"),
    ("partitions", topology("8.8.2", broker("8.8.2", partition(1, health="UNHEALTHY"))), WARNING, "not healthy: 1"),
    ("partitions", topology("8.8.2", broker("8.8.2", partition(1)), broker("8.8.2", partition(1, "FOLLOWER", "DEAD"))),
     OK, "healthy leader"),
]  # fmt: skip


def test_each_fact_has_its_finding() -> None:
    def is_found(subject: str, found: pb.TopologyResponse, level: Level, *words: str) -> None:
        expect(by_subject(judge_gateway(found, ZEEBE))[subject], level, *words)

    check_all(CASES, is_found)


def test_answers_are_not_named_where_a_request_cannot_have_them() -> None:
    found = by_subject(judge_gateway(topology("8.2.0"), ZEEBE))["what it does not know"].found
    assert "ActivatedJob" not in found
    assert "Response" not in found


def test_the_rpcs_that_no_operation_uses_are_those_of_the_table() -> None:
    requests = {each.full_name for name in OPERATIONS for each in operation_page.request_types(name)}
    assert {rpc.name for kind, rpc in METHODS.items() if kind not in requests} == NOT_CALLED


def test_engines_that_are_not_reached_say_what_to_do() -> None:
    expect(unreached(ZEEBE, "refused (advice)"), PROBLEM, "gateway:26500: refused (advice)", "ZEEBE_ADDRESS", "wait")
    camunda7 = Camunda7("http://camunda:8080/engine-rest")
    expect(
        unreached_camunda7(camunda7, "refused"),
        PROBLEM,
        "http://camunda:8080/engine-rest: refused",
        "CAMUNDA7_REST_URL",
    )
    expect(judge_camunda7(camunda7, "7.24.0"), OK, "Camunda 7.24.0 at http://camunda")
    expect(judge_camunda7(camunda7, ""), OK, "Camunda 7 at")
