"""A private PostgreSQL: own port, own data, on 127.0.0.1 only."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
from pathlib import Path
from typing import Self

from scripts import guard
from scripts.process import Process, Server, ServerError, free_port

USER = "ledger"
PASSWORD = "ledger"
SEGMENT = 1
"""MiB of a file of its log; 16 by default, which would be written anew for each private server."""
PROGRAMS = Path("/usr/lib/postgresql")
"""Debian's folder of the servers, one for each major version."""

CONFIGURATION = """\
listen_addresses = '127.0.0.1'
unix_socket_directories = ''
shared_buffers = 16MB
max_connections = 60
jit = off
"""
"""Everything else is as people have it: fsync and full_page_writes are on."""


def programs() -> Path:
    """The folder of the newest installed server.

    Raises:
        ServerError: PostgreSQL is not installed.
    """
    found = [folder / "bin" for folder in PROGRAMS.glob("[0-9]*") if (folder / "bin" / "initdb").exists()]
    if not found:
        raise ServerError("PostgreSQL's server was not found: `make servers` installs it")
    return max(found, key=lambda folder: int(folder.parent.name))


HELLO = b"\0\0\0\x15\0\3\0\0user\0ledger\0\0"
"""Version 3 of the protocol, and a user; its length comes first."""
ASKS_FOR_PASSWORD = b"R"
"""What the answer begins with; while the server starts, and recovers, it is an error."""


class Postgres(Server):
    """One server with its data in a folder of its own; a second start finds the data of the first.

    Use as a context manager, or call `start` and `stop`. The server refuses to run as root: then it runs as the user
    that Debian's package makes, with its data in a temporary folder that goes at the end, because that user cannot see
    what is root's. `settings` are further lines of postgresql.conf. With `of` it begins as a standby of that server.
    """

    start_seconds = 60.0

    def __init__(self, directory: Path, port: int = 0, *, settings: str = "", of: Postgres | None = None) -> None:
        self.directory = Path(directory).resolve()
        self.port = port or free_port()
        self.process: Process | None = None
        self._settings, self._of = settings, of
        self._as_other = os.geteuid() == 0
        self.data = self.directory / "data"

    @property
    def url(self) -> str:
        """Of its database."""
        return f"postgresql://{USER}:{PASSWORD}@127.0.0.1:{self.port}/postgres"

    def launch(self) -> Self:
        """Start the server and return at once.

        Raises:
            ServerError: PostgreSQL is missing, or the server is up already.
        """
        if self.process and self.process.running:
            raise ServerError(f"the PostgreSQL in {self.data} runs already")
        self.directory.mkdir(parents=True, exist_ok=True)
        if not (self.data / "PG_VERSION").exists():
            self._create()
        (self.data / "ours.conf").write_text(f"{CONFIGURATION}port = {self.port}\n{self._settings}\n")
        command = self._run("postgres", "-D", str(self.data))
        self.process = Process(command, {"LC_ALL": "C"}, self.directory / "output.log")
        return self

    def usable(self) -> bool:
        """Whether the server answers, and has done with recovering what a crash left."""
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=5) as connection:
                connection.sendall(HELLO)
                return connection.recv(1) == ASKS_FOR_PASSWORD
        except OSError:
            return False

    def stop(self) -> None:
        """Stop the server without waiting for its clients; its data stays."""
        if self.process and self.process.running:
            self.process.signal(signal.SIGINT)
        super().stop()

    def promote(self) -> None:
        """Make a standby the primary; returns when it is."""
        self._call("pg_ctl", "promote", "-D", str(self.data))

    def reload(self, settings: str) -> None:
        """Take other further settings."""
        self._settings = settings
        (self.data / "ours.conf").write_text(f"{CONFIGURATION}port = {self.port}\n{settings}\n")
        self._call("pg_ctl", "reload", "-D", str(self.data))

    def write(self, name: str, content: bytes) -> None:
        """Put a file into its data folder, which only its user may read."""
        path = self.data / name
        path.write_bytes(content)
        path.chmod(0o600)
        if self._as_other:
            owner = pwd.getpwnam("postgres")
            os.chown(path, owner.pw_uid, owner.pw_gid)

    def limit_files(self, size: int | None) -> None:
        """No file may grow beyond so many bytes, as on a full disk; None = any may."""
        assert self.process is not None
        [server] = guard.children(self.process.pid)
        for pid in (server, *guard.children(server)):
            # By its own user: others may not.
            limit = f"--fsize={'unlimited' if size is None else size}:unlimited"
            self._call("/usr/bin/prlimit", f"--pid={pid}", limit)

    def __exit__(self, *_: object) -> None:
        self.stop()
        if self._as_other:
            shutil.rmtree(self.data, ignore_errors=True)

    def _create(self) -> None:
        if self._as_other:
            self.data = Path(tempfile.mkdtemp(prefix="zeebe-amqp-postgres-"))
            owner = pwd.getpwnam("postgres")
            os.chown(self.data, owner.pw_uid, owner.pw_gid)
        if self._of is None:
            with tempfile.NamedTemporaryFile("w") as password:
                password.write(PASSWORD)
                password.flush()
                os.chmod(password.name, 0o644)  # it is no secret
                options = ["--auth=scram-sha-256", "--encoding=UTF8", "--no-locale", "--no-sync"]
                options += [f"--wal-segsize={SEGMENT}"]
                self._call("initdb", *options, f"--username={USER}", f"--pwfile={password.name}", "-D", str(self.data))
            with (self.data / "pg_hba.conf").open("a") as rules:
                rules.write("host replication all 127.0.0.1/32 scram-sha-256\n")
        else:
            options = ["--checkpoint=fast", "--no-sync", "--write-recovery-conf", "--dbname", self._of.url]
            self._call("pg_basebackup", *options, "-D", str(self.data))
        with (self.data / "postgresql.conf").open("a") as configuration:
            configuration.write("include 'ours.conf'\n")

    def _run(self, program: str, *arguments: str) -> list[str]:
        command = [str(programs() / program), *arguments]
        if not self._as_other:
            return command
        return ["setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups", "--pdeathsig=KILL", *command]

    def _call(self, program: str, *arguments: str) -> None:
        done = subprocess.run(self._run(program, *arguments), check=False, capture_output=True, text=True, cwd="/")
        if done.returncode:
            raise ServerError(f"{program} failed:\n{done.stdout}{done.stderr}")
