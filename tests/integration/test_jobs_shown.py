"""What operators see of jobs on queues: the table, check and doctor, at a real broker with a running service."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import uuid
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import aio_pika
import orjson
import pytest
from aio_pika.abc import AbstractChannel
from click import unstyle

from consumer.config import Amqp
from consumer.config.settings import JobType
from consumer.rabbitmq import examine_jobs, look_at_jobs
from consumer.rabbitmq.look import ExchangeFacts, QueueFacts
from scripts.rabbitmq import RabbitMQ
from tests.integration.cli import on_a_terminal
from tests.integration.service import ConsumerSetup, eventually, running_service
from zeebe_amqp.amqp.tap import unheard
from zeebe_amqp.jobs.names import RESULTS, UNDONE, job_queue, job_queue_arguments

LIMIT = 4


@pytest.fixture
def job_type() -> str:
    """A type of this test only."""
    return f"test-{uuid.uuid4().hex[:8]}"


@pytest.fixture
async def channel(own_rabbitmq: RabbitMQ) -> AsyncIterator[AbstractChannel]:
    """A channel of somebody who may do everything."""
    async with await aio_pika.connect(own_rabbitmq.url) as connection, connection.channel() as opened:
        yield opened


@pytest.fixture
async def service(own_rabbitmq: RabbitMQ, tmp_path: Path, job_type: str) -> AsyncIterator[ConsumerSetup]:
    """A consumer that fetches the type from a gateway that always has jobs, on the broker of this file."""
    (file := tmp_path / "jobs.toml").write_text(f"[jobs.{job_type}]\nlimit = {LIMIT}\n")
    async with running_service(tmp_path, own_rabbitmq.url, JOBS_FILE=str(file)) as ready:
        yield ready


async def run(name: str, environment: Mapping[str, str]) -> tuple[int, list[dict[str, Any]], str]:
    """Run a command of the service: its exit code, its rows and what it wrote to standard error."""
    command = [sys.executable, "-m", "consumer", name]
    given: Any = {"env": dict(environment), "capture_output": True, "text": True, "check": False, "timeout": 90}
    done = await asyncio.to_thread(subprocess.run, command, **given)
    return done.returncode, [orjson.loads(line) for line in done.stdout.splitlines()], done.stderr


async def test_the_table_shows_what_waits_and_who_works_with_and_without_a_service(
    service: ConsumerSetup, channel: AbstractChannel, job_type: str
) -> None:
    environment = service.consumer.environment
    await eventually(lambda: service.metric("jobs_waiting", type=job_type) == LIMIT, "the queue is full")
    code, [row], told = await run("jobs", environment)
    assert (code, told) == (0, "")
    oldest = row.pop("oldest")
    assert 0 <= oldest < 300
    assert row == {
        "type": job_type, "queue": job_queue(job_type), "out": LIMIT, "waiting": LIMIT, "limit": LIMIT,
        "workers": 0, "problem": None,
    }  # fmt: skip
    queue = await channel.get_queue(job_queue(job_type))
    await channel.set_qos(1)
    await queue.consume(unheard)
    await asyncio.to_thread(service.consumer.stop)
    code, [row], told = await run("jobs", environment)
    assert (code, row["workers"], row["out"], row["oldest"]) == (0, 1, None, None)
    assert "no service answers at http://127.0.0.1:" in told


async def test_what_is_found_of_the_queues(
    service: ConsumerSetup, own_rabbitmq: RabbitMQ, channel: AbstractChannel, job_type: str
) -> None:
    there, gone = JobType(job_type, limit=LIMIT), JobType("never-declared")
    await eventually(lambda: service.metric("jobs_waiting", type=job_type) == LIMIT, "the queue is full")
    amqp = Amqp(urls=(own_rabbitmq.url,))
    found = await look_at_jobs(amqp, (there, gone))
    assert found == {
        job_type: QueueFacts(job_queue(job_type), messages=LIMIT),
        "never-declared": QueueFacts(job_queue("never-declared"), there=False),
    }
    facts = await examine_jobs(amqp, (there, gone))
    assert facts.queues[job_type] == replace(found[job_type], arguments=dict(job_queue_arguments(LIMIT, 3)))
    assert facts.queues["never-declared"] == found["never-declared"]
    assert (facts.results.consumers, facts.results.differences, facts.undone.consumers) == (1, (), 1)
    assert facts.exchange == ExchangeFacts()
    # Nothing was declared by looking.
    assert (await look_at_jobs(amqp, (gone,)))["never-declared"].there is False


async def test_on_a_terminal_it_fits(service: ConsumerSetup, job_type: str) -> None:
    environment = {name: value for name, value in service.consumer.environment.items() if name != "COLUMNS"} | {
        "TERM": "xterm"
    }
    for columns, words in ((80, f"│ {job_type} "), (40, f"  {job_queue(job_type)}")):
        command = [sys.executable, "-m", "consumer", "jobs"]
        code, painted = await asyncio.to_thread(on_a_terminal, command, environment, columns=columns)
        shown = unstyle(painted)
        assert (code, words in shown, "…" in shown) == (0, True, False), shown
        assert max(map(len, shown.splitlines())) <= columns


async def test_check_and_doctor_warn_of_jobs_that_nobody_takes_and_are_content_when_somebody_does(
    service: ConsumerSetup, channel: AbstractChannel, job_type: str
) -> None:
    environment, part = service.consumer.environment, f"jobs.{job_type}"
    await eventually(lambda: service.metric("jobs_waiting", type=job_type) == LIMIT, "the queue is full")

    async def checked() -> dict[str, dict[str, Any]]:
        code, rows, _ = await run("check", environment)
        assert code == 0, rows
        return {row["part"]: row for row in rows}

    found = await checked()
    assert found[part].get("warning") is True
    assert f"{LIMIT} of at most {LIMIT} jobs wait" in found[part]["found"]
    assert [found[f"jobs: {each}"].get("warning") for each in ("answers", "undone jobs", "ledger")] == [None] * 3
    queue = await channel.get_queue(job_queue(job_type))
    await channel.set_qos(1)
    await queue.consume(unheard)
    assert "warning" not in (await checked())[part]
    _, findings, _ = await run("doctor", environment)
    said = {each["subject"]: each["level"] for each in findings if each["section"] == "jobs"}
    names = [part, "answers", "undone jobs", "exchange 'zeebe.jobs.dead'", "ledger"]
    assert said == dict.fromkeys(names, "ok")


async def test_a_queue_with_other_arguments_is_told_with_the_remedy(
    own_rabbitmq: RabbitMQ, channel: AbstractChannel, tmp_path: Path
) -> None:
    other, classic, well = (f"test-{uuid.uuid4().hex[:8]}" for _ in range(3))
    await channel.declare_queue(job_queue(other), durable=True, arguments=dict(job_queue_arguments(7, 3)))
    await channel.declare_queue(job_queue(classic), durable=True)
    async with running_service(tmp_path, own_rabbitmq.url, has_jobs=False, JOBS=f"{other},{well}") as service:
        consumer = service.consumer
        consumer.stop()
        consumer.configure({"JOBS": f"{other},{classic},{well}"})
        consumer.launch()  # it is never ready
        await eventually(lambda: [*consumer.reasons()] == [f"jobs.{classic}"], "that type alone is the reason")
        _, findings, _ = await run("doctor", consumer.environment)
        wrong = {each["subject"]: each for each in findings if each["section"] == "jobs" and each["level"] == "problem"}
        assert {each.partition(":")[0] for each in wrong} == {job_queue(classic)}
        assert "delete_queue" in wrong[f"{job_queue(classic)}: x-queue-type"]["change"]
        length = next(each for each in findings if each["subject"] == f"{job_queue(other)}: x-max-length")
        assert (length["level"], "x-max-length is 28" in length["found"]) == ("warning", True)
        assert "`limit = 7`" in length["change"]


async def test_a_second_service_with_a_ledger_of_its_own_is_a_problem(service: ConsumerSetup, job_type: str) -> None:
    await service.another(JOBS=job_type)
    _, findings, _ = await run("doctor", service.consumer.environment)
    [found] = [each for each in findings if (each["section"], each["subject"]) == ("jobs", "ledger")]
    assert (found["level"], RESULTS in found["found"]) == ("problem", True)


async def test_before_the_first_start_and_in_passive_mode_what_is_missing_is_named(
    own_rabbitmq: RabbitMQ, service: ConsumerSetup, job_type: str
) -> None:
    environment = {**service.consumer.environment, "JOBS": "never-declared"}
    code, rows, _ = await run("check", environment)
    found = {row["part"]: row for row in rows}["jobs.never-declared"]
    assert (code, found["ok"], "is not there yet" in found["found"]) == (0, True, True)
    code, rows, _ = await run("check", {**environment, "AMQP_DECLARE": "passive"})
    found = {row["part"]: row for row in rows}["jobs.never-declared"]
    assert (code, found["ok"], "AMQP_DECLARE=passive" in found["found"]) == (1, False, True)
    _, [_, row], told = await run("jobs", environment)
    assert (row["waiting"], row["workers"], row["problem"]) == (None, None, "it is not there")
    assert "zeebe.jobs.never-declared: it is not there" in told
    assert UNDONE not in told
