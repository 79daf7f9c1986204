from __future__ import annotations

import asyncio
import time
from datetime import timedelta
from itertools import product
from typing import Any

import pytest

from tests.fakes.transport import TOPOLOGY, MemoryTransport, error, result
from zeebe_amqp import (
    ActivateJobs,
    Client,
    Code,
    CommandError,
    CompleteJob,
    CreateInstance,
    DeadlineExceeded,
    FailedPrecondition,
    InvalidArgument,
    NotFound,
    Outcome,
    OutcomeUnknown,
    PermissionDenied,
    PublishMessage,
    ResourceExhausted,
    Retryable,
    SetVariables,
    Source,
    Topology,
    Unauthenticated,
    Unavailable,
    envelope,
    wire,
)
from zeebe_amqp.client import ConnectionLost, Denied, NotConnected, QueueState, Refused, Unroutable
from zeebe_amqp.commands.instances import InstanceCreated, InstanceResult

LARGE = 2**63 - 1
CREATED = {
    "processDefinitionKey": LARGE,
    "bpmnProcessId": "order",
    "version": 1,
    "processInstanceKey": LARGE - 1,
    "tenantId": "<default>",
    "tags": [],
    "businessId": None,
}
HOSTILE = {
    "nothing": b"",
    "not JSON": b"{",
    "not UTF-8": b'{"data": "\xff"}',
    "not an object": b"[]",
    "deep": b'{"data": ' + b"[" * 100_000,
    "no data": b'{"operation": "topology"}',
    "other data": b'{"data": {"clusterSize": "many"}}',
    "an error that is none": b'{"error": 7}',
}


async def until_end(client: Client, **options: Any) -> InstanceResult:
    return await client.call(CreateInstance(bpmn_process_id="order").until_end("2s"), **options)


async def test_a_result_is_typed_and_its_keys_are_exact() -> None:
    async with Client(MemoryTransport(result("create-instance", CREATED))) as client:
        created = await client.call(CreateInstance(bpmn_process_id="order", variables={"id": 7}))
    assert type(created) is InstanceCreated
    assert (created.process_definition_key, created.process_instance_key) == (LARGE, LARGE - 1)


async def test_variables_of_a_result_are_parsed_on_demand() -> None:
    ended = result("create-instance", {**CREATED, "variables": f'{{"n": {LARGE**3}}}'})
    async with Client(MemoryTransport(ended)) as client:
        finished = await until_end(client)
    assert finished.values() == {"n": LARGE**3}


async def test_fields_that_are_not_known_are_ignored() -> None:
    async with Client(MemoryTransport(result("topology", {**TOPOLOGY, "new": 1}))) as client:
        assert (await client.call(Topology())).cluster_size == 1


async def test_a_command_without_data_in_its_reply_returns_nothing() -> None:
    transport = MemoryTransport(result("complete-job"))
    async with Client(transport) as client:
        await client.call(CompleteJob(job_key=7, variables={"a": 1}))
    request = envelope.decode(transport.published[0].body)
    assert (request.operation, request.data) == ("complete-job", b'{"jobKey":7,"variables":{"a":1}}')


@pytest.mark.parametrize(
    ("command", "queue"),
    [
        (Topology(), "c"),
        (ActivateJobs(job_type="a", max_jobs_to_activate=1), "c"),
        (ActivateJobs(job_type="a", max_jobs_to_activate=1, request_timeout="1s"), "p"),
        (CreateInstance(bpmn_process_id="a"), "c"),
        (CreateInstance(bpmn_process_id="a").until_end(), "p"),
    ],
)
async def test_requests_that_wait_on_purpose_have_a_queue_of_their_own(command: Any, queue: str) -> None:
    transport = MemoryTransport(error("NOT_FOUND"))
    async with Client(transport, commands="c", polls="p") as client:
        with pytest.raises(NotFound):
            await client.call(command)
    assert [request.queue for request in transport.published] == [queue]


async def test_the_deadline_is_a_little_before_the_caller_stops_waiting() -> None:
    transport = MemoryTransport(always=lambda _: error("NOT_FOUND"))
    before = time.time()
    async with Client(transport, timeout=10) as client:
        for timeout in (None, 40.0, timedelta(minutes=1)):
            with pytest.raises(NotFound):
                await client.call(Topology(), timeout=timeout)
        with pytest.raises(NotFound):
            await until_end(client)
    given = [request.deadline or 0 for request in transport.published]
    for deadline, seconds in zip(given, (10, 40, 60, 12), strict=True):
        assert before + seconds - 0.5 <= deadline <= time.time() + seconds - 0.5


@pytest.mark.parametrize("seconds", [0, -1.0, float("nan"), float("inf"), timedelta(0)])
async def test_a_timeout_that_is_none_is_refused(seconds: Any) -> None:
    async with Client(MemoryTransport()) as client:
        with pytest.raises(ValueError, match="timeout: expected a number of seconds above 0, found"):
            await client.call(Topology(), timeout=seconds)


async def test_each_call_has_an_identity_and_a_given_one_is_kept() -> None:
    transport = MemoryTransport(always=lambda _: result("topology", TOPOLOGY))
    async with Client(transport) as client:
        for _ in range(3):
            await client.call(Topology())
        await client.call(Topology(), request_id="mine")
        await client.call(Topology(), request_id="mine")
    identities = [request.request_id for request in transport.published]
    assert len(set(identities[:3])) == 3
    assert identities[3:] == ["mine", "mine"]
    assert len({request.correlation_id for request in transport.published}) == 5


@pytest.mark.parametrize("identity", ["", "é" * 128])
async def test_an_identity_that_the_service_would_refuse_is_not_sent(identity: str) -> None:
    transport = MemoryTransport()
    async with Client(transport) as client:
        with pytest.raises(InvalidArgument, match="request_id: expected text of 1 to 255 bytes"):
            await client.call(Topology(), request_id=identity)
    assert transport.published == []


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (CreateInstance(), "data.bpmnProcessId: missing"),
        (CreateInstance(bpmn_process_id="a", variables={"a": float("nan")}), "data.variables.a: expected a number"),
        (CreateInstance(bpmn_process_id="a", with_result=True, request_timeout="5"), "data.requestTimeout: expected"),
        (SetVariables(element_instance_key=1, variables={"a": object()}), "data: cannot be written as JSON"),
    ],
)
async def test_a_wrong_command_is_not_sent(command: Any, words: str) -> None:
    transport = MemoryTransport()
    async with Client(transport) as client:
        with pytest.raises(InvalidArgument, match=words):
            await client.call(command)
    assert transport.published == []


async def test_a_request_that_is_too_large_is_not_sent() -> None:
    async with Client(MemoryTransport()) as client:
        with pytest.raises(ResourceExhausted, match="body: expected at most") as raised:
            await client.call(PublishMessage(message_name="a", variables={"a": "x" * wire.MAX_BODY}))
    assert raised.value.outcome is Outcome.NOT_EXECUTED


async def test_an_error_reply_is_raised_with_everything_it_says() -> None:
    reply = error("NOT_FOUND", message="no such job", details={"intent": "COMPLETE"})
    async with Client(MemoryTransport(reply)) as client:
        with pytest.raises(NotFound) as raised:
            await client.call(CompleteJob(job_key=1), request_id="mine")
    found = raised.value
    assert (found.code, found.message, found.source) == (Code.NOT_FOUND, "no such job", Source.GATEWAY)
    assert (found.outcome, found.retryable, found.details) == (Outcome.NOT_EXECUTED, False, {"intent": "COMPLETE"})
    assert (found.operation, found.request_id) == ("complete-job", "mine")


@pytest.mark.parametrize("body", HOSTILE.values(), ids=HOSTILE)
async def test_a_reply_that_cannot_be_read_ends_its_call_alone(body: bytes) -> None:
    async with Client(MemoryTransport(body, result("topology", TOPOLOGY))) as client:
        with pytest.raises(OutcomeUnknown) as raised:
            await client.call(Topology())
        assert (raised.value.code, raised.value.source) == (Code.INTERNAL, Source.CLIENT)
        assert (await client.call(Topology())).cluster_size == 1


async def test_an_error_of_words_that_are_not_known_is_unknown_and_keeps_them() -> None:
    reply = error("TEAPOT", source="kitchen", outcome="perhaps")
    async with Client(MemoryTransport(reply)) as client:
        with pytest.raises(OutcomeUnknown) as raised:
            await client.call(Topology())
    found = raised.value
    assert (found.code, found.source, found.details) == (Code.UNKNOWN, Source.CONSUMER, {"code": "TEAPOT"})


@pytest.mark.parametrize("correlation", [None, "", "somebody's", "x" * 10_000])
async def test_a_reply_that_nobody_waits_for_is_ignored(correlation: str | None) -> None:
    transport = MemoryTransport()
    async with Client(transport) as client:
        call = asyncio.create_task(client.call(Topology()))
        await transport.arrived(1)
        client.on_received(correlation, b"x")
        for _ in range(2):  # the second one is late
            client.on_received(transport.published[0].correlation_id, result("topology", TOPOLOGY))
        assert (await call).cluster_size == 1
        client.on_received(transport.published[0].correlation_id, b"x")


async def test_what_is_on_its_way_is_sent_again_under_the_same_identity() -> None:
    transport = MemoryTransport()
    transport.failures.append(ConnectionLost("gone"))
    async with Client(transport) as client:
        call = asyncio.create_task(client.call(Topology()))
        await transport.arrived(1)
        transport.answers.append(result("topology", TOPOLOGY))
        transport.restore()
        assert (await call).cluster_size == 1
        transport.restore()  # nothing is on its way any more
        await asyncio.sleep(0)
    first, second = transport.published
    assert first is second


async def test_a_call_while_there_is_no_connection_is_sent_when_there_is_one() -> None:
    transport = MemoryTransport(result("topology", TOPOLOGY))
    transport.online = False
    async with Client(transport) as client:
        call = asyncio.create_task(client.call(Topology()))
        await asyncio.sleep(0.01)
        transport.restore()
        assert (await call).cluster_size == 1
    assert len(transport.published) == 1


async def test_without_an_answer_in_time_the_outcome_is_unknown_and_the_same_request_may_be_sent_again() -> None:
    async with Client(MemoryTransport()) as client:
        with pytest.raises(DeadlineExceeded, match=r"no answer within 0\.05 s") as raised:
            await client.call(Topology(), timeout=0.05, request_id="mine")
    assert isinstance(raised.value, OutcomeUnknown)
    assert isinstance(raised.value, Retryable)
    assert raised.value.request_id == "mine"


async def test_a_queue_from_which_nobody_takes_is_told_from_a_missing_answer() -> None:
    """It may have been executed all the same: a consumer may have had it, and have died."""
    for state, kind, words in (
        (None, DeadlineExceeded, r"no answer within 0\.2 s\Z"),
        (QueueState(3, 2), DeadlineExceeded, r"\(queue 'zeebe\.commands': 2 consumers, 3 requests wait\)\Z"),
        (
            QueueState(3, 0),
            Unavailable,
            r"no consumer takes from queue 'zeebe\.commands' \(0 consumers, 3 requests wait.*, it was not executed\Z",
        ),
        (
            QueueState(0, 0),
            Unavailable,
            r"\(0 consumers, 0 requests wait.*; nothing waits there any more, so it may have been taken, and executed",
        ),
    ):
        transport = MemoryTransport()
        transport.state = state
        async with Client(transport) as client:
            with pytest.raises(kind, match=words) as raised:
                await client.call(Topology(), timeout=0.2)
        error = raised.value
        assert (error.outcome, error.retryable) == (Outcome.UNKNOWN, True), state
        told = (
            None
            if state is None
            else {"queue": "zeebe.commands", "consumers": state.consumers, "waiting": state.waiting}
        )
        assert error.details == told


async def test_many_calls_whose_time_is_up_look_at_their_queue_once() -> None:
    transport = MemoryTransport()
    async with Client(transport) as client:
        calls = [client.call(Topology(), timeout=0.2) for _ in range(50)]
        assert all(isinstance(each, DeadlineExceeded) for each in await asyncio.gather(*calls, return_exceptions=True))
        assert len(transport.looked) < 50
        await client.send(CompleteJob(job_key=1))


async def test_an_answer_that_comes_in_time_looks_nowhere() -> None:
    transport = MemoryTransport(result("topology", TOPOLOGY))
    async with Client(transport) as client:
        await client.call(Topology(), timeout=0.2)
    assert transport.looked == []


async def test_without_a_connection_in_time_nothing_was_executed() -> None:
    transport = MemoryTransport()
    transport.online = False
    async with Client(transport) as client:
        with pytest.raises(Unavailable, match="nothing was sent") as raised:
            await client.call(Topology(), timeout=0.05)
    assert raised.value.outcome is Outcome.NOT_EXECUTED
    assert raised.value.retryable


async def test_a_call_that_was_never_sent_says_why() -> None:
    transport = MemoryTransport()
    transport.failures.append(NotConnected("connection lost: the cable"))
    async with Client(transport) as client:
        with pytest.raises(
            Unavailable, match=r"within 0\.05 s, nothing was sent: connection lost: the cable"
        ) as raised:
            await client.call(Topology(), timeout=0.05)
    assert raised.value.outcome is Outcome.NOT_EXECUTED


async def test_credentials_that_the_broker_takes_no_more_end_what_waits_and_what_comes() -> None:
    transport = MemoryTransport()
    async with Client(transport) as client:
        call = asyncio.create_task(client.call(Topology()))
        await transport.arrived(1)
        transport.peer.on_denied("no more")
        with pytest.raises(Unauthenticated, match="no more") as raised:
            await call
        assert raised.value.outcome is Outcome.UNKNOWN  # it had been sent
        transport.failures.append(Denied("still no more"))
        with pytest.raises(Unauthenticated, match="still no more") as raised:
            await client.call(Topology(), request_id="mine")
    assert (raised.value.outcome, raised.value.retryable) == (Outcome.NOT_EXECUTED, False)
    assert raised.value.request_id == "mine"


async def test_a_refusal_has_its_own_code_and_leaves_open_whether_what_was_sent_arrived() -> None:
    for code, kind in (
        (Code.PERMISSION_DENIED, PermissionDenied),
        (Code.NOT_FOUND, NotFound),
        (Code.FAILED_PRECONDITION, FailedPrecondition),
    ):
        for sent, earlier, retryable in product((False, True), repeat=3):
            transport = MemoryTransport()
            transport.failures.extend([ConnectionLost("gone")] if earlier else [])
            transport.failures.append(Denied("no", code, sent=sent, retryable=retryable))
            async with Client(transport) as client:
                call = asyncio.create_task(client.call(Topology()))
                if earlier:
                    await transport.arrived(1)
                    transport.restore()
                with pytest.raises(kind, match="no") as raised:
                    await call
            unsure = Outcome.UNKNOWN if sent or earlier else Outcome.NOT_EXECUTED
            assert (raised.value.outcome, raised.value.retryable) == (unsure, retryable), (code, sent, earlier)
            assert raised.value.source is Source.CLIENT


async def test_a_missing_request_queue_is_told_at_once() -> None:
    transport = MemoryTransport()
    transport.failures.append(Unroutable("NO_ROUTE"))
    async with Client(transport, commands="nowhere") as client:
        with pytest.raises(Unavailable, match="queue 'nowhere' does not exist") as raised:
            await client.call(Topology(), timeout=3600)
    assert (raised.value.outcome, raised.value.retryable) == (Outcome.NOT_EXECUTED, True)


async def test_a_request_queue_that_went_missing_meanwhile_leaves_the_outcome_unknown() -> None:
    transport = MemoryTransport()
    transport.failures.extend([ConnectionLost("gone"), Unroutable("NO_ROUTE")])
    async with Client(transport) as client:
        call = asyncio.create_task(client.call(Topology(), timeout=3600))
        await transport.arrived(1)
        transport.restore()
        with pytest.raises(OutcomeUnknown, match="does not exist"):
            await call


async def test_a_request_that_the_broker_does_not_take_may_be_sent_again() -> None:
    transport = MemoryTransport()
    transport.failures.append(Refused("nack"))
    async with Client(transport) as client:
        with pytest.raises(ResourceExhausted) as raised:
            await client.call(Topology())
    assert isinstance(raised.value, Retryable)
    assert raised.value.request_id == transport.published[0].request_id


async def test_a_defect_while_publishing_is_the_callers_to_see() -> None:
    transport = MemoryTransport()
    transport.failures.append(TypeError("no such header type"))
    async with Client(transport) as client:
        with pytest.raises(TypeError, match="no such header type"):
            await client.call_raw(b"{}", headers={"x": object()})


async def test_fire_and_forget_waits_for_the_confirm_alone_and_returns_the_identity() -> None:
    transport = MemoryTransport()
    async with Client(transport) as client:
        identity = await client.send(PublishMessage(message_name="paid"))
        assert await client.send(PublishMessage(message_name="paid"), request_id="mine") == "mine"
    first, second = transport.published
    assert (first.request_id, second.request_id) == (identity, "mine")
    assert (first.replied, first.deadline) == (False, None)


async def test_fire_and_forget_is_sent_again_until_it_is_confirmed() -> None:
    transport = MemoryTransport()
    transport.failures.append(ConnectionLost("gone"))
    async with Client(transport) as client:
        sending = asyncio.create_task(client.send(PublishMessage(message_name="paid")))
        await transport.arrived(1)
        transport.restore()
        await sending
    assert len({request.request_id for request in transport.published}) == 1
    assert len(transport.published) == 2


async def test_fire_and_forget_without_a_confirm_in_time_is_unknown() -> None:
    transport = MemoryTransport()
    transport.failures.append(ConnectionLost("gone"))
    async with Client(transport) as client:
        with pytest.raises(DeadlineExceeded, match="no confirm of the broker") as raised:
            await client.send(PublishMessage(message_name="paid"), timeout=0.05)
    assert raised.value.request_id == transport.published[0].request_id


async def test_bytes_go_and_come_as_they_are() -> None:
    transport = MemoryTransport(error("NOT_FOUND"))
    async with Client(transport) as client:
        reply = await client.call_raw(
            b"<xml/>", type="deploy-process", content_type="application/xml", headers={"fileName": "a.bpmn"}
        )
    assert reply == error("NOT_FOUND")
    [request] = transport.published
    assert (request.body, request.type, request.content_type) == (b"<xml/>", "deploy-process", "application/xml")
    assert (request.headers, request.queue) == ({"fileName": "a.bpmn"}, wire.COMMANDS_QUEUE)


async def test_headers_that_would_end_the_connection_are_refused() -> None:
    transport = MemoryTransport()
    async with Client(transport) as client:
        with pytest.raises(InvalidArgument, match="headers: expected at most 65536 bytes"):
            await client.call_raw(b"{}", headers={"x": "x" * 70_000}, long_poll=True)
    assert transport.published == []


async def test_closing_waits_for_what_is_on_its_way() -> None:
    transport = MemoryTransport()
    client = await Client(transport).__aenter__()
    call = asyncio.create_task(client.call(Topology()))
    await transport.arrived(1)
    closing = asyncio.create_task(client.close())
    await asyncio.sleep(0.01)
    assert not transport.closed
    client.on_received(transport.published[0].correlation_id, result("topology", TOPOLOGY))
    await closing
    assert transport.closed
    assert (await call).cluster_size == 1


async def test_closing_with_a_grace_ends_what_takes_longer() -> None:
    transport = MemoryTransport()
    client = await Client(transport).__aenter__()
    call = asyncio.create_task(client.call(Topology()))
    await transport.arrived(1)
    await client.close(grace=0.01)
    with pytest.raises(OutcomeUnknown) as raised:
        await call
    assert (raised.value.code, raised.value.request_id) == (Code.CANCELLED, transport.published[0].request_id)


async def test_a_client_that_is_not_open_takes_no_requests() -> None:
    client = Client(MemoryTransport())
    with pytest.raises(RuntimeError, match="not open"):
        await client.call(Topology())
    async with client:
        pass
    with pytest.raises(RuntimeError, match="not open"):
        await client.send(Topology())


async def test_a_client_may_be_opened_again() -> None:
    transport = MemoryTransport(always=lambda _: result("topology", TOPOLOGY))
    client = Client(transport)
    for _ in range(2):
        async with client:
            assert (await client.call(Topology())).cluster_size == 1


async def test_a_call_that_is_cancelled_is_forgotten() -> None:
    transport = MemoryTransport()
    async with Client(transport) as client:
        call = asyncio.create_task(client.call(Topology()))
        await transport.arrived(1)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        transport.restore()
    assert len(transport.published) == 1


async def test_thousands_of_calls_are_answered_each_with_its_own_reply() -> None:
    def answer(command: Any) -> bytes:
        return result("set-variables", {"key": command.element_instance_key})

    async with Client(MemoryTransport(always=answer)) as client:
        calls = [client.call(SetVariables(element_instance_key=key, variables={})) for key in range(1, 3001)]
        keys = [found.key for found in await asyncio.gather(*calls)]
    assert keys == list(range(1, 3001))


async def test_every_error_of_the_client_says_that_it_is_the_clients() -> None:
    async with Client(MemoryTransport()) as client:
        with pytest.raises(CommandError) as raised:
            await client.call(Topology(), timeout=0.01)
    assert raised.value.source is Source.CLIENT
