"""Where jobs come from: a gateway with nothing but jobs, and a real engine in memory."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, Self

import grpc

from benchmarks.figures import Figures
from benchmarks.golang import ANSWERS, TENANT, built
from benchmarks.request import PROCESS, VARIABLES
from consumer.zeebe.protocol import gateway_pb2 as pb
from consumer.zeebe.rpcs import METHODS
from scripts.process import Process, ServerError, free_port
from scripts.zeebe_in_memory import ZeebeInMemory
from tests.integration import processes

BEGUN = "begun"
"""The variable in which a worker says when it began, nanoseconds since 1970."""
DONE_WITHIN = 120.0
"""Seconds for all jobs of a load."""


@dataclass(frozen=True)
class Load:
    """Jobs that are made and measured: `count` at `rate` per second (0: all at once), or `at_a_time` of them, over and
    over again, as soon as one has ended."""

    title: str
    count: int
    rate: float = 0.0
    at_a_time: int = 0


class JobGateway(Protocol):
    """Makes jobs of any type; use as a context manager."""

    title: str
    loads: tuple[Load, ...]
    warm: Load
    """What comes first, unmeasured."""
    address: str

    @property
    def process(self) -> Process:
        """Its program."""

    def play(self, job_type: str, load: Load) -> Figures:
        """Make jobs, and wait until all have ended.

        Returns:
            count; again: how often one was given back, where that is known; rate: jobs per second; begun and done, p50
            and p99: milliseconds from a job's creation until its worker began, and until it had ended.

        Raises:
            ServerError: some have not.
        """

    def __enter__(self) -> Self: ...

    def __exit__(self, *_: object) -> None: ...


class JobsOnly:
    """A program in Go that gives out jobs and takes their ends; there are no processes."""

    title = "gateway without an engine"
    warm = Load("", 200)
    loads: tuple[Load, ...] = (Load("2,000 jobs at once", 2000), Load("100 jobs per second", 300, rate=100))

    def __init__(self, directory: Path) -> None:
        self.address = f"127.0.0.1:{free_port()}"
        self._log = directory / "jobs.log"

    def __enter__(self) -> Self:
        job = pb.ActivatedJob(
            processInstanceKey=2251799813685250,
            bpmnProcessId=PROCESS,
            processDefinitionVersion=1,
            processDefinitionKey=2251799813685249,
            elementId="charge",
            elementInstanceKey=2251799813685251,
            customHeaders="{}",
            worker="bench",
            retries=3,
            variables=json.dumps(VARIABLES, separators=(",", ":")),
            tenantId=TENANT,
        )
        command = [str(built() / "jobs"), "-listen", self.address, "-job", job.SerializeToString().hex()]
        command += ["-topology", ANSWERS["Topology"].SerializeToString().hex()]
        self.process = Process(command, {}, self._log)
        self.process.wait_until(lambda: "listening" in self._log.read_text(), 30)
        return self

    def __exit__(self, *_: object) -> None:
        self.process.stop()

    def play(self, job_type: str, load: Load) -> Figures:
        """See `JobGateway.play`."""
        order = json.dumps({"type": job_type, "count": load.count, "rate": load.rate}).encode()
        with grpc.insecure_channel(self.address) as channel:
            call = channel.unary_unary("/benchmark/Jobs", request_serializer=bytes, response_deserializer=bytes)
            try:
                return dict(json.loads(call(order, timeout=DONE_WITHIN)))
            except grpc.RpcError as error:
                raise ServerError(f"{job_type}: {error.details()}") from None


class EngineInMemory:
    """A real engine, in memory; its instances have one task each, and whoever starts one waits for its end."""

    title = "engine in memory"
    warm = Load("", 50, at_a_time=16)
    loads: tuple[Load, ...] = (
        Load("16 instances at a time", 300, at_a_time=16),
        Load("1 instance at a time", 40, at_a_time=1),
    )

    def __init__(self, directory: Path) -> None:
        self._engine = ZeebeInMemory(directory / "engine", memory="512m")
        self.address = self._engine.address
        self._deployed: set[str] = set()

    @property
    def process(self) -> Process:
        """See `JobGateway.process`."""
        assert self._engine.process is not None
        return self._engine.process

    def __enter__(self) -> Self:
        self._engine.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._engine.stop()

    def play(self, job_type: str, load: Load) -> Figures:
        """See `JobGateway.play`."""
        return asyncio.run(self._play(job_type, load))

    async def _play(self, job_type: str, load: Load) -> Figures:
        async with grpc.aio.insecure_channel(self.address) as channel:
            if job_type not in self._deployed:
                content = processes.work(job_type, job_type).encode()
                resource = pb.Resource(name=f"{job_type}.bpmn", content=content)
                await _call(channel, pb.DeployResourceRequest(resources=[resource]))
                self._deployed.add(job_type)
            taken: list[tuple[float, float]] = []
            left = iter(range(load.count))
            began = time.monotonic()
            await asyncio.gather(*(_instances(channel, job_type, left, taken) for _ in range(load.at_a_time)))
            return summary(taken, time.monotonic() - began)


async def _instances(
    channel: grpc.aio.Channel, name: str, left: Iterator[int], taken: list[tuple[float, float]]
) -> None:
    request = pb.CreateProcessInstanceRequest(bpmnProcessId=name, version=-1, variables=json.dumps(VARIABLES))
    waiting = pb.CreateProcessInstanceWithResultRequest(
        request=request, requestTimeout=round(DONE_WITHIN * 1000), fetchVariables=[BEGUN]
    )
    for _ in left:
        created = time.time()
        result = await _call(channel, waiting)
        begun = json.loads(result.variables)[BEGUN] / 1e9
        taken.append((begun - created, time.time() - created))


async def _call(channel: grpc.aio.Channel, request: Any) -> Any:
    rpc = METHODS[request.DESCRIPTOR.full_name]
    call = channel.unary_unary(rpc.path, type(request).SerializeToString, rpc.response.FromString)
    try:
        return await call(request, timeout=DONE_WITHIN)
    except grpc.aio.AioRpcError as error:
        raise ServerError(f"{rpc.path}: {error.details()}") from None


def summary(taken: Sequence[tuple[float, float]], seconds: float) -> Figures:
    """The figures of jobs whose times until the begin and until the end are known, in seconds."""
    figures: Figures = {"count": len(taken), "rate": len(taken) / seconds}
    for place, name in enumerate(("begun", "done")):
        ordered = sorted(each[place] * 1000 for each in taken)
        for percent in (50, 99):
            figures[f"{name} p{percent}"] = ordered[max(0, -(-len(ordered) * percent // 100) - 1)]
    return figures
