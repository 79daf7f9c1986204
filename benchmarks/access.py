"""What a policy and the audit cost a request: `python -m benchmarks.access [--count N] [--rounds N] [--directory DIR]`.

Microseconds of this process's processor time: to decide a command, to make its record, and to write records to a file
that is synced, with so many commands side by side. All time is shown beside it, because it is the disk's.
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median

from rich.console import Console
from rich.table import Table

from benchmarks.machine import own_cpu
from consumer.core.delivery import Delivery
from consumer.core.message import Message, Reply
from consumer.pipeline.ending import Ending
from consumer.security.audit import Audit
from consumer.security.audit_record import Recorder
from consumer.security.audit_sinks import FileSink
from consumer.security.policy import Policy, parse

POLICY = b"""
version = 1
[roles.orders]
operations = ["create-instance", "publish-message"]
processes = ["order", "order-*"]
messages = ["order-*"]
[users]
shop = ["orders"]
"""
BODY = b'{"operation": "create-instance", "data": {"bpmnProcessId": "order-17", "variables": {"id": 17}}}'
DONE = Reply("create-instance", {"processInstanceKey": 2251799813685251})
SIDE_BY_SIDE = (64, 8, 1)


def request(policy: Policy, user: str = "shop") -> Delivery:
    """A request that was decided."""
    delivery = Delivery(Message(BODY, "zeebe.commands", message_id="one-of-many", user_id=user))
    delivery.decision = policy.decide(user, delivery.request.command)
    return delivery


def cost(work: Callable[[], object], count: int, rounds: int) -> float:
    """Microseconds of processor time for one call; the median of all rounds."""
    taken = []
    for _ in range(rounds):
        started = own_cpu()
        for _ in range(count):
            work()
        taken.append((own_cpu() - started) / count * 1e6)
    return median(taken)


async def written(path: Path, delivery: Delivery, count: int, at_once: int) -> tuple[float, float]:
    """Microseconds of processor time and of all time for one record, made and written."""
    audit = Audit(FileSink(path), Recorder())
    await audit.start()
    left = iter(range(count))

    async def ask() -> None:
        for _ in left:
            await audit.record(delivery, DONE, Ending.SETTLED)

    used, started = own_cpu(), time.perf_counter()
    await asyncio.gather(*(ask() for _ in range(at_once)))
    found = (own_cpu() - used) / count * 1e6, (time.perf_counter() - started) / count * 1e6
    await audit.close()
    return found


def rows(count: int, rounds: int, directory: Path) -> Iterator[tuple[str, str, str]]:
    """What is measured, the processor's time and all time."""
    policy = parse(POLICY, "policy.toml")
    delivery, recorder = request(policy), Recorder()
    command = delivery.request.command
    yield "decide: allowed", f"{cost(lambda: policy.decide('shop', command), count, rounds):.1f}", ""
    yield "decide: denied", f"{cost(lambda: policy.decide('mallory', command), count, rounds):.1f}", ""
    made = cost(lambda: recorder.command(delivery, DONE, Ending.SETTLED), count, rounds)
    yield "make a record", f"{made:.1f}", ""
    for at_once in SIDE_BY_SIDE:
        found = [asyncio.run(written(directory / "audit.jsonl", delivery, count // 10, at_once)) for _ in range(rounds)]
        used, passed = (median(each) for each in zip(*found, strict=True))
        yield f"make and write a record, {at_once} at a time", f"{used:.1f}", f"{passed:.1f}"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=20_000, help="calls in a round, of writes a tenth; %(default)s")
    parser.add_argument("--rounds", type=int, default=5, help="default %(default)s")
    parser.add_argument("--directory", type=Path, help="default: where temporary files are")
    options = parser.parse_args()
    table = Table("µs each", "processor", "all time")
    with tempfile.TemporaryDirectory(dir=options.directory) as folder:
        for row in rows(options.count, options.rounds, Path(folder)):
            table.add_row(*row)
    Console().print(table)


if __name__ == "__main__":
    main()
