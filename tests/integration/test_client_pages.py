"""The client's pages, program by program, on a real engine: each runs as it stands."""

from __future__ import annotations

import asyncio
import inspect
import os
import re
import signal
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

import zeebe_amqp
from scripts.consumer import Consumer
from tests.conftest import Broker
from tests.integration import processes
from zeebe_amqp import Client, CreateInstance, DeployProcess, SyncClient
from zeebe_amqp.client.client import Options

ROOT = Path(__file__).parents[2]
PAGES = sorted((ROOT / "docs" / "client").glob("*.md"))
PROGRAMS = {
    f"{page.stem} {number}": text
    for page in PAGES
    if page.stem != "test"  # its programs are tests, and run as such
    for number, text in enumerate(re.findall(r"```python\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL))
} | {"example": (ROOT / "examples" / "client.py").read_text(encoding="utf-8")}


@pytest.fixture
async def client(rabbitmq: Broker, consumer: Consumer, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Client]:
    """A client of the shared consumer; the programs' clients use its queues, too."""
    commands, polls = consumer.queues
    options: Options = {"commands": commands, "polls": polls}
    monkeypatch.setattr(zeebe_amqp, "Client", partial(Client, **options))
    monkeypatch.setattr(zeebe_amqp, "SyncClient", partial(SyncClient, **options))
    async with Client(rabbitmq.url, **options) as client:
        yield client


async def run(program: str, url: str) -> None:
    """Run the program's `main`, coroutine function or not."""
    names: dict[str, Any] = {"__name__": "page"}
    exec(compile(program, "page", "exec"), names)
    main = names["main"]
    await (main(url) if inspect.iscoroutinefunction(main) else asyncio.to_thread(main, url))


PAID: dict[str, dict[str, Any]] = {
    "jobs 0": {"amount": 10, "charged": 10, "account": "main"},
    "jobs 1": {"amount": 20, "charged": 20},
    "pyzeebe 1": {"amount": 30, "charged": 30},
}
"""Programs that charge a card by a job, and the variables at the end of its process."""


async def charge(client: Client, name: str, url: str) -> None:
    """Run a program of these until the process of its job has ended."""
    text = processes.work("payment", "charge-card", headers={"account": "main"})
    await client.call(DeployProcess(name="process.bpmn", content=text.encode()))
    create = CreateInstance(bpmn_process_id="payment", variables={"amount": PAID[name]["amount"]})
    paid = asyncio.create_task(client.call(create.until_end("60s")))
    working = asyncio.create_task(run(PROGRAMS[name], url))
    assert (await paid).values() == PAID[name]
    if name == "jobs 0":
        os.kill(os.getpid(), signal.SIGTERM)
    if name == "pyzeebe 1":  # it would go on for ever
        working.cancel()
        await asyncio.wait({working})
    else:
        await working


PRINTED = {
    "call 0": r"\d{16}",
    "call 1": r"\d{16}",
    "wait 0": r"\{'orderId': 7\}",
    "send 0": r"[0-9a-f]{32}",
    "jobs 0": "",
    "jobs 1": "",
    "errors 0": "it has ended already",
    "retry 0": "ALREADY_EXISTS: .*request.*",
    "dapr 0": r"\d{16}",
    "pyzeebe 0": r"\d{16}\n\{'orderId': 7\}\nit has ended",
    "pyzeebe 1": "",
    "example": r"\d{16}",
}
"""What each program prints."""


def test_every_program_of_the_pages_is_run() -> None:
    assert set(PRINTED) == set(PROGRAMS)


@pytest.mark.parametrize("name", PRINTED)
async def test_a_program_of_the_pages_runs(
    client: Client, rabbitmq: Broker, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    if name in PAID:
        await charge(client, name, rabbitmq.url)
    else:
        await client.call(DeployProcess(name="process.bpmn", content=processes.empty("order").encode()))
        await run(PROGRAMS[name], rabbitmq.url)
    assert re.fullmatch(PRINTED[name], capsys.readouterr().out.strip())
