"""What anybody must know of an operation is said on its command, as the rules of delivery have it."""

from __future__ import annotations

from tests.unit.contracts.samples import FULLEST, SMALLEST, command, smallest
from zeebe_amqp.commands import COMMANDS, Command, PublishMessage

READ_ONLY = {"topology", "evaluate-decision"}
IDEMPOTENT = {
    *READ_ONLY,
    "set-variables",
    "update-job-retries",
    "update-job-timeout",
    "complete-job",
    "fail-job",
    "throw-error",
    "cancel-instance",
    "resolve-incident",
    "delete-resource",
    "deploy-process",
    "deploy-resource",
}
EXEMPT_FROM_LIMIT = {"complete-job", "fail-job", "throw-error"}
SAMPLES: list[Command] = [
    smallest("deploy-process"),
    *(command(operation, data) for sample in (SMALLEST, FULLEST) for operation, data in sample.items()),
]


def test_what_may_run_twice_what_changes_nothing_and_what_relieves_the_engine() -> None:
    for operation, kind in COMMANDS.items():
        facts = (kind.idempotent, kind.read_only, kind.exempt_from_limit)
        expected = (operation in IDEMPOTENT, operation in READ_ONLY, operation in EXEMPT_FROM_LIMIT)
        assert facts == expected, operation


def test_every_sample_is_judged_as_its_operation_but_for_messages_which_the_engine_may_know() -> None:
    for sample in SAMPLES:
        if not isinstance(sample, PublishMessage):
            assert sample.is_idempotent() is (sample.operation in IDEMPOTENT), sample


def test_a_message_may_be_published_twice_only_while_the_engine_keeps_its_id() -> None:
    for message_id, time_to_live, expected in (
        (None, None, False),
        ("i", None, False),
        (None, "1m", False),
        ("i", "0s", False),
        ("i", "1m", True),
    ):
        data = {"messageName": "m", "messageId": message_id, "timeToLive": time_to_live}
        given = {name: value for name, value in data.items() if value is not None}
        assert command("publish-message", given).is_idempotent() is expected, given


def test_only_what_waits_on_purpose_may_take_longer_than_an_ordinary_attempt() -> None:
    waits = {
        ("create-instance", "withResult"): ({"bpmnProcessId": "p", "withResult": True}, 15.0),
        ("create-instance", "requestTimeout"): ({"bpmnProcessId": "p", "requestTimeout": "3s"}, None),
        ("activate-jobs", "requestTimeout"): ({"jobType": "t", "maxJobsToActivate": 1, "requestTimeout": "3s"}, 13.0),
        ("activate-jobs", ""): ({"jobType": "t", "maxJobsToActivate": 1}, None),
    }
    for (operation, field), (data, seconds) in waits.items():
        assert command(operation, data).attempt_timeout() == seconds, (operation, field)
