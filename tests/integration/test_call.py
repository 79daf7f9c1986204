"""`make call`: one request from a shell."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import uuid
from pathlib import Path

import orjson
import pytest

from scripts.consumer import Consumer
from tests.conftest import Broker

ROOT = Path(__file__).parents[2]


async def call(**environment: str) -> subprocess.CompletedProcess[str]:
    """Run it to its end, with variables as `make call` sets them."""
    everything = {**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'contracts'}", **environment}
    command = [sys.executable, "-m", "scripts.call"]
    return await asyncio.to_thread(
        subprocess.run, command, cwd=ROOT, env=everything, capture_output=True, text=True, timeout=120, check=False
    )


async def test_the_reply_is_shown(rabbitmq: Broker, consumer: Consumer) -> None:
    ended = await call(AMQP_URL=rabbitmq.url, QUEUE=consumer.queues[0], OP="topology")
    assert (ended.returncode, ended.stderr) == (0, "")
    assert orjson.loads(ended.stdout)["data"]["clusterSize"] == 1


async def test_an_error_is_shown_and_ends_with_one(rabbitmq: Broker, consumer: Consumer) -> None:
    ended = await call(AMQP_URL=rabbitmq.url, QUEUE=consumer.queues[0], OP="complete-job", DATA='{"jobKey": "x"}')
    assert (ended.returncode, ended.stderr) == (1, "")
    assert orjson.loads(ended.stdout)["error"]["code"] == "INVALID_ARGUMENT"


@pytest.mark.parametrize(
    ("environment", "told"),
    [
        ({"DATA": "{"}, "DATA: found '{', which is not JSON"),
        ({"AMQP_URL": "amqp://127.0.0.1:1/"}, "no broker: 127.0.0.1:1:"),
        ({"AMQP_URL": "nonsense"}, "expected an address such as amqp://"),
        ({"QUEUE": uuid.uuid4().hex, "TIMEOUT": "3"}, "Is it all running? `make status` tells."),
    ],
    ids=["no JSON", "no broker", "no address", "no queue"],
)
async def test_what_is_wrong_is_said_in_words(rabbitmq: Broker, environment: dict[str, str], told: str) -> None:
    ended = await call(**{"AMQP_URL": rabbitmq.url, **environment})
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr.startswith("make call: ")
    assert told in ended.stderr
    assert "Traceback" not in ended.stderr
