"""`zeebe-amqp work`: a program becomes a worker."""

from __future__ import annotations

import asyncio
import shutil
import signal
import threading
from dataclasses import dataclass
from typing import Any, Final

import click
import msgspec

from zeebe_amqp.cli import exit_codes
from zeebe_amqp.cli.connection import CONNECTION, USER_ID, Connection, connected
from zeebe_amqp.cli.examples import Line
from zeebe_amqp.cli.handler import CannotStart, ProgramHandler, answer
from zeebe_amqp.cli.help import Explained
from zeebe_amqp.cli.values import SECONDS, TEXT
from zeebe_amqp.client import BpmnError, Job, JobFailure, Worker
from zeebe_amqp.client.source import SourceName
from zeebe_amqp.jobs.answers import Outcome

__all__ = ["work"]

EXEC: Final = "--exec"
SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)
"""The first one stops the worker, the second one also what it runs."""

EXAMPLES: Final = (
    Line("A shell script as a worker", "zeebe-amqp work pack-parcel --exec ./pack.sh"),
    Line(
        "One job, with a program that takes arguments",
        "zeebe-amqp work pack-parcel --once --exec python3 pack.py --boxes 2",
    ),
    Line(
        "Four at a time, only from the queue of the type",
        "zeebe-amqp work pack-parcel --concurrency 4 --source queue --exec ./pack.sh",
    ),
)


class _Executing(Explained):
    """A command whose last option takes the rest of the line, whatever is in it."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Give every word after the option to it."""
        if EXEC in args:
            at = args.index(EXEC)
            args = [*args[:at], *(f"{EXEC}={word}" for word in args[at + 1 :])]
        return super().parse_args(ctx, args)


def _program(context: click.Context, parameter: click.Parameter, words: tuple[str, ...]) -> tuple[str, ...]:
    if shutil.which(words[0]) is None:
        raise click.BadParameter(f"expected a program that can be started, found {words[0]!r}", context, parameter)
    return words


@click.command(
    cls=_Executing,
    examples=EXAMPLES,
    params=[
        click.Argument(["job_type"], type=TEXT, metavar="JOB_TYPE", help="the type of the jobs"),
        click.Option(
            [EXEC, "command"],
            type=TEXT,
            multiple=True,
            required=True,
            callback=_program,
            metavar="COMMAND...",
            help="the program and its arguments: all that follows; no shell interprets them",
        ),
        click.Option(
            ["--concurrency"],
            type=click.IntRange(1, 10_000),
            default=1,
            help="how many jobs run at a time, at most; default 1",
        ),
        click.Option(
            ["--source"],
            type=click.Choice(["queue", "poll"]),
            help="where jobs come from; default the queue of the type if it exists, else polls",
        ),
        click.Option(["--queue"], type=TEXT, help="the queue of the jobs; default zeebe.jobs.JOB_TYPE"),
        click.Option(
            ["--job-timeout"],
            type=SECONDS,
            default=300.0,
            help="how long each lock of a job lasts; it is extended while the program runs; default 5m",
        ),
        click.Option(["--max", "at_most"], type=click.IntRange(1), help="stop after this many jobs"),
        click.Option(["--once", "only_one"], is_flag=True, help="stop after one job"),
        *CONNECTION,
        USER_ID,
    ],
)
@connected
def work(
    connection: Connection,
    *,
    job_type: str,
    command: tuple[str, ...],
    concurrency: int,
    source: SourceName | None,
    queue: str | None,
    job_timeout: float,
    at_most: int | None,
    only_one: bool,
) -> int:
    """Run a program for every job of a type; its output is the answer.

    The program reads the variables as JSON on standard input. Exit code 0 completes the job with the JSON object on
    standard output, 100 throws the BPMN error there, and any other fails it with the end of standard error.
    """
    if only_one and at_most is not None:
        raise click.UsageError("--once: not allowed together with --max")
    options: dict[str, Any] = {"concurrency": concurrency, "source": source, "queue": queue}
    options |= {"timeout": f"{round(job_timeout * 1000)}ms", "at_most": 1 if only_one else at_most}
    running = _Running(connection, ProgramHandler(command), job_type, options)
    return asyncio.run(running.run())


@dataclass
class _Running:
    """A worker until it ends, or is told to."""

    connection: Connection
    handler: ProgramHandler
    job_type: str
    options: dict[str, Any]
    problem: CannotStart | None = None
    signals: int = 0

    async def run(self) -> int:
        """Work; the exit code.

        Raises:
            CommandError: going on makes no sense.
            click.UsageError: the program cannot be started, or an option is wrong.
        """
        async with self.connection.client() as client:
            try:
                self.worker = Worker(client, self.job_type, self._handle, **self.options)
            except ValueError as problem:
                raise click.UsageError(f"--{problem}") from None
            self.task = asyncio.get_running_loop().create_task(self.worker.run())
            self._listen()
            await asyncio.wait({self.task})
        if self.problem is not None:
            raise click.UsageError(f"{EXEC}: {self.problem}")
        if self.task.cancelled():
            return exit_codes.INTERRUPTED
        self.task.result()
        return exit_codes.OK

    def _listen(self) -> None:
        if threading.current_thread() is threading.main_thread():  # in others there are no signals
            for each in SIGNALS:
                asyncio.get_running_loop().add_signal_handler(each, self._on_signal)

    def _on_signal(self) -> None:
        self.signals += 1
        if self.signals == 1:
            self.worker.stop()
            self.connection.output.note("finishing the jobs in progress; a second signal ends them", stopping=True)
        else:
            self.task.cancel()

    async def _handle(self, job: Job) -> msgspec.Raw | None:
        try:
            found = answer(await self.handler.run(job))
        except CannotStart as problem:
            self.problem = problem
            self.worker.stop()
            await job.requeue()
            return None
        except BpmnError as error:
            self._tell(job, Outcome.ERROR, errorCode=error.error_code)
            raise
        except JobFailure as failure:
            self._tell(job, Outcome.FAIL, errorMessage=failure.message)
            raise
        self._tell(job, Outcome.COMPLETE, variables=found)
        return found

    def _tell(self, job: Job, outcome: Outcome, **facts: Any) -> None:
        self.connection.output.line(msgspec.json.encode({"jobKey": job.key, "outcome": outcome, **facts}))
