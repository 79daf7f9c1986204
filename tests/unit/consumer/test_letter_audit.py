"""Where the record of a dropped letter goes with `AUDIT=stdout`: a command's own results are on standard output."""

from __future__ import annotations

import pytest

from consumer.audit import letter_audit
from consumer.config import Settings
from consumer.config.values import AuditSink
from consumer.dead_letters.audit import DROPPED
from consumer.dead_letters.letter import DeadLetter
from tests.cases import check_each


async def test_the_console_records_where_its_service_does_and_a_command_beside_it(
    capfd: pytest.CaptureFixture[str],
) -> None:
    async def is_recorded(in_service: bool) -> None:
        audit = letter_audit(Settings(audit=AuditSink("stdout", "")), in_service=in_service)
        async with audit:
            await audit.record(DeadLetter(b"{}"), DROPPED, None)
        told = ["dead-letter-drop" in each for each in capfd.readouterr()]
        assert told == [in_service, not in_service]

    await check_each([True, False], is_recorded)
