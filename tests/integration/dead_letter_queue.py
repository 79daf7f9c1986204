"""A dead-letter queue for `consumer dead` to look at, send again from and drop from."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import aio_pika
import click
import orjson
import pytest
from aio_pika.abc import AbstractIncomingMessage, AbstractQueue

from consumer.config import Amqp, Settings
from consumer.dead_letters.commands import COMMANDS
from zeebe_amqp import wire

REASON = {
    wire.FAILED_AT: "2026-01-02T03:04:05.678+00:00",
    wire.OPERATION: "topology",
    wire.ERROR_CODE: "NOT_FOUND",
    wire.ERROR_MESSAGE: "no such thing",
    wire.ERROR_SOURCE: "gateway",
    wire.ERROR_OUTCOME: "not-executed",
}


@dataclass
class CommandResult:
    """How a command ended, and what it said."""

    code: int
    rows: list[dict[str, Any]]
    stderr: str


@dataclass
class DeadLetterQueue:
    """An empty dead-letter queue, a request queue that nobody consumes, and the commands."""

    url: str
    capture: pytest.CaptureFixture[str]
    request_queue: str = field(default_factory=lambda: f"test.{uuid.uuid4().hex}")

    @property
    def settings(self) -> Settings:
        return Settings(amqp=Amqp(urls=(self.url,), queues=(self.request_queue,)))

    async def on_channel(self, act: Callable[[aio_pika.abc.AbstractChannel], Any]) -> Any:
        async with await aio_pika.connect(self.url) as connection:
            return await act(await connection.channel(on_return_raises=True))

    async def set_up(self) -> None:
        async def declare(channel: aio_pika.abc.AbstractChannel) -> None:
            exchange = await channel.declare_exchange(wire.DEAD_LETTER, aio_pika.ExchangeType.FANOUT, durable=True)
            dead = await channel.declare_queue(wire.DEAD_LETTER, durable=True, arguments=wire.DEAD_QUEUE)
            await dead.bind(exchange)
            await dead.purge()
            arguments = {**wire.REQUEST_QUEUE, "x-delivery-limit": 1}
            await channel.declare_queue(self.request_queue, durable=True, arguments=arguments)

        await self.on_channel(declare)

    async def add(self, body: bytes = b"{}", /, origin: str | None = None, **properties: Any) -> str:
        """Put a letter into the queue as the service does; its id."""
        name = uuid.uuid4().hex
        headers = {wire.REQUEST_ID: name, **REASON, **properties.pop("headers", {})}
        message = aio_pika.Message(body, headers=headers, message_id=uuid.uuid4().hex, **properties)

        async def publish(channel: aio_pika.abc.AbstractChannel) -> None:
            await (await channel.get_exchange(wire.DEAD_LETTER)).publish(message, origin or self.request_queue)

        await self.on_channel(publish)
        return name

    async def drain(self, queue: str) -> list[AbstractIncomingMessage]:
        """Take everything out of a queue."""

        async def take(channel: aio_pika.abc.AbstractChannel) -> list[AbstractIncomingMessage]:
            source: AbstractQueue = await channel.get_queue(queue)
            found = []
            while (message := await source.get(no_ack=True, fail=False)) is not None:
                found.append(message)
            return found

        return list(await self.on_channel(take))

    async def run(self, name: str, *arguments: str) -> CommandResult:
        """Run a command to its end, as the command line does after reading the configuration."""
        function = COMMANDS[name]
        params = list(reversed(function.__click_params__))  # type: ignore[attr-defined]
        command = click.Command(name, params=params, callback=partial(function, self.settings))
        self.capture.readouterr()
        with pytest.raises(SystemExit) as result:
            await asyncio.to_thread(command.main, list(arguments))
        out, stderr = self.capture.readouterr()
        rows = [orjson.loads(line) for line in out.splitlines()] if "--raw" not in arguments else [{"raw": out}]
        return CommandResult(int(result.value.code or 0), rows, stderr)

    async def ids(self, *arguments: str) -> list[str]:
        """The ids that `list` shows."""
        return [row["id"] for row in (await self.run("list", *arguments)).rows]
