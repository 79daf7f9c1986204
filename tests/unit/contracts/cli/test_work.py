"""A program as a worker: what it gets, what its end means for the job, and how it is ended."""

from __future__ import annotations

import asyncio
import errno
import json
import os
from contextlib import suppress
from pathlib import Path
from typing import Any
from unittest import mock

import msgspec
import pytest

from tests.cases import check_all, check_each
from tests.unit.contracts.cli.program import Ended as Run
from tests.unit.contracts.cli.program import ended, refused
from zeebe_amqp import Job
from zeebe_amqp.cli import exit_codes, handler
from zeebe_amqp.cli.connection import Connection
from zeebe_amqp.cli.handler import BPMN_ERROR, MAX_TAIL, CannotStart, ProgramHandler, ProgramRun, answer, facts
from zeebe_amqp.client import BpmnError, JobFailure
from zeebe_amqp.client.jobs import ByCommand
from zeebe_amqp.commands import ActivateJobs
from zeebe_amqp.testing import FakeConsumer, JobState
from zeebe_amqp.testing.jobs import FakeJob

PATIENCE = 30


@pytest.fixture
def consumer(monkeypatch: pytest.MonkeyPatch) -> FakeConsumer:
    """The service that the program finds."""
    made = FakeConsumer()
    monkeypatch.setattr(Connection, "client", lambda self: made.client())
    return made


@pytest.fixture
def script(tmp_path: Path) -> Any:
    """Makes a shell script."""

    def make(text: str, first: str = "#!/bin/sh\n") -> str:
        path = tmp_path / "handler"
        path.write_text(first + text)
        path.chmod(0o755)
        return str(path)

    return make


def run(*words: str) -> Run:
    return ended("work", "pack", *words)


def said(found: Run) -> list[dict[str, Any]]:
    return [json.loads(line) for line in found.out.splitlines()]


def the_job(**facts: Any) -> Job:
    """A job that nobody settles."""
    made = FakeJob(7, "pack", {"a": 1}, {"to": "door"}, 3, facts)
    activated = made.activated(ActivateJobs(job_type="pack", max_jobs_to_activate=1), 1_500)
    return Job(activated, ByCommand(mock.Mock()))


# --- what an end means ------------------------------------------------------------------------------------------------


def test_an_end_with_an_object_or_nothing_completes_a_job() -> None:
    def completes(out: bytes, variables: bytes | None) -> None:
        found = answer(ProgramRun(0, out, b"some words"))
        assert (None if found is None else bytes(found)) == variables

    cases = [(b"", None), (b" \n", None), (b'{"a": 1.10}\n', b'{"a": 1.10}'), (b'\n{"a":\n1}', b'{"a":\n1}')]
    check_all(cases, completes)


def test_what_is_no_answer_fails_it_and_says_why() -> None:
    def fails(code: int, out: bytes, tail: bytes, words: str) -> None:
        with pytest.raises(JobFailure) as raised:
            answer(ProgramRun(code, out, tail))
        assert words in raised.value.message
        assert len(raised.value.message) <= MAX_TAIL
        assert raised.value.retries is None

    cases: dict[str, tuple[int, bytes, bytes, str]] = {
        "text": (0, b"done", b"", "standard output: expected a JSON object or nothing; "),
        "a number": (0, b"5", b"", "standard output: expected a JSON object or nothing, found 5"),
        "a list": (0, b"[]", b"", "found a list"),
        "null": (0, b"null", b"", "found null"),
        "no UTF-8": (0, b'{"a": "\xff"}', b"", "standard output: expected a JSON object or nothing; "),
        "too deep": (0, b'{"a":' + b"[" * 100_000, b"", "standard output"),
        "too much": (0, b"x" * (8 * 1024 * 1024 + 1), b"", "expected at most 8388608 bytes, found more"),
        "its words": (3, b"{}", b"a\nout of paper\n", "a\nout of paper"),
        "its last words": (1, b"", b"x" * 5000 + b"the end", "xthe end"),
        "words that are no text": (1, b"", b"\xff", "\ufffd"),
        "no words": (3, b"", b" \n", "exit code 3, and nothing on standard error"),
        "a signal": (-9, b"", b"", "ended by SIGKILL, and nothing on standard error"),
        "a signal without a name": (-63, b"", b"", "ended by signal 63"),
        "no BPMN error": (BPMN_ERROR, b"", b"", 'standard output with exit code 100: expected {"errorCode"'),
        "another error": (BPMN_ERROR, b'{"code": "x"}', b"", "unknown field `code`"),
        "a list of errors": (BPMN_ERROR, b"[]", b"", "standard output with exit code 100"),
    }
    check_all(cases, fails)


def test_an_error_of_bpmn_is_thrown_with_all_that_comes_with_it() -> None:
    out = b'{"errorCode": "late", "errorMessage": "two days", "variables": {"days": 2}}'
    with pytest.raises(BpmnError) as raised:
        answer(ProgramRun(BPMN_ERROR, out, b"words"))
    found = raised.value
    assert (found.error_code, found.message, found.variables) == ("late", "two days", msgspec.Raw(b'{"days": 2}'))


# --- what a program gets ----------------------------------------------------------------------------------------------


def test_a_program_gets_the_job_and_its_trace_and_not_the_worker_s(consumer: FakeConsumer, script: Any) -> None:
    program = script('echo "{\\"input\\": $(cat), \\"env\\": \\"$(env | grep -c ^TRACE)\\", \\"one\\": \\"$1\\"}"\n')
    consumer.push_jobs("pack")
    job = consumer.add_job("pack", {"weight": 1.5}, headers={"to": "door"})
    with mock.patch.dict(os.environ, {"TRACEPARENT": "of-the-worker"}):
        found = run("--once", "--exec", program, "--help", "")
    assert found.code == 0, found.err
    assert job.result == {"input": {"weight": 1.5}, "env": "0", "one": "--help"}
    assert said(found) == [{"jobKey": job.key, "outcome": "complete", "variables": job.result}]
    assert facts(the_job()) == {
        "ZEEBE_JOB_KEY": "7",
        "ZEEBE_JOB_TYPE": "pack",
        "ZEEBE_JOB_RETRIES": "3",
        "ZEEBE_JOB_DEADLINE": "1500",
        "ZEEBE_CUSTOM_HEADERS": '{"to":"door"}',
        "ZEEBE_PROCESS_INSTANCE_KEY": "8",
        "ZEEBE_BPMN_PROCESS_ID": "process",
        "ZEEBE_ELEMENT_ID": "task",
        "ZEEBE_ELEMENT_INSTANCE_KEY": "10",
        "ZEEBE_TENANT_ID": "<default>",
    }


def test_jobs_complete_fail_and_throw_from_both_sources(consumer: FakeConsumer, script: Any) -> None:
    program = script("""
        case $(cat) in
            *fail*) echo "no paper" >&2; exit 7;;
            *throw*) echo '{"errorCode": "late"}'; exit 100;;
            *text*) echo done;;
            *) echo '{"boxes": 2}';;
        esac
    """)
    for source in ("poll", "queue"):
        consumer.push_jobs("pack")
        kinds = ("fail", "throw", "text", "complete")
        jobs = {kind: consumer.add_job("pack", {"kind": kind}, retries=1) for kind in kinds}
        found = run("--max", "4", "--concurrency", "3", "--source", source, "--exec", program)
        assert found.code == 0, found.err
        assert (jobs["complete"].state, jobs["complete"].result) == (JobState.COMPLETED, {"boxes": 2})
        assert (jobs["throw"].state, jobs["throw"].error_code) == (JobState.THROWN, "late")
        assert (jobs["fail"].state, jobs["fail"].error_message) == (JobState.FAILED, "no paper")
        assert jobs["text"].state is JobState.FAILED
        assert "standard output: expected a JSON object or nothing" in jobs["text"].error_message
        assert sorted(each["outcome"] for each in said(found)) == ["complete", "error", "fail", "fail"]
        assert "no paper" in found.err


async def test_a_program_may_leave_its_input_alone_and_print_more_than_a_pipe_holds(script: Any) -> None:
    job = the_job()
    with mock.patch.object(type(job.activated), "variables", "x" * 1_000_000, create=True):
        found = await ProgramHandler([script("head -c 300000 /dev/zero; head -c 9000 /dev/zero >&2")]).run(job)
    assert (found.code, len(found.out), len(found.tail)) == (0, 300_000, 4 * MAX_TAIL)


# --- what goes wrong --------------------------------------------------------------------------------------------------


def test_a_program_that_cannot_be_started_ends_the_worker_and_fails_no_job(
    consumer: FakeConsumer, script: Any, tmp_path: Path
) -> None:
    job = consumer.add_job("pack", retries=3)
    assert "expected a program that can be started, found './no-such-program'" in refused(
        "work", "pack", "--exec", "./no-such-program"
    )
    assert "Missing option '--exec'" in refused("work", "pack", "--exec")
    assert "--once: not allowed together with --max" in refused("work", "pack", "--once", "--max", "2", "--exec", "cat")
    assert "--queue: missing; accepted: a name, because no queue can be named after the type 'undone'" in refused(
        "work", "undone", "--source", "queue", "--exec", "cat"
    )
    for source in ("queue", "poll"):
        consumer.push_jobs("pack")
        found = run("--source", source, "--exec", script("", first="\x00not a program"))
        assert (found.code, found.out) == (exit_codes.USAGE, ""), found
        assert "cannot be started: Exec format error" in found.err
        assert (job.retries, job.error_message) != (2, "")
        assert job.retries == 3
        consumer.advance(600)


async def test_what_keeps_one_job_s_program_from_starting_fails_that_job(script: Any) -> None:
    for number, kind in ((errno.E2BIG, JobFailure), (errno.EAGAIN, JobFailure), (errno.EACCES, CannotStart)):
        with (
            mock.patch.object(asyncio, "create_subprocess_exec", side_effect=OSError(number, os.strerror(number))),
            pytest.raises(kind, match=os.strerror(number)),
        ):
            await ProgramHandler(["./pack.sh"]).run(the_job())


def running_in(group: int) -> list[int]:
    """The processes of a group; what was killed and waits to be reaped, by whoever does that here, has ended."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):  # ended while we looked
            state, _, of, *_ = entry.read_text(errors="replace").rpartition(")")[2].split()
            found += [int(entry.parent.name)] if state != "Z" and int(of) == group else []
    return found


async def test_a_cancelled_program_is_ended_with_all_that_it_started(
    script: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def is_ended(lines: str, grace: float) -> None:
        monkeypatch.setattr(handler, "GRACE", grace)
        begun = tmp_path / "begun"
        program = script(lines.replace("BEGUN", f"echo $$ > {begun}.new; mv {begun}.new {begun}"))
        task = asyncio.create_task(ProgramHandler([program]).run(the_job()))
        async with asyncio.timeout(PATIENCE):
            while not begun.exists():  # noqa: ASYNC110 - another process writes it
                await asyncio.sleep(0.01)
        group = int(begun.read_text())
        begun.unlink()
        task.cancel()
        await asyncio.wait({task}, timeout=PATIENCE)
        assert task.cancelled()
        assert running_in(group) == []

    cases = {
        "it ends when it is told to": ("BEGUN\nsleep 1000 & wait; sleep 1000", 5.0),
        "it does not": ("trap '' TERM\nBEGUN\nsleep 1000 & wait; sleep 1000", 0.1),
        "it has ended, and what it started has not": ("sleep 1000 & BEGUN\nexit 0", 5.0),
        "what it started does not end with it": ("(trap '' TERM; BEGUN\nsleep 1000) & wait", 0.1),
    }
    await check_each(cases, is_ended)


async def test_a_program_that_is_cancelled_while_it_starts_is_ended_with_all_that_it_started(
    script: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def start_slowly(*words: Any, **options: Any) -> asyncio.subprocess.Process:
        process = await start(*words, **options)
        async with asyncio.timeout(PATIENCE):
            while not begun.exists():  # noqa: ASYNC110 - another process writes it
                await asyncio.sleep(0.01)
        started.set()
        await asyncio.sleep(0.1)
        return process

    start, started, begun = asyncio.create_subprocess_exec, asyncio.Event(), tmp_path / "begun"
    monkeypatch.setattr(asyncio, "create_subprocess_exec", start_slowly)
    program = script(f"sleep 1000 & echo $$ > {begun}.new; mv {begun}.new {begun}; wait")
    task = asyncio.create_task(ProgramHandler([program]).run(the_job()))
    await started.wait()
    task.cancel()
    await asyncio.wait({task}, timeout=PATIENCE)
    assert task.cancelled()
    assert running_in(int(begun.read_text())) == []


def test_signals_end_the_worker_first_kindly(consumer: FakeConsumer, script: Any) -> None:
    """In the main thread, as a program gets them."""
    consumer.push_jobs("pack")
    job = consumer.add_job("pack")
    assert run("--exec", script("kill -TERM $PPID; sleep 0.2; echo '{}'")).code == 0
    assert job.state is JobState.COMPLETED
    job = consumer.add_job("pack")
    found = run("--exec", script("kill -INT $PPID; sleep 0.2; kill -INT $PPID; sleep 1000"))
    assert (found.code, job.state, job.retries) == (exit_codes.INTERRUPTED, JobState.LOCKED, 3)
    assert found.err.count('"stopping":true') == 1
