"""The ways from an engine to a handler that are compared, each as programs that start for its turn and end with it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from benchmarks.programs import PEERS_PYTHON, environment
from benchmarks.request import PREFETCH
from scripts.consumer import Consumer
from scripts.process import Process
from scripts.rabbitmq import RabbitMQ
from zeebe_amqp.jobs.names import job_queue

QUEUE, CLIENT = "service, RabbitMQ, aio-pika worker", "service, RabbitMQ, our client's worker"
POLLS, STREAM = "pyzeebe worker, polls", "pyzeebe worker, stream and polls"
READY = 60.0
"""Seconds for a program to start."""
JOB_TYPES = {QUEUE: "bench-queue", CLIENT: "bench-client", POLLS: "bench-polls", STREAM: "bench-stream"}


@dataclass(frozen=True)
class Site:
    """What a way runs on."""

    directory: Path
    broker: RabbitMQ
    address: str
    """Of the gateway."""


Starting: TypeAlias = Callable[[Site, str, ExitStack], Mapping[str, Process]]
"""Starts a way for the jobs of a type; what comes back is every program whose CPU is its price."""


def by_queue(module: str, named: Callable[[str], str]) -> Starting:
    """The service fetches, the broker distributes, and a worker answers.

    Args:
        module: the worker's program.
        named: what it calls the jobs of a type.
    """

    def start(site: Site, job_type: str, running: ExitStack) -> Mapping[str, Process]:
        file = site.directory / "jobs.toml"
        file.write_text(f'[jobs."{job_type}"]\ntimeout = "10m"\nlimit = {PREFETCH}\n')
        settings = {"JOBS_FILE": str(file), "AMQP_QUEUES": "bench.commands,bench.polls"}
        consumer = running.enter_context(
            Consumer(site.directory / "service", site.broker.url, site.address, settings)
        ).process
        assert consumer is not None
        assert site.broker.process is not None
        command = [sys.executable, "-m", f"benchmarks.jobs.{module}", site.broker.url, named(job_type), f"{PREFETCH}"]
        return {"service": consumer, "broker": site.broker.process, "worker": _program(site, command, running)}

    return start


def by_pyzeebe(*, stream: bool) -> Starting:
    """A worker that calls the engine itself."""

    def start(site: Site, job_type: str, running: ExitStack) -> Mapping[str, Process]:
        file = str(Path(__file__).parents[1] / "peers" / "worker.py")
        command = [str(PEERS_PYTHON), file, site.address, job_type, f"{PREFETCH}", f"{stream:d}"]
        return {"worker": _program(site, command, running)}

    return start


WAYS = {
    QUEUE: by_queue("worker", job_queue),
    CLIENT: by_queue("client_worker", str),
    POLLS: by_pyzeebe(stream=False),
    STREAM: by_pyzeebe(stream=True),
}
"""How each is started."""


def _program(site: Site, command: list[str], running: ExitStack) -> Process:
    log = site.directory / "worker.log"
    process = Process(command, {"PYTHONPATH": environment()["PYTHONPATH"]}, log)
    running.callback(process.stop)
    process.wait_until(lambda: "ready" in log.read_text(), READY)
    return process
