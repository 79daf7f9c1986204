"""The demonstration: commands travel through RabbitMQ into a real engine and back.

Starts private servers (or uses those of AMQP_URL and ZEEBE_ADDRESS), starts the consumer, tells the story of some
orders, and stops everything. Exit code 0 only when every answer was the expected one.
"""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, Self, TypeVar

import aio_pika
import orjson
from aio_pika.abc import AbstractChannel, AbstractQueue
from rich.console import Console
from rich.table import Table

from scripts import engine
from scripts.consumer import Consumer
from scripts.process import ServerError
from scripts.rabbitmq import RabbitMQ
from scripts.spans import Receiver

ROOT = Path(__file__).parents[1]
COMMANDS, POLLS = "zeebe.commands", "zeebe.polls"
PARTITION_SHIFT = 51
"""A key's bits from here on are the number of its partition."""

SHOWN = 400
"""Characters of a body that are printed."""
SPANS_OF_A_COMMAND = 3
NEXT = """
Try next:
  make up                                  keep the same servers and the consumer running
  make call OP=topology                    send one request and see its reply
  make call OP=create-instance DATA='{"bpmnProcessId": "order", "variables": {"orderId": "7"}}'
  make down                                stop them
"""

Check = Callable[[Any], str | None]
"""Says what is wrong with a reply's data; None when nothing is."""

console = Console(highlight=False, width=None if sys.stdout.isatty() else 150)


class Server(Protocol):
    """Anything that is started by entering and stopped by leaving."""

    def __enter__(self) -> Self: ...

    def __exit__(self, *_: object) -> None: ...


S = TypeVar("S", bound=Server)


@dataclass
class Exchange:
    """One request and its reply."""

    operation: str
    body: bytes
    reply: bytes
    seconds: float
    trace: str

    @property
    def answer(self) -> dict[str, Any]:
        """The reply's body."""
        return dict(orjson.loads(self.reply))


@dataclass
class Step:
    """One line of the summary; `problem` is what was wrong with the answer, None when it was the expected one."""

    title: str
    exchange: Exchange
    problem: str | None


class UnexpectedAnswer(Exception):
    """A reply that is not the expected one."""


class Story:
    """Sends requests one after the other and keeps what happened."""

    def __init__(self, channel: AbstractChannel, replies: AbstractQueue) -> None:
        self._channel = channel
        self._replies = replies
        self.steps: list[Step] = []

    async def tell(
        self,
        title: str,
        operation: str,
        data: Any = None,
        *,
        error: str | None = None,
        check: Check = lambda _: None,
        queue: str = COMMANDS,
    ) -> Any:
        """One step: its reply's data, or its error when `error` names the expected code."""
        exchange = await self.ask(operation, data, queue=queue)
        return self.note(title, exchange, error=error, check=check)

    async def tidy(self) -> None:
        """Cancel the instances of a story that ended early: on a shared engine their jobs would disturb the next."""
        for step in self.steps:
            if step.exchange.operation == "create-instance":
                await self.ask(
                    "cancel-instance", {"processInstanceKey": step.exchange.answer["data"]["processInstanceKey"]}
                )

    async def ask(self, operation: str, data: Any, *, queue: str = COMMANDS) -> Exchange:
        """A request in an envelope, told by nobody yet."""
        body = orjson.dumps({"operation": operation, "data": data})
        return await self.exchange(operation, body, queue=queue)

    async def exchange(self, operation: str, body: bytes, *, queue: str = COMMANDS, **properties: Any) -> Exchange:
        """Publish any request and wait for its reply."""
        correlation, trace = str(uuid.uuid4()), uuid.uuid4().hex
        headers = {"traceparent": f"00-{trace}-{uuid.uuid4().hex[:16]}-01", **properties.pop("headers", {})}
        message = aio_pika.Message(
            body,
            **{"content_type": "application/json", **properties},
            headers=headers,
            correlation_id=correlation,
            message_id=correlation,
            reply_to=self._replies.name,
        )
        started = time.perf_counter()
        await self._channel.default_exchange.publish(message, queue, timeout=30)
        reply = await _next(self._replies, correlation)
        return Exchange(operation, body, reply, time.perf_counter() - started, trace)

    def note(self, title: str, exchange: Exchange, *, error: str | None = None, check: Check = lambda _: None) -> Any:
        """Make an exchange a step: judge it, print it, keep it.

        Raises:
            UnexpectedAnswer: the story cannot go on from here.
        """
        answer = exchange.answer
        step = Step(title, exchange, _problem(answer, error, check))
        self.steps.append(step)
        _print(len(self.steps), step)
        if step.problem:
            raise UnexpectedAnswer(step.problem)
        return answer.get("error") or answer.get("data")


async def _next(replies: AbstractQueue, correlation: str) -> bytes:
    async with asyncio.timeout(60):
        while True:
            reply = await replies.get(no_ack=True, fail=False)
            if reply is not None and reply.correlation_id == correlation:
                return reply.body
            await asyncio.sleep(0.005)


def _problem(answer: dict[str, Any], error: str | None, check: Check) -> str | None:
    """What is wrong with an answer; None when it is the expected one."""
    found = answer.get("error", {}).get("code")
    if found != error:
        return f"expected {error or 'a result'}, got {found or 'a result'}"
    return None if error else check(answer["data"])


def _print(number: int, step: Step) -> None:
    exchange = step.exchange
    mark = "[red]✗[/red]" if step.problem else "[green]✓[/green]"
    facts = f"[dim]{exchange.seconds * 1000:.0f} ms, trace {exchange.trace}[/dim]"
    console.print(f"\n{mark} [bold]{number}. {step.title}[/bold]  {facts}")
    for arrow, body in (("→", exchange.body), ("←", exchange.reply)):
        text = " ".join(body.decode(errors="replace").split())
        console.print(f"  {arrow} {text[:SHOWN]}{' …' if len(text) > SHOWN else ''}", markup=False, soft_wrap=True)
    if step.problem:
        console.print(f"  {step.problem}", style="red", markup=False)


async def orders(story: Story) -> None:
    """The life of three orders: one shipped after an incident, one out of stock, one cancelled."""
    run = uuid.uuid4().hex[:8]
    await story.tell("What does the cluster look like?", "topology")
    await _deploy(story)
    first, second, third = [await _order(story, run, number) for number in (1, 2, 3)]
    await story.tell("Order 3 is cancelled", "cancel-instance", {"processInstanceKey": third})
    await story.tell("Order 1 gets a note", "set-variables", {"elementInstanceKey": first, "variables": {"gift": True}})
    for number, job in enumerate(await _activate(story, "reserve-items", first, second), start=1):
        reserved = {"jobKey": job, "variables": {"reserved": True}}
        await story.tell(f"The items of order {number} are reserved", "complete-job", reserved)
    for number in (1, 2):
        paid = {"messageName": "order-paid", "correlationKey": f"{run}-{number}", "timeToLive": "1m"}
        await story.tell(f"Order {number} is paid: the message that it waits for", "publish-message", paid)
    ship_first, ship_second = await _activate(story, "ship-order", first, second)
    await _incident(story, ship_first)
    empty = {"jobKey": ship_second, "errorCode": "out-of-stock", "errorMessage": "the shelf is empty"}
    await story.tell("Order 2 is out of stock: a BPMN error, caught by the process", "throw-error", empty)
    [again] = await _activate(story, "ship-order", first)
    await story.tell("Order 1 is shipped after all", "complete-job", {"jobKey": again})
    await story.tell("A bad request: a misspelled operation", "create-instnace", {}, error="UNIMPLEMENTED")
    unit = {"messageName": "order-paid", "timeToLive": 60}
    await story.tell("Another: a duration without unit", "publish-message", unit, error="INVALID_ARGUMENT")


async def _deploy(story: Story) -> None:
    exchange = await story.exchange(
        "deploy-process",
        (ROOT / "examples" / "order.bpmn").read_bytes(),
        type="deploy-process",
        content_type="application/xml",
        headers={"fileName": "order.bpmn"},
    )
    story.note("Deploy a process: the file itself is the message, its operation is the message's type", exchange)


async def _order(story: Story, run: str, number: int) -> int:
    variables = {"orderId": f"{run}-{number}", "customer": 9007199254740993}
    data = {"bpmnProcessId": "order", "variables": variables}
    created = await story.tell(f"Order {number} comes in", "create-instance", data)
    return int(created["processInstanceKey"])


async def _activate(story: Story, job_type: str, *instances: int) -> list[int]:
    """The keys of the instances' jobs, in the order of the instances."""
    wanted = len(instances)

    def complete(jobs: list[dict[str, Any]]) -> str | None:
        found = {job["processInstanceKey"] for job in jobs}
        return None if found == set(instances) else f"expected the jobs of the instances {instances}, got {found}"

    poll = {"jobType": job_type, "maxJobsToActivate": wanted, "requestTimeout": "10s", "workerName": "demo"}
    jobs = await story.tell(f"A worker asks for {job_type} jobs", "activate-jobs", poll, queue=POLLS, check=complete)
    jobs.sort(key=lambda job: instances.index(job["processInstanceKey"]))
    return [int(job["key"]) for job in jobs]


async def _incident(story: Story, job: int) -> None:
    """Fail a job until there is an incident, and resolve that.

    No answer of the protocol has an incident's key (exporters have it). Keys of a partition are consecutive, so it
    is among the few between those of two messages, one published before the incident and one after.
    """
    before = await _mark(story, job >> PARTITION_SHIFT)
    broken = {"jobKey": job, "retries": 0, "errorMessage": "the van broke down"}
    await story.tell("Order 1 cannot be shipped: no retries are left, so there is an incident", "fail-job", broken)
    after = await _mark(story, job >> PARTITION_SHIFT)
    await story.tell("The van is repaired: one more try", "update-job-retries", {"jobKey": job, "retries": 1})
    for key in range(before + 1, after):
        exchange = await story.ask("resolve-incident", {"incidentKey": key})
        if "error" not in exchange.answer:
            break
    story.note("The incident is resolved", exchange)


async def _mark(story: Story, partition: int) -> int:
    """A fresh key of a partition: that of a message that nobody waits for."""
    while True:
        exchange = await story.ask("publish-message", {"messageName": "mark", "correlationKey": uuid.uuid4().hex})
        key = int(exchange.answer["data"]["key"])
        if key >> PARTITION_SHIFT == partition:
            return key


@contextmanager
def stack() -> Iterator[tuple[str, Receiver]]:
    """Broker, engine and consumer, private and stopped at the end; gives the broker's URL and the received spans."""
    with ExitStack() as started, tempfile.TemporaryDirectory(prefix="zeebe-amqp-demo-") as folder:
        directory = Path(folder)
        amqp_url = os.environ.get("AMQP_URL") or _started(started, "RabbitMQ", RabbitMQ(directory / "rabbitmq")).url
        address = (
            os.environ.get("ZEEBE_ADDRESS")
            or _started(started, "the engine", engine.private(directory / "zeebe")).address
        )
        receiver = started.enter_context(Receiver())
        exporting = {"OTEL_EXPORTER_OTLP_ENDPOINT": receiver.endpoint, "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf"}
        settings = {**exporting, "OTEL_BSP_SCHEDULE_DELAY": "200", "OTEL_METRICS_EXPORTER": "none"}
        _started(started, "the consumer", Consumer(directory / "consumer", amqp_url, address, settings))
        yield amqp_url, receiver


def _started(stack: ExitStack, name: str, server: S) -> S:
    begun = time.perf_counter()
    with console.status(f"starting {name}"):
        stack.enter_context(server)
    console.print(f"[green]✓[/green] {name} is up [dim]({time.perf_counter() - begun:.0f} s)[/dim]")
    return server


async def perform(amqp_url: str) -> list[Step]:
    """Tell the story over one connection."""
    async with await aio_pika.connect(amqp_url) as connection:
        channel = await connection.channel(on_return_raises=True)
        replies = await channel.declare_queue(f"demo.replies.{uuid.uuid4().hex}", exclusive=True)
        story = Story(channel, replies)
        try:
            await orders(story)
        except UnexpectedAnswer:  # it is among the steps
            await story.tidy()
        return story.steps


def show_trace(steps: list[Step], receiver: Receiver) -> None:
    """The spans of one creation, as a tree, once they have arrived."""
    traces = [step.exchange.trace for step in steps if step.exchange.operation == "create-instance"]
    if not traces:
        return
    trace = traces[0]
    for _ in range(50):
        if sum(span.trace == trace for span in receiver.spans) >= SPANS_OF_A_COMMAND:
            break
        time.sleep(0.1)
    console.print("\n[bold]One request, one trace[/bold]")
    console.print(receiver.tree(trace))


def show_summary(steps: list[Step]) -> None:
    """All steps in a table, and what to try next."""
    table = Table("", "step", "operation", "answer", "ms", title="What happened")
    for step in steps:
        mark = "[red]✗[/red]" if step.problem else "[green]✓[/green]"
        answer = str(step.exchange.answer.get("error", {}).get("code", "ok"))
        table.add_row(mark, step.title, step.exchange.operation, answer, f"{step.exchange.seconds * 1000:.0f}")
    console.print()
    console.print(table)
    console.print(NEXT, markup=False)


def main() -> int:
    """Run the demonstration; the exit code."""
    try:
        with stack() as (amqp_url, receiver):
            steps = asyncio.run(perform(amqp_url))
            show_trace(steps, receiver)
    except ServerError as error:
        console.print(str(error), style="red", markup=False)
        return 1
    show_summary(steps)
    wrong = sum(step.problem is not None for step in steps)
    console.print(f"{len(steps) - wrong} of {len(steps)} answers were the expected ones; everything is stopped again.")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
