"""Brokers behind the fake gateway: what the engine in memory does not do, played from what was measured on 8.6.0.

    cluster = Cluster(partitions=5)
    async with FakeGateway(otherwise=cluster.react, unsent=cluster.take_back, partitions=5) as gateway:
        cluster.limit = 1                                      # backpressure
        ...                                                    # talk to gateway.address

As a program of its own (`python -m tests.fakes.cluster --journal FILE`), for a fault that kills brokers.

Each behaviour is played by one function, which says what it stands for. What a test scripts comes first.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from google.protobuf.message import Message

from consumer.zeebe.protocol import gateway_pb2 as pb
from tests.fakes.engine import PARTITION_SHIFT, TENANT, Engine, Rejection, document
from tests.fakes.gateway import BUSY, FakeGateway, Request, stream
from zeebe_amqp.errors import Outcome
from zeebe_amqp.testing import Step, answer, fail

EXEMPT = {"DeployResource", "CancelProcessInstance", "CompleteJob", "FailJob"}
"""What the engine takes under any load."""
CREATIONS = {"CreateProcessInstance", "CreateProcessInstanceWithResult"}
KEYS = ("processInstanceKey", "elementInstanceKey", "jobKey", "incidentKey", "resourceKey")
POLL_SECONDS = 0.1
"""How often a poll that waits looks for jobs whose lock or back-off ended."""
STREAM_SECONDS = 3600.0
"""How long a stream of jobs stays open."""
ALL_FAILED = (
    "Expected to execute the command on one of the partitions, but all failed; there are no more partitions available"
    " to retry. Please try again. If the error persists contact your zeebe operator"
)
NO_JOBS = (
    "Expected to activate jobs of type '{}', but no jobs available and at least one broker returned"
    " 'RESOURCE_EXHAUSTED'. Please try again later."
)
PAUSED = (
    "Unexpected error occurred between gateway and broker (code: INTERNAL_ERROR) (message: Processing paused for"
    " partition '1')"
)
CLOSED = "Connection RemoteClientConnection{channel=[id: 0x2a, L:/127.0.0.1:1 - R:/127.0.0.1:2]} was closed"


@dataclass(eq=False)
class Command:
    """One command on its way between gateway and broker; `closed` ends it when their connection is lost."""

    partition: int
    closed: asyncio.Event = field(default_factory=asyncio.Event)


@dataclass
class Cluster:
    """One gateway and the brokers of so many partitions; `journal` keeps the engine's state over restarts.

    `limit` is how many commands a partition takes at a time, None for no limit, and each takes `seconds`; what is
    activated is answered after `activation_seconds`; `paused` brokers take commands and process nothing.
    """

    partitions: int = 1
    journal: Path | None = None
    limit: int | None = None
    seconds: float = 0.0
    activation_seconds: float = 0.0
    paused: bool = False

    def __post_init__(self) -> None:
        self.engine = Engine(self.partitions, self.journal)
        self._commands: list[Command] = []
        self._changed = asyncio.Event()

    async def react(self, request: Request) -> Step:
        """What a request gets."""
        for check in (refuse_tenant, refuse_variables, refuse_partition, refuse_while_paused, refuse_under_load):
            if (refusal := check(self, request)) is not None:
                return refusal
        try:
            return await _RUN.get(request.rpc, execute)(self, request)
        except Rejection as rejection:
            return fail(rejection.status, str(rejection))
        except ConnectionAbortedError:
            return fail("ABORTED", CLOSED)

    def apply(self, request: Request) -> Any:
        """The engine's answer now; those who wait for a change look again."""
        response = self.engine.apply(request.rpc, request.message, time.time())
        if request.rpc != "ActivateJobs":
            self._note_change()
        return response

    def take_back(self, response: Message) -> None:
        """What a gateway does with jobs whose caller has gone: others get them at once."""
        if isinstance(response, pb.ActivateJobsResponse):
            self.engine.free(job.key for job in response.jobs)
            self._note_change()

    def _note_change(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

    async def change(self, seconds: float) -> None:
        """Wait for the next command that may change something, or so long."""
        try:
            await asyncio.wait_for(self._changed.wait(), seconds)
        except TimeoutError:
            return

    @property
    def in_flight(self) -> int:
        """Commands between gateway and broker."""
        return len(self._commands)

    @contextmanager
    def command(self, request: Request) -> Iterator[Command]:
        """A command on its way; to partition 1 where nothing says otherwise."""
        command = Command(key_of(request) >> PARTITION_SHIFT or 1)
        self._commands.append(command)
        try:
            yield command
        finally:
            self._commands.remove(command)

    def close_connection(self, partition: int, but: Command) -> None:
        """Everything on its way to a broker is lost, but for one command."""
        for command in self._commands:
            if command.partition == partition and command is not but:
                command.closed.set()


def key_of(request: Request) -> int:
    """The key that a request is about; 0 when there is none."""
    return next((key for name in KEYS if (key := getattr(request.message, name, 0))), 0)


def content(message: Any) -> Any:
    """The part of a request with variables and tenant."""
    return getattr(message, "request", message)


# --- what the gateway refuses by itself ---


def refuse_tenant(_: Cluster, request: Request) -> Step | None:
    """A gateway without multi-tenancy refuses any tenant but the default one, and names the RPC."""
    message = content(request.message)
    tenants = [getattr(message, "tenantId", ""), *getattr(message, "tenantIds", [])]
    for tenant in tenants:
        if tenant.strip() not in ("", TENANT):
            text = f"Expected to handle gRPC request {request.rpc} with tenant identifier '{tenant}', but"
            return fail("INVALID_ARGUMENT", f"{text} multi-tenancy is disabled")
    return None


def refuse_variables(_: Cluster, request: Request) -> Step | None:
    """A gateway takes no integers above 2^64-1."""
    try:
        json.loads(getattr(content(request.message), "variables", "") or "{}", parse_int=_packed)
    except OverflowError:
        return fail("INVALID_ARGUMENT", "MessagePack cannot serialize BigInteger larger than 2^64-1")
    return None


def _packed(digits: str) -> int:
    if not -(2**63) <= int(digits) < 2**64:
        raise OverflowError
    return int(digits)


def refuse_partition(cluster: Cluster, request: Request) -> Step | None:
    """A key of a partition that does not exist looks like an outage."""
    key = key_of(request)
    named = any(hasattr(request.message, name) for name in KEYS)
    if not named or 1 <= key >> PARTITION_SHIFT <= cluster.partitions:
        return None
    reason = "but either it does not exist, or the gateway is not yet aware of it"
    text = f"Expected to execute command on partition {key >> PARTITION_SHIFT}, {reason}"
    return fail("UNAVAILABLE", text, outcome=Outcome.NOT_EXECUTED)


# --- what a broker refuses for the moment ---


def refuse_while_paused(cluster: Cluster, request: Request) -> Step | None:
    """A paused partition answers INTERNAL to everything but topology and activations, which are empty."""
    if not cluster.paused or request.rpc == "Topology":
        return None
    return stream() if request.rpc == "ActivateJobs" else fail("INTERNAL", PAUSED, outcome=Outcome.NOT_EXECUTED)


def refuse_under_load(cluster: Cluster, request: Request) -> Step | None:
    """Backpressure has three texts, and never holds back deployments, cancellations, completions and failures."""
    if cluster.limit is None or cluster.in_flight < cluster.limit or request.rpc in EXEMPT | {"Topology"}:
        return None
    if request.rpc == "ActivateJobs":
        return fail("RESOURCE_EXHAUSTED", NO_JOBS.format(request.message.type))
    return fail("RESOURCE_EXHAUSTED", ALL_FAILED if request.rpc in CREATIONS else BUSY)


# --- what takes time ---


async def execute(cluster: Cluster, request: Request) -> Step:
    """A command that is answered as soon as it is done."""
    if request.rpc == "Topology":
        return answer()
    with cluster.command(request) as command:
        if cluster.seconds:
            await until(command, asyncio.sleep(cluster.seconds))
        response = cluster.apply(request)
    return answer() if response is None else answer(response)


async def until(command: Command, work: Awaitable[None]) -> None:
    """Wait for the work of a command.

    Raises:
        ConnectionAbortedError: the connection to its broker was closed meanwhile.
    """
    working, closed = asyncio.ensure_future(work), asyncio.ensure_future(command.closed.wait())
    try:
        await asyncio.wait({working, closed}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        working.cancel()
        closed.cancel()
    if command.closed.is_set():
        raise ConnectionAbortedError


async def activate_jobs(cluster: Cluster, request: Request) -> Step:
    """An activation waits for jobs: 10 s when no requestTimeout is given, not at all when it is negative."""
    end = time.monotonic() + (request.message.requestTimeout or 10_000) / 1000
    while (found := cluster.apply(request)) is None:
        if time.monotonic() >= end:
            return stream()
        await cluster.change(POLL_SECONDS)
    try:
        await asyncio.sleep(cluster.activation_seconds)
    except asyncio.CancelledError:  # its caller has gone
        cluster.take_back(found)
        raise
    return answer(found)


async def stream_jobs(_: Cluster, __: Request) -> Step:
    """The engine in memory takes the call, and pushes nothing."""
    return stream(open_for=STREAM_SECONDS)


async def await_result(cluster: Cluster, request: Request) -> Step:
    """A wait for a result that the gateway ends costs everybody else on the partition the connection."""
    response = cluster.apply(request)
    instance = cluster.engine.instances[response.processInstanceKey]
    seconds = (request.message.requestTimeout or 15_000) / 1000
    end = time.monotonic() + seconds
    with cluster.command(request) as command:
        while not instance.ended:
            if time.monotonic() >= end:
                cluster.close_connection(command.partition, command)
                text = f"Request command-api-1 to 127.0.0.1:26501 timed out in PT{seconds:g}S"
                return fail("DEADLINE_EXCEEDED", f"Time out between gateway and broker: {text}")
            await until(command, cluster.change(POLL_SECONDS))
    response.variables = document(instance.variables, request.message.fetchVariables)
    return answer(response)


async def delete_resource(_: Cluster, __: Request) -> Step:
    """Before 8.9 a deletion is answered with nothing in it."""
    return answer(pb.DeleteResourceResponse())


_RUN: dict[str, Callable[[Cluster, Request], Awaitable[Step]]] = {
    "ActivateJobs": activate_jobs,
    "StreamActivatedJobs": stream_jobs,
    "DeleteResource": delete_resource,
    "CreateProcessInstanceWithResult": await_result,
}


async def main() -> None:
    """Serve until the process is ended; prints "listening on host:port" once ready."""
    parser = argparse.ArgumentParser(description="Brokers behind a gateway, played, for tests.")
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one; the first line printed names it")
    parser.add_argument("--seconds", type=float, default=0.0, help="that each command takes")
    parser.add_argument("--journal", type=Path, help="file that keeps the state over restarts")
    options = parser.parse_args()
    cluster = Cluster(journal=options.journal, seconds=options.seconds)
    async with FakeGateway(options.port, record=False, otherwise=cluster.react, unsent=cluster.take_back) as gateway:
        print(f"listening on {gateway.address}", flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
