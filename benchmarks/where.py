"""What a command costs, by room of the service: `python -m benchmarks.where [--in-flight N] [--against FOLDER]`.

py-spy looks at the running service some hundred times a second. Each look belongs to the room of the innermost frame
that has one; a thread's CPU time, which the kernel knows, is divided like the looks at it. What runs in C with nothing
but the event loop around it, such as uvloop's sockets and gRPC's callbacks, is the loop's.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks import machine
from benchmarks.programs import PEERS_PYTHON, ROOT, Launcher, Served, resolved, start_servers
from scripts import guard
from scripts.process import ServerError

RATE = 250
"""Looks per second; more of them slow the service down."""
SLACK = 1.0
"""Seconds that the load goes on longer than the looks."""
LIBRARY = r"(aiormq|pamqp|aio_pika)/"
IN, OUT, REST = "frames in", "frames out", "loop, other"
ROOMS = {
    rf"(un\w*marshal\w*|\w*_?reader|\w*get_frame|\w*_on_\w+|_read_content|__anext__) \({LIBRARY}": IN,
    rf"(\w*marshal\w*|encode\w*|basic_\w+|\w*_drain|\w*_?writer) \({LIBRARY}": OUT,
    r"\(pamqp/decode": IN,
    r"\(pamqp/encode": OUT,
    r"(data_received|buffer_updated|\w*decode\w*|\w*read\w*) \(zeebe_amqp/amqp/": IN,
    r"\(zeebe_amqp/amqp/tolerance": IN,
    r"\(zeebe_amqp/amqp/": OUT,
    r"receive \(consumer/rabbitmq/": IN,
    r"\(consumer/rabbitmq/(properties|publisher|reply_policy|consumer)": OUT,
    r"\(consumer/rabbitmq/": IN,
    r"\(zeebe_amqp/(envelope|schema/|commands/)": "decode",
    r"\(consumer/core/(delivery|message)": "decode",
    r"\(consumer/(zeebe/operations|camunda7/operations)": "map",
    r"\((consumer/(zeebe|camunda7)|grpc|google)/": "gRPC",
    r"\(consumer/ledger/": "ledger",
    r"\(consumer/(security/)?audit": "audit",
    r"\((consumer/telemetry|opentelemetry|prometheus_client)/": "telemetry",
    r"\((zeebe_amqp/reply)": "encode",
    r"\(consumer/(pipeline|core|app|security)": "pipeline",
}
"""The room of a frame, `name (module:line)`, by pattern; the first that is found in it counts."""
_EITHER = "frames, either way"
OUTER = {LIBRARY: _EITHER, r"_poll_wrapper": "gRPC"}
"""Where a stack belongs none of whose frames has a room."""
THREADS = {r"grpc|event_engine|lifeguard|default-exec|resolver": "gRPC"}
"""The room of a thread without Python, by the name that it gave itself."""
ORDER = (IN, "decode", "map", "gRPC", "ledger", "audit", "encode", OUT, _EITHER, "telemetry", "pipeline", REST)


def room(stack: Sequence[str]) -> str:
    """The room that a look at a stack belongs to; the outermost frame is the first."""
    for frame in reversed(stack):
        short = re.sub(r"^\S*[.]", "", frame)
        for pattern, name in ROOMS.items():
            if re.search(pattern, short):
                return name
    return first(OUTER, " ".join(stack))


def first(names: Mapping[str, str], text: str) -> str:
    """The name whose pattern is found first in a text."""
    return next((name for pattern, name in names.items() if re.search(pattern, text)), REST)


def looks(lines: Iterable[str]) -> dict[int, Counter[str]]:
    """How often each thread was seen in each room, of py-spy's raw lines: `thread (ID): NAME;FRAME;... COUNT`."""
    found: dict[int, Counter[str]] = {}
    for line in lines:
        stack, _, count = line.rpartition(" ")
        thread, *frames = stack.split(";")
        if seen := re.match(r"thread \((\d+)\)", thread):
            found.setdefault(int(seen[1]), Counter())[room([thread, *frames])] += int(count)
    return found


@dataclass(frozen=True)
class Thread:
    """What a thread of the service has used."""

    name: str
    seconds: float


def threads(pid: int) -> dict[int, Thread]:
    """The threads of a process by their ids."""
    found = {}
    for folder in Path(f"/proc/{pid}/task").iterdir():
        head, _, rest = (folder / "stat").read_text().rpartition(")")
        user, system = rest.split()[11:13]
        found[int(folder.name)] = Thread(head.partition("(")[2], (int(user) + int(system)) / machine.TICKS)
    return found


def divided(used: Mapping[int, Thread], seen: Mapping[int, Counter[str]]) -> dict[str, float]:
    """CPU seconds by room, from those of the threads and the looks at them."""
    found: dict[str, float] = {}
    for number, thread in used.items():
        shares = seen.get(number) or Counter({first(THREADS, thread.name): 1})
        for name, share in shares.items():
            found[name] = found.get(name, 0.0) + thread.seconds * share / shares.total()
    return found


def spied(pid: int, seconds: float, file: Path) -> subprocess.Popen[str]:
    """py-spy, which has begun to look at a process."""
    command = [str(PEERS_PYTHON.parent / "py-spy"), "record", "--pid", f"{pid}", "--duration", f"{seconds:.0f}"]
    command += ["--rate", f"{RATE}", "--format", "raw", "--threads", "--output", str(file)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def measure(service: Served, seconds: float, in_flight: int) -> tuple[dict[str, float], float]:
    """CPU microseconds per command by room, and commands per second."""
    [pid] = guard.children(service.processes[0].pid)
    file = service.servers.directory / "looks.txt"
    service.measure(seconds / 4, in_flight)
    before = threads(pid)
    with spied(pid, seconds, file) as spy:
        found = service.loaded(in_flight, seconds=seconds + SLACK)
        said, _ = spy.communicate()
    if spy.returncode or not file.exists():
        raise ServerError(f"py-spy could not look at the service; it needs the right to trace processes:\n{said}")
    used = {number: Thread(now.name, now.seconds - spent(before, number)) for number, now in threads(pid).items()}
    cpu = divided(used, looks(file.read_text().splitlines()))
    return {name: each / sum(cpu.values()) * found["cpu"] for name, each in cpu.items()}, found["rate"]


def spent(before: Mapping[int, Thread], number: int) -> float:
    """What a thread had used; nothing when it was not there."""
    return before[number].seconds if number in before else 0.0


def show(found: Mapping[str, tuple[dict[str, float], float]], in_flight: int) -> None:
    """Print the table: a column per checkout."""
    table = Table("room", *found, title=f"CPU µs per command, {in_flight} in flight")
    for name in ORDER:
        table.add_row(name, *(f"{rooms.get(name, 0):.0f}" for rooms, _ in found.values()))
    table.add_section()
    table.add_row("all", *(f"{sum(rooms.values()):.0f}" for rooms, _ in found.values()))
    table.add_row("commands/s", *(f"{rate:.0f}" for _, rate in found.values()))
    Console(width=110).print(table)


def main() -> int:
    """Measure and show; the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--in-flight", type=int, default=32, help="requests at a time; default %(default)s")
    parser.add_argument("--seconds", type=float, default=10.0, help="of looking; default %(default)s")
    parser.add_argument("--against", type=resolved, help="another checkout, whose service is looked at too")
    options = parser.parse_args()
    checkouts = {"this": ROOT, **({"other": options.against} if options.against else {})}
    try:
        with ExitStack() as running:
            launcher = Launcher(running.enter_context(start_servers()), running)
            services = {name: launcher.service(name, checkout=checkout) for name, checkout in checkouts.items()}
            found = {name: measure(each, options.seconds, options.in_flight) for name, each in services.items()}
    except ServerError as problem:
        print(f"benchmark: {problem}", file=sys.stderr)
        return 1
    show(found, options.in_flight)
    return 0


if __name__ == "__main__":
    sys.exit(main())
