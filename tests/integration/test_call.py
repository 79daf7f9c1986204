"""`make call`: one request from a shell."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import uuid
from pathlib import Path

import orjson

from scripts.consumer import Consumer
from scripts.process import free_port
from tests.conftest import Broker

ROOT = Path(__file__).parents[2]
USED = "using AMQP_URL={} from the environment\n"
NOWHERE = "/nonexistent"
"""A folder in which `make up` has never run."""


async def call(**environment: str) -> subprocess.CompletedProcess[str]:
    """Run it to its end, with variables as `make call` sets them."""
    everything = {**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'contracts'}", "STACK_DIR": NOWHERE, **environment}
    command = [sys.executable, "-m", "scripts.call"]
    return await asyncio.to_thread(
        subprocess.run, command, cwd=ROOT, env=everything, capture_output=True, text=True, timeout=120, check=False
    )


async def test_the_reply_is_shown_and_an_error_ends_with_one(rabbitmq: Broker, consumer: Consumer) -> None:
    ended = await call(AMQP_URL=rabbitmq.url, QUEUE=consumer.queues[0], OP="topology")
    assert (ended.returncode, ended.stderr) == (0, USED.format(rabbitmq.url.replace(":guest@", "@")))
    assert orjson.loads(ended.stdout)["data"]["clusterSize"] == 1
    ended = await call(AMQP_URL=rabbitmq.url, QUEUE=consumer.queues[0], OP="complete-job", DATA='{"jobKey": "x"}')
    assert ended.returncode == 1
    assert orjson.loads(ended.stdout)["error"]["code"] == "INVALID_ARGUMENT"


async def test_what_is_wrong_is_said_in_words(rabbitmq: Broker) -> None:
    for environment, told in (
        ({"DATA": "{"}, "DATA: found '{', which is not JSON"),
        ({"AMQP_URL": f"amqp://a:secret@127.0.0.1:{free_port()}"}, "but nothing listens there: start that server, or"),
        ({"AMQP_URL": "nonsense"}, "AMQP_URL in the environment is no address: expected an address such as amqp://"),
        ({"AMQP_URL": ""}, "no broker: `make up` starts one, or set AMQP_URL"),
        ({"QUEUE": uuid.uuid4().hex, "TIMEOUT": "1"}, "Is it all running? `make status` tells."),
    ):
        ended = await call(**{"AMQP_URL": rabbitmq.url, **environment})
        assert (ended.returncode, ended.stdout) == (1, ""), environment
        assert "make call: " in ended.stderr, environment
        assert told in ended.stderr, (environment, ended.stderr)
        assert "Traceback" not in ended.stderr, environment
        assert "secret" not in ended.stderr, environment
