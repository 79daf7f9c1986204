"""The demonstration as a program: it succeeds on a real engine, and says what was wrong on another."""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
import sys
from pathlib import Path

from tests.conftest import Broker, Engine
from tests.fakes.gateway import FakeGateway, fail

ROOT = Path(__file__).parents[2]


def demo(amqp_url: str, zeebe_address: str) -> subprocess.CompletedProcess[str]:
    """Run it to its end."""
    environment = {
        **os.environ,
        "AMQP_URL": amqp_url,
        "ZEEBE_ADDRESS": zeebe_address,
        "PYTHONPATH": f"{ROOT}:{ROOT / 'contracts'}",
    }
    return subprocess.run(
        [sys.executable, "-m", "scripts.demo"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=150,
        check=False,
    )


def test_the_demo_succeeds_and_shows_its_steps_and_a_trace(rabbitmq: Broker, zeebe: Engine) -> None:
    ended = demo(rabbitmq.url, zeebe.address)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    total = re.search(r"(\d+) of (\d+) answers were the expected ones; everything is stopped again\.", ended.stdout)
    assert total is not None
    assert total[1] == total[2]
    for shown in ("One request, one trace", "publish reply", "What happened", "Try next:"):
        assert shown in ended.stdout
    assert "✗" not in ended.stdout


async def test_the_demo_fails_at_the_first_wrong_answer(rabbitmq: Broker) -> None:
    async with FakeGateway() as gateway:
        gateway.always("DeployResource", fail("INVALID_ARGUMENT", "not today"))
        ended = await asyncio.to_thread(demo, rabbitmq.url, gateway.address)
    assert ended.returncode == 1, ended.stdout + ended.stderr
    assert "expected a result, got INVALID_ARGUMENT" in ended.stdout
    assert "1 of 2 answers were the expected ones" in ended.stdout
    assert gateway.count("CreateProcessInstance") == 0
