"""What a test has in its hands: a service in memory, its clients, and what they asked."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, TypeVar, Unpack

from zeebe_amqp import wire
from zeebe_amqp.client import Client, SyncClient, Transport, Worker
from zeebe_amqp.client.client import Options
from zeebe_amqp.commands import Command
from zeebe_amqp.jobs.names import DELIVERY_LIMIT, job_queue
from zeebe_amqp.schema.fields import Duration
from zeebe_amqp.testing.call import Call
from zeebe_amqp.testing.expectation import Asked, matcher
from zeebe_amqp.testing.jobs import FACTS, FakeJob
from zeebe_amqp.testing.service import Service
from zeebe_amqp.testing.steps import Reaction
from zeebe_amqp.testing.transport import MemoryTransport, Wire

__all__ = ["FakeConsumer"]

CommandT = TypeVar("CommandT", bound=Command[Any])

TIMEOUT: Final = 30.0
"""Seconds that a worker gets to work all jobs; only one that hangs needs them."""
LOOK: Final = 0.01
"""Seconds between two looks whether a stopped worker has ended."""


class FakeConsumer:
    """The service in memory. Its clients are real, and it reads requests exactly as the real service does.

    A command without a script raises `UnexpectedCommand` in the code that sent it. `verify` reports it too, for code
    that swallows errors. Commands about added jobs need no script. A repeated request id returns the stored answer.
    Nothing takes real time, except a poll without jobs.

    Args:
        commands: the name of the request queue for short commands.
        polls: the name of the request queue for long polls.
    """

    def __init__(self, *, commands: str = wire.COMMANDS_QUEUE, polls: str = wire.POLLS_QUEUE) -> None:
        self._service = Service()
        self._wire = Wire(self._service, (commands, polls))
        self._options: Options = {"commands": commands, "polls": polls}

    def client(self, **options: Unpack[Options]) -> Client:
        """A client of this service. Use it like any other: `async with consumer.client() as zeebe:`."""
        return Client(self.transport(), **self._merged(options))

    def sync_client(self, **options: Unpack[Options]) -> SyncClient:
        """A client of this service for code without an event loop."""
        return SyncClient(self.transport(), **self._merged(options))

    def transport(self) -> Transport:
        """A transport to pass to `Client` instead of a broker's address. Make one for each client."""
        return MemoryTransport(self._wire)

    def _merged(self, options: Options) -> Options:
        merged = self._options.copy()
        merged.update(options)
        return merged

    # --- saying what happens ------------------------------------------------------------------------------------------

    def script(
        self,
        asked: type[CommandT] | CommandT,
        *steps: Reaction,
        where: Callable[[CommandT], bool] | None = None,
    ) -> None:
        """Give the next matching commands these steps, one each, in order. `verify` reports unused steps.

        Args:
            asked: a class for any such command, or a command for those that equal it in every field.
            steps: made by `answer`, `fail` and the like, or functions from a command to one.
            where: a further condition.

        Raises:
            ValueError: there are no steps.
        """
        if not steps:
            raise ValueError("steps: expected one or more, such as answer(); found none")
        self._service.expectations.script(asked, steps, where)

    def always(
        self,
        asked: type[CommandT] | CommandT,
        step: Reaction,
        where: Callable[[CommandT], bool] | None = None,
    ) -> None:
        """Give all matching commands this step, unless they are scripted. Arguments as for `script`."""
        self._service.expectations.always(asked, step, where)

    def key(self) -> int:
        """Make a new key as an engine would."""
        return self._service.key()

    def add_job(
        self,
        type: str,
        variables: Mapping[str, Any] | None = None,
        *,
        headers: Mapping[str, str] | None = None,
        retries: int = 3,
        **facts: Any,
    ) -> FakeJob:
        """Add a job that workers can activate.

        Args:
            type: the job's type.
            variables: the variables it has.
            headers: the custom headers of its element.
            retries: how many tries it has.
            facts: further attributes of `ActivatedJob`, such as `element_id`.

        Raises:
            TypeError: a fact is not in `zeebe_amqp.testing.jobs.FACTS`.
        """
        for name in facts:
            if name not in FACTS:
                raise TypeError(f"add_job: {name} is not accepted; accepted are {', '.join(FACTS)}")
        job = FakeJob(self.key(), type, variables or {}, headers or {}, retries, facts)
        self._service.jobs.add(job)
        return job

    def push_jobs(
        self, type: str, *, queue: str | None = None, timeout: Duration = "5m", delivery_limit: int = DELIVERY_LIMIT
    ) -> None:
        """Push the jobs of a type to a queue, as the service does for the types that its `JOBS` names.

        Workers then work from the queue. An answer to a job that was given out again meanwhile is not executed. A
        message that a worker rejects, or that comes back too often, fails its job, with one retry less.

        Args:
            type: the jobs' type.
            queue: the name of the queue; None = `zeebe.jobs.` and the type.
            timeout: how long a worker has a job.
            delivery_limit: how often a message may come back to its queue.
        """
        self._wire.answers.queues.push(type, queue or job_queue(type), timeout, delivery_limit)

    def advance(self, seconds: float) -> None:
        """Let time pass, so that locks of jobs expire."""
        self._service.jobs.advance(seconds)

    def end_polls(self) -> None:
        """End waiting polls without jobs."""
        self._service.jobs.notify(False)

    def disconnect(self) -> None:
        """Take the broker away. New clients cannot connect, and pending calls wait for `reconnect`."""
        self._wire.connected = False
        for transport in self._wire.open:
            transport.drop()

    def reconnect(self) -> None:
        """Bring the broker back. Clients resend their pending requests."""
        self._wire.connected = True
        for transport in self._wire.open:
            transport.restore()

    async def work(self, worker: Worker, timeout: float = TIMEOUT) -> None:
        """Run a worker until all jobs are done or given up, then stop it.

        Raises:
            AssertionError: some jobs are still open after `timeout` seconds.
            CommandError: the worker raised it.
        """
        running = asyncio.ensure_future(worker.run())
        try:
            async with asyncio.timeout(timeout):
                while self._service.jobs.open() and not running.done():
                    await asyncio.wait({running}, timeout=LOOK)
        except TimeoutError:
            left = ", ".join(f"{job.key} of type {job.type!r}" for job in self._service.jobs.open())
            running.cancel()
            raise AssertionError(f"still open after {timeout:g} s: {left}") from None
        finally:
            worker.stop()
            while not running.done():
                self.end_polls()
                await asyncio.wait({running}, timeout=LOOK)
        running.result()

    # --- seeing what happened -----------------------------------------------------------------------------------------

    @property
    def calls(self) -> list[Call]:
        """Every request that arrived, oldest first, with its answer."""
        return list(self._service.calls)

    def of(self, asked: type[CommandT] | CommandT) -> list[CommandT]:
        """The commands that arrived, oldest first, with repetitions. `asked` as for `script`.

        Their documents are Python values: `consumer.of(CreateInstance)[0].variables == {"orderId": 7}`.
        """
        return [call.command for call in self._asked(asked)]

    def executed(self, asked: type[CommandT] | CommandT) -> list[CommandT]:
        """The commands that the engine executed, with repeated executions. `asked` as for `script`."""
        return [call.command for call in self._asked(asked) for _ in range(call.executions)]

    def count(self, asked: Asked) -> int:
        """The number of matching commands that arrived, with repetitions. `asked` as for `script`."""
        return len(list(self._asked(asked)))

    def _asked(self, asked: Any) -> Iterator[Any]:
        matches = matcher(asked)
        return (call for call in self._service.calls if call.command is not None and matches(call.command))

    @property
    def dead_letters(self) -> list[Call]:
        """The fire-and-forget requests that failed for good."""
        return [call for call in self._service.calls if call.dead]

    def verify(self) -> None:
        """Check that every command was expected and that every script was used.

        Raises:
            AssertionError: the text says what is wrong.
        """
        problems = [*self._service.unexpected]
        problems += [f"{what} scripted, and not asked for" for what in self._service.expectations.unused()]
        if problems:
            raise AssertionError("\n".join(problems))
