"""A server process that is ours alone: started in the background, never left behind."""

from __future__ import annotations

import fcntl
import os
import random
import re
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import ClassVar, Self, TextIO

from scripts import guard

PORTS = range(20_000, 32_000)
"""Below the range from which the kernel takes ports for outgoing connections: a stopped server finds its port free."""


class ServerError(Exception):
    """A server that is missing, ended early or did not get ready; the text says what to do."""


def free_port() -> int:
    """A TCP port of 127.0.0.1 on which nothing listens, and which nobody was given lately.

    A server takes its time until it listens: of two that start together each must get a port of its own, whichever
    processes start them.
    """
    for _ in range(200):
        port = next_port()
        if is_free(port):
            return port
    raise ServerError(f"no free port among 200 tried between {PORTS.start} and {PORTS.stop} on 127.0.0.1")


def is_free(port: int) -> bool:
    """Whether nothing listens on a TCP port of 127.0.0.1."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def next_port() -> int:
    """The port after the one that a process of this user was given last, whether it is free or not."""
    with open_own(Path.home() / ".cache" / "zeebe-amqp-port") as counter:
        fcntl.flock(counter, fcntl.LOCK_EX)  # until it is closed
        given = int(counter.read() or random.randrange(len(PORTS)))
        counter.seek(0)
        counter.truncate()
        counter.write(str((given + 1) % len(PORTS)))
    return PORTS[given]


def open_own(path: Path) -> TextIO:
    """A file to read and write that is made when missing, and that nobody else can put in our way.

    Raises:
        ServerError: it is a link, or belongs to somebody else.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise ServerError(f"{path} cannot be opened ({error.strerror}): remove it") from error
    about = os.fstat(file)
    if about.st_uid != os.geteuid() or about.st_nlink != 1 or not stat.S_ISREG(about.st_mode):
        os.close(file)
        raise ServerError(f"{path} is no file of this user alone: remove it")
    return os.fdopen(file, "r+")


def tail(log: Path, lines: int = 20) -> str:
    """The last lines of a log file; empty when there is none."""
    return "\n".join(log.read_text(errors="replace").splitlines()[-lines:]) if log.exists() else ""


class Process:
    """One program under `guard.py`: it and everything that it starts end with it, or with us.

    `tied=False` lets it outlive us, for servers that stay up in the background; its `pid` then stops it.
    """

    def __init__(self, command: Sequence[str], environment: Mapping[str, str], log: Path, *, tied: bool = True) -> None:
        self.log = log
        # -S: the guard needs no installed package, and nothing that one may start in every Python.
        launcher = [sys.executable, "-S", guard.__file__, *(["--tied"] if tied else []), *command]
        with log.open("ab") as output:
            self._guard = subprocess.Popen(
                launcher,
                stdin=subprocess.PIPE if tied else subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**os.environ, **environment},
                cwd=log.parent,
                start_new_session=True,
            )
        self.pid = self._guard.pid

    @property
    def running(self) -> bool:
        """Whether the program has not ended yet."""
        return self.status is None

    @property
    def status(self) -> int | None:
        """The program's exit status, 128 + N when signal N ended it; None while it runs."""
        status = self._guard.poll()
        if status is not None and self._guard.stdin:
            self._guard.stdin.close()
        return status

    def wait(self, seconds: float) -> int:
        """Wait until it has ended by itself; its exit status.

        Raises:
            subprocess.TimeoutExpired: `seconds` passed.
        """
        self._guard.wait(seconds)
        return self._reap()

    def wait_until(self, ready: Callable[[], bool], seconds: float) -> None:
        """Return when `ready()` is true.

        Raises:
            ServerError: the program ended, or `seconds` passed; with the end of its log.
        """
        end = time.monotonic() + seconds
        try:
            while not ready():
                if not self.running:
                    raise ServerError(f"the server ended with status {self.status}:\n{tail(self.log)}")
                if time.monotonic() > end:
                    raise ServerError(f"the server was not ready after {seconds:g} s:\n{tail(self.log)}")
                time.sleep(0.05)
        except BaseException:  # an interrupted start leaves nothing behind either
            self.stop()
            raise

    def stop(self) -> None:
        """End it politely and wait; by force after 30 s. Nothing happens when it has ended."""
        if self.running:
            self._guard.terminate()
        self._reap()

    def kill(self) -> None:
        """End it as a crash would: SIGKILL, no farewell."""
        guard.signal_all(guard.family(self.pid), signal.SIGKILL)
        self._reap()

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the program itself, not to what it started."""
        while self.running and not (programs := guard.children(self.pid)):
            time.sleep(0.01)
        if self.running:
            guard.signal_all(programs[:1], number)

    def pause(self) -> None:
        """Freeze it: connections stay open, nothing answers."""
        guard.signal_all(guard.family(self.pid), signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on after `pause`."""
        guard.signal_all(guard.family(self.pid), signal.SIGCONT)

    def _reap(self) -> int:
        status = self._guard.wait()
        if self._guard.stdin:
            self._guard.stdin.close()
        return status


class Server:
    """What every server of ours can do with its process. Use as a context manager, or call `start` and `stop`.

    `launch` and `usable` are each one's own; several servers start side by side when all are launched first.
    """

    process: Process | None = None
    start_seconds: ClassVar[float]
    """How long a start may take."""

    @property
    def running(self) -> bool:
        """Whether it was started and has not ended."""
        return self.process is not None and self.process.running

    def launch(self) -> Self:
        """Start the server and return at once.

        Raises:
            ServerError: it is missing, or up already.
        """
        raise NotImplementedError

    def usable(self) -> bool:
        """Whether the server can be used now."""
        raise NotImplementedError

    def wait_until_usable(self) -> None:
        """Return when a launched server can be used.

        Raises:
            ServerError: it ended, or did not get ready in time.
        """
        assert self.process is not None
        self.process.wait_until(self.usable, self.start_seconds)

    def start(self) -> Self:
        """Start the server and return when it can be used.

        Raises:
            ServerError: it is missing, up already, or did not get ready in time.
        """
        self.launch()
        self.wait_until_usable()
        return self

    def stop(self) -> None:
        """Stop the server as an operator would; its data stays."""
        if self.process:
            self.process.stop()

    def kill(self) -> None:
        """End the server as a crash would (SIGKILL); its data stays."""
        if self.process:
            self.process.kill()

    def restart(self) -> None:
        """Stop and start on the same ports with the same data."""
        self.stop()
        self.start()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()


def memory_of(pid: int) -> int:
    """Bytes that the process has in memory."""
    [line] = re.findall(r"^VmRSS:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
    return int(line) * 1024
