"""A dead-letter queue for `consumer dead` to look at, send again from and drop from."""

from __future__ import annotations

import asyncio
import uuid
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, Self

import aio_pika
import click
import orjson
import pytest
from aio_pika.abc import AbstractIncomingMessage

from consumer.audit import letter_audit
from consumer.config import Amqp, Settings
from consumer.config.values import AuditSink
from consumer.core.seal import Purpose, Seal, digest_of
from consumer.dead_letters.commands import commands
from consumer.lookup import open_inquiries
from scripts.consumer import SIGNING_KEY
from zeebe_amqp import wire
from zeebe_amqp.amqp.properties import NAMES, Properties

COMMANDS = commands(open_inquiries, letter_audit)
REASON = {
    wire.FAILED_AT: "2026-01-02T03:04:05.678+00:00",
    wire.OPERATION: "topology",
    wire.ERROR_CODE: "NOT_FOUND",
    wire.ERROR_MESSAGE: "no such thing",
    wire.ERROR_SOURCE: "gateway",
    wire.ERROR_OUTCOME: "not-executed",
}


def sign(message: aio_pika.Message, queue: str) -> str | None:
    """The signature of a letter from that queue, as the service signs it."""
    found = message.properties
    kept = {name: getattr(found, "message_type" if name == "type" else name) for name in NAMES if name != "headers"}
    if isinstance(kept["timestamp"], datetime):
        kept["timestamp"] = int(kept["timestamp"].timestamp())
    seal = Seal((SIGNING_KEY.encode(),))
    return seal.make(Purpose.LETTER, Properties(**kept), message.headers, digest_of(message.body), queue)


class CommandResult(NamedTuple):
    """How a command ended, and what it said."""

    code: int
    rows: list[dict[str, Any]]
    stderr: str


class DeadLetterQueue:
    """An empty dead-letter queue, a request queue that nobody consumes, and the commands; an async context manager."""

    def __init__(self, url: str, capture: pytest.CaptureFixture[str]) -> None:
        self.url = url
        self.request_queue = f"test.{uuid.uuid4().hex}"
        self.state_dir = Path("nowhere")
        """Of the service that is asked; none is there unless a test says so."""
        self.ledger = "memory://"
        self.audit: AuditSink | None = None
        self.signing_keys: tuple[bytes, ...] = (SIGNING_KEY.encode(),)
        self._capture = capture

    @property
    def settings(self) -> Settings:
        """What the commands read."""
        return Settings(
            amqp=Amqp(urls=(self.url,), queues=(self.request_queue,)),
            state_dir=self.state_dir,
            ledger=self.ledger,
            audit=self.audit,
            signing_keys=self.signing_keys,
        )

    async def __aenter__(self) -> Self:
        self._connection = await aio_pika.connect(self.url)
        self.channel = channel = await self._connection.channel(on_return_raises=True)
        self._exchange = await channel.declare_exchange(wire.DEAD_LETTER, aio_pika.ExchangeType.FANOUT, durable=True)
        dead = await channel.declare_queue(wire.DEAD_LETTER, durable=True, arguments=wire.DEAD_QUEUE)
        await dead.bind(self._exchange)
        await dead.purge()
        arguments = {**wire.REQUEST_QUEUE, "x-delivery-limit": 1}
        await channel.declare_queue(self.request_queue, durable=True, arguments=arguments)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._connection.close()

    async def add(
        self, body: bytes = b"{}", /, origin: str | None = None, *, signed: bool = True, **properties: Any
    ) -> str:
        """Put a letter into the queue as the service does, or without its signature; its id."""
        name, queue = uuid.uuid4().hex, origin or self.request_queue
        headers = {wire.REQUEST_ID: name, **REASON, **properties.pop("headers", {})}
        message = aio_pika.Message(body, headers=headers, **{"message_id": uuid.uuid4().hex, **properties})
        if signed:
            message.headers[wire.SIGNATURE] = sign(message, queue)
        await self._exchange.publish(message, queue)
        return name

    async def returns(self) -> int:
        """How often the broker counts that the oldest letter came back; looking at it counts, too."""
        queue = await self.channel.get_queue(wire.DEAD_LETTER)
        message = await queue.get()
        await message.reject(requeue=True)
        return int(str(message.headers.get("x-delivery-count", 0)))

    async def sent(self) -> list[AbstractIncomingMessage]:
        """Everything in the request queue, taken out of it."""
        queue = await self.channel.get_queue(self.request_queue)
        found = []
        while (message := await queue.get(no_ack=True, fail=False)) is not None:
            found.append(message)
        return found

    async def exhaust(self) -> None:
        """Give back what is in the request queue until the broker makes dead letters of it."""
        queue = await self.channel.get_queue(self.request_queue)
        async with asyncio.timeout(30):
            while (given := await queue.get(fail=False)) is not None:
                await given.reject(requeue=True)
            while not await self.ids():  # noqa: ASYNC110 - the broker tells nobody
                await asyncio.sleep(0.05)

    async def run(self, name: str, *arguments: str) -> CommandResult:
        """Run a command to its end, as the command line does after reading the configuration."""
        function = COMMANDS[name]
        params = list(reversed(function.__click_params__))  # type: ignore[attr-defined]
        command = click.Command(name, params=params, callback=partial(function, self.settings))
        self._capture.readouterr()
        with pytest.raises(SystemExit) as end:
            await asyncio.to_thread(command.main, list(arguments))
        out, stderr = self._capture.readouterr()
        rows = [orjson.loads(line) for line in out.splitlines()] if "--raw" not in arguments else [{"raw": out}]
        return CommandResult(int(end.value.code or 0), rows, stderr)

    async def ids(self, *arguments: str) -> list[str]:
        """The ids that `list` shows."""
        return [row["id"] for row in (await self.run("list", "--each", *arguments)).rows]

    async def resend(self, *arguments: str) -> CommandResult:
        """Replay, without waiting for what becomes of it."""
        return await self.run("replay", "--no-wait", *arguments)
