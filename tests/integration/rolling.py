"""Two replicas that restart one after the other under load: `python -m tests.integration.rolling [--rounds N]`.

They share a ledger in Redis. Callers send commands, commands with a result and long polls, each the next one when it
has its answer. Each replica in turn gets SIGTERM, ends and is started again. Exit code 1 when a promise was broken.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import time
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson
from rich.console import Console
from rich.table import Table

from scripts.rabbitmq import RabbitMQ
from scripts.redis import Redis
from tests.fakes.gateway import FakeGateway, stream
from tests.integration.caller import Caller
from tests.integration.service import TIMEOUT, ConsumerSetup, running_service
from zeebe_amqp.reply import Reply
from zeebe_amqp.testing import after

REPLICAS = 2
GRACE = "2s"
"""Shorter than a poll takes, so that one that does not end early is cut off and runs again."""
STEADY = 0.5
"""Seconds of load before each restart and after the last one."""
PAUSE = 0.02
"""Seconds between an answer and the caller's next request."""


@dataclass(frozen=True)
class RequestKind:
    """Requests of one kind."""

    name: str
    operation: str
    rpc: str
    callers: int
    waits: bool
    """Whether they go to the queue of those that wait on purpose."""
    data: Mapping[str, Any]
    mark: tuple[str, str]
    """The field that tells them apart, in the contract and in the protocol."""

    def body(self, number: str) -> bytes:
        """The envelope of one."""
        return orjson.dumps({"operation": self.operation, "data": {**self.data, self.mark[0]: number}})

    def number(self, message: Any) -> str:
        """Which one a request to the gateway is."""
        return str(getattr(getattr(message, "request", message), self.mark[1]))


BY_PROCESS = ("bpmnProcessId", "bpmnProcessId")
WAIT = {"requestTimeout": "20s"}
JOBS = {"jobType": "pack", "maxJobsToActivate": 1, **WAIT}
COMMAND = RequestKind("command", "create-instance", "CreateProcessInstance", 8, False, {}, BY_PROCESS)
RESULT = RequestKind(
    "with result",
    "create-instance",
    "CreateProcessInstanceWithResult",
    4,
    True,
    {"withResult": True, **WAIT},
    BY_PROCESS,
)
POLL = RequestKind("poll", "activate-jobs", "ActivateJobs", 8, True, JOBS, ("workerName", "worker"))
KINDS = (COMMAND, RESULT, POLL)


@dataclass
class Request:
    """One request, and what came of it."""

    kind: RequestKind
    round: int
    number: str
    seconds: float | None = None
    """Until its answer; None while there is none."""


@dataclass
class Traffic:
    """Callers that send steadily."""

    caller: Caller
    sent: list[Request] = field(default_factory=list)
    round: int = 1
    _stopping: bool = False

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Send while the block runs; at its end every request has its answer, or has waited for it in vain."""
        calling = [asyncio.create_task(self._call(kind)) for kind in KINDS for _ in range(kind.callers)]
        try:
            yield
        finally:
            self._stopping = True
            await asyncio.gather(*calling)

    async def _call(self, kind: RequestKind) -> None:
        while not self._stopping:
            request = Request(kind, self.round, uuid.uuid4().hex)
            self.sent.append(request)
            await self._send(request)
            await asyncio.sleep(PAUSE)

    async def _send(self, request: Request) -> None:
        queue = self.caller.polls if request.kind.waits else self.caller.commands
        begun = time.monotonic()
        try:
            await self.caller.request(
                request.kind.body(request.number),
                seconds=TIMEOUT,
                queue=queue,
                correlation_id=request.number,
                message_id=request.number,
            )
        except TimeoutError:
            return
        request.seconds = time.monotonic() - begun


@dataclass(frozen=True)
class Row:
    """What came of the requests of one round, or of all."""

    requests: int
    unanswered: int
    answered_again: int
    errors: int
    not_once: int
    """Requests that the gateway got more or less often than once."""
    longest: Mapping[str, float]
    """Seconds, by kind."""

    @property
    def is_kept(self) -> bool:
        """Whether every promise was kept."""
        return not (self.unanswered or self.answered_again or self.errors or self.not_once)

    def cells(self) -> list[str]:
        """For a table."""
        counts = (self.requests, self.requests - self.unanswered, self.answered_again, self.errors, self.not_once)
        return [*map(str, counts), *(f"{self.longest[kind.name]:.2f}" for kind in KINDS)]


COLUMNS = ("requests", "answered", "answered again", "errors", "not run once", *(f"longest {k.name} s" for k in KINDS))


def judge(requests: Iterable[Request], replies: Mapping[str, list[Reply]], runs: Mapping[str, int]) -> Row:
    """Look at requests.

    Args:
        requests: which.
        replies: by the request's number.
        runs: how often the gateway got each.
    """
    looked = list(requests)
    found = [replies.get(each.number, []) for each in looked]
    return Row(
        len(looked),
        sum(not each for each in found),
        sum(len(each) > 1 for each in found),
        sum(reply.error is not None for each in found for reply in each),
        sum(runs.get(each.number, 0) != 1 for each in looked),
        {
            kind.name: max((each.seconds or TIMEOUT for each in looked if each.kind is kind), default=0)
            for kind in KINDS
        },
    )


@dataclass(frozen=True)
class Rolled:
    """What came of it."""

    rows: list[Row]
    """One for each round, and one for all."""
    statuses: list[int]
    """The exit codes of the replicas, in order."""
    stops: list[float]
    """Seconds that each took to end."""

    @property
    def is_kept(self) -> bool:
        """Whether every promise was kept."""
        return self.rows[-1].is_kept and not any(self.statuses)


async def roll(directory: Path, url: str, redis: str, rounds: int) -> Rolled:
    """Restart both replicas so many times, under load."""
    settings = {"LEDGER": redis, "SHUTDOWN_GRACE": GRACE}
    async with running_service(directory, url, **settings) as service, service.caller() as caller:
        replicas = [service.consumer, *[await service.another(**settings) for _ in range(REPLICAS - 1)]]
        _play(service.gateway)
        traffic = Traffic(caller)
        statuses, stops = [], []
        async with traffic.running():
            for number in range(1, rounds + 1):
                traffic.round = number
                for replica in replicas:
                    await asyncio.sleep(STEADY)
                    begun = time.monotonic()
                    statuses.append(await asyncio.to_thread(replica.stop))
                    stops.append(time.monotonic() - begun)
                    await asyncio.to_thread(replica.start)
            await asyncio.sleep(STEADY)
        return Rolled(_rows(traffic, service), statuses, stops)


def _play(gateway: FakeGateway) -> None:
    gateway.always(COMMAND.rpc, after(0.02))
    gateway.always(RESULT.rpc, after(1.0))
    gateway.always(POLL.rpc, stream(open_for=4.0))


def _rows(traffic: Traffic, service: ConsumerSetup) -> list[Row]:
    replies: dict[str, list[Reply]] = {}
    for message in traffic.caller.arrived:
        replies.setdefault(message.correlation_id or "", []).append(Reply.decode(message.body))
    runs = Counter(kind.number(each.message) for kind in KINDS for each in service.gateway.of(kind.rpc))
    rounds = [[each for each in traffic.sent if each.round == number] for number in range(1, traffic.round + 1)]
    return [judge(each, replies, runs) for each in (*rounds, traffic.sent)]


def show(rolled: Rolled) -> None:
    """Print what came of it."""
    table = Table("round", *COLUMNS)
    for number, row in enumerate(rolled.rows, 1):
        table.add_row("all" if row is rolled.rows[-1] else str(number), *row.cells())
    console = Console(width=140)
    console.print(table)
    codes, longest = sorted(set(rolled.statuses)), max(rolled.stops)
    console.print(f"{len(rolled.stops)} restarts, exit codes {codes}, the longest stop took {longest:.1f} s")


async def _main(rounds: int) -> int:
    with tempfile.TemporaryDirectory(prefix="rolling-") as folder:
        directory = Path(folder)
        with RabbitMQ(directory / "rabbitmq") as broker, Redis(directory / "redis") as redis:
            rolled = await roll(directory / "service", broker.url, redis.url, rounds)
    show(rolled)
    return 0 if rolled.is_kept else 1


def main() -> int:
    """Restart and show; the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=3, help="restarts of each replica")
    return asyncio.run(_main(parser.parse_args().rounds))


if __name__ == "__main__":
    sys.exit(main())
