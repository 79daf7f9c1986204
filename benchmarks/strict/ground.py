"""Where it is tried: a broker with users, a service, and a caller whose replies somebody is after."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import quote

import aio_pika
import orjson
from aio_pika import ExchangeType
from aio_pika.abc import AbstractChannel, AbstractIncomingMessage

from consumer.config import Amqp
from consumer.config.settings import JobType
from consumer.rabbitmq.permissions import Permissions, commands, of_service, of_user
from scripts.rabbitmq import RabbitMQ
from tests.integration.broker_control import authorize
from zeebe_amqp import strict, wire

__all__ = [
    "ALICE",
    "ATTACKERS",
    "DOTTED",
    "MALLORY",
    "PASSWORD",
    "SERVICE",
    "Ground",
    "Owner",
    "add_users",
    "delete_users",
    "give",
    "permitted",
]  # fmt: skip

ALICE, MALLORY, DOTTED, SERVICE = "alice", "mallory", "alice.reply", "zeebe-service"
"""Whose replies they are, who is after them, somebody whose name begins like hers, and the service."""
ATTACKERS = (MALLORY, DOTTED)
PASSWORD = "only-for-this-run"
TIMEOUT: Final = 30.0
"""Seconds for a confirm."""


def permitted(amqp: Amqp, jobs: Sequence[str] = ()) -> list[Permissions]:
    """Those of everybody: with strict replies as `permissions` prints them; without, each has reply queues, too."""
    users = [of_user(each, amqp) for each in (ALICE, *ATTACKERS)]
    if amqp.reply_exchange is None:
        users = [_with_queues(each) for each in users]
    return [of_service(SERVICE, amqp, [JobType(each) for each in jobs]), *users]


def _with_queues(permissions: Permissions) -> Permissions:
    """Not strict: a reply queue of one's own besides direct reply-to, as docs/security.md has it."""
    own = rf"reply\.{permissions.user}\..*"
    return Permissions(permissions.user, f"^{own}$", rf"^(amq\.default|{own})$", f"^{own}$")


def give(node: RabbitMQ, permissions: Permissions, vhost: str) -> None:
    """Give them without `rabbitmqctl`, which takes a second each time."""
    for what, _, *arguments in commands(permissions, vhost):
        where, user, *patterns = arguments
        authorize(node, what, user, where, *patterns)


def add_users(node: RabbitMQ) -> None:
    """Make everybody, without permissions."""
    for user in (SERVICE, ALICE, *ATTACKERS):
        authorize(node, "add_user", user, PASSWORD)


def delete_users(node: RabbitMQ) -> None:
    """Forget them."""
    for user in (SERVICE, ALICE, *ATTACKERS):
        authorize(node, "delete_user", user)


@dataclass
class Owner:
    """Somebody with a reply queue, as any client would be one."""

    ground: Ground
    user: str
    channel: AbstractChannel
    queue: str
    arrived: list[AbstractIncomingMessage] = field(default_factory=list)

    @property
    def key(self) -> str:
        """The routing key of the replies to the queue."""
        return strict.routing_key(self.user, self.queue)

    async def request(self, name: str, *, reply_to: str | None = None, **properties: object) -> None:
        """Ask for an instance of a process; the reply names it. An empty `reply_to` is none."""
        body = orjson.dumps({"operation": "create-instance", "data": {"bpmnProcessId": name}})
        to = self.queue if reply_to is None else reply_to
        more = {"content_type": wire.CONTENT_TYPE, "user_id": self.user, "correlation_id": name, "reply_to": to or None}
        message = aio_pika.Message(body, **{**more, **properties})  # type: ignore[arg-type]
        await self.ground.publish(self.channel, message)

    async def reply(self, name: str) -> AbstractIncomingMessage:
        """The reply to the request for that process."""
        while not (found := [each for each in self.arrived if name.encode() in each.body]):  # noqa: ASYNC110
            await asyncio.sleep(0.02)
        return found[0]


@dataclass
class Ground:
    """A broker with a running service."""

    host: str
    """Where the broker is: host:port and virtual host."""
    queues: tuple[str, ...]
    """The request queues."""
    exchange: str | None
    """That of strict replies; None = replies go to queues."""

    @property
    def amqp(self) -> Amqp:
        """What the permissions of users go by."""
        return Amqp(queues=self.queues, reply_exchange=self.exchange)

    @property
    def commands(self) -> str:
        """The request queue for short commands."""
        return self.queues[0]

    def url(self, user: str) -> str:
        """The address of the broker for a user."""
        return f"amqp://{quote(user, safe='')}:{PASSWORD}@{self.host}"

    @asynccontextmanager
    async def channel(self, user: str) -> AsyncIterator[AbstractChannel]:
        """A connection and a channel of a user's."""
        async with await aio_pika.connect(self.url(user)) as connection, connection.channel() as opened:
            yield opened

    @asynccontextmanager
    async def caller(self, user: str) -> AsyncIterator[Owner]:
        """A caller with a reply queue, which strict replies need bound."""
        async with self.channel(user) as channel:
            queue = await channel.declare_queue(
                strict.private_queues(user) + uuid.uuid4().hex, durable=True, auto_delete=True
            )
            caller = Owner(self, user, channel, queue.name)
            if self.exchange is not None:
                await queue.bind(self.exchange, caller.key)

            async def receive(message: AbstractIncomingMessage) -> None:
                caller.arrived.append(message)

            await queue.consume(receive, no_ack=True)
            yield caller

    async def restore(self) -> None:
        """Make again what an attack may have destroyed."""
        async with self.channel(SERVICE) as channel:
            if self.exchange is not None:
                await channel.declare_exchange(self.exchange, ExchangeType.TOPIC, durable=True)
                requests = await channel.declare_exchange(wire.REQUESTS_EXCHANGE, ExchangeType.DIRECT, durable=True)
                for name in self.queues:
                    await (await channel.get_queue(name, ensure=False)).bind(requests, name)

    async def publish(self, channel: AbstractChannel, message: aio_pika.Message) -> None:
        """Send a request the usual way."""
        if self.exchange is None:
            await channel.default_exchange.publish(message, self.commands, timeout=TIMEOUT)
        else:
            exchange = await channel.get_exchange(wire.REQUESTS_EXCHANGE, ensure=False)
            await exchange.publish(message, self.commands, timeout=TIMEOUT)
