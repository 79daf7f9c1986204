"""Calls: what they send, what they return, and what is told when nothing comes of them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from itertools import product
from typing import Any

import pytest

from tests.cases import check_each
from tests.fakes.transport import TOPOLOGY, MemoryTransport, error, result
from zeebe_amqp import (
    ActivateJobs,
    Client,
    CompleteJob,
    CreateInstance,
    PublishMessage,
    SetVariables,
    Topology,
    envelope,
    wire,
)
from zeebe_amqp.client import ConnectionLost, Denied, NotConnected, QueueState, Refused, Unroutable
from zeebe_amqp.commands import Command
from zeebe_amqp.commands.instances import InstanceCreated
from zeebe_amqp.errors import (
    Code,
    CommandError,
    DeadlineExceeded,
    FailedPrecondition,
    InvalidArgument,
    NotFound,
    Outcome,
    OutcomeUnknown,
    PermissionDenied,
    ResourceExhausted,
    Retryable,
    Source,
    Unauthenticated,
    Unavailable,
)

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
FINE = result("topology", TOPOLOGY)
ASK = Topology()
PAID = PublishMessage(message_name="paid")
ORDER = CreateInstance(bpmn_process_id="order")


@pytest.fixture
def transport() -> MemoryTransport:
    """Answers nothing unless a test says what."""
    return MemoryTransport()


async def refused(transport: MemoryTransport, command: Command[Any] = ASK, **options: Any) -> CommandError:
    """The error by which a call ends."""
    async with Client(transport) as client:
        with pytest.raises(CommandError) as raised:
            await client.call(command, **options)
    return raised.value


@asynccontextmanager
async def under_way(transport: MemoryTransport, **options: Any) -> AsyncIterator[tuple[Client, asyncio.Task[Any]]]:
    """A client and a call of it that has been published."""
    async with Client(transport) as client:
        call = asyncio.create_task(client.call(Topology(), **options))
        await transport.arrived(1)
        yield client, call


# --- what is sent -----------------------------------------------------------------------------------------------------


async def test_requests_that_wait_on_purpose_have_a_queue_of_their_own() -> None:
    async def goes_to(command: Command[Any], queue: str) -> None:
        transport = MemoryTransport(error("NOT_FOUND"))
        async with Client(transport, commands="c", polls="p") as client:
            with pytest.raises(NotFound):
                await client.call(command)
        assert [request.queue for request in transport.published] == [queue]

    poll = ActivateJobs(job_type="a", max_jobs_to_activate=1, request_timeout="1s")
    at_once = (Topology(), ActivateJobs(job_type="a", max_jobs_to_activate=1), ORDER)
    await check_each([*((each, "c") for each in at_once), (poll, "p"), (ORDER.until_end(), "p")], goes_to)


async def test_the_deadline_is_a_little_before_the_caller_stops_waiting(transport: MemoryTransport) -> None:
    transport.always = lambda _: error("NOT_FOUND")
    before = time.time()
    async with Client(transport, timeout=10) as client:
        for timeout in (None, 40.0, timedelta(minutes=1)):
            with pytest.raises(NotFound):
                await client.call(Topology(), timeout=timeout)
        with pytest.raises(NotFound):
            await client.call(ORDER.until_end("2s"))
    given = [request.deadline or 0 for request in transport.published]
    for deadline, seconds in zip(given, (10, 40, 60, 12), strict=True):
        assert before + seconds - 0.5 <= deadline <= time.time() + seconds - 0.5


async def test_each_call_has_an_identity_and_a_given_one_is_kept(transport: MemoryTransport) -> None:
    transport.always = lambda _: FINE
    async with Client(transport) as client:
        for _ in range(3):
            await client.call(Topology())
        for _ in range(2):
            await client.call(Topology(), request_id="mine")
    identities = [request.request_id for request in transport.published]
    assert len(set(identities[:3])) == 3
    assert identities[3:] == ["mine", "mine"]
    assert len({request.correlation_id for request in transport.published}) == 5


async def test_what_the_service_would_refuse_is_not_sent(transport: MemoryTransport) -> None:
    async def is_refused(command: Command[Any], options: dict[str, Any], words: str) -> None:
        found = await refused(transport, command, **options)
        assert (found.code, found.outcome) == (Code.INVALID_ARGUMENT, Outcome.NOT_EXECUTED)
        assert found.message.startswith(words)

    nan, no_json = {"a": float("nan")}, {"a": object()}
    identity = "request_id: expected text of 1 to 255 bytes"
    no_unit = CreateInstance(bpmn_process_id="a", with_result=True, request_timeout="5")
    cases: list[tuple[Command[Any], dict[str, Any], str]] = [
        (Topology(), {"request_id": ""}, identity),
        (Topology(), {"request_id": "é" * 128}, identity),
        (CreateInstance(), {}, "data.bpmnProcessId: missing"),
        (CreateInstance(bpmn_process_id="a", variables=nan), {}, "data.variables.a: expected a number"),
        (no_unit, {}, "data.requestTimeout: expected"),
        (SetVariables(element_instance_key=1, variables=no_json), {}, "data: cannot be written as JSON"),
    ]
    await check_each(cases, is_refused)
    large = await refused(transport, PublishMessage(message_name="a", variables={"a": "x" * wire.MAX_BODY}))
    assert (type(large), large.outcome) == (ResourceExhausted, Outcome.NOT_EXECUTED)
    async with Client(transport) as client:
        for seconds in (0, -1.0, float("nan"), float("inf"), timedelta(0)):
            with pytest.raises(ValueError, match="timeout: expected a number of seconds above 0, found"):
                await client.call(Topology(), timeout=seconds)
        with pytest.raises(InvalidArgument, match="headers: expected at most 65536 bytes"):
            await client.call_raw(b"{}", headers={"x": "x" * 70_000}, long_poll=True)
    assert transport.published == []


async def test_bytes_go_and_come_as_they_are(transport: MemoryTransport) -> None:
    transport.answers.append(error("NOT_FOUND"))
    async with Client(transport) as client:
        reply = await client.call_raw(
            b"<xml/>", type="deploy-process", content_type="application/xml", headers={"fileName": "a.bpmn"}
        )
    assert reply == error("NOT_FOUND")
    [request] = transport.published
    assert (request.body, request.type, request.content_type) == (b"<xml/>", "deploy-process", "application/xml")
    assert (request.headers, request.queue) == ({"fileName": "a.bpmn"}, wire.COMMANDS_QUEUE)


# --- what is returned -------------------------------------------------------------------------------------------------


async def test_a_result_is_typed_and_its_keys_and_variables_are_exact(transport: MemoryTransport) -> None:
    transport.answers.append(result("create-instance", CREATED))
    transport.answers.append(result("create-instance", {**CREATED, "variables": f'{{"n": {LARGE**3}}}'}))
    transport.answers.append(result("topology", {**TOPOLOGY, "new": 1}))
    async with Client(transport) as client:
        created = await client.call(ORDER)
        finished = await client.call(ORDER.until_end("2s"))
        topology = await client.call(Topology())
    assert type(created) is InstanceCreated
    assert (created.process_definition_key, created.process_instance_key) == (LARGE, LARGE - 1)
    assert finished.values() == {"n": LARGE**3}
    assert topology.cluster_size == 1, "what is not known is ignored"


async def test_a_command_without_data_in_its_reply_returns_nothing(transport: MemoryTransport) -> None:
    transport.answers.append(result("complete-job"))
    async with Client(transport) as client:
        await client.call(CompleteJob(job_key=7, variables={"a": 1}))
    request = envelope.decode(transport.published[0].body)
    assert (request.operation, request.data) == ("complete-job", b'{"jobKey":7,"variables":{"a":1}}')


async def test_an_error_reply_is_raised_with_everything_it_says() -> None:
    reply = error("NOT_FOUND", message="no such job", details={"intent": "COMPLETE"})
    found = await refused(MemoryTransport(reply), CompleteJob(job_key=1), request_id="mine")
    assert type(found) is NotFound
    assert (found.code, found.message, found.source) == (Code.NOT_FOUND, "no such job", Source.GATEWAY)
    assert (found.outcome, found.retryable, found.details) == (Outcome.NOT_EXECUTED, False, {"intent": "COMPLETE"})
    assert (found.operation, found.request_id) == ("complete-job", "mine")


async def test_an_error_of_words_that_are_not_known_is_unknown_and_keeps_them() -> None:
    found = await refused(MemoryTransport(error("TEAPOT", source="kitchen", outcome="perhaps")))
    assert (found.code, found.source, found.details) == (Code.UNKNOWN, Source.CONSUMER, {"code": "TEAPOT"})
    assert isinstance(found, OutcomeUnknown)


async def test_a_reply_that_cannot_be_read_ends_its_call_alone() -> None:
    async def ends_its_call(body: bytes) -> None:
        async with Client(MemoryTransport(body, FINE)) as client:
            with pytest.raises(OutcomeUnknown) as raised:
                await client.call(Topology())
            assert (raised.value.code, raised.value.source) == (Code.INTERNAL, Source.CLIENT)
            assert (await client.call(Topology())).cluster_size == 1

    cases: dict[str, tuple[bytes]] = {
        "nothing": (b"",),
        "not JSON": (b"{",),
        "not UTF-8": (b'{"data": "\xff"}',),
        "not an object": (b"[]",),
        "deep": (b'{"data": ' + b"[" * 100_000,),
        "no data": (b'{"operation": "topology"}',),
        "other data": (b'{"data": {"clusterSize": "many"}}',),
        "an error that is none": (b'{"error": 7}',),
    }
    await check_each(cases, ends_its_call)


async def test_a_reply_that_nobody_waits_for_is_ignored() -> None:
    async def is_ignored(correlation: str | None) -> None:
        transport = MemoryTransport()
        async with under_way(transport) as (client, call):
            client.on_received(correlation, b"x")
            for _ in range(2):  # the second one is late
                client.on_received(transport.published[0].correlation_id, FINE)
            assert (await call).cluster_size == 1
            client.on_received(transport.published[0].correlation_id, b"x")

    await check_each([None, "", "somebody's", "x" * 10_000], is_ignored)


async def test_thousands_of_calls_are_answered_each_with_its_own_reply(transport: MemoryTransport) -> None:
    transport.always = lambda command: result("set-variables", {"key": command.element_instance_key})  # type: ignore
    async with Client(transport) as client:
        calls = [client.call(SetVariables(element_instance_key=key, variables={})) for key in range(1, 3001)]
        keys = [found.key for found in await asyncio.gather(*calls)]
    assert keys == list(range(1, 3001))


# --- when no answer comes ---------------------------------------------------------------------------------------------


async def test_what_is_on_its_way_is_sent_again_under_the_same_identity(transport: MemoryTransport) -> None:
    transport.failures.append(ConnectionLost("gone"))
    async with under_way(transport) as (_, call):
        transport.answers.append(FINE)
        transport.restore()
        assert (await call).cluster_size == 1
        transport.restore()  # nothing is on its way any more
        await asyncio.sleep(0)
    first, second = transport.published
    assert first is second


async def test_a_call_while_there_is_no_connection_is_sent_when_there_is_one(transport: MemoryTransport) -> None:
    transport.answers.append(FINE)
    transport.online = False
    async with Client(transport) as client:
        call = asyncio.create_task(client.call(Topology()))
        await asyncio.sleep(0.01)
        transport.restore()
        assert (await call).cluster_size == 1
    assert len(transport.published) == 1


async def test_a_queue_from_which_nobody_takes_is_told_from_a_missing_answer() -> None:
    """It may have been executed all the same: a consumer may have had it, and have died."""

    async def is_told(state: QueueState | None, kind: type[CommandError], words: str) -> None:
        transport = MemoryTransport()
        transport.state = state
        found = await refused(transport, timeout=0.2, request_id="mine")
        assert isinstance(found, kind)
        assert isinstance(found, OutcomeUnknown)
        assert isinstance(found, Retryable)
        assert words in f"{found.message}."
        assert (found.source, found.request_id) == (Source.CLIENT, "mine")
        told = None if state is None else {"queue": "zeebe.commands", **state._asdict()}
        assert found.details == told

    name = "queue 'zeebe.commands'"
    cases: list[tuple[QueueState | None, type[CommandError], str]] = [
        (None, DeadlineExceeded, "no answer within 0.2 s."),
        (QueueState(3, 2), DeadlineExceeded, f"({name}: 2 consumers, 3 requests wait)."),
        (QueueState(3, 0), Unavailable, f"no consumer takes from {name} (0 consumers, 3 requests wait"),
        (QueueState(3, 0), Unavailable, "as far as can be known from here, it was not executed."),
        (QueueState(0, 0), Unavailable, "nothing waits there any more, so it may have been taken, and executed"),
    ]
    await check_each(cases, is_told)


async def test_many_calls_whose_time_is_up_look_at_their_queue_once_and_one_that_is_answered_nowhere(
    transport: MemoryTransport,
) -> None:
    async with Client(transport) as client:
        transport.answers.append(FINE)
        await client.call(Topology(), timeout=0.2)
        assert transport.looked == []
        calls = [client.call(Topology(), timeout=0.2) for _ in range(50)]
        assert all(isinstance(each, DeadlineExceeded) for each in await asyncio.gather(*calls, return_exceptions=True))
        assert len(transport.looked) < 50
        await client.send(CompleteJob(job_key=1))


async def test_without_a_connection_in_time_nothing_was_executed_and_why_is_told() -> None:
    away, cut = MemoryTransport(), MemoryTransport()
    away.online = False
    cut.failures.append(NotConnected("connection lost: the cable"))
    for transport, words in ((away, "nothing was sent"), (cut, "0.05 s, nothing was sent: connection lost: the cable")):
        found = await refused(transport, timeout=0.05)
        assert (type(found).__name__, found.outcome, found.retryable) == ("Unavailable", Outcome.NOT_EXECUTED, True)
        assert words in found.message


async def test_credentials_that_the_broker_takes_no_more_end_what_waits_and_what_comes(
    transport: MemoryTransport,
) -> None:
    async with under_way(transport) as (client, call):
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
    async def leaves_open(code: Code, sent: bool, earlier: bool, retryable: bool) -> None:
        transport = MemoryTransport()
        transport.failures.extend([ConnectionLost("gone")] if earlier else [])
        transport.failures.append(Denied("no", code, sent=sent, retryable=retryable))
        async with under_way(transport) as (_, call):
            if earlier:
                transport.restore()
            with pytest.raises(KINDS[code], match="no") as raised:
                await call
        unsure = Outcome.UNKNOWN if sent or earlier else Outcome.NOT_EXECUTED
        assert (raised.value.outcome, raised.value.retryable) == (unsure, retryable)
        assert raised.value.source is Source.CLIENT

    await check_each(product(KINDS, *[(False, True)] * 3), leaves_open)


KINDS: dict[Code, type[CommandError]] = {
    Code.PERMISSION_DENIED: PermissionDenied,
    Code.NOT_FOUND: NotFound,
    Code.FAILED_PRECONDITION: FailedPrecondition,
}


async def test_a_missing_request_queue_is_told_at_once_and_leaves_the_outcome_open_if_it_went_meanwhile(
    transport: MemoryTransport,
) -> None:
    transport.failures.append(Unroutable("NO_ROUTE"))
    async with Client(transport, commands="nowhere") as client:
        with pytest.raises(Unavailable, match="queue 'nowhere' does not exist") as raised:
            await client.call(Topology(), timeout=3600)
    assert (raised.value.outcome, raised.value.retryable) == (Outcome.NOT_EXECUTED, True)
    again = MemoryTransport()
    again.failures.extend([ConnectionLost("gone"), Unroutable("NO_ROUTE")])
    async with under_way(again, timeout=3600) as (_, call):
        again.restore()
        with pytest.raises(OutcomeUnknown, match="does not exist"):
            await call


async def test_a_request_that_the_broker_does_not_take_may_be_sent_again(transport: MemoryTransport) -> None:
    transport.failures.append(Refused("nack"))
    found = await refused(transport)
    assert isinstance(found, ResourceExhausted)
    assert isinstance(found, Retryable)
    assert found.request_id == transport.published[0].request_id


async def test_a_defect_while_publishing_is_the_callers_to_see(transport: MemoryTransport) -> None:
    transport.failures.append(TypeError("no such header type"))
    async with Client(transport) as client:
        with pytest.raises(TypeError, match="no such header type"):
            await client.call_raw(b"{}", headers={"x": object()})


# --- fire and forget --------------------------------------------------------------------------------------------------


async def test_fire_and_forget_waits_for_the_confirm_alone_and_returns_the_identity(transport: MemoryTransport) -> None:
    async with Client(transport) as client:
        identity = await client.send(PAID)
        assert await client.send(PAID, request_id="mine") == "mine"
    first, second = transport.published
    assert (first.request_id, second.request_id) == (identity, "mine")
    assert (first.replied, first.deadline) == (False, None)


async def test_fire_and_forget_is_sent_again_until_it_is_confirmed_or_its_time_is_up(
    transport: MemoryTransport,
) -> None:
    transport.failures.append(ConnectionLost("gone"))
    async with Client(transport) as client:
        sending = asyncio.create_task(client.send(PAID))
        await transport.arrived(1)
        transport.restore()
        await sending
        first, second = transport.published
        assert first.request_id == second.request_id
        transport.failures.append(ConnectionLost("gone"))
        with pytest.raises(DeadlineExceeded, match="no confirm from the broker") as raised:
            await client.send(PAID, timeout=0.05)
    assert raised.value.request_id == transport.published[2].request_id


# --- opening and closing ----------------------------------------------------------------------------------------------


async def test_closing_waits_for_what_is_on_its_way(transport: MemoryTransport) -> None:
    async with under_way(transport) as (client, call):
        closing = asyncio.create_task(client.close())
        await asyncio.sleep(0.01)
        assert not transport.closed
        client.on_received(transport.published[0].correlation_id, FINE)
        await closing
    assert transport.closed
    assert (await call).cluster_size == 1


async def test_closing_with_a_grace_ends_what_takes_longer(transport: MemoryTransport) -> None:
    async with under_way(transport) as (client, call):
        await client.close(grace=0.01)
        with pytest.raises(OutcomeUnknown) as raised:
            await call
    assert (raised.value.code, raised.value.request_id) == (Code.CANCELLED, transport.published[0].request_id)


async def test_a_client_takes_requests_while_it_is_open_and_may_be_opened_again(transport: MemoryTransport) -> None:
    transport.always = lambda _: FINE
    client = Client(transport)
    for _ in range(2):
        for ask in (client.call, client.send):
            with pytest.raises(RuntimeError, match="not open"):
                await ask(Topology())
        async with client:
            assert (await client.call(Topology())).cluster_size == 1


async def test_a_call_that_is_cancelled_is_forgotten(transport: MemoryTransport) -> None:
    async with under_way(transport) as (_, call):
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        transport.restore()
    assert len(transport.published) == 1
