"""Workers of others with the service and an engine: the jobs of a process, and those whose handler raised."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from scripts.process import Process
from tests.conftest import Engine
from tests.integration import processes
from tests.integration.broker_control import VirtualHost
from tests.integration.other_workers import TYPE, WORKERS
from tests.integration.process_helper import unique
from tests.integration.service import eventually, metric, new_consumer
from zeebe_amqp import Client, CreateInstance, DeployProcess


def ended(rejects: bool) -> tuple[str, dict[str, str]]:
    """What is counted when a job fails: a worker that says so, or one that rejects it."""
    return ("jobs_undone_total", {"reason": "rejected"}) if rejects else ("jobs_answered_total", {"outcome": "fail"})


@pytest.mark.parametrize("name", ["pika", "Nameko", "Celery", "NestJS", "Spring"])
async def test_a_worker_ends_a_process_and_fails_its_job_when_its_handler_raises(
    name: str, tmp_path: Path, vhost: VirtualHost, zeebe: Engine
) -> None:
    worker, process = WORKERS[name], unique("payment")
    file = tmp_path / "jobs.toml"
    file.write_text(f'[jobs.{TYPE}]\nanswers = "{worker.reading}"\n')
    command = await asyncio.to_thread(worker.command, tmp_path, vhost.url)
    with new_consumer(tmp_path, vhost.url, zeebe.address, {"JOBS_FILE": str(file)}) as consumer:
        running = Process(command, {"PYTHONDONTWRITEBYTECODE": "1"}, tmp_path / "worker.log")
        try:
            await work(Client(vhost.url, commands=consumer.queues[0], polls=consumer.queues[1]), process)
            failed, labels = ended(worker.raised is None)
            await eventually(lambda: metric(consumer, failed, type=TYPE, **labels) == [1.0], "the job fails")
        finally:
            await asyncio.to_thread(running.stop)
        assert metric(consumer, "jobs_answered_total", type=TYPE, outcome="complete") == [1.0]


async def work(client: Client, process: str) -> None:
    """Start an instance whose job is done, and one whose job fails."""
    async with client:
        text = processes.work(process, TYPE, retries=1)
        await client.call(DeployProcess(name="process.bpmn", content=text.encode()))
        create = CreateInstance(bpmn_process_id=process, variables={"amount": 10})
        assert (await client.call(create.until_end("60s"))).values() == {"amount": 10, "charged": 10}
        await client.call(CreateInstance(bpmn_process_id=process, variables={"amount": 2000}))
