"""What the engine really does, and what the service makes of it.

Here the engine is shared and stays whole; where one is broken is in `test_engine_faults` and
`test_development_servers`. What only a gateway with brokers does is played (`cluster`).
"""

from __future__ import annotations

import asyncio
from typing import Any

from scripts.consumer import Consumer
from tests.cases import check_each, for_each
from tests.integration import processes
from tests.integration.caller import Caller
from tests.integration.cluster_setup import ClusterSetup
from tests.integration.engine_features import EngineFeatures
from tests.integration.process_helper import BY_KEY, PARTITION_SHIFT, ProcessHelper, refused, unique
from zeebe_amqp.errors import Code, Outcome, Source
from zeebe_amqp.reply import Reply


def envelope(operation: str, data: str) -> bytes:
    """A request whose data is a text that no encoder touches."""
    return f'{{"operation": "{operation}", "data": {data}}}'.encode()


def nested(levels: int) -> str:
    """A document of so many levels: an object around arrays."""
    return f'{{"a": {"[" * (levels - 1)}{"]" * (levels - 1)}}}'


# --- documents that are nested too deeply ---


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


@for_each([3_000, 20_000])
async def test_a_long_text_of_the_gateway_is_cut(
    length: int, cluster_process: ProcessHelper, cluster: ClusterSetup, caller: Caller, consumer: Consumer
) -> None:
    """Or of the engine behind it; above 8 KiB the gRPC library would rather refuse the answer than read it."""
    message = {"messageName": "m", "tenantId": "a" * length}
    gateways = refused(await cluster_process.caller.call("publish-message", message))
    engines = refused(await caller.call("create-instance", {"bpmnProcessId": "a" * length}))
    assert (gateways.code, engines.code) == (Code.INVALID_ARGUMENT, Code.NOT_FOUND)
    for error, start in (
        (gateways, "Expected to handle gRPC request PublishMessage with tenant identifier 'aaa"),
        (engines, "Command 'CREATE' rejected with code 'NOT_FOUND': Expected to find process definition with"),
    ):
        assert error.message.startswith(start)
        assert len(error.message.encode()) == 2048
        assert (error.details or {})["truncated"] is True
    for asked in (cluster.consumer, consumer):
        assert "a" * 201 not in asked.log.read_text()


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


async def test_a_message_is_the_same_by_name_correlation_key_and_id_while_it_is_kept(caller: Caller) -> None:
    async def is_same(change: dict[str, Any], code: Code | None, live: Any = "1m") -> None:
        data = {"messageName": unique("m"), "correlationKey": "c", "messageId": unique("i"), "timeToLive": live}
        await caller.result("publish-message", data)
        again = await caller.call("publish-message", {**data, **change})
        assert (again.error.code if again.error else None) is code

    same = [({}, Code.ALREADY_EXISTS), ({"variables": {"other": 1}}, Code.ALREADY_EXISTS)]
    others = [({name: unique("other")}, None) for name in ("correlationKey", "messageName", "messageId")]
    await check_each([*same, *others, ({}, None, 0), ({}, None, "0s")], is_same)
