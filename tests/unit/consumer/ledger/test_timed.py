"""The ledger's timing: every operation is recorded."""

from __future__ import annotations

import pytest

from consumer.core.message import Reply
from consumer.ledger import Ledger, LedgerError
from consumer.ledger.memory import MemoryStore
from consumer.ledger.store import Found, LedgerRow
from tests.unit.consumer.ledger.promises import DIGEST, limits


class Record:
    def __init__(self) -> None:
        self.taken: list[tuple[str, str]] = []

    def __call__(self, name: str, seconds: float, **attributes: str) -> None:
        assert seconds >= 0
        self.taken.append((name, attributes["operation"]))


async def test_each_operation_is_recorded_by_its_name() -> None:
    record = Record()
    ledger = Ledger(MemoryStore(), limits(), record)
    await ledger.start()
    await ledger.ready()
    await ledger.claim("a", DIGEST)
    await ledger.finish("a", Reply("x"))
    await ledger.claim("b", DIGEST)
    await ledger.release("b")
    await ledger.close()
    assert record.taken == [("ledger.duration", each) for each in ("claim", "finish", "claim", "release")]


async def test_an_operation_that_fails_is_recorded_too() -> None:
    class Broken(MemoryStore):
        async def claim(self, row: LedgerRow, now: float, take_over: bool) -> Found | None:
            raise OSError("away")

    record = Record()
    ledger = Ledger(Broken(), limits(), record)
    with pytest.raises(LedgerError):
        await ledger.claim("a", DIGEST)
    assert record.taken == [("ledger.duration", "claim")]
