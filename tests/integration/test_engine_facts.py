"""What the engine really does, and what the service makes of it.

Here the engine is shared and stays whole; where one is broken is in `test_engine_faults` and
`test_development_servers`. What only a gateway with brokers does is played (`cluster`).
"""

from __future__ import annotations

import asyncio
import time
from typing import Any

from consumer.check import check
from consumer.config import Amqp, Settings
from consumer.config import Zeebe as Gateway
from scripts.consumer import Consumer
from tests.cases import check_each, for_each
from tests.conftest import Broker, Engine
from tests.integration import processes
from tests.integration.caller import Caller
from tests.integration.cluster_setup import ClusterSetup
from tests.integration.engine_features import EngineFeatures
from tests.integration.process_helper import ABSENT, BY_KEY, KEY, PARTITION_SHIFT, ProcessHelper, refused, unique
from zeebe_amqp.errors import Code, Error, Outcome, Source
from zeebe_amqp.reply import Reply


def envelope(operation: str, data: str) -> bytes:
    """A request whose data is a text that no encoder touches."""
    return f'{{"operation": "{operation}", "data": {data}}}'.encode()


def nested(levels: int) -> str:
    """A document of so many levels: an object around arrays."""
    return f'{{"a": {"[" * (levels - 1)}{"]" * (levels - 1)}}}'


# --- documents that are nested too deeply ---

HOLDERS = {
    "create-instance": '"bpmnProcessId": "p"',
    "set-variables": f'"elementInstanceKey": {ABSENT}',
    "publish-message": '"messageName": "m"',
    "complete-job": f'"jobKey": {ABSENT}',
    "fail-job": f'"jobKey": {ABSENT}, "retries": 1',
    "throw-error": f'"jobKey": {ABSENT}, "errorCode": "e"',
}
"""The operations with variables, and what else they need."""


async def test_documents_that_would_kill_the_engine_do_not_reach_it(caller: Caller) -> None:
    async def do_not_reach_it(operation: str, levels: int, field: str) -> None:
        body = envelope(operation, f'{{{HOLDERS[operation]}, "variables": {nested(levels)}}}')
        error = refused(Reply.decode((await caller.request(body)).body))
        assert (error.code, error.source, error.details) == (Code.INVALID_ARGUMENT, Source.CONSUMER, {"field": field})
        assert "500 levels" in error.message

    deep = ((501, "data.variables"), (3000, "body"))
    await check_each([(operation, *levels) for operation in HOLDERS for levels in deep], do_not_reach_it)
    assert await caller.result("topology")


async def test_the_deepest_document_goes_through_the_engine_and_back(process: ProcessHelper) -> None:
    await process.deploy()
    document = nested(500)
    body = envelope("create-instance", f'{{"bpmnProcessId": "{process.id}", "variables": {document}}}')
    assert Reply.decode((await process.caller.request(body)).body).error is None
    [job] = await process.jobs()
    assert job["variables"] == document.replace(" ", "")


# --- what the engine takes for JSON, and what it makes of numbers ---


TOO_LARGE = envelope("publish-message", '{"messageName": "m", "variables": {"a": 18446744073709551616}}')


async def test_an_integer_too_large_is_refused_by_the_gateway_of_a_broker_and_by_the_engine(
    cluster_process: ProcessHelper, caller: Caller, features: EngineFeatures
) -> None:
    by_engine = Code.UNKNOWN if features.in_memory else Code.INVALID_ARGUMENT
    for asked, code in ((cluster_process.caller, Code.INVALID_ARGUMENT), (caller, by_engine)):
        error = refused(Reply.decode((await asked.request(TOO_LARGE)).body))
        assert (error.code, error.source, error.outcome) == (code, Source.GATEWAY, Outcome.NOT_EXECUTED)
        if asked is not caller:
            assert error.message == "MessagePack cannot serialize BigInteger larger than 2^64-1"


async def test_values_come_back_as_the_engine_keeps_them(process: ProcessHelper) -> None:
    """Nothing on the way rounds or rewrites them: what differs is the engine's own doing."""
    await process.deploy_text(processes.empty(process.id))

    async def come_back(sent: str, answered: str) -> None:
        data = f'{{"bpmnProcessId": "{process.id}", "withResult": true, "variables": {{"a": {sent}}}}}'
        reply = Reply.decode((await process.caller.request(envelope("create-instance", data))).body)
        assert reply.data["variables"] == f'{{"a":{answered}}}'

    cases = [
        ("18446744073709551615", "18446744073709551615"),
        ("9223372036854775808", "9223372036854775808"),
        ("9007199254740993", "9007199254740993"),
        ("-9223372036854775808", "-9223372036854775808"),
        ("1.0", "1.0"),
        ("1e2", "100.0"),
        ("-0", "0"),
        ("0.1000000000000000055", "0.1"),
        ('"\\u0000 . \\ud83d\\ude00"', '"\\u0000 . \\uD83D\\uDE00"'),
        ('1, "a": 2', "2"),  # of a variable given twice the last one counts
    ]
    await check_each(cases, come_back)


# --- long texts of the gateway ---


def assert_cut(error: Error, start: str) -> None:
    """Of a long text the first 2 KiB are told, and that there was more."""
    assert error.message.startswith(start)
    assert len(error.message.encode()) == 2048
    assert (error.details or {})["truncated"] is True


@for_each([3_000, 20_000])
async def test_a_long_text_of_the_gateway_is_cut(
    length: int, cluster_process: ProcessHelper, cluster: ClusterSetup
) -> None:
    """Above 8 KiB the gRPC library would rather refuse the answer than read it."""
    reply = await cluster_process.caller.call("publish-message", {"messageName": "m", "tenantId": "a" * length})
    error = refused(reply)
    assert error.code is Code.INVALID_ARGUMENT
    assert_cut(error, "Expected to handle gRPC request PublishMessage with tenant identifier 'aaa")
    assert "a" * 201 not in cluster.consumer.log.read_text()


@for_each([3_000, 20_000])
async def test_a_long_text_of_the_engine_is_cut(length: int, caller: Caller, consumer: Consumer) -> None:
    error = refused(await caller.call("create-instance", {"bpmnProcessId": "a" * length}))
    assert error.code is Code.NOT_FOUND
    assert_cut(error, "Command 'CREATE' rejected with code 'NOT_FOUND': Expected to find process definition with")
    assert "a" * 201 not in consumer.log.read_text()


# --- keys ---


@for_each(BY_KEY)
async def test_a_key_of_no_partition_is_not_found(operation: str, cluster_process: ProcessHelper) -> None:
    """The gateway would call it an outage."""
    field, more = BY_KEY[operation]
    small = refused(await cluster_process.caller.call(operation, {field: 5, **more}))
    told = (small.code, small.source, small.details)
    assert told == (Code.NOT_FOUND, Source.CONSUMER, {"field": f"data.{field}"})
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


@for_each([0, -1, "", "0", "x"])
async def test_what_is_no_key_is_refused(key: Any, caller: Caller) -> None:
    error = refused(await caller.call("cancel-instance", {"processInstanceKey": key}))
    assert (error.code, error.details) == (Code.INVALID_ARGUMENT, {"field": "data.processInstanceKey"})


# --- a deadline does not undo ---


async def test_a_deadline_while_the_call_is_out_leaves_the_outcome_open(process: ProcessHelper) -> None:
    """Rightly so: the instance is there."""
    await process.deploy()
    data = {"bpmnProcessId": process.id, "withResult": True, "requestTimeout": "60s"}
    headers = {"deadline": round((time.time() + 3) * 1000)}
    error = refused(await process.caller.call("create-instance", data, headers=headers))
    told = (error.code, error.source, error.outcome, error.retryable)
    assert told == (Code.DEADLINE_EXCEEDED, Source.CONSUMER, Outcome.UNKNOWN, False)
    assert error.message.endswith("the process instance, if it was created, goes on running")
    assert len(await process.jobs()) == 1


# --- waiting for results ---


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


# --- which messages the engine takes for the same ---


@for_each(
    [
        ({}, Code.ALREADY_EXISTS),
        ({"variables": {"other": 1}}, Code.ALREADY_EXISTS),
        ({"correlationKey": "other"}, None),
        ({"messageName": "other"}, None),
        ({"messageId": "other"}, None),
    ]
)
async def test_a_message_is_the_same_by_name_correlation_key_and_id(
    change: dict[str, Any], code: Code | None, caller: Caller
) -> None:
    data = {"messageName": unique("m"), "correlationKey": "c", "messageId": unique("i"), "timeToLive": "1m"}
    renamed = {name: unique(value) if value == "other" else value for name, value in change.items()}
    await caller.result("publish-message", data)
    again = await caller.call("publish-message", {**data, **renamed})
    assert (again.error.code if again.error else None) is code


@for_each([{}, {"timeToLive": 0}, {"timeToLive": "0s"}])
async def test_a_message_that_is_not_kept_is_never_the_same(
    live: dict[str, Any], caller: Caller, features: EngineFeatures
) -> None:
    data = {"messageName": unique("m"), "messageId": unique("i"), **live}
    for _ in range(2):
        assert await caller.result("publish-message", data) == {"key": KEY, "tenantId": features.tenant}


# --- what the engine accepts and should not ---


@for_each(
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
    ]
)
async def test_what_the_engine_would_misunderstand_is_refused(
    operation: str, data: Any, field: str, caller: Caller
) -> None:
    error = refused(await caller.call(operation, data))
    assert (error.code, error.source, error.details) == (Code.INVALID_ARGUMENT, Source.CONSUMER, {"field": field})


# --- mistakes with certificates ---


async def test_a_plaintext_gateway_asked_with_tls_is_explained_by_check(rabbitmq: Broker, zeebe: Engine) -> None:
    """To the client it looks like an outage."""
    amqp = Amqp(urls=(rabbitmq.url,), declare="passive")
    *_, gateway = await check(Settings(amqp=amqp, zeebe=Gateway(address=zeebe.address, plaintext=False)))
    assert not gateway.ok
    assert "ZEEBE_INSECURE_CONNECTION=true" in gateway.found
