"""The audit waits until a record is written, says when none can be, and mends itself."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from consumer.core.delivery import Reply
from consumer.pipeline.ending import Ending
from consumer.security import audit as auditing
from consumer.security.audit import Audit
from consumer.security.audit_record import Record, Recorder
from consumer.security.audit_sinks import AuditError
from tests.unit.consumer.deliveries import QuickClock, delivery
from tests.unit.consumer.workers import until

OK = Reply("topology", {})


class ScriptedSink:
    """A sink with scripted problems, that can be held."""

    name = "/var/log/audit"

    def __init__(self, *problems: Exception, is_remote: bool = False) -> None:
        self.problems = [*problems]
        self.is_remote = is_remote
        self.batches: list[int] = []
        self.free = asyncio.Event()
        self.free.set()
        self.closed = False

    async def open(self) -> None:
        if self.problems:
            raise self.problems.pop(0)

    async def write(self, records: Sequence[Record]) -> None:
        await self.free.wait()
        await self.open()
        self.batches.append(len(records))

    async def close(self) -> None:
        self.closed = True


def audit_of(sink: ScriptedSink, **given: Any) -> Audit:
    return Audit(sink, Recorder(), clock=QuickClock(), **given)


def problem_of(audit: Audit) -> str | None:
    return audit.problem


def recording(audit: Audit) -> asyncio.Task[None]:
    return asyncio.ensure_future(audit.record(delivery("topology"), OK, Ending.SETTLED))


async def test_what_comes_together_is_written_together() -> None:
    sink, timings = ScriptedSink(), list[float]()
    audit = audit_of(sink, timing=timings.append)
    await audit.start()
    sink.free.clear()
    first = recording(audit)
    await asyncio.sleep(0.01)
    others = [recording(audit) for _ in range(10)]
    await asyncio.sleep(0.01)
    assert not first.done()
    sink.free.set()
    await asyncio.gather(first, *others)
    assert (sink.batches, audit.records, audit.failures, len(timings)) == ([1, 10], 11, 0, 2)


async def test_a_record_is_written_again_until_it_is_there(caplog: Any) -> None:
    sink = ScriptedSink()
    audit = audit_of(sink)
    await audit.start()
    sink.problems = [OSError(28, "No space left on device")] * 3
    failed = asyncio.ensure_future(audit.wait_failed())
    waiting = recording(audit)
    await failed
    assert audit.problem == "the audit /var/log/audit cannot be written: [Errno 28] No space left on device"
    assert not waiting.done()
    await asyncio.gather(waiting, audit.ready())
    assert (audit.records, audit.failures, sink.batches) == (1, 3, [1])
    assert not problem_of(audit)
    assert [vars(each)["event"] for each in caplog.records] == ["audit.failed"], "told once"


async def test_a_write_that_does_not_end_is_a_problem_until_it_does(monkeypatch: Any) -> None:
    monkeypatch.setattr(auditing, "SLOW", 0.01)
    sink = ScriptedSink()
    audit = audit_of(sink)
    await audit.start()
    sink.free.clear()
    waiting = recording(audit)
    await audit.wait_failed()
    assert audit.problem == "the audit /var/log/audit cannot be written: nothing is taken for 0.01 s"
    sink.free.set()
    await asyncio.gather(waiting, audit.ready())
    assert sink.batches == [1]
    assert not problem_of(audit)


async def test_a_sink_on_this_machine_that_cannot_be_used_ends_the_start() -> None:
    with pytest.raises(AuditError, match="mode 0644"):
        await audit_of(ScriptedSink(AuditError("AUDIT: mode 0644"))).start()


async def test_a_broker_may_be_away_at_the_start() -> None:
    audit = audit_of(ScriptedSink(OSError("not connected"), AuditError("no exchange"), is_remote=True))
    await audit.start()
    await audit.wait_failed()
    assert audit.problem == "not connected yet"
    await audit.ready()
    assert audit.problem is None


async def test_who_stops_waiting_stops_nobody_else() -> None:
    sink = ScriptedSink()
    audit = audit_of(sink)
    await audit.start()
    sink.free.clear()
    gone, stays = recording(audit), recording(audit)
    await asyncio.sleep(0.01)
    gone.cancel()
    sink.free.set()
    await stays
    assert gone.cancelled()


async def test_closing_waits_for_no_sink() -> None:
    sink = ScriptedSink()
    audit = audit_of(sink)
    await audit.start()
    sink.problems = [OSError("full")] * 10**6
    waiting = recording(audit)
    await until(lambda: audit.problem)
    waiting.cancel()
    await audit.close()
    assert sink.closed
