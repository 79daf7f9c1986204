"""What the engine really does, and what the service makes of it.

Each fact has a number; `PROOFS` at the end names the tests that prove it: here, where the engine is shared and stays
whole, where one is broken, or among the unit tests. What only a gateway with brokers does is played (`cluster`).
"""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any

import pytest

from consumer.check import check
from consumer.config import Amqp, Settings
from consumer.config import Zeebe as Gateway
from scripts.consumer import Consumer
from tests.conftest import Broker, Engine
from tests.integration import processes
from tests.integration.caller import Caller
from tests.integration.cluster_setup import ClusterSetup
from tests.integration.engine_features import EngineFeatures
from tests.integration.functions import functions
from tests.integration.process_helper import ABSENT, BY_KEY, KEY, PARTITION_SHIFT, ProcessHelper, refused, unique
from zeebe_amqp.errors import Code, Error, Outcome, Source
from zeebe_amqp.reply import Reply

ROOT = Path(__file__).parents[2]


def envelope(operation: str, data: str) -> bytes:
    """A request whose data is a text that no encoder touches."""
    return f'{{"operation": "{operation}", "data": {data}}}'.encode()


def nested(levels: int) -> str:
    """A document of so many levels: an object around arrays."""
    return f'{{"a": {"[" * (levels - 1)}{"]" * (levels - 1)}}}'


# --- 1: documents that are nested too deeply ---

HOLDERS = {
    "create-instance": '"bpmnProcessId": "p"',
    "set-variables": f'"elementInstanceKey": {ABSENT}',
    "publish-message": '"messageName": "m"',
    "complete-job": f'"jobKey": {ABSENT}',
    "fail-job": f'"jobKey": {ABSENT}, "retries": 1',
    "throw-error": f'"jobKey": {ABSENT}, "errorCode": "e"',
}
"""The operations with variables, and what else they need."""


@pytest.mark.parametrize(("levels", "field"), [(501, "data.variables"), (3000, "body")])
@pytest.mark.parametrize("operation", HOLDERS)
async def test_documents_that_would_kill_the_engine_do_not_reach_it(
    caller: Caller, operation: str, levels: int, field: str
) -> None:
    body = envelope(operation, f'{{{HOLDERS[operation]}, "variables": {nested(levels)}}}')
    error = refused(Reply.decode((await caller.request(body)).body))
    assert (error.code, error.source, error.details) == (Code.INVALID_ARGUMENT, Source.CONSUMER, {"field": field})
    assert "500 levels" in error.message
    assert await caller.result("topology")


async def test_the_deepest_document_goes_through_the_engine_and_back(process: ProcessHelper) -> None:
    await process.deploy()
    document = nested(500)
    body = envelope("create-instance", f'{{"bpmnProcessId": "{process.id}", "variables": {document}}}')
    assert Reply.decode((await process.caller.request(body)).body).error is None
    [job] = await process.jobs()
    assert job["variables"] == document.replace(" ", "")


# --- 2: what the engine takes for JSON, and what it makes of numbers ---


@pytest.mark.parametrize(
    "document",
    ['{"a":1} junk', '{"a":1}{"b":2}', "{'a':1}", '{"a":1e400}', '{"a":"\\ud800"}', "[]"],
)
async def test_documents_that_the_engine_would_change_or_misread_do_not_reach_it(caller: Caller, document: str) -> None:
    body = envelope("publish-message", f'{{"messageName": "m", "variables": {document}}}')
    error = refused(Reply.decode((await caller.request(body)).body))
    assert (error.code, error.source, error.outcome) == (Code.INVALID_ARGUMENT, Source.CONSUMER, Outcome.NOT_EXECUTED)


TOO_LARGE = envelope("publish-message", '{"messageName": "m", "variables": {"a": 18446744073709551616}}')


async def test_an_integer_too_large_for_a_broker_is_refused_by_its_gateway(cluster_process: ProcessHelper) -> None:
    error = refused(Reply.decode((await cluster_process.caller.request(TOO_LARGE)).body))
    assert (error.code, error.source, error.outcome) == (Code.INVALID_ARGUMENT, Source.GATEWAY, Outcome.NOT_EXECUTED)
    assert error.message == "MessagePack cannot serialize BigInteger larger than 2^64-1"


async def test_an_integer_too_large_for_the_engine_is_refused_by_it(caller: Caller, features: EngineFeatures) -> None:
    error = refused(Reply.decode((await caller.request(TOO_LARGE)).body))
    expected = Code.UNKNOWN if features.in_memory else Code.INVALID_ARGUMENT
    assert (error.code, error.source, error.outcome) == (expected, Source.GATEWAY, Outcome.NOT_EXECUTED)


@pytest.mark.parametrize(
    ("sent", "answered"),
    [
        ("18446744073709551615", "18446744073709551615"),
        ("9223372036854775808", "9223372036854775808"),
        ("9007199254740993", "9007199254740993"),
        ("-9223372036854775808", "-9223372036854775808"),
        ("1.0", "1.0"),
        ("1e2", "100.0"),
        ("-0", "0"),
        ("0.1000000000000000055", "0.1"),
        ('"\\u0000 . \\ud83d\\ude00"', '"\\u0000 . \\uD83D\\uDE00"'),
    ],
)
async def test_values_come_back_as_the_engine_keeps_them(process: ProcessHelper, sent: str, answered: str) -> None:
    """Nothing on the way rounds or rewrites them: what differs is the engine's own doing."""
    await process.deploy_text(processes.empty(process.id))
    data = f'{{"bpmnProcessId": "{process.id}", "withResult": true, "variables": {{"a": {sent}}}}}'
    reply = Reply.decode((await process.caller.request(envelope("create-instance", data))).body)
    assert reply.data["variables"] == f'{{"a":{answered}}}'


async def test_of_a_variable_given_twice_the_last_one_counts(process: ProcessHelper) -> None:
    await process.deploy_text(processes.empty(process.id))
    data = f'{{"bpmnProcessId": "{process.id}", "withResult": true, "variables": {{"a": 1, "a": 2}}}}'
    reply = Reply.decode((await process.caller.request(envelope("create-instance", data))).body)
    assert reply.data["variables"] == '{"a":2}'


# --- 3: long texts of the gateway ---


def assert_cut(error: Error, start: str) -> None:
    """Of a long text the first 2 KiB are told, and that there was more."""
    assert error.message.startswith(start)
    assert len(error.message.encode()) == 2048
    assert (error.details or {})["truncated"] is True


@pytest.mark.parametrize("length", [3_000, 20_000])
async def test_a_long_text_of_the_gateway_is_cut(
    cluster_process: ProcessHelper, cluster: ClusterSetup, length: int
) -> None:
    """Above 8 KiB the gRPC library would rather refuse the answer than read it."""
    reply = await cluster_process.caller.call("publish-message", {"messageName": "m", "tenantId": "a" * length})
    error = refused(reply)
    assert error.code is Code.INVALID_ARGUMENT
    assert_cut(error, "Expected to handle gRPC request PublishMessage with tenant identifier 'aaa")
    assert "a" * 201 not in cluster.consumer.log.read_text()


@pytest.mark.parametrize("length", [3_000, 20_000])
async def test_a_long_text_of_the_engine_is_cut(caller: Caller, consumer: Consumer, length: int) -> None:
    error = refused(await caller.call("create-instance", {"bpmnProcessId": "a" * length}))
    assert error.code is Code.NOT_FOUND
    assert_cut(error, "Command 'CREATE' rejected with code 'NOT_FOUND': Expected to find process definition with")
    assert "a" * 201 not in consumer.log.read_text()


# --- 4: keys ---


@pytest.mark.parametrize("operation", BY_KEY)
async def test_a_key_of_no_partition_is_not_found(cluster_process: ProcessHelper, operation: str) -> None:
    """The gateway would call it an outage."""
    field, more = BY_KEY[operation]
    small = refused(await cluster_process.caller.call(operation, {field: 5, **more}))
    assert (small.code, small.source, small.details) == (
        Code.NOT_FOUND,
        Source.CONSUMER,
        {"field": f"data.{field}"},
    )
    foreign = refused(await cluster_process.caller.call(operation, {field: 2 << PARTITION_SHIFT, **more}))
    assert (foreign.code, foreign.outcome, foreign.retryable) == (Code.NOT_FOUND, Outcome.NOT_EXECUTED, False)
    assert "partition 2" in foreign.message


async def test_a_key_that_nothing_has_is_not_found_by_the_engine(caller: Caller, features: EngineFeatures) -> None:
    foreign = (features.partitions + 1) << PARTITION_SHIFT
    for operation, (field, more) in BY_KEY.items():
        for key in (ABSENT, foreign):
            error = refused(await caller.call(operation, {field: key, **more}))
            told = (error.code, error.outcome, error.retryable)
            assert told == (Code.NOT_FOUND, Outcome.NOT_EXECUTED, False), (operation, key, error)


@pytest.mark.parametrize("key", [0, -1, "", "0", "x"])
async def test_what_is_no_key_is_refused(caller: Caller, key: Any) -> None:
    error = refused(await caller.call("cancel-instance", {"processInstanceKey": key}))
    assert (error.code, error.details) == (Code.INVALID_ARGUMENT, {"field": "data.processInstanceKey"})


# --- 8: a deadline does not undo ---


async def test_a_deadline_while_the_call_is_out_leaves_the_outcome_open(process: ProcessHelper) -> None:
    """Rightly so: the instance is there."""
    await process.deploy()
    data = {"bpmnProcessId": process.id, "withResult": True, "requestTimeout": "60s"}
    headers = {"deadline": round((time.time() + 3) * 1000)}
    error = refused(await process.caller.call("create-instance", data, headers=headers))
    assert (error.code, error.source, error.outcome, error.retryable) == (
        Code.DEADLINE_EXCEEDED,
        Source.CONSUMER,
        Outcome.UNKNOWN,
        False,
    )
    assert error.message.endswith("the process instance, if it was created, goes on running")
    assert len(await process.jobs()) == 1


# --- 9: waiting for results ---


async def test_a_wait_for_a_result_that_ends_disturbs_no_neighbour(cluster_process: ProcessHelper) -> None:
    """Were it the gateway that ended the wait, it would abort every other command on the partition."""
    process = cluster_process
    await process.deploy()
    caller, data = process.caller, {"bpmnProcessId": process.id, "withResult": True, "requestTimeout": "60s"}
    waiting = [asyncio.create_task(caller.call("create-instance", data, queue=caller.polls)) for _ in range(5)]
    held = [job["key"] for _ in waiting for job in await process.jobs()]
    late = asyncio.create_task(caller.call("create-instance", {**data, "requestTimeout": "500ms"}))
    message = {"messageName": unique("message")}
    while not late.done():
        await asyncio.gather(*(caller.result("publish-message", message) for _ in range(10)))
    error = refused(await late)
    assert (error.code, error.outcome, error.retryable) == (Code.DEADLINE_EXCEEDED, Outcome.UNKNOWN, False)
    assert error.message.endswith("goes on running")
    await asyncio.gather(*(caller.result("complete-job", {"jobKey": key}) for key in held))
    for reply in await asyncio.gather(*waiting):
        assert (reply.error, reply.data["variables"]) == (None, "{}")


# --- 11: which messages the engine takes for the same ---


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({}, Code.ALREADY_EXISTS),
        ({"variables": {"other": 1}}, Code.ALREADY_EXISTS),
        ({"correlationKey": "other"}, None),
        ({"messageName": "other"}, None),
        ({"messageId": "other"}, None),
    ],
)
async def test_a_message_is_the_same_by_name_correlation_key_and_id(
    caller: Caller, change: dict[str, Any], code: Code | None
) -> None:
    data = {"messageName": unique("m"), "correlationKey": "c", "messageId": unique("i"), "timeToLive": "1m"}
    renamed = {name: unique(value) if value == "other" else value for name, value in change.items()}
    await caller.result("publish-message", data)
    again = await caller.call("publish-message", {**data, **renamed})
    assert (again.error.code if again.error else None) is code


@pytest.mark.parametrize("live", [{}, {"timeToLive": 0}, {"timeToLive": "0s"}])
async def test_a_message_that_is_not_kept_is_never_the_same(
    caller: Caller, features: EngineFeatures, live: dict[str, Any]
) -> None:
    data = {"messageName": unique("m"), "messageId": unique("i"), **live}
    for _ in range(2):
        assert await caller.result("publish-message", data) == {"key": KEY, "tenantId": features.tenant}


# --- 13 and 17: what the engine accepts and should not ---


@pytest.mark.parametrize(
    ("operation", "data", "field"),
    [
        ("activate-jobs", {"jobType": "t", "maxJobsToActivate": 0}, "data.maxJobsToActivate"),
        ("activate-jobs", {"jobType": "t", "maxJobsToActivate": -1}, "data.maxJobsToActivate"),
        ("activate-jobs", {"jobType": " ", "maxJobsToActivate": 1}, "data.jobType"),
        ("activate-jobs", {"jobType": "", "maxJobsToActivate": 1}, "data.jobType"),
        ("activate-jobs", {"jobType": "t", "maxJobsToActivate": 1, "workerName": " "}, "data.workerName"),
        ("create-instance", {"bpmnProcessId": "p", "version": -2}, "data.version"),
        ("create-instance", {"bpmnProcessId": "p", "version": 0}, "data.version"),
        ("create-instance", {"bpmnProcessId": "p", "processDefinitionKey": ABSENT}, "data.processDefinitionKey"),
        ("create-instance", {}, "data.bpmnProcessId"),
        ("throw-error", {"jobKey": ABSENT, "errorCode": ""}, "data.errorCode"),
    ],
)
async def test_what_the_engine_would_misunderstand_is_refused(
    caller: Caller, operation: str, data: Any, field: str
) -> None:
    error = refused(await caller.call(operation, data))
    assert (error.code, error.source, error.details) == (Code.INVALID_ARGUMENT, Source.CONSUMER, {"field": field})


# --- 14: mistakes with certificates ---


async def test_a_plaintext_gateway_asked_with_tls_is_explained_by_check(rabbitmq: Broker, zeebe: Engine) -> None:
    """To the client it looks like an outage."""
    amqp = Amqp(urls=(rabbitmq.url,), declare="passive")
    *_, gateway = await check(Settings(amqp=amqp, zeebe=Gateway(address=zeebe.address, plaintext=False)))
    assert not gateway.ok
    assert "ZEEBE_INSECURE_CONNECTION=true" in gateway.found


# --- every fact has its proof ---

GATEWAY = "tests/unit/consumer/zeebe"
HERE = "tests/integration/test_engine_facts.py"
FAULTS = "tests/integration/test_engine_faults.py"
SERVERS = "tests/integration/test_development_servers.py"
COMES_BACK = "test_a_killed_engine_comes_back_on_its_ports_and_is_served_again_without_restarting_the_consumer"
WORDS = "tests/integration/test_broker_words.py"
ENGINES = "tests/integration/engines"
PROOFS: dict[int, tuple[str, ...]] = {
    1: (
        f"{HERE}::test_documents_that_would_kill_the_engine_do_not_reach_it",
        f"{HERE}::test_the_deepest_document_goes_through_the_engine_and_back",
    ),
    2: (
        f"{HERE}::test_documents_that_the_engine_would_change_or_misread_do_not_reach_it",
        f"{HERE}::test_an_integer_too_large_for_a_broker_is_refused_by_its_gateway",
        f"{HERE}::test_an_integer_too_large_for_the_engine_is_refused_by_it",
        f"{HERE}::test_values_come_back_as_the_engine_keeps_them",
        f"{HERE}::test_of_a_variable_given_twice_the_last_one_counts",
    ),
    3: (
        f"{HERE}::test_a_long_text_of_the_gateway_is_cut",
        f"{HERE}::test_a_long_text_of_the_engine_is_cut",
        f"{GATEWAY}::test_a_long_text_is_cut_at_whole_characters",
    ),
    4: (
        f"{HERE}::test_a_key_of_no_partition_is_not_found",
        f"{HERE}::test_a_key_that_nothing_has_is_not_found_by_the_engine",
        f"{HERE}::test_what_is_no_key_is_refused",
        f"{GATEWAY}::test_a_key_of_no_partition_is_not_found_and_a_partition_without_leader_is_unavailable",
    ),
    5: (
        f"{FAULTS}::test_overload_is_not_executed_and_may_be_tried_again",
        f"{FAULTS}::test_a_paused_partition_is_not_executed_and_may_be_tried_again",
        f"{GATEWAY}::test_a_text_has_its_verdict",
        f"{GATEWAY}::test_a_command_above_four_mebibytes_is_refused_without_a_call",
    ),
    6: (
        "tests/integration/engines/test_rejections.py::test_a_rejection_is_told_in_the_engine_s_words",
        f"{GATEWAY}::test_a_full_batch_says_how_much_passes",
    ),
    # A gateway without its broker takes 15 s to say so; its words are among the cases.
    7: (f"{GATEWAY}::test_a_text_has_its_verdict", f"{GATEWAY}::test_only_an_answer_proves_that_the_gateway_is_there"),
    8: (
        f"{HERE}::test_a_deadline_while_the_call_is_out_leaves_the_outcome_open",
        f"{SERVERS}::test_a_frozen_engine_leaves_the_outcome_open",
    ),
    9: (f"{HERE}::test_a_wait_for_a_result_that_ends_disturbs_no_neighbour",),
    10: (f"{ENGINES}::test_what_the_engine_does_not_know_yet_is_refused_by_name_and_not_executed",),
    11: (
        f"{HERE}::test_a_message_is_the_same_by_name_correlation_key_and_id",
        f"{HERE}::test_a_message_that_is_not_kept_is_never_the_same",
    ),
    12: (f"{FAULTS}::test_what_relieves_the_engine_is_never_held_back",),
    13: (
        f"{HERE}::test_what_the_engine_would_misunderstand_is_refused",
        f"{ENGINES}::test_activate_jobs_answers_an_empty_list_at_once_when_there_are_none",
        f"{ENGINES}::test_a_long_poll_gets_a_job_that_appears_later",
        f"{WORDS}::test_a_poll_that_waits_gets_a_job_that_appears_later",
    ),
    14: (
        f"{HERE}::test_a_plaintext_gateway_asked_with_tls_is_explained_by_check",
        f"{GATEWAY}::test_a_file_without_certificate_or_that_is_not_there_is_refused_by_name",
        f"{GATEWAY}::test_a_tls_mistake_sends_nothing_and_names_its_cause",
    ),
    15: (
        f"{SERVERS}::{COMES_BACK}",
        f"{FAULTS}::test_brokers_that_were_away_are_served_again_with_what_they_had",
        f"{GATEWAY}::test_a_gateway_that_comes_back_is_found_again",
    ),
    16: ("tests/unit/consumer/config/test_component.py::test_keep_alive_that_is_negative_or_too_short_is_refused",),
    17: (f"{HERE}::test_what_the_engine_would_misunderstand_is_refused",),
    18: (f"{SERVERS}::{COMES_BACK}",),
}
"""The facts by number: 1 depth, 2 strict JSON, 3 long texts, 4 keys, 5 overload and pause, 6 full batch, 7 no broker,
8 deadlines, 9 waits for results, 10 newer fields, 11 same messages, 12 exempt commands, 13 polls, 14 certificates,
15 reconnecting, 16 keep-alive, 17 creations, 18 slow starts."""


@pytest.mark.parametrize("number", range(1, 19))
def test_every_fact_is_proved_by_tests_that_exist(number: int) -> None:
    assert PROOFS[number]
    for place, _, name in (proof.partition("::") for proof in PROOFS[number]):
        assert name in functions(ROOT / place)
