"""`make up` as a newcomer meets it: what it prints is true, and queues outlive it."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from urllib.request import urlopen

import aio_pika
import pytest

from scripts import stack as commands
from scripts import tour

ROOT = Path(__file__).parents[2]
UNTIL_IT_IS_DEAD = "until .venv/bin/zeebe-amqp-consumer dead list | grep -q .; do sleep 0.1; done\n"
ADDRESSES = ("AMQP_URL", "ZEEBE_ADDRESS", "ZEEBE_INSECURE_CONNECTION")


def run(folder: Path, script: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """A script in a newcomer's shell, in the repository's folder."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", *ADDRESSES))}
    return subprocess.run(
        ["bash", "-e", "-c", script],
        cwd=ROOT,
        env={**inherited, "STACK_DIR": str(folder), **environment},
        capture_output=True,
        text=True,
        timeout=170,
        check=False,
    )


def up(folder: Path, **environment: str) -> str:
    """What `make up` prints."""
    ended = run(folder, "make up", **environment)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout


def exported(printed: str) -> dict[str, str]:
    """The addresses in what `make up` prints."""
    return dict(re.findall(r"^export (\w+)=(.+)$", printed, re.MULTILINE))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Where this file's stack is written down; it is stopped at the end."""
    folder = tmp_path_factory.mktemp("stack")
    yield folder
    run(folder, "make down")


@pytest.fixture(scope="module")
def printed(folder: Path) -> str:
    """What the first `make up` prints; all tests use what it has started, the last two stop it."""
    return up(folder, JOBS="pack-parcel")


def test_up_tells_addresses_that_answer_and_env_the_same(folder: Path, printed: str) -> None:
    addresses = exported(printed)
    assert re.fullmatch(r"amqp://guest:guest@127\.0\.0\.1:\d+", addresses["AMQP_URL"])
    assert set(addresses) == {*ADDRESSES, "STATE_DIR", "JOBS"}
    assert exported(run(folder, "make -s env").stdout.replace("'", "")) == addresses
    for page in re.findall(r"http://127\.0\.0\.1:\S+", printed):
        with urlopen(page, timeout=10) as answer:
            assert answer.status == 200, page
    for log in re.findall(r", log (\S+)", printed):
        assert (ROOT / log).stat().st_size, log
    assert "everything runs already" in up(folder)


def test_a_shell_that_knows_the_addresses_shows_the_jobs(folder: Path, printed: str) -> None:
    ended = run(folder, f'eval "$(make -s env)"; {sys.executable} -m consumer jobs')
    assert ended.returncode == 0, ended.stderr
    (row,) = map(json.loads, ended.stdout.splitlines())
    assert (row["type"], row["queue"], row["workers"]) == ("pack-parcel", "zeebe.jobs.pack-parcel", 0)


def test_the_examples_run(folder: Path, printed: str) -> None:
    url = exported(printed)["AMQP_URL"]
    for example, shown in (("call.py", '"clusterSize":1'), ("client.py", "2251799813")):
        ended = run(folder, f"{sys.executable} examples/{example} {url}", PYTHONPATH=str(ROOT / "contracts"))
        assert ended.returncode == 0, ended.stderr
        assert shown in ended.stdout, example


def test_call_says_which_broker_it_uses_when_there_are_two(folder: Path, printed: str) -> None:
    ours = exported(printed)["AMQP_URL"]
    silent = run(folder, "make call", AMQP_URL=ours)
    assert (silent.returncode, silent.stderr) == (0, "")
    other = run(folder, "make call", AMQP_URL=f"{ours}/%2F")
    assert other.returncode == 0, other.stderr
    assert other.stderr.startswith("using AMQP_URL=amqp://guest@127.0.0.1:")
    assert "`unset AMQP_URL` to call that one" in other.stderr


async def test_a_persistent_message_is_still_there_after_down_and_up_even_on_another_port(
    folder: Path, printed: str
) -> None:
    """The addresses that a shell still has from the first time are no obstacle."""
    async with await aio_pika.connect(exported(printed)["AMQP_URL"]) as connection, connection.channel() as channel:
        await channel.declare_queue("kept", durable=True)
        message = aio_pika.Message(b"kept", delivery_mode=aio_pika.DeliveryMode.PERSISTENT)
        await channel.default_exchange.publish(message, "kept")
    assert run(folder, "make down").returncode == 0
    with socket.socket() as taken, suppress(OSError):  # somebody else's, otherwise
        taken.bind(("127.0.0.1", commands.AMQP))
        again = up(folder, **exported(printed))
    assert f"port {commands.AMQP} is taken: RabbitMQ on " in again
    assert "not using AMQP_URL=amqp://guest@127.0.0.1:" in again
    async with await aio_pika.connect(exported(again)["AMQP_URL"]) as connection, connection.channel() as channel:
        queue = await channel.get_queue("kept")
        found = await queue.get(no_ack=True)
        await queue.delete()
    assert found is not None
    assert found.body == b"kept"


def test_what_to_try_next_can_be_done_word_for_word(folder: Path, printed: str) -> None:
    script = tour.text(up=True).removeprefix("Try next:\n")
    assert script in printed
    look = "  .venv/bin/zeebe-amqp-consumer dead list\n"
    assert look in script
    steps = script.replace(look, UNTIL_IT_IS_DEAD + look)
    ended = run(folder, steps)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    letter = '"code":"NOT_FOUND","signature":"valid"'
    for shown in ('"clusterSize": 1', '"bpmnProcessId": "order"', letter, "stopped rabbitmq"):
        assert shown in ended.stdout, shown
    assert "nothing runs" in run(folder, "make down && make status").stdout
