"""Every operation: its fields and its result, its defaults, the rules between its fields, and the facts about it."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any, get_args

import msgspec
import pytest

from tests.cases import check_all, for_each
from tests.unit.contracts.samples import FULLEST, KEY, SMALLEST, command, refusal_of, request, smallest
from tests.unit.contracts.values import info
from zeebe_amqp import commands, envelope
from zeebe_amqp.commands import COMMANDS, ActivateJobs, Command, CreateInstance, PublishMessage
from zeebe_amqp.commands.instances import InstanceCreated, InstanceResult
from zeebe_amqp.errors import CommandError
from zeebe_amqp.schema import fields


def test_only_an_instance_until_its_end_answers_with_variables() -> None:
    create = CreateInstance(bpmn_process_id="order", variables={"id": 7})
    waiting = create.until_end("30s", fetch_variables=("total",))
    assert (create.result_type(), waiting.result_type()) == (InstanceCreated, InstanceResult)
    created, ended = ({field.encode_name for field in info(kind).fields} for kind in (InstanceCreated, InstanceResult))
    assert ended - created == {"variables"}
    assert command("cancel-instance", SMALLEST["cancel-instance"]).result_type() is None
    data, _ = waiting.to_wire()
    assert data == (
        b'{"bpmnProcessId":"order","variables":{"id":7},"withResult":true,'
        b'"fetchVariables":["total"],"requestTimeout":"30s"}'
    )


def test_a_right_request_is_decoded_and_survives_writing_and_reading() -> None:
    def survives(operation: str, data: Any) -> None:
        decoded = request(operation, data)
        assert type(decoded.command) is COMMANDS[operation]
        assert json.loads(decoded.data) == data
        again = envelope.decode(envelope.encode(decoded.command))
        if operation != "topology":
            assert msgspec.json.encode(again.command, enc_hook=fields.encode) == decoded.command.to_wire()[0]

    check_all([*SMALLEST.items(), *FULLEST.items()], survives)
    for data in (None, {}, [], "text", 7, {"variables": [1]}):
        assert request("topology", data).command == commands.Topology(), "it ignores its data"


def test_defaults_are_those_of_the_contract() -> None:
    create = command("create-instance", {"processDefinitionKey": str(KEY)})
    assert (create.version, create.with_result, create.process_definition_key) == (None, False, KEY)
    assert command("update-job-retries", SMALLEST["update-job-retries"]).retries == 3
    assert command("set-variables", SMALLEST["set-variables"]).local is False
    publish = command("publish-message", SMALLEST["publish-message"])
    assert (publish.correlation_key, publish.time_to_live) == ("", None)
    activate = command("activate-jobs", SMALLEST["activate-jobs"])
    assert (activate.worker_name, activate.timeout, activate.request_timeout) == ("default", None, None)
    assert activate.tenant_filter == "PROVIDED"


NAMED = {"bpmnProcessId": "a"}
KEYED = {"processDefinitionKey": KEY}
FOUND = "expected a key (a whole number above 0, or its decimal text), found"
RULES: list[tuple[str, Any, str]] = [
    ("create-instance", {}, "bpmnProcessId: missing; expected bpmnProcessId or processDefinitionKey"),
    ("create-instance", NAMED | KEYED, "processDefinitionKey: not allowed together with bpmnProcessId"),
    ("create-instance", KEYED | {"version": 1}, "version: not allowed together with processDefinitionKey"),
    ("create-instance", NAMED | {"version": 0}, "version: expected -1 for the latest"),
    *(
        (operation, data | {"requestTimeout": wait}, f"requestTimeout: expected at most 15 minutes, found {found} ms")
        for operation, data in (("create-instance", NAMED), ("activate-jobs", SMALLEST["activate-jobs"]))
        for wait, found in (("15m1ms", 900_001), ("PT16M", 960_000))
    ),
    ("set-variables", {"elementInstanceKey": KEY, "variables": None}, "variables: missing; expected a JSON object"),
]


def test_the_latest_and_every_version_above_zero_and_retries_of_32_bits_are_accepted() -> None:
    for version in (-1, 1, 2**31 - 1):
        assert command("create-instance", NAMED | {"version": version}).version == version
    for retries in (-(2**31), -1, 0, 2**31 - 1):
        assert command("fail-job", {"jobKey": KEY, "retries": retries}).retries == retries


@for_each(RULES)
def test_rules_between_fields_name_the_field(operation: str, data: Any, message: str) -> None:
    assert refusal_of(operation, data).message.startswith(f"data.{message}")


def test_null_variables_are_none_and_those_inside_a_list_are_checked_and_named_by_their_index() -> None:
    for operation in ("create-instance", "publish-message", "complete-job", "fail-job", "throw-error"):
        decoded = command(operation, SMALLEST[operation] | {"variables": None})
        assert fields.text(decoded.variables) == "", operation
    elements = [{"elementId": "a"}, {"elementId": "b", "variables": ["secret"]}]
    error = refusal_of("complete-job", {"jobKey": KEY, "result": {"activateElements": elements}})
    assert error.message == "data.result.activateElements[1].variables: expected a JSON object, found a list"


BEYOND: list[tuple[bytes, str]] = [
    (b'{"retries":1e999,"jobKey":1}', "data.retries: expected a whole number of 32 bits, found 1e999"),
    (b'{"jobKey":' + b"7" * 5000 + b"}", f"data.jobKey: {FOUND}"),
    (b'{"jobKey":"' + b"x" * 10_000 + b'","retries":1}', f"data.jobKey: {FOUND}"),
    (b'{"jobKey":1,"retries":1,"' + b"y" * 10_000 + b'":1}', "data.yyy"),
    (b'{"jobKey":1,"errorMessage":"\xff"}', "data: not UTF-8 (invalid start byte)"),
    (b'{"jobKey":1,', "data: not valid JSON (Input data was truncated)"),
    (b'{"jobKey":1]', "data: not valid JSON (expected ',' or '}' (byte 11))"),
    (b'{"jobKey":' + b"[" * 100_000, "data: nested deeper than 500 levels"),
]


@for_each(BEYOND)
def test_numbers_and_bytes_beyond_the_decoder_are_refused_in_words(data: bytes, message: str) -> None:
    with pytest.raises(CommandError) as refusal:
        commands.FailJob.from_wire(data, {})
    assert refusal.value.message.startswith(message)
    assert len(refusal.value.message) < 300, "what was found is cut"


def test_of_a_key_given_twice_the_last_counts() -> None:
    for data in (
        b'{"jobKey":"x","jobKey":5}',
        b' {"jobKey":5,"variables":7,"variables":{"a":1.00}} ',
        b'{"jobKey":5,"result":7,"result":{"denied":1,"denied":true}}',
        b'{"jobKey":5,"result":{"activateElements":[{"elementId":1,"elementId":"a"}]}}',
    ):
        assert commands.CompleteJob.from_wire(data, {}).job_key == 5, data
    with pytest.raises(CommandError, match='found text "x"'):
        commands.CompleteJob.from_wire(b'{"jobKey":5,"jobKey":"x"}', {})


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
        [base] = kind.__dict__["__orig_bases__"]
        assert kind.result == (None if get_args(base) == (type(None),) else get_args(base)[0]), (
            "as type checkers have it"
        )
        facts = (kind.idempotent, kind.read_only, kind.exempt_from_limit)
        assert (kind.wait is Command.wait) is (operation not in ("create-instance", "activate-jobs")), operation
        expected = (operation in IDEMPOTENT, operation in READ_ONLY, operation in EXEMPT_FROM_LIMIT)
        assert facts == expected, operation
        for each in (smallest(operation), *(command(*full) for full in FULLEST.items() if full[0] == operation)):
            if not isinstance(each, PublishMessage):
                assert each.is_idempotent() is (operation in IDEMPOTENT), each


@for_each([(None, None, False), ("i", None, False), (None, "1m", False), ("i", "0s", False), ("i", "1m", True)])
def test_only_a_message_with_id_may_run_twice(message_id: str | None, time_to_live: str | None, expected: bool) -> None:
    data = {"messageName": "m", "messageId": message_id, "timeToLive": time_to_live}
    given = {name: value for name, value in data.items() if value is not None}
    assert command("publish-message", given).is_idempotent() is expected


@for_each(WAITS)
def test_what_waits_on_purpose_may_take_longer(given: Command, milliseconds: int, seconds: float | None) -> None:
    assert given.wait() == milliseconds
    assert envelope.decode(envelope.encode(given)).command.attempt_timeout() == seconds
