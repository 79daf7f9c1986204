"""Timing a ledger: every operation is recorded, and nothing else changes."""

from __future__ import annotations

import pytest

from consumer.core.message import Reply
from consumer.ledger import Claim, LedgerError, MemoryLedger, State, TimedLedger
from tests.unit.consumer.ledger.promises import DIGEST, limits


class Record:
    def __init__(self) -> None:
        self.taken: list[tuple[str, str]] = []

    def __call__(self, name: str, seconds: float, **attributes: str) -> None:
        assert seconds >= 0
        self.taken.append((name, attributes["operation"]))


async def test_each_operation_is_recorded_by_its_name() -> None:
    record = Record()
    ledger = TimedLedger(MemoryLedger(limits()), record)
    await ledger.start()
    await ledger.ready()
    await ledger.claim("a", DIGEST)
    await ledger.finish("a", Reply("x"))
    await ledger.claim("b", DIGEST)
    await ledger.release("b")
    await ledger.close()
    assert record.taken == [("ledger.duration", each) for each in ("claim", "finish", "claim", "release")]


async def test_an_operation_that_fails_is_recorded_too() -> None:
    class Broken(MemoryLedger):
        problem = "cannot be written"

        async def claim(self, identity: str, digest: bytes, *, rerun: bool = True) -> Claim:
            raise LedgerError(self.problem)

    record = Record()
    ledger = TimedLedger(Broken(limits()), record)
    with pytest.raises(LedgerError):
        await ledger.claim("a", DIGEST)
    assert record.taken == [("ledger.duration", "claim")]
    assert ledger.problem == "cannot be written"


async def test_what_it_answers_is_the_ledger_s_own() -> None:
    ledger = TimedLedger(MemoryLedger(limits()), Record())
    await ledger.claim("a", DIGEST)
    await ledger.finish("a", Reply("x", 1))
    found = await ledger.claim("a", DIGEST)
    assert found.reply is not None
    assert (found.state, found.reply.data, ledger.size) == (State.DONE, 1, 1)
