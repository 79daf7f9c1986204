"""RabbitMQ, Zeebe and the consumer in the background, for playing: `up`, `down`, `status`, `env`.

`AMQP_URL` and `ZEEBE_ADDRESS` in the environment name servers to use instead of own ones. What runs is written down
in `.run/stack.json`; data and logs are beside it.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
import urllib.error
import urllib.request
from dataclasses import asdict, dataclass, field
from pathlib import Path

from scripts import engine, guard
from scripts.process import Process, ServerError, free_port
from scripts.rabbitmq import RabbitMQ

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / ".run"


@dataclass
class State:
    """What was started: addresses by variable name, process ids by server name."""

    environment: dict[str, str] = field(default_factory=dict)
    pids: dict[str, int] = field(default_factory=dict)

    @classmethod
    def load(cls) -> State:
        """What `.run/stack.json` says; empty when there is none."""
        file = FOLDER / "stack.json"
        return cls(**json.loads(file.read_text())) if file.exists() else cls()

    def save(self) -> None:
        """Write it down at once, so that whatever happens next can be stopped."""
        FOLDER.mkdir(exist_ok=True)
        (FOLDER / "stack.json").write_text(json.dumps(asdict(self), indent=2) + "\n")

    def runs(self, name: str) -> bool:
        """Whether a server that we started still runs: its process id may be somebody else's by now."""
        try:
            command = Path(f"/proc/{self.pids[name]}/cmdline").read_bytes().split(b"\0")
        except (KeyError, OSError):
            return False
        return os.fsencode(guard.__file__) in command

    def started(self, name: str, process: Process | None, **environment: str) -> None:
        """Remember a server; it is a background process of its own from now on."""
        if process:
            self.pids[name] = process.pid
        self.environment.update(environment)
        self.save()


def start_rabbitmq(state: State) -> None:
    """RabbitMQ, unless one is given."""
    if given := os.environ.get("AMQP_URL"):
        state.started("rabbitmq", None, AMQP_URL=given)
        return
    node = RabbitMQ(FOLDER / "rabbitmq", tied=False)
    announce("RabbitMQ")
    node.start()
    state.started("rabbitmq", node.process, AMQP_URL=node.url)


def start_zeebe(state: State) -> None:
    """Zeebe, unless one is given."""
    if given := os.environ.get("ZEEBE_ADDRESS"):
        insecure = os.environ.get("ZEEBE_INSECURE_CONNECTION", "true")
        state.started("zeebe", None, ZEEBE_ADDRESS=given, ZEEBE_INSECURE_CONNECTION=insecure)
        return
    server = engine.private(FOLDER / "zeebe", tied=False)
    announce("the engine")
    server.start()
    state.started("zeebe", server.process, ZEEBE_ADDRESS=server.address, ZEEBE_INSECURE_CONNECTION="true")


def start_consumer(state: State) -> None:
    """The consumer, between the two."""
    folder = FOLDER / "consumer"
    folder.mkdir(parents=True, exist_ok=True)
    http = f"127.0.0.1:{free_port()}"
    environment = {**state.environment, "HTTP_ADDRESS": http, "STATE_DIR": str(folder / "state")}
    announce("the consumer")
    process = Process([sys.executable, "-m", "consumer"], environment, folder / "output.log", tied=False)
    state.started("consumer", process, HTTP_ADDRESS=http)
    process.wait_until(lambda: answers(f"http://{http}/readyz"), 30)


STARTERS = {"rabbitmq": start_rabbitmq, "zeebe": start_zeebe, "consumer": start_consumer}
"""What to start, in this order; stopped in the opposite one."""


def announce(what: str) -> None:
    """Say what is being waited for."""
    print(f"starting {what}", flush=True)


def answers(url: str) -> bool:
    """Whether an address answers 200."""
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def up() -> None:
    """Start everything, or say that it runs already; what a failed start leaves is stopped."""
    if not all(State.load().runs(name) for name in State.load().pids) or not State.load().pids:
        down()
        try:
            for start in STARTERS.values():
                start(State.load())
        except BaseException:
            down()
            raise
    status()
    print("try `make call OP=topology`; `make down` stops it")


def down() -> None:
    """Stop everything that `up` started, and forget it."""
    state = State.load()
    for name in reversed(STARTERS):
        if state.runs(name):
            os.kill(state.pids[name], signal.SIGTERM)
            while state.runs(name):
                time.sleep(0.05)
            print(f"stopped {name}")
    (FOLDER / "stack.json").unlink(missing_ok=True)


def status() -> None:
    """Say what runs and where its log is."""
    state = State.load()
    for name, pid in state.pids.items():
        print(f"{name:9} {'runs' if state.runs(name) else 'ended'} (process {pid}), log {FOLDER / name / 'output.log'}")
    if not state.pids:
        print("nothing runs: `make up` starts it")
    env()


def env() -> None:
    """Print the addresses as shell variables: `eval "$(python -m scripts.stack env)"`."""
    for name, value in State.load().environment.items():
        print(f"export {name}={value}")


COMMANDS = {"up": up, "down": down, "status": status, "env": env}


def main(arguments: list[str]) -> int:
    """Run one command; the exit status."""
    if len(arguments) != 1 or arguments[0] not in COMMANDS:
        print(f"usage: python -m scripts.stack {'|'.join(COMMANDS)}; found {arguments}", file=sys.stderr)
        return 2
    try:
        COMMANDS[arguments[0]]()
    except ServerError as problem:
        print(f"make {arguments[0]}: {problem}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    sys.exit(main(sys.argv[1:]))
