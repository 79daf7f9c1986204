"""Calls: what they send, what they return, and what is told when nothing comes of them."""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import AsyncIterator, Awaitable
from datetime import timedelta
from itertools import product
from typing import Any

import pytest

from tests.cases import check_each, for_each
from tests.fakes.transport import TOPOLOGY, MemoryTransport, error, result
from zeebe_amqp import Client, commands, envelope, errors, wire
from zeebe_amqp.client import ConnectionLost, Denied, NotConnected, QueueState, Refused, Unroutable
from zeebe_amqp.client.client import Options
from zeebe_amqp.client.jobs import JobOptions, Jobs
from zeebe_amqp.commands.instances import InstanceCreated
from zeebe_amqp.errors import Code, CommandError, Outcome, OutcomeUnknown, Retryable, Source

LARGE = 2**63 - 1
CREATED = {"processDefinitionKey": LARGE, "processInstanceKey": LARGE - 1, "bpmnProcessId": "order", "version": 1}
CREATED |= {"tenantId": "<default>", "tags": [], "businessId": None}
FINE = result("topology", TOPOLOGY)
ASK = commands.Topology()
PAID = commands.PublishMessage(message_name="paid")
ORDER = commands.CreateInstance(bpmn_process_id="order")


class MemoryClient(Client):
    """A client whose transport is in memory: it gets these answers, and then none."""

    def __init__(self, *answers: bytes, **options: Any) -> None:
        self.transport = MemoryTransport(*answers)
        super().__init__(self.transport, **options)

    async def begin(self, **options: Any) -> asyncio.Task[Any]:
        """A call that has been published."""
        call, before = asyncio.create_task(self.call(ASK, **options)), len(self.transport.published)
        await self.transport.arrived(before + 1)
        return call


@pytest.fixture
async def client() -> AsyncIterator[MemoryClient]:
    async with MemoryClient() as client:
        yield client


async def error_of(asked: Awaitable[object], *kinds: type[CommandError]) -> CommandError:
    """The error by which a call ends; it is of all these kinds."""
    with pytest.raises(CommandError) as raised:
        await asked
    assert [kind for kind in kinds if not isinstance(raised.value, kind)] == []
    return raised.value


async def test_what_waits_on_purpose_has_a_queue_of_its_own_and_all_a_deadline_before_the_caller_gives_up() -> None:
    poll, waiting = (
        commands.ActivateJobs(job_type="a", max_jobs_to_activate=1, request_timeout=each) for each in (None, "1s")
    )
    asked: list[tuple[commands.Command[Any], Any, str, int]] = [
        (ASK, None, "c", 10),
        (ASK, 40.0, "c", 40),
        (ORDER, timedelta(minutes=1), "c", 60),
        (poll, None, "c", 10),
        (waiting, None, "p", 11),
        (ORDER.until_end("2s"), None, "p", 12),
    ]
    before = time.time()
    async with MemoryClient(*[error("NOT_FOUND")] * 6, timeout=10, commands="c", polls="p") as client:
        for command, timeout, _, _ in asked:
            await error_of(client.call(command, timeout=timeout))
    for request, (*_, queue, seconds) in zip(client.transport.published, asked, strict=True):
        assert request.queue == queue
        assert before + seconds - 0.5 <= (request.deadline or 0) <= time.time() + seconds - 0.5


async def test_each_call_has_an_identity_and_a_given_one_is_kept(client: MemoryClient) -> None:
    client.transport.answers.extend([FINE] * 5)
    for identity in (None, None, None, "mine", "mine"):
        await client.call(ASK, request_id=identity)
    identities = [request.request_id for request in client.transport.published]
    assert (len(set(identities[:3])), identities[3:]) == (3, ["mine", "mine"])
    assert len({request.correlation_id for request in client.transport.published}) == 5


async def test_what_the_service_would_refuse_is_not_sent(client: MemoryClient) -> None:
    async def is_refused(command: commands.Command[Any], words: str, options: dict[str, Any], code: Code) -> None:
        found = await error_of(client.call(command, **options))
        assert (found.code, found.outcome) == (code, Outcome.NOT_EXECUTED)
        assert found.message.startswith(words)

    def order(**facts: Any) -> commands.CreateInstance:
        return commands.CreateInstance(bpmn_process_id="a", **facts)

    identity, invalid = "request_id: expected text of 1 to 255 bytes", Code.INVALID_ARGUMENT
    no_json = commands.SetVariables(element_instance_key=1, variables={"a": object()})
    large, too_large = order(variables={"a": "x" * wire.MAX_BODY}), f"body: expected at most {wire.MAX_BODY} bytes"
    cases: list[tuple[commands.Command[Any], str, dict[str, Any], Code]] = [
        (ASK, identity, {"request_id": ""}, invalid),
        (ASK, identity, {"request_id": "é" * 128}, invalid),
        (ASK, "priority: expected a whole number from 0 to 31, found 32", {"priority": 32}, invalid),
        (ASK, "priority: expected a whole number from 0 to 31, found -1", {"priority": -1}, invalid),
        (commands.CreateInstance(), "data.bpmnProcessId: missing", {}, invalid),
        (order(variables={"a": float("nan")}), "data.variables.a: expected a number", {}, invalid),
        (order(with_result=True, request_timeout="5"), "data.requestTimeout: expected", {}, invalid),
        (no_json, "data: cannot be written as JSON", {}, invalid),
        (large, too_large, {}, Code.RESOURCE_EXHAUSTED),
    ]
    await check_each(cases, is_refused)
    for seconds in (0, -1.0, float("nan"), float("inf"), timedelta(0)):
        with pytest.raises(ValueError, match="timeout: expected a number of seconds above 0, found"):
            await client.call(ASK, timeout=seconds)
    with pytest.raises(errors.InvalidArgument, match="headers: expected at most 65536 bytes"):
        await client.call_raw(b"{}", headers={"x": "x" * 70_000}, long_poll=True)
    assert client.transport.published == []


async def test_bytes_go_and_come_as_they_are(client: MemoryClient) -> None:
    client.transport.answers.append(error("NOT_FOUND"))
    named: dict[str, Any] = {"type": "deploy-process", "content_type": "application/xml", "headers": {"fileName": "a"}}
    assert await client.call_raw(b"<xml/>", **named) == error("NOT_FOUND")
    [request] = client.transport.published
    assert {name: getattr(request, name) for name in named} == named
    assert (request.body, request.queue) == (b"<xml/>", wire.COMMANDS_QUEUE)


async def test_a_result_is_typed_and_its_keys_and_variables_are_exact(client: MemoryClient) -> None:
    finished = {**CREATED, "variables": f'{{"n": {LARGE**3}}}'}
    client.transport.answers.extend(result("create-instance", data) for data in (CREATED, finished))
    client.transport.answers.extend([result("topology", {**TOPOLOGY, "new": 1}), result("complete-job")])
    created = await client.call(ORDER)
    assert type(created) is InstanceCreated
    assert (created.process_definition_key, created.process_instance_key) == (LARGE, LARGE - 1)
    assert (await client.call(ORDER.until_end("2s"))).values() == {"n": LARGE**3}
    assert (await client.call(ASK)).cluster_size == 1, "what is not known is ignored"
    await client.call(commands.CompleteJob(job_key=7, variables={"a": 1}))  # its reply has no data
    request = envelope.decode(client.transport.published[-1].body)
    assert (request.operation, request.data) == ("complete-job", b'{"jobKey":7,"variables":{"a":1}}')


async def test_an_error_reply_is_raised_with_all_it_says_also_in_words_that_are_not_known(client: MemoryClient) -> None:
    client.transport.answers.append(error("NOT_FOUND", message="no such job", details={"intent": "COMPLETE"}))
    found = await error_of(client.call(commands.CompleteJob(job_key=1), request_id="mine"))
    assert type(found) is errors.NotFound
    assert (found.code, found.message, found.source) == (Code.NOT_FOUND, "no such job", Source.GATEWAY)
    assert (found.outcome, found.retryable, found.details) == (Outcome.NOT_EXECUTED, False, {"intent": "COMPLETE"})
    assert (found.operation, found.request_id) == ("complete-job", "mine")
    client.transport.answers.append(error("TEAPOT", source="kitchen", outcome="perhaps"))
    found = await error_of(client.call(ASK), OutcomeUnknown)
    assert (found.code, found.source, found.details) == (Code.UNKNOWN, Source.CONSUMER, {"code": "TEAPOT"})


NO_REPLIES = [
    b"", b"{", b'{"data": "\xff"}', b"[]", b'{"data": ' + b"[" * 100_000, b'{"operation": "topology"}',
    b'{"data": {"clusterSize": "many"}}', b'{"error": 7}',
]  # fmt: skip


@for_each(NO_REPLIES)
async def test_a_reply_that_cannot_be_read_ends_its_call_alone(body: bytes, client: MemoryClient) -> None:
    client.transport.answers.extend([body, FINE])
    found = await error_of(client.call(ASK), OutcomeUnknown)
    assert (found.code, found.source) == (Code.INTERNAL, Source.CLIENT)
    assert (await client.call(ASK)).cluster_size == 1


@for_each([None, "", "somebody's", "x" * 10_000])
async def test_a_reply_that_nobody_waits_for_is_ignored(correlation: str | None, client: MemoryClient) -> None:
    call = await client.begin()
    awaited = client.transport.published[-1].correlation_id
    client.on_received(correlation, b"x")
    for _ in range(2):  # the second one is late
        client.on_received(awaited, FINE)
    assert (await call).cluster_size == 1
    client.on_received(awaited, b"x")


async def test_what_waits_for_a_connection_or_an_answer_is_sent_again_as_it_was(client: MemoryClient) -> None:
    transport = client.transport
    transport.online = False
    transport.failures.append(ConnectionLost("gone"))
    call = asyncio.create_task(client.call(ASK))
    await asyncio.sleep(0.01)
    transport.restore()
    await transport.arrived(1)
    transport.answers.append(FINE)
    transport.restore()
    assert (await call).cluster_size == 1
    transport.restore()  # nothing is on its way any more
    await asyncio.sleep(0)
    first, second = transport.published
    assert first is second


NO_CONSUMER = "no consumer takes from queue 'zeebe.commands' (0 consumers, 3 requests wait"
NOT_RUN = "as far as can be known from here, it was not executed."
MAY_HAVE_RUN = "nothing waits there any more, so it may have been taken, and executed"


@for_each([
    (None, errors.DeadlineExceeded, "no answer within 0.2 s."),
    (QueueState(3, 2), errors.DeadlineExceeded, "(queue 'zeebe.commands': 2 consumers, 3 requests wait)."),
    (QueueState(3, 0), errors.Unavailable, NO_CONSUMER),
    (QueueState(3, 0), errors.Unavailable, NOT_RUN),
    (QueueState(0, 0), errors.Unavailable, MAY_HAVE_RUN),
])  # fmt: skip
async def test_a_queue_from_which_nobody_takes_is_told_from_a_missing_answer(
    state: QueueState | None, kind: type[CommandError], words: str
) -> None:
    """It may have been executed all the same: a consumer may have had it, and have died."""
    async with MemoryClient(FINE) as client:
        client.transport.state = state
        await client.call(ASK, timeout=0.2)
        assert client.transport.looked == [], "it was answered"
        calls = [client.call(ASK, timeout=0.2, request_id="mine") for _ in range(50)]
        found, *_ = await asyncio.gather(*(error_of(call, kind, OutcomeUnknown, Retryable) for call in calls))
        assert client.transport.looked == ["zeebe.commands"], "once for all of them"
    assert words in f"{found.message}."
    assert (found.source, found.request_id) == (Source.CLIENT, "mine")
    assert found.details == (None if state is None else {"queue": "zeebe.commands", **state._asdict()})


async def test_without_a_connection_in_time_nothing_was_executed_and_why_is_told(client: MemoryClient) -> None:
    client.transport.failures.append(NotConnected("connection lost: the cable"))
    for words in ("0.05 s, nothing was sent: connection lost: the cable", "0.05 s, nothing was sent"):
        found = await error_of(client.call(ASK, timeout=0.05), errors.Unavailable)
        assert (found.outcome, found.retryable) == (Outcome.NOT_EXECUTED, True)
        assert found.message.endswith(words)
        client.transport.online = False


DENIALS = (Code.UNAUTHENTICATED, Code.PERMISSION_DENIED, Code.NOT_FOUND, Code.FAILED_PRECONDITION)


@for_each(product(DENIALS, *[(False, True)] * 3))
async def test_a_refusal_has_its_own_code_and_leaves_open_whether_what_was_sent_arrived(
    code: Code, sent: bool, earlier: bool, retryable: bool
) -> None:
    async with MemoryClient() as client:
        client.transport.failures.extend([ConnectionLost("gone")] if earlier else [])
        client.transport.failures.append(Denied("no", code, sent=sent, retryable=retryable))
        call = await client.begin(request_id="mine")
        if earlier:
            client.transport.restore()
        found = await error_of(call)
    unsure = Outcome.UNKNOWN if sent or earlier else Outcome.NOT_EXECUTED
    assert (found.message, found.outcome, found.retryable) == ("no", unsure, retryable)
    assert (found.code, found.source, found.request_id) == (code, Source.CLIENT, "mine")


async def test_a_refusal_of_a_new_connection_ends_what_waits(client: MemoryClient) -> None:
    for code in DENIALS:
        call = await client.begin()
        client.transport.peer.on_denied("no more", code)
        found = await error_of(call)
        assert (found.code, found.message) == (code, "no more")
        assert found.outcome is Outcome.UNKNOWN, "it had been sent"


async def test_a_missing_request_queue_is_told_at_once_and_leaves_the_outcome_open_if_it_went_meanwhile() -> None:
    async with MemoryClient(commands="nowhere") as client:
        client.transport.failures.extend([Unroutable("NO_ROUTE"), ConnectionLost("gone"), Unroutable("NO_ROUTE")])
        found = await error_of(client.call(ASK, timeout=3600), errors.Unavailable)
        assert "queue 'nowhere' does not exist" in found.message
        assert (found.outcome, found.retryable) == (Outcome.NOT_EXECUTED, True)
        call = await client.begin(timeout=3600)
        client.transport.restore()
        found = await error_of(call, OutcomeUnknown)
        assert "queue 'nowhere' does not exist" in found.message


async def test_a_request_that_the_broker_does_not_take_may_be_sent_again(client: MemoryClient) -> None:
    client.transport.failures.append(Refused("nack"))
    found = await error_of(client.call(ASK), errors.ResourceExhausted, Retryable)
    assert found.request_id == client.transport.published[0].request_id


async def test_a_defect_while_publishing_is_the_callers_to_see(client: MemoryClient) -> None:
    client.transport.failures.append(TypeError("no such header type"))
    with pytest.raises(TypeError, match="no such header type"):
        await client.call_raw(b"{}", headers={"x": object()})


async def test_fire_and_forget_waits_for_the_confirm_alone_until_its_time_is_up(client: MemoryClient) -> None:
    published = client.transport.published
    client.transport.failures.append(ConnectionLost("gone"))
    sending = asyncio.create_task(client.send(PAID))
    await client.transport.arrived(1)
    client.transport.restore()
    identity = await sending
    assert await client.send(PAID, request_id="mine") == "mine"
    assert [request.request_id for request in published] == [identity, identity, "mine"]
    assert {(request.replied, request.deadline) for request in published} == {(False, None)}
    client.transport.failures.append(ConnectionLost("gone"))
    found = await error_of(client.send(PAID, timeout=0.05), errors.DeadlineExceeded)
    assert (found.request_id, "no confirm from the broker" in found.message) == (published[3].request_id, True)


async def test_closing_waits_for_what_is_on_its_way_and_with_a_grace_ends_what_takes_longer() -> None:
    client = MemoryClient()
    async with client:
        call = await client.begin()
        closing = asyncio.create_task(client.close())
        await asyncio.sleep(0.01)
        assert not client.transport.closed
        client.on_received(client.transport.published[0].correlation_id, FINE)
        await closing
        assert client.transport.closed
        assert (await call).cluster_size == 1
    async with client:
        call = await client.begin()
        await client.close(grace=0.01)
        found = await error_of(call, OutcomeUnknown)
    assert (found.code, found.request_id) == (Code.CANCELLED, client.transport.published[1].request_id)


async def test_a_client_takes_requests_while_it_is_open_and_may_be_opened_again() -> None:
    client = MemoryClient(FINE, FINE)
    for _ in range(2):
        for ask in (client.call, client.send):
            with pytest.raises(RuntimeError, match="not open"):
                await ask(ASK)
        async with client:
            assert (await client.call(ASK)).cluster_size == 1


async def test_a_call_that_is_cancelled_is_forgotten(client: MemoryClient) -> None:
    call = await client.begin()
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    client.transport.restore()
    await asyncio.sleep(0)
    assert len(client.transport.published) == 1


def test_the_options_that_are_passed_on_are_those_there_are() -> None:
    for options, kind in ((Options, Client), (JobOptions, Jobs)):
        found = inspect.signature(kind).parameters.values()
        keywords = {each.name: each.annotation for each in found if each.kind is each.KEYWORD_ONLY}
        assert {name: each.__forward_arg__ for name, each in options.__annotations__.items()} == keywords
