"""Everything that is measured, running side by side: a broker, a gateway, the service in its forms, and others."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import aiormq

from benchmarks import machine
from benchmarks.figures import (
    BARE,
    CALL,
    CLIENT,
    ECHO,
    FASTSTREAM,
    MEMORY,
    OTHER,
    PYZEEBE,
    SERVICE,
    TRACED,
    Figures,
)
from benchmarks.golang import Gateway, load
from benchmarks.request import PREFETCH, declare
from benchmarks.sink import Sink
from scripts.consumer import Consumer
from scripts.process import Process, ServerError
from scripts.rabbitmq import RabbitMQ

ROOT = Path(__file__).resolve().parents[1]
PEERS = {PYZEEBE: "plain", FASTSTREAM: "framework"}
"""Their programs."""
PEERS_PYTHON = ROOT / ".venv-peers" / "bin" / "python"
WARM = 0.25
"""Part of the time of a measurement that goes before it, unmeasured."""


@dataclass(frozen=True)
class Servers:
    """What runs beside all programs."""

    directory: Path
    broker: RabbitMQ
    gateway: Gateway

    @property
    def url(self) -> str:
        """Of the broker."""
        return self.broker.url

    def cpu(self) -> dict[str, float]:
        """CPU seconds of broker and gateway so far."""
        assert self.broker.process is not None
        processes = {"broker": self.broker.process, "gateway": self.gateway.process}
        return {name: machine.cpu_seconds(process.pid) for name, process in processes.items()}


@contextmanager
def start_servers() -> Iterator[Servers]:
    """A broker and a gateway in a folder that goes away."""
    with ExitStack() as running:
        directory = Path(running.enter_context(tempfile.TemporaryDirectory(prefix="zeebe-amqp-bench-")))
        gateway = running.enter_context(Gateway(directory))
        yield Servers(directory, running.enter_context(RabbitMQ(directory / "rabbitmq")), gateway)


class Program(Protocol):
    """Something that is measured."""

    def measure(self, seconds: float, in_flight: int) -> Figures:
        """Its figures under that load."""


@dataclass(frozen=True)
class Served:
    """A program, or several, that answer on a queue."""

    servers: Servers
    queue: str
    processes: tuple[Process, ...]
    more: Mapping[str, Process] | None = None
    """Other programs whose CPU per command is a figure too, by its name."""

    def measure(self, seconds: float, in_flight: int) -> Figures:
        """Load them after they have warmed up."""
        load(self.servers.url, self.queue, in_flight, seconds=seconds * WARM)
        return self.loaded(in_flight, seconds=seconds)

    def loaded(self, in_flight: int, *, seconds: float = 0, count: int = 0) -> Figures:
        """Load them at once."""
        before, (idle, busy) = self._cpu(), machine.seconds_of_all()
        found = load(self.servers.url, self.queue, in_flight, seconds=seconds, count=count)
        used = {name: cpu - before[name] for name, cpu in self._cpu().items()}
        idle, busy = (now - then for now, then in zip(machine.seconds_of_all(), (idle, busy), strict=True))
        count = int(found.pop("count"))
        known = sum(used.values()) + found["load"] * count / 1e6
        return {
            **found,
            **{name: seconds / count * 1e6 for name, seconds in used.items()},
            "rss": sum(machine.megabytes(process.pid) for process in self.processes),
            "idle": idle / (idle + busy) * 100,
            "foreign": max(0.0, busy - known) / (idle + busy) * 100,
        }

    def _cpu(self) -> dict[str, float]:
        more = {name: machine.cpu_seconds(process.pid) for name, process in (self.more or {}).items()}
        return {
            "cpu": sum(machine.cpu_seconds(process.pid) for process in self.processes),
            **self.servers.cpu(),
            **more,
        }


@dataclass(frozen=True)
class Alone:
    """A program that measures itself, in a process of its own."""

    module: str
    arguments: tuple[str, ...]

    def measure(self, seconds: float, in_flight: int) -> Figures:
        """What it prints."""
        command = [sys.executable, "-m", self.module, *self.arguments, f"{seconds}", f"{in_flight}"]
        done = subprocess.run(command, cwd=ROOT, env=environment(), check=False, capture_output=True, text=True)
        if done.returncode:
            raise ServerError(f"{self.module}: {done.stderr.strip()}")
        return dict(json.loads(done.stdout))


def environment() -> dict[str, str]:
    """The environment for programs of this checkout."""
    return {**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'contracts'}"}


def resolved(folder: str) -> Path:
    """Another checkout, of a command line: programs run in folders of their own."""
    return Path(folder).resolve()


class Launcher:
    """Starts programs beside the servers; they end with `running`."""

    def __init__(self, servers: Servers, running: ExitStack) -> None:
        self.servers = servers
        self._running = running

    def service(self, name: str, settings: Mapping[str, str] | None = None, *, checkout: Path = ROOT) -> Served:
        """A service on a queue of its own."""
        return Served(
            self.servers, f"bench.{name}", (self.consumer(name, f"bench.{name}", settings, checkout=checkout),)
        )

    def consumer(
        self, name: str, queue: str, settings: Mapping[str, str] | None = None, *, checkout: Path = ROOT
    ) -> Process:
        """The process of a service on a queue."""
        given = {"AMQP_QUEUES": f"{queue},{queue}.polls", "AMQP_PREFETCH": f"{PREFETCH}", **(settings or {})}
        directory, servers = self.servers.directory / name, self.servers
        consumer = Consumer(directory, servers.url, servers.gateway.address, given, checkout=checkout)
        process = self._running.enter_context(consumer).process
        assert process is not None
        return process

    def peer(self, name: str) -> Served:
        """Another consumer, in the environment of the peers."""
        queue = f"bench.{name}"
        asyncio.run(self._declare(queue))
        file = str(Path(__file__).parent / "peers" / f"{name}.py")
        arguments = (self.servers.url, queue, self.servers.gateway.address, f"{PREFETCH}")
        return Served(self.servers, queue, (self._program(name, [str(PEERS_PYTHON), file, *arguments]),))

    def echo(self) -> Served:
        """The echo."""
        command = [sys.executable, "-m", "benchmarks.echo", self.servers.url, "bench.echo"]
        return Served(self.servers, "bench.echo", (self._program("echo", command),))

    def _program(self, name: str, command: list[str]) -> Process:
        log = self.servers.directory / f"{name}.log"
        process = Process(command, {"PYTHONPATH": environment()["PYTHONPATH"]}, log)
        self._running.callback(process.stop)
        process.wait_until(lambda: "ready" in log.read_text(), 60)
        return process

    async def _declare(self, queue: str) -> None:
        async with await aiormq.connect(self.servers.url) as connection:
            await declare(await connection.channel(), queue)


@contextmanager
def launched(*, against: Path | None, peers: bool) -> Iterator[tuple[Servers, dict[str, Program], dict[str, Program]]]:
    """The servers, the consumers and their ceilings, and the callers; by name."""
    with ExitStack() as running:
        launcher = Launcher(running.enter_context(start_servers()), running)
        sink = running.enter_context(Sink())
        traced = {"OTEL_EXPORTER_OTLP_ENDPOINT": sink.url, "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf"}
        programs: dict[str, Program] = {SERVICE: launcher.service("service")}
        if against is not None:
            programs[OTHER] = launcher.service("other", checkout=against)
        programs[MEMORY] = launcher.service("memory", {"LEDGER": "memory://"})
        programs[TRACED] = launcher.service("traced", traced)
        if peers:
            programs |= {name: launcher.peer(program) for name, program in PEERS.items()}
        programs |= {ECHO: launcher.echo(), CALL: Alone("benchmarks.calls", (launcher.servers.gateway.address,))}
        callers: dict[str, Program] = {
            CLIENT: Alone("benchmarks.caller", ("client", launcher.servers.url, "bench.echo")),
            BARE: Alone("benchmarks.caller", ("bare", launcher.servers.url, "bench.echo")),
        }
        yield launcher.servers, programs, callers
        if not sink.swallowed:
            raise ServerError("no trace was exported: the traced service was not traced")
