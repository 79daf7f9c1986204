"""A private RabbitMQ node: own ports, own data, own name service, on 127.0.0.1 only."""

from __future__ import annotations

import os
import secrets
import socket
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Self

from scripts.process import Process, Server, ServerError, free_port
from scripts.rabbitmq_release import release

CONFIGURATION = """\
listeners.tcp.local = 127.0.0.1:{port}
log.console = false
log.file.level = info
"""

MANAGEMENT = """\
management.tcp.ip = 127.0.0.1
management.tcp.port = {port}
"""

HELLO = b"AMQP\x00\x00\x09\x01"
ATTEMPTS = 5
"""To reach a node: on a busy machine it may be slower than the program that calls it waits, which is a second."""
NOT_REACHED = "failed to connect"


class RabbitMQ(Server):
    """One node with its data in `directory`; a second start finds the data of the first.

    Use as a context manager, or call `start` and `stop`. Data belong to a node's name, which contains the port unless
    one is given. `management` is the port of the management pages; without one there are none. `more` are lines for
    its configuration file, for example `frame_max = 4096`. `version` names the release, else `BROKER` in the
    environment does ("4.3"), else it is the one that this machine has. Nodes that are to know each other share a
    `cookie` and a name service, which somebody else runs at the port `epmd`.
    """

    start_seconds = 90.0

    def __init__(
        self,
        directory: Path,
        port: int = 0,
        *,
        name: str = "",
        management: int = 0,
        tied: bool = True,
        more: Sequence[str] = (),
        version: str | None = None,
        cookie: str = "",
        epmd: int = 0,
    ) -> None:
        self.release = release(version)
        self.directory = Path(directory).resolve()
        self.port = port or free_port()
        # No slash at the end: some clients, Java's for one, take it for a virtual host without a name.
        self.url = f"amqp://guest:guest@127.0.0.1:{self.port}"
        self.process: Process | None = None
        self.name = f"{name or f'node-{self.port}'}@localhost"
        self._management = management
        self._tied = tied
        self._more = more
        self._cookie = cookie or secrets.token_hex(16)
        self._environment = self._settings(free_port(), epmd or free_port())

    @property
    def nodes(self) -> tuple[RabbitMQ, ...]:
        """Itself, as a cluster has its nodes."""
        return (self,)

    def _settings(self, dist_port: int, epmd_port: int) -> dict[str, str]:
        home = self.directory
        return {
            "HOME": str(home),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "ERL_EPMD_PORT": str(epmd_port),
            "RABBITMQ_NODENAME": self.name,
            "RABBITMQ_DIST_PORT": str(dist_port),
            "RABBITMQ_MNESIA_BASE": str(home / "data"),
            "RABBITMQ_LOG_BASE": str(home / "log"),
            "RABBITMQ_PID_FILE": str(home / "pid"),
            "RABBITMQ_CONFIG_FILE": str(home / "rabbitmq.conf"),
            "RABBITMQ_ADVANCED_CONFIG_FILE": str(home / "advanced.config"),
            "RABBITMQ_CONF_ENV_FILE": str(home / "rabbitmq-env.conf"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(home / "enabled_plugins"),
            # Idle schedulers must not burn the processor, and the node must not be reached from outside.
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": (
                "+S 2:2 +sbwt none +sbwtdcpu none +sbwtdio none -kernel inet_dist_use_interface {127,0,0,1}"
            ),
        }

    def _write_files(self) -> None:
        for folder in (self.directory, self.directory / "data", self.directory / "log"):
            folder.mkdir(parents=True, exist_ok=True)
        cookie = self.directory / ".erlang.cookie"
        if not cookie.exists():
            cookie.touch(mode=0o600)
            cookie.write_text(self._cookie)
            cookie.chmod(0o400)
        pages = MANAGEMENT.format(port=self._management) if self._management else ""
        more = "".join(f"{line}\n" for line in (*self.release.configuration, *self._more))
        (self.directory / "rabbitmq.conf").write_text(CONFIGURATION.format(port=self.port) + pages + more)
        (self.directory / "enabled_plugins").write_text("[rabbitmq_management].\n" if self._management else "[].\n")

    def launch(self) -> Self:
        """Start the node and return at once.

        Raises:
            ServerError: RabbitMQ is missing, or the node is up already.
        """
        if self.process and self.process.running:
            raise ServerError(f"the RabbitMQ node in {self.directory} runs already")
        self._write_files()
        self.process = Process(
            self.release.command("rabbitmq-server"), self._environment, self.directory / "output.log", tied=self._tied
        )
        return self

    def answers(self) -> bool:
        """Whether the node greets a client on its AMQP port."""
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=5) as connection:
                connection.sendall(HELLO)
                return len(connection.recv(8)) > 0
        except OSError:
            return False

    usable = answers

    def ctl(self, *arguments: str) -> str:
        """What `rabbitmqctl ARGUMENTS` prints for this node, for example `ctl("list_queues", "name")`.

        Raises:
            ServerError: it failed; with what it printed.
        """
        done = self.run("rabbitmqctl", "--quiet", *arguments)
        if done.returncode:
            raise ServerError(f"rabbitmqctl {' '.join(arguments)} failed: {done.stdout}{done.stderr}")
        return done.stdout

    def evaluate(self, expression: str) -> str:
        """What an Erlang expression gives in the node; a hundredth of the processor time of `ctl`.

        Raises:
            ServerError: the node was not reached, or the expression failed; with what was printed.
        """
        # It reads the cookie in HOME: as an argument every user of the machine could read that.
        arguments = ["-address", self._environment["RABBITMQ_DIST_PORT"], "-e"]
        for _ in range(ATTEMPTS):
            done = self.run("erl_call", *arguments, given=f"{expression}.\n")
            if NOT_REACHED not in done.stderr:
                break
        if not done.stdout.startswith("{ok, "):
            raise ServerError(f"{expression}: {done.stdout}{done.stderr}")
        return done.stdout.removeprefix("{ok, ").removesuffix("}")

    def run(self, program: str, *arguments: str, given: str | None = None) -> subprocess.CompletedProcess[str]:
        """Run a program of its release beside the node to the end; `given` is what it reads.

        Raises:
            ServerError: the release is not there.
        """
        command = [*self.release.command(program), *arguments]
        environment = {**os.environ, **self._environment}
        return subprocess.run(
            command, check=False, env=environment, cwd=self.directory, input=given, capture_output=True, text=True
        )
