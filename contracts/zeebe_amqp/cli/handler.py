"""A program as the handler of jobs: what it gets, and what its end means."""

from __future__ import annotations

import asyncio
import errno
import os
import signal
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Final, NamedTuple

import click
import msgspec

from zeebe_amqp import wire
from zeebe_amqp.client import BpmnError, Job, JobFailure
from zeebe_amqp.client.trace_context import trace_variables
from zeebe_amqp.schema.formatting import found_in, json_error

__all__ = ["BPMN_ERROR", "CannotStart", "ProgramHandler", "ProgramRun", "answer", "facts"]

BPMN_ERROR: Final = 100
"""The exit code of a program that throws a BPMN error."""
MAX_TAIL: Final = 1000
"""How many of the last characters on standard error are told to the engine."""
GRACE: Final = 5.0
"""Seconds that a program gets to end when its worker is interrupted."""
KILL_TIMEOUT: Final = 5.0
"""Seconds until a program that was killed is gone, at most; what nobody reaps never is."""
_PAUSE: Final = 0.02
"""Seconds between two looks whether a program is gone."""
_CHUNK: Final = 64 * 1024
_NEVER: Final = frozenset({errno.ENOENT, errno.EACCES, errno.ENOEXEC, errno.ENOTDIR, errno.EISDIR})
"""Why no program can be started under that name, for this job or another."""


_NONE: Final = msgspec.Raw(b"null")


class CannotStart(Exception):
    """The program cannot be started; the text says why."""


class ProgramRun(NamedTuple):
    """A run of the program."""

    code: int
    """Its exit code; below 0 the number of the signal that ended it."""
    out: bytes
    """Its standard output: of too much a byte more than is accepted."""
    tail: bytes
    """The end of its standard error."""


class _Thrown(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    """What a program prints that throws a BPMN error."""

    error_code: str
    error_message: str = ""
    variables: msgspec.Raw = _NONE


def facts(job: Job) -> dict[str, str]:
    """What a program gets in its environment beside the variables on its standard input."""
    found = job.activated
    return {
        "ZEEBE_JOB_KEY": str(found.key),
        "ZEEBE_JOB_TYPE": found.type,
        "ZEEBE_JOB_RETRIES": str(found.retries),
        "ZEEBE_JOB_DEADLINE": str(found.deadline),
        "ZEEBE_CUSTOM_HEADERS": found.custom_headers,
        "ZEEBE_PROCESS_INSTANCE_KEY": str(found.process_instance_key),
        "ZEEBE_BPMN_PROCESS_ID": found.bpmn_process_id,
        "ZEEBE_ELEMENT_ID": found.element_id,
        "ZEEBE_ELEMENT_INSTANCE_KEY": str(found.element_instance_key),
        "ZEEBE_TENANT_ID": found.tenant_id,
    }


def answer(ended: ProgramRun) -> msgspec.Raw | None:
    """The variables to complete the job with.

    Raises:
        BpmnError: the program threw one.
        JobFailure: it failed, or what it printed is no answer.
    """
    if ended.code not in (0, BPMN_ERROR):
        raise JobFailure(_reason(ended))
    if len(ended.out) > wire.MAX_BODY:
        raise JobFailure(f"standard output: expected at most {wire.MAX_BODY} bytes, found more")
    if ended.code == BPMN_ERROR:
        raise _thrown(ended.out)
    if not ended.out.strip():
        return None
    try:
        msgspec.json.decode(ended.out, type=dict)
    except msgspec.ValidationError:
        raise JobFailure(f"standard output: expected a JSON object or nothing, found {found_in(ended.out)}") from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as problem:
        words = json_error(problem, ended.out)
        raise JobFailure(f"standard output: expected a JSON object or nothing; {words}") from None
    return msgspec.Raw(ended.out.strip())


def _thrown(out: bytes) -> BpmnError | JobFailure:
    try:
        thrown = msgspec.json.decode(out, type=_Thrown)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as problem:
        expected = '{"errorCode": "…"}, optionally with errorMessage and variables'
        return JobFailure(f"standard output with exit code {BPMN_ERROR}: expected {expected}; {problem}")
    variables = None if bytes(thrown.variables) == bytes(_NONE) else thrown.variables
    return BpmnError(thrown.error_code, thrown.error_message, variables)


def _reason(ended: ProgramRun) -> str:
    """The last that the program said, and how it ended where that says nothing."""
    said = ended.tail.decode(errors="replace").strip()
    if said:
        return said[-MAX_TAIL:].lstrip()
    how = f"exit code {ended.code}" if ended.code >= 0 else f"ended by {_signal(-ended.code)}"
    return f"{how}, and nothing on standard error"


def _signal(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


class ProgramHandler:
    """Runs a program for a job: no shell, a process of its own that signals at the terminal do not reach.

    Args:
        command: the program and its arguments.
        environment: what it inherits.
    """

    def __init__(self, command: Sequence[str], environment: Mapping[str, str] = os.environ) -> None:
        self._command = command
        # The trace of a job is that of its process, not the one that the worker was started in.
        self._environment = {
            name: value for name, value in environment.items() if name not in ("TRACEPARENT", "TRACESTATE")
        }

    async def run(self, job: Job) -> ProgramRun:
        """Run it to its end. When it is cancelled, the program is ended, too.

        Raises:
            CannotStart: there is no such program.
            JobFailure: it cannot be started for this job.
        """
        starting = asyncio.create_task(self._start(job))
        try:
            process = await asyncio.shield(starting)
            _, out, tail, code = await asyncio.gather(
                _feed(process, job.activated.variables.encode()), _take(process), _tell(process), process.wait()
            )
        except BaseException:
            # Cancelled while it starts, asyncio would end the program alone, and wait for all that it has started.
            with suppress(CannotStart, JobFailure):
                await _end(await starting)
            raise
        return ProgramRun(code, out, tail)

    async def _start(self, job: Job) -> asyncio.subprocess.Process:
        pipe = asyncio.subprocess.PIPE
        environment = {**self._environment, **facts(job), **trace_variables()}
        try:
            return await asyncio.create_subprocess_exec(
                *self._command, stdin=pipe, stdout=pipe, stderr=pipe, env=environment, start_new_session=True
            )
        except OSError as problem:
            words = f"{self._command[0]!r} cannot be started: {problem.strerror}"
            raise (CannotStart if problem.errno in _NEVER else JobFailure)(words) from problem


async def _feed(process: asyncio.subprocess.Process, variables: bytes) -> None:
    assert process.stdin is not None
    with suppress(ConnectionError):  # it need not read them
        process.stdin.write(variables)
        await process.stdin.drain()
    process.stdin.close()


async def _take(process: asyncio.subprocess.Process) -> bytes:
    """What it prints; of too much only so much that this can be told."""
    assert process.stdout is not None
    out = bytearray()
    while chunk := await process.stdout.read(_CHUNK):
        out += chunk[: wire.MAX_BODY + 1 - len(out)]
    return bytes(out)


async def _tell(process: asyncio.subprocess.Process) -> bytes:
    """Pass on what it says on standard error; gives the end of it."""
    assert process.stderr is not None
    tail = b""
    while chunk := await process.stderr.read(_CHUNK):
        click.echo(chunk, err=True, nl=False)
        tail = (tail + chunk)[-4 * MAX_TAIL :]
    return tail


async def _end(process: asyncio.subprocess.Process) -> None:
    """End it with all that it has started, also when it has ended before them: first kindly."""
    for number, seconds in ((signal.SIGTERM, GRACE), (signal.SIGKILL, KILL_TIMEOUT)):
        _send(process.pid, number)
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while _send(process.pid, 0):  # noqa: ASYNC110 - the system tells nobody
                    await asyncio.sleep(_PAUSE)
                return


def _send(group: int, number: int) -> bool:
    """Send a signal to a group of processes; false when nobody is in it any more."""
    try:
        os.killpg(group, number)
    except ProcessLookupError:
        return False
    return True
