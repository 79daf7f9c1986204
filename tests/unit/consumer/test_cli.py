"""The command line as a program: what it prints, where, and its exit codes."""

from __future__ import annotations

import asyncio
import os
import pty
import signal
import socket
import subprocess
import sys
from contextlib import suppress
from itertools import product
from pathlib import Path
from typing import Any
from unittest.mock import AsyncMock

import orjson
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from click.testing import CliRunner

from consumer import check as checking
from consumer.check import Finding, check
from consumer.cli import main
from consumer.config import VARIABLES, Amqp, Settings, Zeebe
from consumer.rabbitmq.inspection import BrokerReport, QueueReport
from consumer.zeebe.protocol import gateway_pb2 as pb
from tests.cases import for_each
from tests.fakes import rest
from tests.fakes.gateway import FakeGateway
from zeebe_amqp import __version__
from zeebe_amqp.commands import COMMANDS
from zeebe_amqp.testing import answer

ROOT = Path(__file__).parents[3]
COMMAND = [sys.executable, "-m", "consumer"]
NOWHERE = {"AMQP_URL": "amqp://guest:guest@127.0.0.1:1/", "ZEEBE_ADDRESS": "127.0.0.1:1"}


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, Any]:
    """Where it starts: in an empty folder, with servers that are not there and no setting of this machine."""
    settings = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "PYTHONPATH": f"{ROOT}:{ROOT / 'contracts'}"}
    return {"cwd": tmp_path, "env": {**settings, **NOWHERE}}


@pytest.fixture
def program(environment: dict[str, Any]) -> Any:
    """Run the program to its end; settings as keywords."""

    def run(*arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
        given = {**environment, "env": {**environment["env"], **settings}}
        return subprocess.run([*COMMAND, *arguments], **given, capture_output=True, text=True, timeout=60, check=False)

    return run


@pytest.fixture
def invoke(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Run the command line in this process, which is cheaper: for what ends before it sets up logging."""
    for name in set(os.environ) - {"PATH"}:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    return lambda *arguments, **settings: CliRunner().invoke(main, arguments, env=settings)


def lines(text: str) -> list[dict[str, Any]]:
    return [orjson.loads(line) for line in text.splitlines()]


@for_each([
    (["--amqp-prefetc", "5"], "--amqp-prefetch"), (["config", "--zeebe-adress", "x"], "--zeebe-address"),
    (["check", "--nonsense"], "--nonsense"), (["run", "--zeebe-client-secret", "x"], "--zeebe-client-secret-file"),
    (["frobnicate"], "frobnicate"), (["config", "extra"], "extra"),
])  # fmt: skip
def test_an_unknown_word_is_refused_with_the_nearest_one(arguments: list[str], said: str, invoke: Any) -> None:
    ended = invoke(*arguments)
    assert (ended.exit_code, said in ended.stderr, ended.stdout) == (2, True, "")


@for_each([[], ["run"], ["check"], ["config"]])
def test_all_problems_are_told_at_once(command: list[str], invoke: Any) -> None:
    ended = invoke("--concurrency", "0", *command, AMQP_PREFETCH="many", ZEEBE_KEEP_ALIVE="5s", AMQP_PREFETC="5")
    assert (ended.exit_code, ended.stdout) == (2, "")
    told = [line.split(";")[0] for line in ended.stderr.splitlines()]
    refused = ["AMQP_PREFETCH: found 'many'", "ZEEBE_KEEP_ALIVE: found '5s'", "--concurrency: found '0'"]
    assert told == ["AMQP_PREFETC: no setting of this name", *refused]


def test_what_it_cannot_start_with_is_told_in_one_line(program: Any) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        for http_address, exporter, code, said in (
            ("off", "pigeon", 2, "OTEL_TRACES_EXPORTER: found 'pigeon'; accepted:"),
            (address, "none", 1, f"HTTP_ADDRESS: cannot listen on {address}"),
        ):
            ended = program("run", "--http-address", http_address, OTEL_TRACES_EXPORTER=exporter, LOG_FORMAT="text")
            [line] = (ended.stdout + ended.stderr).splitlines()
            assert (ended.returncode, said in line) == (code, True), line


def test_it_tells_its_version(invoke: Any) -> None:
    assert invoke("--version").stdout.split()[-1] == __version__


@for_each([
    ("from consumer.cli import main; main(['dead', 'list', '--help'], standalone_mode=False)",
     {"aiohttp", "grpc", "opentelemetry", "yaml"}),
    ("from consumer import app, cli", {"consumer.doctor", "opentelemetry.sdk.metrics", "rich", "yaml"}),
])  # fmt: skip
def test_a_start_imports_nothing_that_only_others_need(code: str, unneeded: set[str], environment: Any) -> None:
    code = f"import sys; {code}; print(*sys.modules)"
    ended = subprocess.run([sys.executable, "-c", code], **environment, capture_output=True, text=True, check=True)
    assert unneeded & set(ended.stdout.splitlines()[-1].split()) == set()


def test_the_configuration_is_every_variable_with_its_source_and_without_secrets(program: Any, tmp_path: Path) -> None:
    (secret := tmp_path / "secret").write_text("fromfile")
    secrets = {"CAMUNDA_BASIC_AUTH_PASSWORD_FILE": str(secret), "AMQP_URL": "amqp://somebody:inurl@broker/"}
    before = ("--amqp-queues", "a", "--max-depth", "50")
    after = ("--concurrency", "5", "--max-depth", "60")
    settings = {"CONCURRENCY": "7", "LEDGER_TTL": "70s", "CAMUNDA_BASIC_AUTH_USERNAME": "somebody"}
    ended = program(*before, "config", *after, **settings, **secrets)
    assert ended.returncode == 0
    assert not [secret for secret in ("inurl", "fromfile") if secret in ended.stdout + ended.stderr]
    rows = {row["variable"]: (row["value"], row["source"]) for row in lines(ended.stdout)}
    assert list(rows) == [variable.name for variable in VARIABLES]
    assert {
        "CONCURRENCY": ("5", "command line --concurrency"),
        "AMQP_QUEUES": ("a", "command line --amqp-queues"),
        "MAX_DEPTH": ("60", "command line --max-depth"),  # of two the later counts
        "LEDGER_TTL": ("70s", "environment"),
        "SHUTDOWN_GRACE": ("25s", "default"),
        "AMQP_PREFETCH": ("10", "default"),
        "AMQP_URL": ("amqp://***@broker/", "environment"),
        "CAMUNDA_BASIC_AUTH_PASSWORD": ("***", "environment CAMUNDA_BASIC_AUTH_PASSWORD_FILE"),
    }.items() <= rows.items()


@for_each([80, 150])
def test_at_a_terminal_there_are_tables_in_which_nothing_is_cut_off(columns: int, environment: dict[str, Any]) -> None:
    long = f"amqp://{'a-long-name-of-a-host.' * 5}example"
    environment["env"] |= {"TERM": "dumb", "COLUMNS": str(columns), "AMQP_URL": long}
    code, shown = on_terminal("check", environment)
    assert (code, "failed  gateway" in shown, '{"' in shown) == (1, True, False)
    for command, names in (("operations", list(COMMANDS)), ("config", [each.name for each in VARIABLES])):
        code, shown = on_terminal(command, environment)
        assert (code, "…" in shown, '{"' in shown) == (0, False, False), command
        assert [name for name in names if f"│ {name} " not in shown] == [], command
    cells = [line.split("│")[2].strip() for line in shown.splitlines() if line.count("│") > 2]
    assert long.removeprefix("amqp://") in "".join(cells)


def on_terminal(command: str, environment: dict[str, Any]) -> tuple[int, str]:
    """Its exit code, and what it showed on a terminal."""
    ours, theirs = pty.openpty()
    with subprocess.Popen([*COMMAND, command], **environment, stdout=theirs) as started:
        os.close(theirs)
        # The system says with an error that the program ended.
        with open(ours, "rb", 0) as terminal, suppress(OSError):
            shown = b""
            while part := terminal.read(65536):
                shown += part
    return started.returncode, shown.decode()


async def checked(program: Any, **settings: str) -> tuple[int, dict[str, dict[str, Any]]]:
    """The exit code of `check`, and what it says of each part."""
    ended = await asyncio.to_thread(lambda: program("check", **settings))
    assert "inurl" not in ended.stdout + ended.stderr
    return ended.returncode, {row.pop("part"): row for row in lines(ended.stdout)}


async def test_check_says_what_is_missing_and_what_to_do(program: Any) -> None:
    user = "somebody:inurl@127.0.0.1:1"
    code, found = await checked(program, AMQP_URL=f"amqp://{user}/", CAMUNDA7_REST_URL=f"http://{user}/engine-rest")
    said = {
        "broker": ("AMQP_URL",),
        "gateway": ("nothing listens at ZEEBE_ADDRESS", "gRPC must be enabled on the gateway", "26500"),
        "camunda7": ("CAMUNDA7_REST_URL was not reached (no connection)",),
    }
    rights = dict.fromkeys(("replies: mode", "policy", "audit", "signing key"), True)
    assert (code, {name: part["ok"] for name, part in found.items()}) == (1, rights | dict.fromkeys(said, False))
    assert [words for name in said for words in said[name] if words not in found[name]["found"]] == []


async def test_check_says_what_is_there(program: Any) -> None:
    async with FakeGateway(partitions=3) as fake:
        with rest.FakeRest() as engine:
            engine.script(rest.answer(200, b'{"version":"7.24.0"}'))
            settings = {"ZEEBE_ADDRESS": fake.address, "ZEEBE_INSECURE_CONNECTION": "true"}
            code, parts = await checked(program, **settings, CAMUNDA7_REST_URL=engine.url)
    assert code == 1  # for the broker, which is not there
    assert parts["gateway"] == {"ok": True, "found": f"Zeebe 8.6.0 at {fake.address}; 1 brokers, 3 partitions"}
    said = f"Camunda 7.24.0 at {engine.url}; it gets signals to one execution"
    assert parts["camunda7"] == {"ok": True, "found": said}


async def test_check_says_what_is_wrong_with_a_gateway_and_what_to_do(program: Any) -> None:
    async with FakeGateway() as lonely, TestServer(web.Application()) as other:
        lonely.always("Topology", answer(pb.TopologyResponse(gatewayVersion="8.6.0")))
        no_grpc = ("HTTP answers there, not gRPC", "gRPC must be enabled on the gateway", "26500")
        for address, plaintext, said in (
            (f"{other.host}:{other.port}", "true", no_grpc),
            (f"{other.host}:{other.port}", "false", no_grpc),
            (lonely.address, "true", ("no broker is behind it",)),
        ):
            code, parts = await checked(program, ZEEBE_ADDRESS=address, ZEEBE_INSECURE_CONNECTION=plaintext)
            assert (code, parts["gateway"]["ok"]) == (1, False)
            assert [words for words in said if words not in parts["gateway"]["found"]] == []


async def looked_at(monkeypatch: pytest.MonkeyPatch, **queues: QueueReport) -> dict[str, Finding]:
    """What is said of these queues, by part."""
    report = BrokerReport("host", "RabbitMQ 3", {name.replace("_", "."): each for name, each in queues.items()})
    monkeypatch.setattr(checking, "inspect", AsyncMock(return_value=report))
    findings = await check(Settings(amqp=Amqp(dead_letter_bound=10), zeebe=Zeebe("127.0.0.1:1", plaintext=True)))
    return {finding.part: finding for finding in findings}


async def test_queues_without_a_bound_are_named_with_the_command_that_gives_one(monkeypatch: Any) -> None:
    bounded, unbounded = QueueReport("", 1, "x-max-length 5"), QueueReport("", 1)
    bounds = (await looked_at(monkeypatch, commands=unbounded, polls=bounded, zeebe_dead=unbounded))["bounds"]
    assert bounds.ok
    assert bounds.found.startswith("polls: x-max-length 5; commands, zeebe.dead: no x-max-length; a full disk is")
    for words in ("rabbitmqctl list_policies", "rabbitmqctl set_policy", "max-length-bytes", '"reject-publish"'):
        assert words in bounds.found, words
    bounds = (await looked_at(monkeypatch, polls=bounded, zeebe_dead=bounded))["bounds"]
    assert bounds == Finding("bounds", True, "polls: x-max-length 5; zeebe.dead: x-max-length 5")


@for_each([(0, True, "0 wait in 'zeebe.dead', 0 % of DEAD_LETTER_BOUND (10)"), (8, True, " 80 % of DEAD_LETTER_BOUND"),
           (10, False, " 100 % of DEAD_LETTER_BOUND (10): "), (None, True, "not allowed to look")])  # fmt: skip
async def test_too_many_dead_letters_are_a_failure(waiting: int | None, ok: bool, words: str, monkeypatch: Any) -> None:
    said = (await looked_at(monkeypatch, zeebe_dead=QueueReport("", waiting)))["dead letters"]
    assert (said.ok, words in said.found) == (ok, True), said.found


@pytest.mark.timeout(60)
@for_each(product([signal.SIGTERM, signal.SIGINT], [[], ["run"]]))
def test_it_runs_until_a_signal_and_ends_well(number: signal.Signals, command: list[str], environment: Any) -> None:
    """Also while it is still looking for broker and gateway."""
    environment["env"] |= {"HTTP_ADDRESS": "off"}
    output = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    with subprocess.Popen([*COMMAND, *command], **environment, **output) as started:
        try:
            logged = [started.stdout.readline()]
            logged += [next(line for line in started.stdout if "next try in" in line)]
            started.send_signal(number)
            logged += started.stdout.readlines()
            assert started.wait() == 0
        finally:
            started.kill()
    messages = [entry["message"] for entry in lines("".join(logged))]
    place = "ledger sqlite:///.state/ledger.db, HTTP off, gateway 127.0.0.1:1"
    assert messages[0] == f"zeebe-amqp-consumer {__version__}: {place}"
    assert not any("consuming" in message for message in messages), "it says that it consumes, and has no broker"
    assert any(message.startswith(f"{number.name}: draining") for message in messages)
    assert messages[-1] == "stopped, drained"
