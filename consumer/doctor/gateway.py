"""The engines: a Zeebe gateway and what it does not know, and a Camunda 7 engine where one is set."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from consumer.config import Camunda7, Zeebe
from consumer.doctor.finding import Finding, Section
from consumer.zeebe.protocol import gateway_pb2 as pb
from consumer.zeebe.versions import RPC_MARK, SINCE, Version, parse

__all__ = ["NOT_CALLED", "judge_camunda7", "judge_gateway", "unreached", "unreached_camunda7"]

GATEWAY: Final = Section("gateway")
OLDEST: Final = (8, 5)
NEWEST: Final = (8, 9)
"""The versions that tests have seen."""
_TESTED: Final = "tested: {}.{} to {}.{}".format(*OLDEST, *NEWEST)
NOT_CALLED: Final = frozenset({"DeployProcess", "StreamActivatedJobs"})
"""RPCs of the protocol that no operation uses."""
_HEALTHY: Final = pb.Partition.PartitionBrokerHealth.Value("HEALTHY")
_LEADER: Final = pb.Partition.PartitionBrokerRole.Value("LEADER")


def unreached(zeebe: Zeebe, problem: str) -> Finding:
    """No gateway; the problem has advice where there is some."""
    return GATEWAY.problem(
        "connection",
        f"{zeebe.address}: {problem}",
        f"start the gateway, or correct {zeebe.names['ZEEBE_ADDRESS']} and the way to it",
        "without a gateway nothing is executed: requests wait in their queues",
    )


def judge_gateway(topology: pb.TopologyResponse, zeebe: Zeebe) -> Iterator[Finding]:
    """Everything about the gateway and the brokers behind it."""
    yield GATEWAY.ok("connection", f"Zeebe {topology.gatewayVersion or 'of an unknown version'} at {zeebe.address}")
    yield from _version(topology.gatewayVersion)
    yield _brokers(topology)
    yield _partitions(topology)


def _version(text: str) -> Iterator[Finding]:
    found = parse(text) if text else None
    if found is None:
        yield GATEWAY.warning(
            "version",
            f"found {text!r}; accepted: a version such as 8.8.0",
            "look at what answers there",
            "requests with fields that the gateway does not know cannot be refused by name: it drops them silently",
        )
        return
    if found < OLDEST:
        yield GATEWAY.warning(
            "version", f"found {text}; {_TESTED}", "upgrade the engine", "older ones were never tried"
        )
    elif found > NEWEST:
        yield GATEWAY.warning(
            "version",
            f"found {text}; {_TESTED}",
            "look for a newer release of this service",
            "fields that are newer than this service are refused as unknown",
        )
    else:
        yield GATEWAY.ok("version", f"{text}; {_TESTED}")
    yield GATEWAY.ok("what it does not know", _unknown(found))


def _unknown(found: Version) -> str:
    """The RPCs and fields that came later, by the version that brought them."""
    later = defaultdict[Version, dict[str, list[str]]](lambda: defaultdict(list))
    for name, brought in SINCE.items():
        if brought > found and (sent := _sent(name, found)) is not None:
            rpc, field = sent
            later[brought][rpc] += [field] if field else []
    if not later:
        return "nothing that this service can send"
    told = "; ".join(f"{major}.{minor}: {_listed(later[major, minor])}" for major, minor in sorted(later))
    return f"requests with these are refused as UNIMPLEMENTED, by the version that brought them: {told}"


def _sent(name: str, found: Version) -> tuple[str, str] | None:
    """The RPC, and the field of its request where it is only that; None for what we never send.

    Of an RPC that `found` does not know the fields say nothing more.
    """
    if name.startswith(RPC_MARK):
        rpc, field = name.removeprefix(RPC_MARK), ""
    else:
        kind, _, field = name.partition(".")
        rpc = kind.removesuffix("Request")
        if rpc == kind or SINCE.get(f"{RPC_MARK}{rpc}", found) > found:
            return None
    return None if rpc in NOT_CALLED else (rpc, field)


def _listed(rpcs: Mapping[str, Sequence[str]]) -> str:
    return ", ".join(f"{rpc} ({', '.join(sorted(rpcs[rpc]))})" if rpcs[rpc] else rpc for rpc in sorted(rpcs))


def _brokers(topology: pb.TopologyResponse) -> Finding:
    if not topology.brokers:
        return GATEWAY.problem(
            "brokers",
            "the gateway answers, but no broker is behind it",
            "start the brokers, or correct the gateway's contact points",
            "commands are answered UNAVAILABLE, or wait",
        )
    versions = sorted({each.version for each in topology.brokers if each.version})
    if len(versions) > 1:
        return GATEWAY.warning(
            "brokers",
            f"{len(topology.brokers)}, of the versions {', '.join(versions)}",
            "finish the rolling upgrade",
            "while versions are mixed, new features are not there yet",
        )
    return GATEWAY.ok("brokers", f"{len(topology.brokers)}, version {', '.join(versions) or 'unknown'}")


def _partitions(topology: pb.TopologyResponse) -> Finding:
    count = topology.partitionsCount
    seen = [(each.partitionId, each) for broker in topology.brokers for each in broker.partitions]
    led = {number for number, each in seen if each.role == _LEADER}
    ill = sorted({number for number, each in seen if each.role == _LEADER and each.health != _HEALTHY})
    if missing := sorted(set(range(1, count + 1)) - led):
        return GATEWAY.problem(
            "partitions",
            f"{count}; without a leader: {', '.join(map(str, missing))}",
            "see the logs of the brokers: is one down, or its disk full?",
            "commands for these partitions are refused or wait",
        )
    if ill:
        return GATEWAY.warning(
            "partitions",
            f"{count}; not healthy: {', '.join(map(str, ill))}",
            "see the logs of the brokers and their exporters",
            "commands for these partitions may be refused or slow",
        )
    return GATEWAY.ok("partitions", f"{count}, each with a healthy leader")


def unreached_camunda7(settings: Camunda7, problem: str) -> Finding:
    """No Camunda 7 engine; the problem has advice where there is some."""
    return GATEWAY.problem(
        "camunda7",
        f"{settings.url}: {problem}",
        "start the engine, or correct CAMUNDA7_REST_URL",
        "signals for it are answered UNAVAILABLE",
    )


def judge_camunda7(settings: Camunda7, version: str) -> Finding:
    """A Camunda 7 engine that answered with its version; "" when it is too old to tell."""
    return GATEWAY.ok("camunda7", f"Camunda {version or '7'} at {settings.url}")
