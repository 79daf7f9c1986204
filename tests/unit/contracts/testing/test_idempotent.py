"""The service in memory judges commands as the real one does."""

from __future__ import annotations

import pytest

from consumer.zeebe.operations import OPERATIONS
from tests.unit.contracts.samples import FULLEST, SMALLEST, command, smallest
from zeebe_amqp.commands import Command
from zeebe_amqp.testing.idempotent import is_recorded, is_repeatable

SAMPLES = [
    smallest("deploy-process"),
    *(command(operation, data) for sample in (SMALLEST, FULLEST) for operation, data in sample.items()),
]


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.operation)
def test_the_same_commands_may_run_twice(sample: Command) -> None:
    row = OPERATIONS[sample.operation]
    assert is_repeatable(sample) is row.idempotent(sample)
    assert is_recorded(sample) is row.recorded
