"""The demonstration: commands travel through RabbitMQ into a real engine and back.

Starts private servers (or uses those of AMQP_URL and ZEEBE_ADDRESS), starts the consumer, tells the story of some
orders, and stops everything. Exit code 0 only when every answer was the expected one.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import aio_pika
from rich.table import Table

from scripts import engine, given, servers, together, tour
from scripts.consumer import Consumer
from scripts.process import Server, ServerError
from scripts.rabbitmq import RabbitMQ
from scripts.spans import Receiver
from scripts.story import Step, Story, UnexpectedAnswer, console, orders
from zeebe_amqp.amqp.connection import CONNECTION_ERRORS
from zeebe_amqp.wire import COMMANDS_QUEUE, POLLS_QUEUE

SPANS_OF_A_COMMAND = 3
TIDY_SECONDS = 10
WHAT = """\
Three orders travel as messages through RabbitMQ into an engine and back.
Servers that the environment does not name are started for it, and stopped at the end."""


@contextmanager
def stack() -> Iterator[tuple[str, str, Receiver]]:
    """Broker, engine and consumer, private and stopped at the end.

    Gives the broker's URL, the receiver of the spans, and what to put behind every name on servers that were given:
    somebody else may use the usual ones there.
    """
    with tempfile.TemporaryDirectory(prefix="zeebe-amqp-demo-") as folder, ExitStack() as started:
        directory = Path(folder)
        amqp_url, address = given.broker(tell), given.engine(tell)
        suffix = f"-{uuid.uuid4().hex[:8]}" if amqp_url or address else ""
        servers.prepare(["--small"])
        amqp_url, address = _servers(started, directory, amqp_url, address)
        receiver = started.enter_context(Receiver())
        if suffix:
            started.callback(_delete, amqp_url, queues(suffix))
        begun = time.monotonic()
        started.enter_context(Consumer(directory / "consumer", amqp_url, address, _settings(suffix, receiver)))
        up("the consumer", time.monotonic() - begun)
        yield amqp_url, suffix, receiver


def _servers(started: ExitStack, directory: Path, amqp_url: str | None, address: str | None) -> tuple[str, str]:
    """The addresses of broker and engine; what is not given is started, side by side."""
    own: dict[str, Server] = {}
    started.callback(lambda: together.stop(own.values()))
    if not address:
        own["the engine"] = zeebe = engine.private(directory / "zeebe").launch()
        address = zeebe.address
    if not amqp_url:
        own["RabbitMQ"] = node = RabbitMQ(directory / "rabbitmq").launch()
        amqp_url = node.url
    with console.status(f"starting {' and '.join(own)}"):
        together.wait(own, up)
    return amqp_url, address


def _settings(suffix: str, receiver: Receiver) -> dict[str, str]:
    return {
        "AMQP_QUEUES": ",".join(queues(suffix)),
        "OTEL_EXPORTER_OTLP_ENDPOINT": receiver.endpoint,
        "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
        "OTEL_BSP_SCHEDULE_DELAY": "200",
        "OTEL_METRICS_EXPORTER": "none",
    }


def queues(suffix: str) -> tuple[str, str]:
    """The consumer's queues, for commands and for polls."""
    return COMMANDS_QUEUE + suffix, POLLS_QUEUE + suffix


def _delete(amqp_url: str, names: tuple[str, ...]) -> None:
    """Delete queues, unless the broker has gone meanwhile."""

    async def delete() -> None:
        async with await aio_pika.connect(amqp_url) as connection, connection.channel() as channel:
            for name in names:
                await channel.queue_delete(name)

    with suppress(*CONNECTION_ERRORS):
        asyncio.run(delete())


def up(name: str, seconds: float) -> None:
    """Say that a server can be used now."""
    console.print(f"[green]✓[/green] {name} is up [dim]({seconds:.1f} s)[/dim]")


def tell(line: str) -> None:
    """Say a line as it is."""
    console.print(line, markup=False, soft_wrap=True)


async def perform(amqp_url: str, suffix: str) -> list[Step]:
    """Tell the story over one connection; nothing of it is left in the engine, however it ended."""
    async with await aio_pika.connect(amqp_url) as connection:
        channel = await connection.channel(on_return_raises=True)
        replies = await channel.declare_queue(f"demo.replies.{uuid.uuid4().hex}", exclusive=True)
        story = Story(channel, replies, queues(suffix), suffix)
        try:
            with suppress(UnexpectedAnswer):  # it is among the steps
                await orders(story)
        finally:
            with suppress(TimeoutError):
                async with asyncio.timeout(TIDY_SECONDS):
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
    tell(f"\n{tour.text(up=False)}\n")


def main() -> int:
    """Run the demonstration; the exit code."""
    begun = time.monotonic()
    tell(WHAT)
    try:
        with stack() as (amqp_url, suffix, receiver):
            steps = asyncio.run(perform(amqp_url, suffix))
            show_trace(steps, receiver)
    except ServerError as error:
        tell(f"make demo: {error}")
        return 1
    except KeyboardInterrupt:
        return 130
    show_summary(steps)
    wrong = sum(step.problem is not None for step in steps)
    tell(
        f"{len(steps) - wrong} of {len(steps)} answers were the expected ones; everything is stopped again,"
        f" after {time.monotonic() - begun:.1f} s."
    )
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
