"""Mallory as a program: `python -m benchmarks.rights.attacker URL COMMANDS POLLS ELSEWHERE`.

It reads an order per line from standard input, attacks, prints "ready" when what comes first is sent, and then, when
all is answered, what it got. With `elsewhere` it sends the same to a queue that nobody reads.
"""

from __future__ import annotations

import asyncio
import json
import sys
import uuid
from collections import Counter
from typing import Any

import aio_pika
from aio_pika.abc import AbstractChannel, AbstractIncomingMessage

from benchmarks.rights.attacks import ATTACKS, COMMANDS, POLLS, Attack
from benchmarks.rights.rules import MALLORY, reply_queue
from zeebe_amqp import wire

LAST_ANSWERS = 20.0
"""Seconds that the last answers may take."""
ABSORBED = 1.0
"""Seconds in which the service takes what comes first: a queue is in order, and nobody overtakes what is in it."""
OPEN = 200
"""Messages that the broker has not confirmed, at most."""
BY_NAME = {attack.name: attack for attack in ATTACKS}


class Attacker:
    """Sends what it is told to, and counts the answers by their code."""

    def __init__(self, channel: AbstractChannel, queues: dict[str, str], elsewhere: str) -> None:
        self._channel = channel
        self._queues, self._elsewhere = queues, elsewhere
        self._places = asyncio.Semaphore(OPEN)
        self._reply_to = reply_queue(MALLORY, uuid.uuid4().hex)
        self._got: Counter[str] = Counter()
        self._sent = 0

    async def listen(self) -> None:
        """Receive the answers."""
        queue = await self._channel.declare_queue(self._reply_to, durable=True, auto_delete=True)
        await queue.consume(self._receive, no_ack=True)

    async def attack(self, attack: Attack, turn: int, seconds: float, *, elsewhere: bool) -> dict[str, Any]:
        """The whole attack; what came of it."""
        self._got.clear()
        self._sent = 0
        loop = asyncio.get_running_loop()

        async def send(number: int) -> None:
            message = attack.message(turn, number, seconds)
            queue = self._elsewhere if elsewhere else self._queues[message.place]
            async with self._places:
                await self._publish(queue, message.body, message.headers)

        async with asyncio.TaskGroup() as group:
            for number in range(attack.first):
                group.create_task(send(number))
        await asyncio.sleep(ABSORBED)
        print("ready", flush=True)
        end, number = loop.time() + seconds, attack.first
        async with asyncio.TaskGroup() as group:
            while loop.time() < end:
                group.create_task(send(number))
                number += 1
                await asyncio.sleep(1 / attack.rate)
        wanted = 0 if elsewhere else self._sent
        with_end = loop.time() + LAST_ANSWERS
        while sum(self._got.values()) < wanted and loop.time() < with_end:  # noqa: ASYNC110 - a callback counts
            await asyncio.sleep(0.05)
        return {"sent": self._sent, "answers": dict(self._got)}

    async def _publish(self, queue: str, body: bytes, headers: dict[str, Any]) -> None:
        message = aio_pika.Message(
            body, content_type="application/json", reply_to=self._reply_to, user_id=MALLORY, headers=headers
        )
        await self._channel.default_exchange.publish(message, queue, timeout=60)
        self._sent += 1

    async def _receive(self, message: AbstractIncomingMessage) -> None:
        replayed = " (replayed)" if message.headers.get(wire.REPLAYED) else ""
        self._got[str(message.headers.get(wire.ERROR_CODE, "ok")) + replayed] += 1


async def main(url: str, commands: str, polls: str, elsewhere: str) -> None:
    """Attack as often as the input asks for it."""
    async with await aio_pika.connect(url) as connection:
        attacker = Attacker(await connection.channel(), {COMMANDS: commands, POLLS: polls}, elsewhere)
        await attacker.listen()
        while line := await asyncio.to_thread(sys.stdin.readline):
            order = json.loads(line)
            found = await attacker.attack(BY_NAME[order.pop("attack")], **order)
            print(json.dumps(found), flush=True)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
