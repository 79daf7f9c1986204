"""Requests that come more than once, and a handler that runs each of them once."""

from __future__ import annotations

import asyncio
from typing import Any
from unittest.mock import Mock, create_autospec

from consumer.core.message import Reply
from consumer.ledger import Claim, Ledger, LedgerError
from consumer.pipeline.idempotency import idempotent
from consumer.pipeline.redelivery import RedeliveryMatcher
from tests.unit.consumer import deliveries
from tests.unit.consumer.deliveries import FakeDelivery, MemoryLedger, QuickClock
from tests.unit.consumer.errors import failed
from tests.unit.consumer.workers import ScriptedHandler

DATA = {"create-instance": {"bpmnProcessId": "p"}, "cancel-instance": {"processInstanceKey": 2**51}, "topology": {}}


def incoming(operation: str = "create-instance", data: Any = None, **properties: Any) -> FakeDelivery:
    return deliveries.delivery(operation, DATA[operation] if data is None else data, **properties)


def waited_for(**properties: Any) -> FakeDelivery:
    """A delivery of one request, whose sender waits for the answer."""
    return incoming(message_id="a", reply_to="replies", **properties)


def failure(*given: Any, **more: Any) -> Reply:
    return Reply("create-instance", error=failed(*given, **more))


class Once(ScriptedHandler):
    """A handler that runs each request once; what it runs answers these, and may be held."""

    def __init__(
        self, *replies: Reply, ledger: Any = None, matcher: Any = None, clock: Any = None, **more: Any
    ) -> None:
        super().__init__()
        self.replies, self.count = list(replies), Mock()
        more |= {"clock": clock or QuickClock(pause=0.001), "count": self.count}
        around = idempotent(ledger or MemoryLedger(), matcher or RedeliveryMatcher(), **more)
        self.handle = around(super().__call__)

    async def begin(self, *delivered: FakeDelivery) -> list[asyncio.Task[Reply]]:
        """Their runs, which have come to their first wait."""
        runs = [asyncio.ensure_future(self.handle(each)) for each in delivered]
        await asyncio.sleep(0.01)
        return runs


def ledger_of(*found: Claim | LedgerError) -> Any:
    """A ledger whose claims find this, one after the other."""
    ledger = create_autospec(Ledger, instance=True)
    ledger.claim.side_effect = found
    return ledger
