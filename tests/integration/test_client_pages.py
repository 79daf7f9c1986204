"""The client's pages, program by program, on a real engine: each runs as it stands."""

from __future__ import annotations

import asyncio
import inspect
import json
import os
import re
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

import zeebe_amqp
from scripts.consumer import Consumer
from tests.conftest import Broker
from tests.integration import processes
from tests.integration.process_helper import unique
from tests.unit.contracts.cli.program import Ended, ended
from zeebe_amqp import Client, Code, CreateInstance, DeployProcess, SyncClient
from zeebe_amqp.cli import exit_codes as exits
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


async def deploy(client: Client, text: str) -> None:
    await client.call(DeployProcess(name="process.bpmn", content=text.encode()))


async def run(program: str, url: str) -> None:
    """Run the program's `main`, coroutine function or not."""
    names: dict[str, Any] = {"__name__": "page"}
    exec(compile(program, "page", "exec"), names)
    main = names["main"]
    await (main(url) if inspect.iscoroutinefunction(main) else asyncio.to_thread(main, url))


async def alone(client: Client, program: str, url: str) -> None:
    """A program that needs an order process, and nothing else."""
    await deploy(client, processes.empty("order"))
    await run(program, url)


async def payment(client: Client, amount: int) -> asyncio.Task[Any]:
    """An instance with a job for the card, and its end."""
    await deploy(client, processes.work("payment", "charge-card", headers={"account": "main"}))
    create = CreateInstance(bpmn_process_id="payment", variables={"amount": amount})
    return asyncio.create_task(client.call(create.until_end("60s")))


async def charged(client: Client, program: str, url: str) -> None:
    """The worker charges, and ends by a signal."""
    ended = await payment(client, 10)
    working = asyncio.create_task(run(program, url))
    assert (await ended).values() == {"amount": 10, "charged": 10, "account": "main"}
    os.kill(os.getpid(), signal.SIGTERM)
    await working


async def iterated(client: Client, program: str, url: str) -> None:
    """One job is taken and completed."""
    ended = await payment(client, 20)
    await run(program, url)
    assert (await ended).values() == {"amount": 20, "charged": 20}


async def cancelled(client: Client, program: str, url: str) -> None:
    """The worker charges, and would go on for ever."""
    ended = await payment(client, 30)
    working = asyncio.create_task(run(program, url))
    assert (await ended).values() == {"amount": 30, "charged": 30}
    working.cancel()
    await asyncio.wait({working})


Scenario = Callable[[Client, str, str], Awaitable[None]]
SCENARIOS: dict[str, Scenario] = {"jobs 0": charged, "jobs 1": iterated, "pyzeebe 1": cancelled}
PRINTED = {
    "call 0": r"\d{16}",
    "call 1": r"\{'orderId': 7\}",
    "call 2": r"\d{16}",
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
    await SCENARIOS.get(name, alone)(client, PROGRAMS[name], rabbitmq.url)
    assert re.fullmatch(PRINTED[name], capsys.readouterr().out.strip())


async def test_jobs_fail_and_end_by_bpmn_errors_on_the_engine(client: Client) -> None:
    """One process of a test's own: fails once, then an error that the process catches ends it."""
    process, job_type = unique("process"), unique("job")
    await deploy(client, processes.forgiving(process, job_type, "late"))
    create = CreateInstance(bpmn_process_id=process, variables={"key": 2**53 + 1})
    ended = asyncio.create_task(client.call(create.until_end("60s")))
    tried: list[int] = []

    async def handle(job: zeebe_amqp.Job) -> None:
        tried.append(job.retries)
        assert job.variables["key"] == 2**53 + 1
        if len(tried) == 1:
            raise ValueError("not yet")
        raise zeebe_amqp.BpmnError("late", "too late", {"detail": "why"})

    worker = zeebe_amqp.Worker(client, job_type, handle, back_off="0s", request_timeout="2s")
    working = asyncio.create_task(worker.run())
    assert (await ended).values() == {"key": 2**53 + 1, "detail": "why"}
    worker.stop()
    await working
    assert tried == [3, 2]


async def test_the_command_line_plays_processes_on_the_engine(
    rabbitmq: Broker, consumer: Consumer, tmp_path: Path
) -> None:
    """Two files are deployed at once; an instance ends with a result; a job is completed, and gone after that."""
    ending, working, job_type = unique("ending"), unique("working"), unique("job")
    (tmp_path / "a.bpmn").write_text(processes.empty(ending))
    (tmp_path / "b.bpmn").write_text(processes.work(working, job_type))

    async def told(*words: str) -> Ended:
        options = ("--url", rabbitmq.url, "--queues", ",".join(consumer.queues))
        return await asyncio.to_thread(ended, *words, *options)

    deployed = json.loads((await told("deploy", str(tmp_path / "a.bpmn"), str(tmp_path / "b.bpmn"))).out)
    assert [each["process"]["bpmnProcessId"] for each in deployed["deployments"]] == [ending, working]
    variables = ("--variables", f'{{"exact": {2**63 - 1}}}')
    finished = await told("create-instance", ending, *variables, "--with-result", "--request-timeout", "60s")
    assert json.loads(json.loads(finished.out)["variables"]) == {"exact": 2**63 - 1}
    created = json.loads((await told("create-instance", working, *variables)).out)
    activate = ("activate-jobs", job_type, "--max-jobs-to-activate", "1", "--request-timeout", "60s")
    job = json.loads((await told(*activate)).out)
    assert job["processInstanceKey"] == created["processInstanceKey"]
    assert await told("complete-job", str(job["key"])) == (0, "null\n", "")
    again = await told("complete-job", str(job["key"]))
    assert again.code == exits.NOT_EXECUTED + exits.NUMBERS[Code.NOT_FOUND]
    assert json.loads(again.err)["error"]["details"] == {"intent": "COMPLETE", "rejection": "NOT_FOUND"}
