"""What an attacker tries, each on a connection of its own; and what came of it, seen from both sides.

An attack counts by its effect, not by what the broker says: alice sends a request while it goes on. She has to get
exactly her own reply, and nobody else may get it.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Final, TypeAlias

import aio_pika
from aio_pika import ExchangeType
from aio_pika.abc import AbstractChannel, AbstractIncomingMessage
from aio_pika.exceptions import AMQPError

from benchmarks.strict.ground import ALICE, DOTTED, MALLORY, Ground, Owner
from zeebe_amqp import strict, wire

__all__ = ["ATTACKS", "Attack", "Outcome", "play", "possible"]

FORGED: Final = b'{"operation": "create-instance", "data": {"forged": true}}'
REQUESTS: Final = 3
"""Of alice's: who takes requests may not get the first one."""
SOON: Final = 20.0
"""Seconds for what must happen."""
WAIT: Final = 0.1
"""Seconds in which what must not come would come."""


@dataclass
class Spoils:
    """What an attacker has taken."""

    channel: AbstractChannel
    user: str
    taken: list[bytes] = field(default_factory=list)

    async def listen(self, *bindings: tuple[str, str]) -> str:
        """Consume a queue of the attacker's own that is bound so, by exchange and routing key."""
        queue = await self.channel.declare_queue(strict.private_queues(self.user) + uuid.uuid4().hex, exclusive=True)
        for exchange, key in bindings:
            await queue.bind(exchange, key)
        await queue.consume(self.receive, no_ack=True)
        return str(queue.name)

    async def receive(self, message: AbstractIncomingMessage) -> None:
        """Keep what came."""
        self.taken.append(message.body)


Act: TypeAlias = Callable[[Ground, Spoils, Owner], Awaitable[object]]
"""Tries something against the caller; raises what the broker says."""


@dataclass(frozen=True)
class Attack:
    """One way to try it."""

    name: str
    act: Act
    user: str = MALLORY
    on_exchange: bool = True
    """Whether it is about an exchange that only strict replies have."""


@dataclass(frozen=True)
class Outcome:
    """What came of it."""

    name: str
    effects: tuple[str, ...]
    """What the attacker reached: "read", "forged", "lost"; empty = nothing."""
    refused: str
    """What the broker said; empty = it let it happen."""

    @property
    def shown(self) -> str:
        """In a word."""
        return f"**{', '.join(self.effects)}**" if self.effects else "refused" if self.refused else "without effect"


def possible(ground: Ground) -> list[Attack]:
    """Those that make sense there."""
    return [each for each in ATTACKS if ground.exchange is not None or not each.on_exchange]


async def play(attack: Attack, ground: Ground, soon: float = SOON) -> Outcome:
    """Try one attack on requests of alice's, whose replies count as lost after some seconds."""
    refused = ""
    async with ground.caller(ALICE) as alice, ground.channel(attack.user) as channel:
        spoils = Spoils(channel, attack.user)
        try:
            async with asyncio.timeout(10):
                await attack.act(ground, spoils, alice)
        except AMQPError as error:
            refused = str(error)
        names = [f"order-{uuid.uuid4().hex}" for _ in range(REQUESTS)]
        effects = [] if await _answers(alice, names, soon) else ["lost"]
        await asyncio.sleep(WAIT)
        if any(_is_of(names, body) for body in spoils.taken):
            effects.append("read")
        if not all(_is_of(names, each.body) for each in alice.arrived):
            effects.append("forged")
    await ground.restore()
    return Outcome(attack.name, tuple(effects), refused)


async def _answers(alice: Owner, names: list[str], soon: float) -> bool:
    """Whether each request is answered."""
    try:
        async with asyncio.timeout(soon):
            for name in names:
                await alice.request(name)
                await alice.reply(name)
            await alice.request(names[0], reply_to="", content_encoding="none")  # a dead letter
    except (TimeoutError, AMQPError):
        return False
    return True


def _is_of(names: list[str], body: bytes) -> bool:
    return any(name.encode() in body for name in names)


def _forged(alice: Owner) -> aio_pika.Message:
    return aio_pika.Message(FORGED, correlation_id="order", type="create-instance.result")


async def _consume(ground: Ground, spoils: Spoils, alice: Owner) -> None:
    queue = await spoils.channel.get_queue(alice.queue, ensure=False)
    await queue.consume(spoils.receive, no_ack=True)


def _bind(*keys: str) -> Act:
    """A queue of one's own to the exchange of replies; `{key}` stands for alice's routing key."""

    async def act(ground: Ground, spoils: Spoils, alice: Owner) -> None:
        exchange = str(ground.exchange)
        await spoils.listen(*((exchange, each.format(key=alice.key)) for each in keys))

    return act


async def _bind_exchange(ground: Ground, spoils: Spoils, alice: Owner) -> None:
    name = strict.private_queues(spoils.user) + uuid.uuid4().hex
    own = await spoils.channel.declare_exchange(name, ExchangeType.FANOUT, auto_delete=True)
    await spoils.listen((name, ""))
    await own.bind(str(ground.exchange), "#")


async def _publish_to_queue(ground: Ground, spoils: Spoils, alice: Owner) -> None:
    await spoils.channel.default_exchange.publish(_forged(alice), alice.queue)


async def _publish_to_exchange(ground: Ground, spoils: Spoils, alice: Owner) -> None:
    exchange = await spoils.channel.get_exchange(str(ground.exchange), ensure=False)
    await exchange.publish(_forged(alice), alice.key)


async def _die_into_exchange(ground: Ground, spoils: Spoils, alice: Owner) -> None:
    to = {"x-dead-letter-exchange": ground.exchange or "", "x-message-ttl": 0}
    key = alice.queue if ground.exchange is None else alice.key
    name = strict.private_queues(spoils.user) + uuid.uuid4().hex
    await spoils.channel.declare_queue(name, exclusive=True, arguments={**to, "x-dead-letter-routing-key": key})
    await spoils.channel.default_exchange.publish(_forged(alice), name)


async def _alternate(ground: Ground, spoils: Spoils, alice: Owner) -> None:
    name = strict.private_queues(spoils.user) + uuid.uuid4().hex
    to = {"alternate-exchange": str(ground.exchange)}
    own = await spoils.channel.declare_exchange(name, ExchangeType.DIRECT, auto_delete=True, arguments=to)
    await own.publish(_forged(alice), alice.key)


def _ask(reply_to: str, **headers: Sequence[str]) -> Act:
    """A request whose reply shall reach alice; `{queue}` and `{key}` stand for hers."""

    async def act(ground: Ground, spoils: Spoils, alice: Owner) -> None:
        hers = {"queue": alice.queue, "key": alice.key}
        filled = {name: [key.format(**hers) for key in keys] for name, keys in headers.items()}
        own = Owner(ground, spoils.user, spoils.channel, alice.queue)
        await own.request(f"order-{uuid.uuid4().hex}", reply_to=reply_to.format(**hers), headers=filled)

    return act


async def _impersonate(ground: Ground, spoils: Spoils, alice: Owner) -> None:
    own = Owner(ground, spoils.user, spoils.channel, alice.queue)
    await own.request(f"order-{uuid.uuid4().hex}", user_id=ALICE)


async def _delete(ground: Ground, spoils: Spoils, alice: Owner) -> None:
    await spoils.channel.queue_delete(alice.queue)


async def _unbind(ground: Ground, spoils: Spoils, alice: Owner) -> None:
    queue = await spoils.channel.get_queue(alice.queue, ensure=False)
    await queue.unbind(str(ground.exchange), alice.key)


async def _take_requests(ground: Ground, spoils: Spoils, alice: Owner) -> None:
    queue = await spoils.channel.get_queue(ground.commands, ensure=False)
    await queue.consume(spoils.receive, no_ack=True)


async def _copy_requests(ground: Ground, spoils: Spoils, alice: Owner) -> None:
    await spoils.listen((wire.REQUESTS_EXCHANGE, ground.commands))


async def _unbind_requests(ground: Ground, spoils: Spoils, alice: Owner) -> None:
    queue = await spoils.channel.get_queue(ground.commands, ensure=False)
    await queue.unbind(wire.REQUESTS_EXCHANGE, ground.commands)


def _delete_exchange(name: str) -> Act:
    async def act(ground: Ground, spoils: Spoils, alice: Owner) -> None:
        await spoils.channel.exchange_delete(name)

    return act


async def _read_dead(ground: Ground, spoils: Spoils, alice: Owner) -> None:
    queue = await spoils.channel.get_queue(wire.DEAD_LETTER, ensure=False)
    await queue.consume(spoils.receive, no_ack=True)


ATTACKS: Final = (
    Attack("read the other's reply queue", _consume, on_exchange=False),
    Attack("bind a queue to the other's routing key", _bind("{key}")),
    Attack("bind a queue to all keys that begin as the other's", _bind("alice.#")),
    Attack("bind a queue to everything: #", _bind("#")),
    Attack("bind a queue to everything: *.#", _bind("*.#")),
    Attack("bind an exchange of one's own to everything", _bind_exchange),
    Attack("as user alice.reply, bind to alice.reply.#", _bind("alice.reply.#"), user=DOTTED),
    Attack("as user alice.reply, read the queues of alice", _consume, user=DOTTED, on_exchange=False),
    Attack("write into the other's reply queue", _publish_to_queue, on_exchange=False),
    Attack("write to the exchange of replies", _publish_to_exchange),
    Attack("let a message expire into the other's reply queue", _die_into_exchange, on_exchange=False),
    Attack("send it through an exchange whose alternate is that of replies", _alternate),
    Attack("name the other's queue in `reply_to`", _ask("{queue}"), on_exchange=False),
    Attack("name the other's routing key in `reply_to`", _ask("{key}")),
    Attack(
        "name the other's queue in the headers CC and BCC",
        _ask("mine", CC=("{queue}", "{key}"), BCC=("{queue}",)),
        on_exchange=False,
    ),
    Attack("send a request in the other's name", _impersonate, on_exchange=False),
    Attack("delete the other's reply queue", _delete, on_exchange=False),
    Attack("unbind the other's reply queue", _unbind),
    Attack("take requests out of their queue", _take_requests, on_exchange=False),
    Attack("bind a queue to the exchange of requests", _copy_requests),
    Attack("unbind the request queue", _unbind_requests),
    Attack("delete the exchange of requests", _delete_exchange(wire.REQUESTS_EXCHANGE)),
    Attack("delete the exchange of replies", _delete_exchange(wire.REPLIES_EXCHANGE)),
    Attack("read the dead letters", _read_dead, on_exchange=False),
)
