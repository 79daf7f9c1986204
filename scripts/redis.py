"""A private Redis: own port, own data, on 127.0.0.1 only."""

from __future__ import annotations

import shutil
import socket
from pathlib import Path
from typing import Self

from scripts.process import Process, Server, ServerError, free_port

CONFIGURATION = """\
bind 127.0.0.1
port {port}
dir "{directory}"
appendonly {appendonly}
appendfsync everysec
save ""
daemonize no
"""


def executable() -> str:
    """The path of redis-server.

    Raises:
        ServerError: Redis is not installed.
    """
    found = shutil.which("redis-server") or shutil.which("redis-server", path="/usr/bin:/usr/local/bin")
    if not found:
        raise ServerError("redis-server was not found: `make servers` installs Redis, or set REDIS_URL to a Redis")
    return found


class Redis(Server):
    """One server with its data in `directory`; a second start finds the data of the first.

    Use as a context manager, or call `start` and `stop`. Without `appendonly` it keeps nothing on disk.
    """

    start_seconds = 30.0

    def __init__(self, directory: Path, port: int = 0, *, appendonly: bool = True, tied: bool = True) -> None:
        self.directory = Path(directory).resolve()
        self.port = port or free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self.process: Process | None = None
        self._appendonly = appendonly
        self._tied = tied

    def launch(self) -> Self:
        """Start the server and return at once.

        Raises:
            ServerError: Redis is missing, or the server is up already.
        """
        if self.process and self.process.running:
            raise ServerError(f"the Redis in {self.directory} runs already")
        self.directory.mkdir(parents=True, exist_ok=True)
        file = self.directory / "redis.conf"
        appendonly = "yes" if self._appendonly else "no"
        file.write_text(CONFIGURATION.format(port=self.port, directory=self.directory, appendonly=appendonly))
        command = [executable(), str(file)]
        self.process = Process(command, {}, self.directory / "output.log", tied=self._tied)
        return self

    def answers(self) -> bool:
        """Whether the server has loaded its data and answers a ping."""
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=5) as connection:
                connection.sendall(b"PING\r\n")
                return connection.recv(16).startswith(b"+PONG")
        except OSError:
            return False

    usable = answers
