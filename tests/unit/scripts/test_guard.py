"""The guard: nothing that a server starts outlives it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from scripts import guard
from scripts.process import Process, ServerError

# A server with a child in a session of its own, as Erlang's name service is; the child leaves its process id.
SERVER = "setsid sleep 600 & echo $! > child; sleep 600"


def until(condition: Callable[[], object]) -> None:
    """Wait for something that is about to happen; the run's own time limit ends a vain wait."""
    while not condition():
        time.sleep(0.01)


def state(pid: int) -> str:
    """A letter for the state of a process; Z, a zombie, also where there is none."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return "Z"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where servers run."""
    monkeypatch.chdir(tmp_path)


def started(words: str = SERVER, environment: dict[str, str] | None = None, **more: Any) -> Process:
    return Process(["sh", "-c", words], environment or {}, Path("output.log").resolve(), **more)


def child() -> int:
    """The process id that the server's child left."""
    file = Path("child")
    until(lambda: file.exists() and file.read_text().endswith("\n"))
    return int(file.read_text())


@pytest.mark.parametrize("end", [Process.stop, Process.kill], ids=["stop", "kill"])
def test_what_the_server_started_ends_with_it(end: Callable[[Process], None]) -> None:
    """To end it again is no error. While it is paused it stands still."""
    server, its = started(), child()
    server.pause()
    until(lambda: state(its) == "T")
    server.resume()
    until(lambda: state(its) == "S")
    end(server)
    assert (server.running, state(its)) == (False, "Z")
    server.stop()
    server.kill()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL, signal.SIGINT])
def test_server_ends_when_the_one_who_started_it_is_gone(number: signal.Signals, tmp_path: Path) -> None:
    program = (
        "import sys, time; from pathlib import Path; from scripts.process import Process;"
        f"server = Process(['sh', '-c', {SERVER!r}], {{}}, Path({str(tmp_path / 'log')!r}));"
        "print(server.pid, flush=True); time.sleep(600)"
    )
    root = Path(guard.__file__).parents[1]
    with subprocess.Popen([sys.executable, "-c", program], cwd=root, stdout=subprocess.PIPE, text=True) as starter:
        assert starter.stdout
        pids = [int(starter.stdout.readline()), child()]
        starter.send_signal(number)
    until(lambda: {state(pid) for pid in pids} == {"Z"})


def test_untied_server_stays_until_it_is_told_to_end() -> None:
    server, its = started(tied=False), child()
    os.kill(server.pid, signal.SIGTERM)
    until(lambda: not server.running)
    assert state(its) == "Z"
    server.stop()


def test_a_start_that_fails_is_reported_and_leaves_nothing_behind() -> None:
    def interrupt() -> bool:
        raise KeyboardInterrupt

    with pytest.raises(ServerError, match=r"status 3:\nout of luck"):
        started("echo out of luck; exit 3").wait_until(lambda: False, 60)
    for ready, seconds, error, told in (
        (lambda: False, 0, ServerError, "not ready after 0 s"),
        (interrupt, 60, KeyboardInterrupt, "^$"),
    ):
        server = started()
        with pytest.raises(error, match=told):
            server.wait_until(ready, seconds)
        assert not server.running


@pytest.mark.parametrize(
    ("ending", "status"), [("exit 0", 0), ("exit 7", 7), ("kill -TERM $$", 143), ("kill -9 $$", 137)]
)
def test_exit_status_is_that_of_the_program(ending: str, status: int) -> None:
    server = started(ending)
    assert server.wait(60) == server.status == status


def test_signal_reaches_the_program_alone() -> None:
    server = started("sleep 600 & echo $! > child; trap 'exit 5' USR1; while :; do wait; done")
    child()
    server.signal(signal.SIGUSR1)
    assert server.wait(60) == 5


def test_orphans_that_end_are_buried() -> None:
    server = started("(sleep 0.1 & echo $! > child) ; sleep 600")
    orphan = child()
    until(lambda: not Path(f"/proc/{orphan}").exists())
    assert server.running
    server.stop()
