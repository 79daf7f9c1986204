"""The story of the demonstration: three orders, told by messages, each answer judged and printed."""

from __future__ import annotations

import asyncio
import sys
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aio_pika
import orjson
from aio_pika.abc import AbstractChannel, AbstractQueue
from rich.console import Console

PROCESS = Path(__file__).parents[1] / "examples" / "order.bpmn"
PARTITION_SHIFT = 51
"""A key's bits from here on are the number of its partition."""

SHOWN = 400
"""Characters of a body that are printed."""
TIMEOUT = 2.0
"""Seconds for an answer that may not come."""

Check = Callable[[Any], str | None]
"""Says what is wrong with a reply's data; None when nothing is."""

console = Console(highlight=False, width=None if sys.stdout.isatty() else 150)


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
    """Sends requests one after the other and keeps what happened.

    `suffix` is behind the names of process and job types: on a shared engine others may have the same ones.
    """

    def __init__(
        self, channel: AbstractChannel, replies: AbstractQueue, queues: tuple[str, str], suffix: str = ""
    ) -> None:
        self.suffix = suffix
        self._channel = channel
        self._replies = replies
        self._commands, self._polls = queues
        self.steps: list[Step] = []

    async def tell(
        self,
        title: str,
        operation: str,
        data: Any = None,
        *,
        error: str | None = None,
        check: Check = lambda _: None,
        waits: bool = False,
    ) -> Any:
        """One step: its reply's data, or its error when `error` names the expected code.

        A request that `waits` on purpose goes into the queue for polls.
        """
        exchange = await self.ask(operation, data, waits=waits)
        return self.note(title, exchange, error=error, check=check)

    async def tidy(self) -> None:
        """Cancel the instances that may still run, and on a shared engine delete their process."""
        for created in self._results("create-instance"):
            await self.ask("cancel-instance", {"processInstanceKey": created["processInstanceKey"]})
        for deployed in self._results("deploy-process") if self.suffix else ():
            data = {"resourceKey": deployed["processes"][0]["processDefinitionKey"]}
            # The engine in memory deletes it without a word.
            soon = {"deadline": round((time.time() + TIMEOUT) * 1000)}
            await self.exchange("delete-resource", envelope("delete-resource", data), headers=soon)

    def _results(self, operation: str) -> list[dict[str, Any]]:
        answers = [step.exchange.answer for step in self.steps if step.exchange.operation == operation]
        return [answer["data"] for answer in answers if "data" in answer]

    async def ask(self, operation: str, data: Any, *, waits: bool = False) -> Exchange:
        """A request in an envelope, told by nobody yet."""
        return await self.exchange(operation, envelope(operation, data), waits=waits)

    async def exchange(self, operation: str, body: bytes, *, waits: bool = False, **properties: Any) -> Exchange:
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
        await self._channel.default_exchange.publish(message, self._polls if waits else self._commands, timeout=30)
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


def envelope(operation: str, data: Any) -> bytes:
    """A request's body."""
    return orjson.dumps({"operation": operation, "data": data})


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
        process(story.suffix),
        type="deploy-process",
        content_type="application/xml",
        headers={"fileName": "order.bpmn"},
    )
    story.note("Deploy a process: the file itself is the message, its operation is the message's type", exchange)


def process(suffix: str) -> bytes:
    """The example, with a suffix behind the names that a whole engine shares."""
    text = PROCESS.read_text()
    for name in ('id="order', 'bpmnElement="order', 'type="reserve-items', 'type="ship-order'):
        text = text.replace(f'{name}"', f'{name}{suffix}"')
    return text.encode()


async def _order(story: Story, run: str, number: int) -> int:
    variables = {"orderId": f"{run}-{number}", "customer": 9007199254740993}
    data = {"bpmnProcessId": f"order{story.suffix}", "variables": variables}
    created = await story.tell(f"Order {number} comes in", "create-instance", data)
    return int(created["processInstanceKey"])


async def _activate(story: Story, job_type: str, *instances: int) -> list[int]:
    """The keys of the instances' jobs, in the order of the instances."""
    wanted = len(instances)

    def complete(jobs: list[dict[str, Any]]) -> str | None:
        found = {job["processInstanceKey"] for job in jobs}
        return None if found == set(instances) else f"expected the jobs of the instances {instances}, got {found}"

    poll = {
        "jobType": f"{job_type}{story.suffix}",
        "maxJobsToActivate": wanted,
        "requestTimeout": "10s",
        "workerName": "demo",
    }
    jobs = await story.tell(f"A worker asks for {job_type} jobs", "activate-jobs", poll, waits=True, check=complete)
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
