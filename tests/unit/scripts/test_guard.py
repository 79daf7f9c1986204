"""The guard: nothing that a server starts outlives it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from scripts import guard
from scripts.process import Process, ServerError, free_port

# A server with a child in a session of its own, as Erlang's name service is; the child leaves its process id.
SERVER = "setsid sleep 600 & echo $! > child; sleep 600"


def until(condition: Callable[[], bool]) -> None:
    """Wait for something that is about to happen; the run's own time limit ends a vain wait."""
    while not condition():
        time.sleep(0.01)


def alive(pid: int) -> bool:
    """Whether a process exists and is no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def child_of(directory: Path) -> int:
    """The process id that the server's child left."""
    until(lambda: (directory / "child").exists() and (directory / "child").read_text().endswith("\n"))
    return int((directory / "child").read_text())


@pytest.fixture
def server(tmp_path: Path) -> Process:
    return Process(["sh", "-c", SERVER], {}, tmp_path / "output.log")


@pytest.mark.parametrize("end", [Process.stop, Process.kill], ids=["stop", "kill"])
def test_what_the_server_started_ends_with_it(server: Process, tmp_path: Path, end: Callable[[Process], None]) -> None:
    child = child_of(tmp_path)
    end(server)
    assert not server.running
    assert not alive(child)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL, signal.SIGINT])
def test_server_ends_when_the_one_who_started_it_is_gone(tmp_path: Path, number: signal.Signals) -> None:
    program = (
        "import sys, time; from pathlib import Path; from scripts.process import Process;"
        f"server = Process(['sh', '-c', {SERVER!r}], {{}}, Path({str(tmp_path / 'log')!r}));"
        "print(server.pid, flush=True); time.sleep(600)"
    )
    root = str(Path(guard.__file__).parents[1])
    with subprocess.Popen([sys.executable, "-c", program], cwd=root, stdout=subprocess.PIPE, text=True) as starter:
        assert starter.stdout
        pids = [int(starter.stdout.readline()), child_of(tmp_path)]
        starter.send_signal(number)
    until(lambda: not any(alive(pid) for pid in pids))


def test_untied_server_stays_until_it_is_told_to_end(tmp_path: Path) -> None:
    server = Process(["sh", "-c", SERVER], {}, tmp_path / "output.log", tied=False)
    child = child_of(tmp_path)
    os.kill(server.pid, signal.SIGTERM)
    until(lambda: not server.running)
    assert not alive(child)
    server.stop()


def test_paused_server_stands_still_and_goes_on(server: Process, tmp_path: Path) -> None:
    child = child_of(tmp_path)

    def state() -> str:
        return Path(f"/proc/{child}/stat").read_text().rpartition(")")[2].split()[0]

    server.pause()
    until(lambda: state() == "T")
    server.resume()
    until(lambda: state() == "S")
    server.stop()


def test_server_that_ends_early_is_reported_with_its_last_words(tmp_path: Path) -> None:
    server = Process(["sh", "-c", "echo out of luck; exit 3"], {}, tmp_path / "output.log")
    with pytest.raises(ServerError, match=r"status 3:\nout of luck"):
        server.wait_until(lambda: False, 60)
    server.stop()


def test_server_that_does_not_get_ready_is_stopped_and_reported(server: Process) -> None:
    with pytest.raises(ServerError, match="not ready after 0 s"):
        server.wait_until(lambda: False, 0)
    assert not server.running


def test_interrupted_start_leaves_nothing_behind(server: Process) -> None:
    def interrupt() -> bool:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        server.wait_until(interrupt, 60)
    assert not server.running


@pytest.mark.parametrize(
    ("ending", "status"), [("exit 0", 0), ("exit 7", 7), ("kill -TERM $$", 143), ("kill -9 $$", 137)]
)
def test_exit_status_is_that_of_the_program(tmp_path: Path, ending: str, status: int) -> None:
    server = Process(["sh", "-c", ending], {}, tmp_path / "output.log")
    assert server.wait(60) == status
    assert server.status == status
    server.stop()


def test_signal_reaches_the_program_alone(tmp_path: Path) -> None:
    script = "sleep 600 & echo $! > child; trap 'exit 5' USR1; while :; do wait; done"
    server = Process(["sh", "-c", script], {}, tmp_path / "output.log")
    child_of(tmp_path)
    server.signal(signal.SIGUSR1)
    assert server.wait(60) == 5


def test_orphans_that_end_are_buried(tmp_path: Path) -> None:
    server = Process(["sh", "-c", "(sleep 0.1 & echo $! > child) ; sleep 600"], {}, tmp_path / "output.log")
    orphan = child_of(tmp_path)
    until(lambda: not Path(f"/proc/{orphan}").exists())
    assert server.running
    server.stop()


def test_stopping_twice_is_no_error(server: Process) -> None:
    server.stop()
    server.stop()
    server.kill()


def test_server_gets_its_own_settings_on_top_of_ours(tmp_path: Path) -> None:
    log = tmp_path / "output.log"
    server = Process(["sh", "-c", "echo $SETTING $PATH"], {"SETTING": "given"}, log)
    until(lambda: not server.running)
    server.stop()
    assert log.read_text() == f"given {os.environ['PATH']}\n"


def test_free_ports_are_outside_the_range_of_outgoing_connections() -> None:
    lowest = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    assert all(free_port() < lowest for _ in range(20))
