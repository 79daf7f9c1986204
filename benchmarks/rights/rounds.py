"""The attacks, in rounds: in each, alice works alone, beside mallory elsewhere, and attacked."""

from __future__ import annotations

import asyncio
import json
import sys
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aio_pika

from benchmarks import machine
from benchmarks.programs import environment
from benchmarks.rights.attacks import ATTACKS, VICTIM, Attack
from benchmarks.rights.judgement import KINDS, Outcome, Turns
from benchmarks.rights.rules import ALICE, MALLORY, PASSWORD
from benchmarks.rights.setup import Site
from benchmarks.rights.victim import RATE, Turn, ask_again, work
from scripts.process import Process, free_port
from tests.integration.caller import Caller

ELSEWHERE = "elsewhere"
"""The queue that nobody reads."""
KEPT: dict[str, Any] = {"x-queue-type": "quorum", "x-max-length": 20}
"""Its arguments: durable as a request queue is, and never full."""
SETTLE = 1.0
"""Seconds that a turn may wait for a quiet machine."""
AGAIN = 400
"""Answered requests of alice's that are sent again after an attack, at most."""
NICE = 19
"""How much mallory's program gives way to all others: his requests are what is measured, not what making them takes."""


@contextmanager
def gateway(directory: Path) -> Iterator[tuple[str, Path]]:
    """The gateway as a program: its address, and its journal."""
    port, journal, log = free_port(), directory / "journal", directory / "gateway.log"
    journal.touch()
    command = [sys.executable, "-m", "benchmarks.rights.gateway", f"{port}", str(journal)]
    process = Process(command, {"PYTHONPATH": environment()["PYTHONPATH"]}, log)
    try:
        process.wait_until(lambda: "listening" in log.read_text(), 60)
        yield f"127.0.0.1:{port}", journal
    finally:
        process.stop()


class Mallory:
    """His program, which takes orders."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def begin(self, attack: Attack, turn: int, seconds: float, *, elsewhere: bool) -> None:
        """Let him begin; returns when what comes first is sent."""
        assert self._process.stdin is not None
        order = {"attack": attack.name, "turn": turn, "seconds": seconds, "elsewhere": elsewhere}
        self._process.stdin.write(f"{json.dumps(order)}\n".encode())
        await self._line()

    async def end(self) -> dict[str, Any]:
        """What came of it, when all is answered."""
        return dict(json.loads(await self._line()))

    async def _line(self) -> str:
        assert self._process.stdout is not None
        line = await asyncio.wait_for(self._process.stdout.readline(), 120)
        if not line:
            raise RuntimeError("the attacker ended by itself; what it said is above")
        return line.decode()


@asynccontextmanager
async def mallory(site: Site) -> AsyncIterator[Mallory]:
    """Mallory, ready for orders."""
    url = f"amqp://{MALLORY}:{PASSWORD}@{site.host}"
    command = ["nice", "-n", f"{NICE}", sys.executable, "-m", "benchmarks.rights.attacker", url]
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        *command, *site.consumer.queues, ELSEWHERE, stdin=pipe, stdout=pipe, env=environment()
    )
    try:
        yield Mallory(process)
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


@dataclass
class Rounds:
    """All rounds of all attacks. Turns are numbered, and so are alice's requests in them."""

    caller: Caller
    attacker: Mallory
    count: int
    seconds: float
    turn: int = 0
    sent: int = 0
    """Requests that went to the service."""

    async def warm_up(self) -> None:
        """A turn of each kind that is not measured: what starts is slow."""
        for kind in KINDS:
            await self._turn(ATTACKS[0], kind)

    async def play(self, attack: Attack) -> Outcome:
        """All rounds of an attack, every second time the other way round."""
        turns = {kind: Turns() for kind in KINDS}
        sent, got = 0, Counter[str]()
        for number in range(self.count):
            for kind in KINDS if number % 2 == 0 else KINDS[::-1]:
                turn, his = await self._turn(attack, kind)
                turns[kind].add(turn)
                if kind == "attacked":
                    sent += his["sent"]
                    got += Counter(his["answers"])
        return Outcome.of(attack.name, attack.about, turns, {"sent": sent, "answers": dict(got)})

    async def _turn(self, attack: Attack, kind: str) -> tuple[Turn, dict[str, Any]]:
        await asyncio.to_thread(machine.settle, SETTLE)
        self.turn += 1
        self.sent += int(self.seconds * RATE)
        if kind == "alone":
            return await work(self.caller, self.turn, self.seconds), {}
        await self.attacker.begin(attack, self.turn, self.seconds, elsewhere=kind == "elsewhere")
        turn = await work(self.caller, self.turn, self.seconds)
        his = await self.attacker.end()
        self.sent += his["sent"] if kind == "attacked" else 0
        return turn, his

    async def again(self) -> Counter[str]:
        """Ask again for answers of all turns so far."""
        asked = [(turn, number) for turn in range(1, self.turn + 1) for number in range(int(self.seconds * RATE))]
        chosen = asked[:: max(1, len(asked) // AGAIN)]
        self.sent += len(chosen)
        return await ask_again(self.caller, chosen)


@dataclass(frozen=True)
class Attacked:
    """What came of all attacks."""

    outcomes: list[Outcome]
    again: Counter[str]
    """What alice got for answered requests that she sent again after the attack on the ledger."""
    twice: int
    """Of her commands, those that ran more than once."""
    sent: int
    """Requests that went to the service."""


async def play(site: Site, url: str, journal: Path, count: int, seconds: float) -> Attacked:
    """All attacks, one after the other."""
    async with await aio_pika.connect(url) as connection, connection.channel() as channel:
        await channel.declare_queue(ELSEWHERE, durable=True, arguments=KEPT)
        async with site.caller(ALICE) as caller, mallory(site) as attacker:
            rounds, found, again = Rounds(caller, attacker, count, seconds), [], Counter[str]()
            await rounds.warm_up()
            for attack in ATTACKS:
                found.append(await rounds.play(attack))
                tell(found[-1])
                if attack.name == "ledger":
                    again = await rounds.again()
    lines = await asyncio.to_thread(journal.read_text)
    return Attacked(found, again, ran_twice(lines.splitlines()), rounds.sent)


def tell(outcome: Outcome) -> None:
    """Say how far it is."""
    words = f"  {outcome.name}: p99 {outcome.ratio:.2f} times as long, wrong {outcome.wrong}"
    print(words, file=sys.stderr, flush=True)


def ran_twice(lines: list[str]) -> int:
    """How many of alice's commands the gateway executed more than once, by its journal."""
    prefix = VICTIM.partition("-")[0]
    counted = Counter(identity for _, identity in map(json.loads, lines) if identity.startswith(f"{prefix}-"))
    return sum(count > 1 for count in counted.values())
