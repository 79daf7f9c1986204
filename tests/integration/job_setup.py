"""Consumers that give out the jobs of a small engine: for faults, and for what an engine in memory does not do."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import orjson

from consumer.zeebe.protocol import gateway_pb2 as pb
from scripts.consumer import Consumer
from tests.fakes.cluster import Cluster
from tests.fakes.engine import Job
from tests.fakes.gateway import FakeGateway, Request
from tests.integration import processes
from tests.integration.job_queue import JobQueue
from tests.integration.process_helper import unique
from tests.integration.service import delete, new_consumer


@dataclass
class JobSetup:
    """An engine with one process, whose jobs are given out."""

    url: str
    job_type: str
    cluster: Cluster
    gateway: FakeGateway
    directory: Path
    settings: dict[str, str]
    consumers: list[Consumer] = field(default_factory=list)

    async def start(self, *, ready: bool = True, **settings: str) -> Consumer:
        """One more consumer, ready unless it cannot be; it ends with this."""
        consumer = new_consumer(
            self.directory / unique("consumer"), self.url, self.gateway.address, {**self.settings, **settings}
        )
        self.consumers.append(consumer)
        await asyncio.to_thread(consumer.start if ready else consumer.launch)
        return consumer

    def create(self, number: int) -> None:
        """So many instances, each with a job."""
        for n in range(number):
            variables = orjson.dumps({"n": n}).decode()
            message = pb.CreateProcessInstanceRequest(bpmnProcessId=self.job_type, variables=variables)
            self.cluster.apply(Request("CreateProcessInstance", message, {}, time.time()))

    @property
    def jobs(self) -> list[Job]:
        """Those that have not ended."""
        return [*self.cluster.engine.jobs.values()]

    @property
    def locked(self) -> int:
        """How many jobs somebody has, as far as the engine knows."""
        return sum(job.free > time.time() for job in self.jobs)

    def queue(self) -> JobQueue:
        """The queue of the jobs; use as an async context manager."""
        return JobQueue(self.url, self.job_type)

    def types_file(self, **settings: object) -> str:
        """A file that names the type with these settings, for JOBS_FILE."""
        path = self.directory / f"{unique('jobs')}.toml"
        lines = [f"{name} = {orjson.dumps(value).decode()}" for name, value in settings.items()]
        path.write_text("\n".join([f"[jobs.{self.job_type}]", *lines]))
        return str(path)


@asynccontextmanager
async def job_setup(directory: Path, url: str, job_type: str = "", **settings: str) -> AsyncIterator[JobSetup]:
    """An engine with a process of one service task, and no consumer yet; consumers end with the block. Without a type
    of the job it gets one of its own."""
    cluster, job_type = Cluster(), job_type or unique("job")
    async with FakeGateway(otherwise=cluster.react, unsent=cluster.take_back) as gateway:
        resource = pb.Resource(name="work.bpmn", content=processes.work(job_type, job_type).encode())
        deployment = pb.DeployResourceRequest(resources=[resource])
        cluster.apply(Request("DeployResource", deployment, {}, time.time()))
        setup = JobSetup(url, job_type, cluster, gateway, directory, settings)
        try:
            yield setup
        finally:
            for consumer in setup.consumers:
                if consumer.process is not None and consumer.process.running:
                    await asyncio.to_thread(consumer.stop)
        for consumer in setup.consumers:
            await delete(url, consumer.queues)
