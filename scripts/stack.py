"""RabbitMQ, an engine and the consumer in the background, for playing: `up`, `down`, `status`, `env`.

`AMQP_URL` and `ZEEBE_ADDRESS` in the environment name servers to use instead of own ones. Own ones listen on the
ports that everybody expects, unless those are taken. RabbitMQ keeps its data from one `up` to the next.
"""

from __future__ import annotations

import os
import signal
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterable
from pathlib import Path

from scripts import engine, given, servers, together, tour
from scripts.process import Process, Server, ServerError, free_port, is_free
from scripts.rabbitmq import RabbitMQ
from scripts.state import ROOT, State, folder
from zeebe_amqp.client import SyncClient
from zeebe_amqp.commands import DeployProcess
from zeebe_amqp.errors import CommandError
from zeebe_amqp.wire import COMMANDS_QUEUE, POLLS_QUEUE

NODE = "zeebe-amqp"
"""RabbitMQ's data belong to its name, which therefore says nothing of its port."""
AMQP, PAGES, GATEWAY, HTTP = 5672, 15672, 26500, 8080
"""The ports where everybody looks first."""
PROCESS = ROOT / "examples" / "order.bpmn"
JOBS = ("JOBS", "JOBS_FILE")
"""Settings of the service that commands beside it need, too, such as the one that shows jobs."""
LOGS = {"rabbitmq": f"log/{NODE}@localhost.log"}
"""Where a server writes its log, when not into `output.log`."""


def up() -> None:
    """Start everything, or say that it runs already; what a failed start leaves is stopped."""
    state = State.load()
    if state.running:
        print("everything runs already")
        tell_unused(state)
    else:
        down()
        try:
            start(State())
        except BaseException:
            down()
            raise
    status()
    print(f"\n{tour.text(up=True)}")


def start(state: State) -> None:
    """Start what is not given, RabbitMQ and the engine side by side, and deploy the example.

    Raises:
        ServerError: something is missing or did not get ready.
    """
    amqp_url, address = given.broker(), given.engine()
    servers.prepare(["--small"])
    begun = time.monotonic()
    own: dict[str, Server] = {}
    if address:
        state.use(ZEEBE_ADDRESS=address)
    else:
        own["the engine"] = launch_engine(state)
    if amqp_url:
        state.use(AMQP_URL=amqp_url)
    else:
        own["RabbitMQ"] = launch_rabbitmq(state)
    together.wait(own, tell)
    start_consumer(state)
    deploy(state)
    print(f"everything runs after {time.monotonic() - begun:.1f} s")


def launch_rabbitmq(state: State) -> RabbitMQ:
    """Start a RabbitMQ with its management pages, and return at once."""
    amqp, pages = port(AMQP, "RabbitMQ"), port(PAGES, "its management pages")
    node = RabbitMQ(folder() / "rabbitmq", amqp, name=NODE, management=pages, tied=False).launch()
    state.pages["RabbitMQ's pages"] = f"http://127.0.0.1:{pages} (guest/guest)"
    state.started("rabbitmq", node.process, AMQP_URL=node.url)
    return node


def launch_engine(state: State) -> engine.Engine:
    """Start an engine, and return at once."""
    server = engine.private(folder() / "engine", port(GATEWAY, "the engine"), tied=False).launch()
    state.started("engine", server.process, ZEEBE_ADDRESS=server.address)
    return server


def start_consumer(state: State) -> None:
    """Start the consumer between the two, and return when it is ready."""
    directory = folder() / "consumer"
    directory.mkdir(parents=True, exist_ok=True)
    begun, http = time.monotonic(), f"127.0.0.1:{port(HTTP, 'the consumer')}"
    plaintext = os.environ.get("ZEEBE_INSECURE_CONNECTION", "true")
    jobs = {name: os.environ[name] for name in JOBS if os.environ.get(name)}
    # The commands about requests and dead letters ask the consumer there, and verify its signatures by the key there.
    kept = {"STATE_DIR": str(directory / "state")}
    addresses = {**state.environment, "ZEEBE_INSECURE_CONNECTION": plaintext, **kept, **jobs}
    queues = f"{COMMANDS_QUEUE},{POLLS_QUEUE}"
    settings = {**addresses, "AMQP_QUEUES": queues, "HTTP_ADDRESS": http}
    process = Process([sys.executable, "-m", "consumer"], settings, directory / "output.log", tied=False)
    state.pages |= {"ready?": f"http://{http}/readyz", "metrics": f"http://{http}/metrics"}
    state.started("consumer", process, **addresses)
    process.wait_until(lambda: answers(f"http://{http}/readyz"), 30)
    tell("the consumer", time.monotonic() - begun)


def deploy(state: State) -> None:
    """Deploy the example as any caller would: through the queue.

    Raises:
        ServerError: it was refused, or nobody answered.
    """
    try:
        with SyncClient(state.environment["AMQP_URL"]) as client:
            client.call(DeployProcess(name=PROCESS.name, content=PROCESS.read_bytes()))
    except CommandError as error:
        raise ServerError(f"{PROCESS.relative_to(ROOT)} could not be deployed: {error}") from error
    print(f"{PROCESS.relative_to(ROOT)} is deployed")


def port(wanted: int, what: str) -> int:
    """The wanted port, or another one, told, when it is taken."""
    if is_free(wanted):
        return wanted
    other = free_port()
    print(f"port {wanted} is taken: {what} on {other}")
    return other


def tell(name: str, seconds: float) -> None:
    """Say that a server can be used now."""
    print(f"{name} is up after {seconds:.1f} s", flush=True)


def tell_unused(state: State) -> None:
    """Name what the environment says now, but did not when all was started."""
    for variable in (given.BROKER, given.ENGINE):
        value = os.environ.get(variable)
        if value and value != state.environment.get(variable):
            print(f"not using {variable}={given.shown(value)} from the environment: `make down` first")


def answers(url: str) -> bool:
    """Whether an address answers 200."""
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def down() -> None:
    """Stop everything that `up` started: the consumer first, which then ends what it is doing."""
    state = State.load()
    stop(state, ["consumer"])
    stop(state, state.pids)
    if state.pids:
        state.pids, state.pages = {}, {}
        state.save()


def stop(state: State, names: Iterable[str]) -> None:
    """Stop some of the servers, side by side."""
    running = [name for name in names if state.runs(name)]
    for name in running:
        os.kill(state.pids[name], signal.SIGTERM)
    for name in running:
        while state.runs(name):
            time.sleep(0.05)
        print(f"stopped {name}")


def status() -> None:
    """Say what runs, and where everything is."""
    state = State.load()
    if not state.pids:
        print("nothing runs: `make up` starts it")
        return
    for name, pid in state.pids.items():
        print(f"{name:16}  {'runs' if state.runs(name) else 'ended'} (process {pid}), log {log(name)}")
    for what, address in state.pages.items():
        print(f"{what:16}  {address}")
    for name, value in state.environment.items():
        print(f"{name} is yours: {given.shown(value)}" if name in state.given else f"export {name}={value}")


def log(server: str) -> Path:
    """Where its log is, from here."""
    file = folder() / server / LOGS.get(server, "output.log")
    return file.relative_to(Path.cwd()) if file.is_relative_to(Path.cwd()) else file


def env() -> None:
    """Print the addresses as shell variables: `eval "$(make -s env)"`."""
    state = State.load()
    for name, value in state.environment.items() if state.pids else ():
        print(f"export {name}='{value}'")


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
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    sys.exit(main(sys.argv[1:]))
