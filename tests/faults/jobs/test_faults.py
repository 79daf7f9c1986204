"""Faults in the middle of jobs: every job ends or comes again, and none is ended by whom it was taken from.

The quick ones; `make faults ONLY=jobs` plays all of them, with more jobs.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from scripts.rabbitmq import RabbitMQ
from tests.faults.jobs.fault import JobFault
from tests.faults.jobs.faults import JOB_FAULTS

JOBS = 120


@pytest.mark.parametrize("fault", [fault for fault in JOB_FAULTS if fault.quick], ids=lambda fault: fault.title)
async def test_a_fault_breaks_no_promise(fault: JobFault, own_rabbitmq: RabbitMQ, tmp_path: Path) -> None:
    verdict = await fault.play(JOBS, tmp_path, own_rabbitmq)
    assert fault.problems(verdict) == []
    assert verdict.jobs == verdict.completed + verdict.thrown + verdict.incidents >= JOBS
