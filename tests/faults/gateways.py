"""Gateways that count what they execute: in this process, as programs of their own, and with a real engine behind."""

from __future__ import annotations

import asyncio
import json
import sys
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Protocol

import grpc

from consumer.zeebe.protocol import gateway_pb2 as pb
from scripts.consumer import ROOT
from scripts.process import Process, free_port
from scripts.zeebe_in_memory import ZeebeInMemory
from tests.fakes.gateway import FakeGateway
from tests.integration import processes
from tests.integration.service import TIMEOUT
from zeebe_amqp.testing import after

SERVICE = "/gateway_protocol.Gateway"
CREATE = "CreateProcessInstance"
LATENCY = 0.02
"""Seconds that a gateway without an engine takes for a command."""
LOCKED = 3_600_000
"""Milliseconds that a counted job stays out of sight: longer than any run."""
BATCH = 200
"""Jobs that are asked for at a time."""


class Gateway(Protocol):
    """A gateway that counts."""

    process: str | None
    """The process that requests must name; None = any, each its own."""

    @property
    def port(self) -> int:
        """Where it listens."""

    def counted(self) -> Counter[str]:
        """Executions by the identity of the request."""

    async def start(self) -> None:
        """Listen, on the former port after a stop."""

    async def stop(self) -> None:
        """Stop listening; what is in flight is cut."""


class InsideGateway(FakeGateway):
    """The fake gateway in this process; it can be scripted."""

    process = None

    @classmethod
    def new(cls, _: Path) -> InsideGateway:
        """One that has not been started."""
        gateway = cls(record=False, identify=_identity)
        gateway.always(CREATE, after(LATENCY))
        return gateway

    def counted(self) -> Counter[str]:
        """See `Gateway.counted`."""
        return Counter({str(identity): count for (_, identity), count in self.executions.items()})


class Program:
    """A fake gateway as a program of its own, on one port, which can be killed; its journal survives it."""

    def __init__(self, directory: Path, module: str, *arguments: str) -> None:
        self.port = free_port()
        self.journal = directory / "journal.jsonl"
        self._log = directory / "gateway.log"
        self._command = [sys.executable, "-m", module, "--port", str(self.port), "--journal", str(self.journal)]
        self._command += arguments
        self._process: Process | None = None

    async def start(self) -> None:
        """Start it and return when it listens."""
        environment = {"PYTHONPATH": f"{ROOT}:{ROOT / 'contracts'}"}
        self._log.write_text("")
        self._process = Process(self._command, environment, self._log)
        await asyncio.to_thread(self._process.wait_until, lambda: "listening" in self._log.read_text(), TIMEOUT)

    async def stop(self) -> None:
        """SIGTERM."""
        if self._process is not None:
            await asyncio.to_thread(self._process.stop)

    async def kill(self) -> None:
        """SIGKILL."""
        assert self._process is not None
        await asyncio.to_thread(self._process.kill)

    async def pause(self) -> None:
        """SIGSTOP: its machine still takes connections, and nobody speaks on them."""
        assert self._process is not None
        await asyncio.to_thread(self._process.pause)

    async def resume(self) -> None:
        """SIGCONT."""
        assert self._process is not None
        await asyncio.to_thread(self._process.resume)


class ProgramGateway(Program):
    """The fake gateway as a program, which writes down what it executes."""

    process = None

    @classmethod
    def new(cls, directory: Path) -> ProgramGateway:
        """One that has not been started."""
        return cls(directory, "tests.fakes.gateway", "--seconds", str(LATENCY))

    def counted(self) -> Counter[str]:
        """See `Gateway.counted`."""
        lines = self.journal.read_text().splitlines() if self.journal.exists() else []
        return _by_identity((json.loads(line)[1], 1) for line in lines)


class JobCounter:
    """Counts what an engine executed: each instance makes one job. Jobs that were counted are remembered."""

    def __init__(self, port: int, process: str) -> None:
        self._address = f"127.0.0.1:{port}"
        self._process = process
        self._jobs: dict[int, str] = {}

    def deploy(self) -> None:
        """Deploy the process that is counted; the same content again changes nothing."""
        content = processes.work(self._process, self._process).encode()
        request = pb.DeployResourceRequest(resources=[pb.Resource(name="fault.bpmn", content=content)])
        with grpc.insecure_channel(self._address) as channel:
            deploy = channel.unary_unary(
                f"{SERVICE}/DeployResource",
                pb.DeployResourceRequest.SerializeToString,
                pb.DeployResourceResponse.FromString,
            )
            deploy(request, timeout=TIMEOUT)

    def count(self) -> Counter[str]:
        """Executions by identity; while the engine is away, what was counted before."""
        request = pb.ActivateJobsRequest(
            type=self._process, worker="count", timeout=LOCKED, maxJobsToActivate=BATCH, requestTimeout=-1
        )
        try:
            while found := self._activated(request):
                self._jobs.update(found)
        except grpc.RpcError:
            pass
        return _by_identity((variables, 1) for variables in self._jobs.values())

    def _activated(self, request: pb.ActivateJobsRequest) -> dict[int, str]:
        with grpc.insecure_channel(self._address) as channel:
            activate = channel.unary_stream(
                f"{SERVICE}/ActivateJobs",
                pb.ActivateJobsRequest.SerializeToString,
                pb.ActivateJobsResponse.FromString,
            )
            responses = activate(request, timeout=TIMEOUT)
            return {job.key: job.variables for response in responses for job in response.jobs}


class ClusterGateway(Program):
    """Brokers that the fake gateway plays, as a program: killed and started again, they have what they had."""

    process = "fault"

    @classmethod
    def new(cls, directory: Path) -> ClusterGateway:
        """One that has not been started."""
        return cls(directory, "tests.fakes.cluster", "--seconds", str(LATENCY))

    def __init__(self, directory: Path, module: str, *arguments: str) -> None:
        super().__init__(directory, module, *arguments)
        self._jobs = JobCounter(self.port, self.process)

    def counted(self) -> Counter[str]:
        """See `Gateway.counted`."""
        return self._jobs.count()

    async def start(self) -> None:
        """See `Gateway.start`."""
        await super().start()
        await asyncio.to_thread(self._jobs.deploy)


class EngineGateway:
    """A real engine, in memory."""

    process = "fault"

    def __init__(self, directory: Path) -> None:
        self._engine = ZeebeInMemory(directory / "engine")
        self.port = self._engine.port
        self._jobs = JobCounter(self.port, self.process)

    @classmethod
    def new(cls, directory: Path) -> EngineGateway:
        """One that has not been started."""
        return cls(directory)

    def counted(self) -> Counter[str]:
        """See `Gateway.counted`."""
        return self._jobs.count()

    async def start(self) -> None:
        """See `Gateway.start`."""
        await asyncio.to_thread(self._engine.start)
        await asyncio.to_thread(self._jobs.deploy)

    async def stop(self) -> None:
        """See `Gateway.stop`."""
        await asyncio.to_thread(self._engine.stop)


def _identity(_: str, message: Any) -> str | None:
    """Large variables are read once, not with every count."""
    variables = getattr(message, "variables", "")
    return str(json.loads(variables)["id"]) if variables else None


def _by_identity(executions: Iterable[tuple[object, int]]) -> Counter[str]:
    counted: Counter[str] = Counter()
    for variables, count in executions:
        counted[json.loads(str(variables))["id"]] += count
    return counted
