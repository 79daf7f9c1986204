"""The engine that the tests run on, and in what engines differ: asserted by the tests, never hidden.

Measured on brokers of 8.5.8 and 8.6.0 and on the engine in memory, 8.8.21. What changed between them is taken to have
changed with 8.8, except where the one in memory is the reason.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import grpc

from consumer.zeebe.protocol import gateway_pb2 as pb
from consumer.zeebe.protocol.since import OLDEST, parse
from consumer.zeebe.rpcs import METHODS

SECONDS = 30.0
"""How long a gateway may take to say what it is."""


@dataclass(frozen=True)
class EngineFeatures:
    """One engine and what is its own."""

    version: str
    """What its gateway calls itself."""
    in_memory: bool
    """Whether it is the engine without disk and cluster, behind a gateway that was made for tests."""
    partitions: int = 1

    @property
    def is_newer(self) -> bool:
        """Whether it has the words of 8.8."""
        major, minor = map(int, self.version.split(".")[:2])
        return (major, minor) >= (8, 8)

    @property
    def tenant(self) -> str:
        """The tenant that most of its answers name, where there is only one."""
        return "" if self.in_memory else "<default>"

    @property
    def waits(self) -> bool:
        """Whether it lets a poll wait for jobs, and ends a wait for a result; if not, it answers at once, or never."""
        return not self.in_memory

    @property
    def keeps_variables_of_failures(self) -> bool:
        """Whether the variables of a failed job are kept."""
        return not self.in_memory

    @property
    def answers_deletions(self) -> bool:
        """Whether it says that a resource was deleted; if not, it deletes it and stays silent."""
        return not self.in_memory

    @property
    def failed_output(self) -> str:
        """What it gives for the output of a decision that fails."""
        return "null" if self.is_newer else ""

    @property
    def numbers_evaluations(self) -> bool:
        """Whether an evaluated decision has a key of its own in the answer."""
        return not self.in_memory

    @property
    def listens_to_user_tasks(self) -> bool:
        """Whether processes may have listeners for the creation of user tasks."""
        return self.is_newer

    def says(self, since: str, value: Any) -> Any:
        """The value of a reply's field that came with a version of the gateway; an older one says nothing: null."""
        return value if (parse(self.version) or OLDEST) >= (parse(since) or OLDEST) else None


BROKER = EngineFeatures(version="8.6.0", in_memory=False)
"""A broker with its gateway, as the fake gateway plays one."""


def detect_features(address: str) -> EngineFeatures:
    """Ask a gateway what it is; `address` is host:port, plaintext.

    Raises:
        grpc.RpcError: it does not answer.
    """
    nobody_s: dict[str, Any] = {"type": "nobody-s-job", "tenantIds": ["nobody-s-tenant"]}
    activate = pb.ActivateJobsRequest(worker="test", timeout=1000, maxJobsToActivate=1, requestTimeout=-1, **nobody_s)
    with grpc.insecure_channel(address) as channel:
        topology = _answer(channel, pb.TopologyRequest())
        try:
            list(_answer(channel, activate))
        except grpc.RpcError:
            takes_any_tenant = False
        else:  # to the engine in memory alone, a tenant that nobody has is no reason to refuse anything
            takes_any_tenant = True
    return EngineFeatures(topology.gatewayVersion, takes_any_tenant, topology.partitionsCount)


def _answer(channel: grpc.Channel, request: Any) -> Any:
    rpc = METHODS[request.DESCRIPTOR.full_name]
    bind: Any = channel.unary_stream if rpc.streaming else channel.unary_unary
    ask = bind(rpc.path, type(request).SerializeToString, rpc.response.FromString)
    return ask(request, timeout=SECONDS, wait_for_ready=True)
