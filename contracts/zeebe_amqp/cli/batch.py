"""`zeebe-amqp batch`: many requests from a file, each once, however often the program is interrupted."""

from __future__ import annotations

import asyncio
import sys
import time
from asyncio import sleep as pause
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import click
import msgspec
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from zeebe_amqp.cli import exit_codes
from zeebe_amqp.cli.calling import answer
from zeebe_amqp.cli.connection import CONNECTION, PRIORITY, TIMEOUT, USER_ID, Connection, connected
from zeebe_amqp.cli.examples import Line
from zeebe_amqp.cli.help import Explained
from zeebe_amqp.cli.journal import SUCCESS, Journal
from zeebe_amqp.cli.requests import Entry, parse
from zeebe_amqp.cli.values import FILE, SECONDS, STANDARD_INPUT, read
from zeebe_amqp.client import Client
from zeebe_amqp.errors import Code, CommandError, Source

__all__ = ["Batch", "batch"]

EXAMPLES: Final = (
    Line(
        "Fifty requests a second; the same command resumes after an interruption",
        "zeebe-amqp batch requests.jsonl --rate 50 --concurrency 20",
    ),
    Line(
        "A line of such a file", 'zeebe-amqp create-instance parcel --variables \'{"number":"P-1"}\' --dry-run -o json'
    ),
)


@click.command(
    cls=Explained,
    examples=EXAMPLES,
    params=[
        click.Argument(
            ["file"], type=FILE, metavar="FILE", help="a file with an envelope on each line; - for standard input"
        ),
        click.Option(
            ["--results"],
            type=click.Path(dir_okay=False),
            help="the file of results, which also records the progress; default FILE.results.jsonl",
        ),
        click.Option(["--restart"], is_flag=True, help="delete the existing results and send every request again"),
        click.Option(
            ["--rate"],
            type=click.FloatRange(0, min_open=True),
            help="at most this many requests a second; default no limit",
        ),
        click.Option(
            ["--concurrency"],
            type=click.IntRange(1, 10_000),
            default=20,
            help="at most this many requests in flight; default 20",
        ),
        click.Option(
            ["--timeout"],
            type=SECONDS,
            default=TIMEOUT,
            help="how long to wait for each answer; default 30s plus the wait of a long poll",
        ),
        PRIORITY,
        *CONNECTION,
        USER_ID,
    ],
)
@connected
def batch(
    connection: Connection,
    *,
    file: str,
    results: str | None,
    restart: bool,
    rate: float | None,
    concurrency: int,
    timeout: float,
    priority: int | None,
) -> int:
    """Send the requests of a file and keep their results; run it again to resume.

    Every request keeps its request id in all runs, so none is executed twice if the user stays the same. The next run
    retries requests that failed temporarily.
    """
    if file == STANDARD_INPUT and results is None:
        raise click.UsageError("--results: missing; standard input has no file name to derive it from")
    entries = parse(read(file))
    with Journal(Path(results or f"{file}.results.jsonl"), restart=restart) as journal:
        running = Batch(journal, entries, rate, timeout, priority)
        try:
            if running.left:
                asyncio.run(running.run(connection.client(timeout), concurrency))
        finally:
            _summarize(connection, running)
    return exit_codes.OK if running.succeeded == len(entries) else exit_codes.SOME


class Batch:
    """Requests on their way: at most `rate` a second (None: no limit), `timeout` seconds for each; one priority."""

    def __init__(
        self, journal: Journal, entries: list[Entry], rate: float | None, timeout: float, priority: int | None = None
    ) -> None:
        self.journal = journal
        self.entries = entries
        self.left = list(journal.open_entries(entries))
        self.sent = 0
        self._pause = 1 / rate if rate else 0.0
        self._next = 0.0
        self._timeout = timeout
        self._priority = priority
        self._stopped: CommandError | None = None
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            console=Console(stderr=True),
            disable=not sys.stderr.isatty(),
        )
        self._task = self._progress.add_task("requests", total=len(entries), completed=len(entries) - len(self.left))

    @property
    def succeeded(self) -> int:
        """How many of the requests have been executed, in this run or an earlier one."""
        return self.codes[SUCCESS]

    @property
    def codes(self) -> Counter[str]:
        """How many of the requests ended how."""
        ended = self.journal.codes | self.journal.open
        return Counter(ended[entry.identity] for entry in self.entries if entry.identity in ended)

    async def run(self, client: Client, concurrency: int) -> None:
        """Send everything that is left.

        Raises:
            CommandError: the broker is away; the rest was not sent.
        """
        waiting = iter(self.left)
        with self._progress:
            async with client, asyncio.TaskGroup() as group:
                for _ in range(min(concurrency, len(self.left))):
                    group.create_task(self._work(client, waiting))
        if self._stopped is not None:
            raise self._stopped

    async def _work(self, client: Client, waiting: Iterator[Entry]) -> None:
        for entry in waiting:
            await self._turn()
            if self._stopped is not None:
                return
            await self._send(client, entry)
            self._progress.update(self._task, advance=1)

    async def _turn(self) -> None:
        """Wait for the next moment at which the rate allows a request."""
        now = time.monotonic()
        self._next = max(now, self._next + self._pause)
        if self._next > now:
            await pause(self._next - now)

    async def _send(self, client: Client, entry: Entry) -> None:
        self.sent += 1
        try:
            reply = await client.call_raw(
                entry.body,
                timeout=self._timeout + entry.wait,
                request_id=self.journal.request_id(entry),
                long_poll=entry.wait > 0,
                priority=self._priority,
            )
            answer(reply)
        except CommandError as error:
            code = error.code if error.source is Source.CLIENT else None
            if code is Code.UNAVAILABLE or code in _NOT_LET:
                self._stopped = error  # without a broker the others would only wait for their time to be up
            if code not in _NOT_LET:  # once the broker lets us, the same request may succeed
                self.journal.record_failure(entry, error)
        else:
            self.journal.record_success(entry, reply)


_NOT_LET: Final = frozenset({Code.UNAUTHENTICATED, Code.PERMISSION_DENIED, Code.NOT_FOUND})
"""What the client says when the broker does not let it do anything."""


def _summarize(connection: Connection, running: Batch) -> None:
    """Tell how the requests ended."""
    total, codes = len(running.entries), running.codes
    opened = sum(entry.identity in running.journal.open for entry in running.entries)
    facts: dict[str, Any] = {
        "requests": total,
        "succeeded": running.succeeded,
        "failed": codes.total() - running.succeeded - opened,
        "again": total - codes.total() + opened,
        "sent": running.sent,
        "errors": {code: count for code, count in sorted(codes.items()) if code != SUCCESS},
        "results": str(running.journal.path),
    }
    connection.output.result(msgspec.json.encode(facts))
    if facts["again"]:
        connection.output.note(f"{facts['again']} can be retried: run the same command again", again=facts["again"])
