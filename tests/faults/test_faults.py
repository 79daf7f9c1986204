"""Faults in the middle of load: nothing is lost, nothing runs twice, every answer is right.

The quick ones; `make faults` plays all of them, with more requests.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from scripts.rabbitmq import RabbitMQ
from tests.faults.__main__ import EVERY
from tests.faults.fault import Fault
from tests.faults.faults import FAULTS

REQUESTS = 300


@pytest.mark.parametrize("fault", [fault for fault in FAULTS if fault.quick], ids=lambda fault: fault.title)
async def test_a_fault_breaks_no_promise(fault: Fault, own_rabbitmq: RabbitMQ, tmp_path: Path) -> None:
    verdict = await fault.play(REQUESTS, tmp_path, own_rabbitmq)
    assert fault.problems(verdict) == []
    assert verdict.confirmed == verdict.requests >= REQUESTS


def test_every_fault_has_a_title_of_its_own() -> None:
    assert len({fault.title for fault in EVERY}) == len(EVERY)
