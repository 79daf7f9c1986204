"""Gateways that count what they execute: in this process, as programs of their own, and with a real engine behind."""

from __future__ import annotations

import asyncio
import json
import sys
from collections import Counter
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, ClassVar, Self

import grpc

from consumer.zeebe.protocol import gateway_pb2 as pb
from consumer.zeebe.rpcs import METHODS
from scripts.consumer import ROOT
from scripts.process import Process, Server, free_port
from scripts.zeebe_in_memory import ZeebeInMemory
from tests.fakes.gateway import FakeGateway
from tests.integration import processes
from tests.integration.service import TIMEOUT
from zeebe_amqp.testing import Reaction, after

CREATE = "CreateProcessInstance"
LATENCY = 0.02
"""Seconds that a gateway without an engine takes for a command."""
LOCKED = 3_600_000
"""Milliseconds that a counted job stays out of sight: longer than any run."""
BATCH = 200
"""Jobs that are asked for at a time."""


class InsideGateway(FakeGateway):
    """The fake gateway in this process; it can be scripted."""

    process: ClassVar[str | None] = None
    """The process that requests must name; None = any, each its own."""

    def __init__(self, _: Path) -> None:
        super().__init__(record=False, identify=_identity)
        self.always(CREATE, after(LATENCY))

    @asynccontextmanager
    async def creating(self, step: Reaction) -> AsyncIterator[None]:
        """Meanwhile every request to create an instance gets this."""
        self.always(CREATE, step)
        try:
            yield
        finally:
            self.always(CREATE, after(LATENCY))

    def counted(self) -> Counter[str]:
        """Executions by the identity of the request."""
        return Counter({str(identity): count for (_, identity), count in self.executions.items()})


class FakeServer(Server):
    """A fake gateway as a program of its own, on one port, which can be killed; its journal survives it."""

    start_seconds = TIMEOUT

    def __init__(self, directory: Path, module: str, *arguments: str) -> None:
        self.port = free_port()
        self.journal = directory / "journal.jsonl"
        self._log = directory / "gateway.log"
        self._command = [sys.executable, "-m", module, "--port", str(self.port), "--journal", str(self.journal)]
        self._command += arguments

    def launch(self) -> Self:
        """See `Server.launch`."""
        self._log.write_text("")
        self.process = Process(self._command, {"PYTHONPATH": f"{ROOT}:{ROOT / 'contracts'}"}, self._log)
        return self

    def usable(self) -> bool:
        """Whether it listens."""
        return "listening" in self._log.read_text()


class ProgramGateway:
    """The fake gateway as a program, which writes down what it executes."""

    process: ClassVar[str | None] = None

    def __init__(self, directory: Path) -> None:
        self.server: Any = self._server(directory)
        self.port = self.server.port

    def _server(self, directory: Path) -> Server:
        return FakeServer(directory, "tests.fakes.gateway", "--seconds", str(LATENCY))

    def counted(self) -> Counter[str]:
        """Executions by the identity of the request."""
        journal = self.server.journal
        lines = journal.read_text().splitlines() if journal.exists() else []
        return _by_identity(json.loads(line)[1] for line in lines)

    async def start(self) -> None:
        """Listen, on the former port after a stop."""
        await asyncio.to_thread(self.server.start)

    async def stop(self) -> None:
        """Stop listening; what is in flight is cut."""
        await asyncio.to_thread(self.server.stop)


class EngineGateway(ProgramGateway):
    """A real engine, in memory: each instance makes one job, and jobs that were counted are remembered."""

    process = "fault"

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self._jobs: dict[int, str] = {}

    def _server(self, directory: Path) -> Server:
        return ZeebeInMemory(directory / "engine")

    async def start(self) -> None:
        """Start it, and deploy the process that is counted; the same content again changes nothing."""
        await super().start()
        content = processes.work(self.process, self.process).encode()
        resource = pb.Resource(name="fault.bpmn", content=content)
        await asyncio.to_thread(self._responses, pb.DeployResourceRequest(resources=[resource]))

    def counted(self) -> Counter[str]:
        """Executions by identity; while the engine is away, what was counted before."""
        request = pb.ActivateJobsRequest(
            type=self.process, worker="count", timeout=LOCKED, maxJobsToActivate=BATCH, requestTimeout=-1
        )
        with suppress(grpc.RpcError):
            while found := [job for response in self._responses(request) for job in response.jobs]:
                self._jobs.update({job.key: job.variables for job in found})
        return _by_identity(self._jobs.values())

    def _responses(self, request: Any) -> list[Any]:
        """All responses to a request; one is a stream of one."""
        rpc = METHODS[request.DESCRIPTOR.full_name]
        with grpc.insecure_channel(f"127.0.0.1:{self.port}") as channel:
            call = channel.unary_stream(rpc.path, type(request).SerializeToString, rpc.response.FromString)
            return list(call(request, timeout=TIMEOUT))


class ClusterGateway(EngineGateway):
    """Brokers that the fake gateway plays, as a program: killed and started again, they have what they had."""

    def _server(self, directory: Path) -> Server:
        return FakeServer(directory, "tests.fakes.cluster", "--seconds", str(LATENCY))


def _identity(_: str, message: Any) -> str | None:
    """Large variables are read once, not with every count."""
    variables = getattr(message, "variables", "")
    return str(json.loads(variables)["id"]) if variables else None


def _by_identity(executions: Iterable[object]) -> Counter[str]:
    return Counter(str(json.loads(str(variables))["id"]) for variables in executions)
