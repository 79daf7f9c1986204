"""What anybody must know of an operation is said on its command, as the rules of delivery have it."""

from __future__ import annotations

from datetime import timedelta

from tests.cases import for_each
from tests.unit.contracts.samples import FULLEST, command, smallest
from zeebe_amqp import envelope
from zeebe_amqp.commands import COMMANDS, ActivateJobs, Command, CreateInstance, PublishMessage

READ_ONLY = {"topology", "evaluate-decision"}
IDEMPOTENT = READ_ONLY | {
    "set-variables", "update-job-retries", "update-job-timeout", "complete-job", "fail-job", "throw-error",
    "cancel-instance", "resolve-incident", "delete-resource", "deploy-process", "deploy-resource",
}  # fmt: skip
EXEMPT_FROM_LIMIT = {"complete-job", "fail-job", "throw-error"}
CREATE = CreateInstance(bpmn_process_id="a")
WAITS: list[tuple[Command, int, float | None]] = [
    (ActivateJobs(job_type="a", max_jobs_to_activate=1), 0, None),
    (CreateInstance(bpmn_process_id="a", request_timeout="5s"), 0, None),
    (CREATE.until_end(), 15_000, 15.0),
    (CREATE.until_end("5s"), 5_000, 5.0),
    (ActivateJobs(job_type="a", max_jobs_to_activate=1, request_timeout=timedelta(seconds=2)), 2_000, 12.0),
]


def test_what_may_run_twice_what_changes_nothing_and_what_relieves_the_engine() -> None:
    for operation, kind in COMMANDS.items():
        facts = (kind.idempotent, kind.read_only, kind.exempt_from_limit)
        expected = (operation in IDEMPOTENT, operation in READ_ONLY, operation in EXEMPT_FROM_LIMIT)
        assert facts == expected, operation
        for each in (smallest(operation), *(command(*full) for full in FULLEST.items() if full[0] == operation)):
            if not isinstance(each, PublishMessage):
                assert each.is_idempotent() is (operation in IDEMPOTENT), each


@for_each([(None, None, False), ("i", None, False), (None, "1m", False), ("i", "0s", False), ("i", "1m", True)])
def test_a_message_may_be_published_twice_only_while_the_engine_keeps_its_id(
    message_id: str | None, time_to_live: str | None, expected: bool
) -> None:
    data = {"messageName": "m", "messageId": message_id, "timeToLive": time_to_live}
    given = {name: value for name, value in data.items() if value is not None}
    assert command("publish-message", given).is_idempotent() is expected


@for_each(WAITS)
def test_only_what_waits_on_purpose_waits_and_may_take_longer_than_an_ordinary_attempt(
    given: Command, milliseconds: int, seconds: float | None
) -> None:
    assert given.wait() == milliseconds
    assert envelope.decode(envelope.encode(given)).command.attempt_timeout() == seconds


def test_nothing_else_waits() -> None:
    for operation in COMMANDS.keys() - {"create-instance", "activate-jobs"}:
        assert COMMANDS[operation].wait is Command.wait, operation
