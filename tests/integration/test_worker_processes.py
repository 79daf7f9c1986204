"""A worker of our client, the service and an engine: processes end as their handlers say."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import pytest_asyncio

from scripts.consumer import ROOT, Consumer
from tests.conftest import Engine
from tests.integration import processes
from tests.integration.broker_control import VirtualHost
from tests.integration.caller import Caller
from tests.integration.cli import PROGRAM
from tests.integration.process_helper import ProcessHelper, unique
from tests.integration.running_worker import Running
from tests.integration.service import TIMEOUT, eventually, metric, running_consumer
from zeebe_amqp import BpmnError, Client, Job, JobFailure, Worker
from zeebe_amqp.jobs.answers import Outcome
from zeebe_amqp.jobs.names import job_queue

PATHS = {**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'contracts'}"}
"""For the program as a process."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def types() -> dict[str, str]:
    """A type of jobs of each test's own; the short ones are locked for eight seconds."""
    return {name: unique(name) for name in ("quick", "short", "shell")}


@pytest.fixture(scope="module")
def served(
    vhost: VirtualHost, zeebe: Engine, types: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Consumer]:
    """A service that pushes these jobs."""
    folder = tmp_path_factory.mktemp("jobs")
    (folder / "jobs.toml").write_text(f'[jobs."{types["short"]}"]\ntimeout = "8s"\n')
    settings = {"JOBS": f"{types['quick']},{types['shell']}", "JOBS_FILE": str(folder / "jobs.toml")}
    with running_consumer(folder, vhost.url, zeebe.address, settings) as running:
        yield running


class Process(NamedTuple):
    """A process with one task, and who starts it."""

    caller: Caller
    id: str

    async def ends(self, **variables: Any) -> dict[str, Any]:
        """Its variables at its end."""
        data = {"bpmnProcessId": self.id, "variables": variables, "withResult": True, "requestTimeout": "50s"}
        found = await self.caller.result("create-instance", data, queue=self.caller.polls)
        return dict(json.loads(found["variables"]))


@asynccontextmanager
async def deployed(
    served: Consumer, vhost: VirtualHost, job_type: str, build: Any = processes.work
) -> AsyncIterator[tuple[Process, Client]]:
    async with Caller(vhost.url, *served.queues) as caller, Client(vhost.url) as client:
        helper = ProcessHelper(caller)
        await helper.deploy_text(build(helper.id, job_type))
        yield Process(caller, helper.id), client


async def test_a_handler_s_end_is_the_engine_s(served: Consumer, vhost: VirtualHost, types: dict[str, str]) -> None:
    async def work(job: Job) -> dict[str, Any]:
        tries.append(job.retries)
        if job.variables.get("fails") and job.retries == 3:
            raise JobFailure("no van")
        if job.variables.get("throws"):
            raise BpmnError("late", "two days", {"detail": "by road"})
        return {"charged": job.variables["amount"]}

    tries: list[int] = []

    def forgiving(process: str, job_type: str) -> str:
        return processes.forgiving(process, job_type, "late")

    async with (
        deployed(served, vhost, types["quick"], forgiving) as (process, client),
        Running(client, work, types["quick"]),
    ):
        assert await process.ends(amount=7) == {"amount": 7, "charged": 7}
        assert (await process.ends(amount=8, fails=True))["charged"] == 8
        assert (await process.ends(amount=9, throws=True))["detail"] == "by road"
    assert tries == [3, 3, 2, 3]


async def test_a_job_that_takes_longer_than_its_lock_is_worked_once(
    served: Consumer, vhost: VirtualHost, types: dict[str, str]
) -> None:
    async def work(job: Job) -> dict[str, Any]:
        keys.append(job.key)
        await asyncio.sleep(12)
        return {"done": True}

    keys: list[int] = []
    async with (
        deployed(served, vhost, types["short"]) as (process, client),
        Running(client, work, types["short"], timeout="8s"),
    ):
        ending = asyncio.create_task(process.ends())
        await asyncio.wait({ending})
    told = {name: metric(served, "jobs_answered_total", type=types["short"], outcome=name) for name in Outcome}
    assert ending.exception() is None, told
    assert (ending.result(), len(keys)) == ({"done": True}, 1), told
    assert told[Outcome.EXTEND] >= [1.0], told


async def test_a_job_whose_worker_dies_is_worked_by_another(
    served: Consumer, vhost: VirtualHost, types: dict[str, str]
) -> None:
    async def hang(_: Job) -> None:
        begun.set()
        await asyncio.Event().wait()

    begun = asyncio.Event()
    async with deployed(served, vhost, types["quick"]) as (process, client):
        async with Client(vhost.url) as dying:
            task = asyncio.create_task(Worker(dying, types["quick"], hang).run())
            ending = asyncio.create_task(process.ends())
            await begun.wait()
            task.cancel()
            await asyncio.wait({task})
        async with Running(client, lambda _: {"other": True}, types["quick"]):
            assert await ending == {"other": True}


async def test_a_worker_polls_where_there_is_no_queue_and_takes_from_it_where_there_is(
    served: Consumer, vhost: VirtualHost, types: dict[str, str]
) -> None:
    polled = unique("polled")
    for job_type in (polled, types["quick"]):
        async with deployed(served, vhost, job_type) as (process, _):
            commands, polls = served.queues
            async with Client(vhost.url, commands=commands, polls=polls) as client:
                worker = Worker(client, job_type, lambda _: {"a": 1}, request_timeout="1s")
                task = asyncio.create_task(worker.run())
                assert await process.ends() == {"a": 1}
                found = await client.look(job_queue(job_type))
                assert (found is not None and found.consumers == 1) is (job_type != polled)
                worker.stop()
                await task


async def test_a_shell_script_is_a_worker(
    served: Consumer, vhost: VirtualHost, types: dict[str, str], tmp_path: Path
) -> None:
    script = tmp_path / "pack.sh"
    script.write_text(
        """#!/bin/sh
case $(cat) in
    *fails*) [ "$ZEEBE_JOB_RETRIES" = 2 ] || { echo "out of paper" >&2; exit 3; };;
    *last*) touch "$(dirname "$0")/last";;
esac
sleep 0.5
echo '{"boxes": 2, "type": "'"$ZEEBE_JOB_TYPE"'"}'
"""
    )
    script.chmod(0o755)
    words = [*PROGRAM, "work", types["shell"], "--url", vhost.url, "--source", "queue", "--exec", str(script)]
    async with deployed(served, vhost, types["shell"]) as (process, _):
        program = await asyncio.create_subprocess_exec(*words, stdout=-1, stderr=-1, env=PATHS)
        try:
            expected = {"boxes": 2, "type": types["shell"]}
            assert await process.ends() == expected
            assert await process.ends(fails=True) == {"fails": True, **expected}
            last = asyncio.create_task(process.ends(last=True))
            await eventually((tmp_path / "last").exists, "the last job is begun")
            program.terminate()
            assert await last == {"last": True, **expected}
            async with asyncio.timeout(TIMEOUT):
                out, err = await program.communicate()
        finally:
            with suppress(ProcessLookupError):
                program.kill()
    assert program.returncode == 0, err
    told = [json.loads(line)["outcome"] for line in out.splitlines()]
    assert told == ["complete", "fail", "complete", "complete"]
    assert b"out of paper" in err
