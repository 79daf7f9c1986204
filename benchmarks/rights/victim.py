"""Alice at work: short commands at a steady rate, among them a few that may wait and do not have to."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from aio_pika.abc import AbstractIncomingMessage

from benchmarks.rights.attacks import VICTIM, create, poll
from benchmarks.rights.rules import ALICE
from tests.integration.caller import Caller
from zeebe_amqp import wire
from zeebe_amqp.reply import Reply

RATE = 100.0
"""Requests per second."""
SECONDS = 30.0
"""How long an answer may take."""
UNANSWERED = "unanswered"


@dataclass
class Turn:
    """What alice got in one turn."""

    milliseconds: list[float] = field(default_factory=list)
    """Until each answer."""
    wrong: Counter[str] = field(default_factory=Counter)
    """Answers that she should not get, by their code: hers are all right requests."""

    def add(self, started: float, message: AbstractIncomingMessage | None) -> None:
        """Count an answer; None where there was none."""
        self.milliseconds.append((time.perf_counter() - started) * 1e3)
        if message is None:
            self.wrong[UNANSWERED] += 1
        elif (error := Reply.decode(message.body).error) is not None:
            self.wrong[str(error.code)] += 1
        elif message.headers.get(wire.REPLAYED):
            self.wrong["another's answer"] += 1


def request(turn: int, number: int) -> tuple[str, bytes, bool]:
    """The id and body of a request, and whether it goes to the queue for those that wait."""
    identity = VICTIM.format(turn=turn, number=number)
    match number % 10:
        case 4:
            return identity, create("order-17", identity, withResult=True, requestTimeout="10s"), False
        case 9:
            return identity, poll(f"pack-{number}", 10), True
    return identity, create("order-17", identity), False


async def ask(caller: Caller, turn: int, number: int) -> AbstractIncomingMessage | None:
    """The answer to a request, sent for the first time or again; None when it did not come."""
    identity, body, waits = request(turn, number)
    queue = caller.polls if waits else caller.commands
    try:
        return await caller.request(
            body, queue=queue, seconds=SECONDS, user_id=ALICE, headers={wire.REQUEST_ID: identity}
        )
    except TimeoutError:
        return None


async def work(caller: Caller, turn: int, seconds: float) -> Turn:
    """One turn: each request is sent when its time has come, whatever became of those before."""
    found = Turn()

    async def timed(number: int) -> None:
        started = time.perf_counter()
        found.add(started, await ask(caller, turn, number))

    async with asyncio.TaskGroup() as group:
        for number in range(int(seconds * RATE)):
            group.create_task(timed(number))
            await asyncio.sleep(1 / RATE)
    return found


async def ask_again(caller: Caller, asked: Iterable[tuple[int, int]]) -> Counter[str]:
    """Send answered requests again, one after the other: what came, `replayed` where the ledger knew the answer."""
    found: Counter[str] = Counter()
    for turn, number in asked:
        message = await ask(caller, turn, number)
        if message is None:
            found[UNANSWERED] += 1
        elif message.headers.get(wire.REPLAYED):
            error = Reply.decode(message.body).error
            found["replayed" if error is None else f"replayed {error.code}"] += 1
        else:
            found["ran again" if Reply.decode(message.body).ok else "refused"] += 1
    return found
