"""A private cluster of three RabbitMQ nodes on 127.0.0.1; they share a cookie and a name service."""

from __future__ import annotations

import secrets
import socket
from functools import partial
from pathlib import Path
from typing import Self

from scripts import together
from scripts.process import Process, Server, free_port
from scripts.rabbitmq import RabbitMQ
from scripts.rabbitmq_release import Release, release

SIZE = 3
BACKEND = "cluster_formation.peer_discovery_backend = classic_config"
MEMBER = "cluster_formation.classic_config.nodes.{number} = {name}"


class NameService(Server):
    """epmd, by which nodes find each other; it outlives each of them."""

    start_seconds = 30.0

    def __init__(self, directory: Path, of: Release, *, tied: bool = True) -> None:
        self.port = free_port()
        self.directory = directory
        self._release = of
        self._tied = tied

    def launch(self) -> Self:
        """See `Server.launch`."""
        self.directory.mkdir(parents=True, exist_ok=True)
        environment = {"ERL_EPMD_ADDRESS": "127.0.0.1", "ERL_EPMD_PORT": str(self.port)}
        self.process = Process(
            self._release.command("epmd"), environment, self.directory / "output.log", tied=self._tied
        )
        return self

    def usable(self) -> bool:
        """Whether it listens."""
        try:
            socket.create_connection(("127.0.0.1", self.port), timeout=5).close()
        except OSError:
            return False
        return True


class RabbitMQCluster(Server):
    """Three nodes that find each other by their configuration; membership and data survive every end and start.

    Use as a context manager, or call `start` and `stop`; a start leaves alone what runs. Each of its `nodes` may be
    stopped, killed and started by itself. `version` names the release, as for one node.
    """

    def __init__(self, directory: Path, version: str | None = None, *, tied: bool = True) -> None:
        self.directory = Path(directory).resolve()
        self.release = release(version)
        self.names = NameService(self.directory / "epmd", self.release, tied=tied)
        cookie, ports = secrets.token_hex(16), [free_port() for _ in range(SIZE)]
        members = [MEMBER.format(number=number + 1, name=f"node-{port}@localhost") for number, port in enumerate(ports)]
        self.nodes = tuple(
            RabbitMQ(
                self.directory / f"node-{port}",
                port,
                tied=tied,
                more=(BACKEND, *members),
                version=version,
                cookie=cookie,
                epmd=self.names.port,
            )
            for port in ports
        )
        self.url = ",".join(node.url for node in self.nodes)
        """The addresses of all nodes, as `AMQP_URL` takes them."""

    @property
    def running(self) -> bool:
        """Whether all of them were started and none has ended."""
        return all(server.running for server in (self.names, *self.nodes))

    def launch(self) -> Self:
        """Start what does not run, all side by side; the first nodes of a cluster wait for each other.

        Raises:
            ServerError: RabbitMQ is missing.
        """
        if not self.names.running:
            self.names.start()
        for node in self.nodes:
            if not node.running:
                node.launch()
        return self

    def usable(self) -> bool:
        """Whether every node greets clients."""
        return all(node.usable() for node in self.nodes)

    def wait_until_usable(self) -> None:
        """Return when every node knows all others; see `Server.wait_until_usable`."""
        try:
            for node in self.nodes:
                node.wait_until_usable()
            for node in self.nodes:
                assert node.process is not None
                node.process.wait_until(partial(self._is_complete, node), node.start_seconds)
        except BaseException:  # an interrupted start leaves nothing behind
            self.stop()
            raise

    def stop(self) -> None:
        """Stop all nodes, side by side, and the name service."""
        together.stop(self.nodes)
        self.names.stop()

    def kill(self) -> None:
        """SIGKILL for all."""
        for server in (*self.nodes, self.names):
            server.kill()

    def _is_complete(self, as_seen_by: RabbitMQ) -> bool:
        return len(self.running_nodes(as_seen_by)) == SIZE

    def running_nodes(self, as_seen_by: RabbitMQ) -> set[str]:
        """The names of the nodes that run, as one of them knows."""
        found = as_seen_by.evaluate('string:join([atom_to_list(N) || N <- rabbit_nodes:all_running()], ",")')
        return set(found.strip('"').split(","))

    def named(self, name: str) -> RabbitMQ:
        """The node of that name, as Erlang knows it: "node-20001@localhost"."""
        return next(node for node in self.nodes if node.name == name)
