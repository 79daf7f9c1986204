"""The engine against a gateway that does what it is told: answers, refusals, retries, and calls without an end."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from contextlib import nullcontext
from itertools import product
from typing import Any
from unittest.mock import Mock, call

import msgspec
import pytest

from consumer.config import Basic
from consumer.zeebe import GatewayError, ZeebeEngine
from consumer.zeebe.failures import Failure, FailureKind
from consumer.zeebe.operations import OPERATIONS, Operation
from consumer.zeebe.protocol import gateway_pb2 as pb
from consumer.zeebe.retries import Retries
from tests.cases import for_each
from tests.fakes.gateway import BUSY, FakeGateway, Request, identity, stream
from tests.unit.consumer.errors import verdict
from tests.unit.consumer.zeebe import samples
from tests.unit.consumer.zeebe.samples import ACTIVATE, COMPLETE, CREATE, DENIED, Clock, Connect, refusal, send
from tests.unit.consumer.zeebe.test_gateway_answers import CASES
from tests.unit.contracts.values import commands
from zeebe_amqp import wire
from zeebe_amqp.commands import Command
from zeebe_amqp.errors import Code, CommandError, Outcome, Source
from zeebe_amqp.testing import Step, after, answer, fail

NO = Outcome.NOT_EXECUTED


async def test_a_stream_is_answered_as_the_list_that_came(gateway: ZeebeEngine, fake: FakeGateway, caplog: Any) -> None:
    some, more = (pb.ActivateJobsResponse(jobs=[pb.ActivatedJob(key=key)]) for key in (1, 2))
    fake.script("ActivateJobs", stream(some, more), stream(), stream(some, end=fail("UNAVAILABLE", "cut")))
    assert await send(gateway, ACTIVATE) == [some, more]
    assert await send(gateway, ACTIVATE) == []
    assert await send(gateway, ACTIVATE) == [some]
    assert "ActivateJobs failed after 1 jobs, which are answered: UNAVAILABLE cut" in caplog.text
    fake.script("ActivateJobs", stream(pb.ActivateJobsResponse(), end=fail("ABORTED", "cut")))
    assert (await refusal(gateway, ACTIVATE)).code is Code.ABORTED


async def test_the_log_keeps_what_callers_are_not_told(gateway: ZeebeEngine, fake: FakeGateway, caplog: Any) -> None:
    caplog.set_level("INFO")
    document = f"Invalid JSON value: {'1' * 500} at node-1.internal"
    answers = (("INTERNAL", "no way to node-3" + "x" * 2000), ("INVALID_ARGUMENT", document), ("NOT_FOUND", "no job"))
    fake.script("CompleteJob", *(fail(*each) for each in answers))
    told = [(await refusal(gateway, COMPLETE)).message for _ in range(3)]
    said = [vars(each)["error"] for each in caplog.records if vars(each).get("event") == "engine.said"]
    # What may quote a document is short in the log, and what callers are told is not there twice.
    assert said == [("no way to node-3" + "x" * 2000)[:1000], document[:200]]
    assert not any("node" in each for each in told)


@for_each([
    *(
        (kind, NO, (5, 5), (True, True))
        for kind in (FailureKind.OVERLOAD, FailureKind.PAUSED, FailureKind.UNREACHABLE)
    ),
    *((kind, NO, (1, 1), (False, False)) for kind in (FailureKind.FINAL, FailureKind.CREDENTIALS)),
    (FailureKind.NO_BROKER, NO, (1, 5), (True, True)),
    (FailureKind.UNCERTAIN, Outcome.UNKNOWN, (1, 5), (False, True)),
    (FailureKind.DEFECT, Outcome.UNKNOWN, (1, 1), (False, True)),
])  # fmt: skip
async def test_a_failure_is_tried_again_where_that_may_help_and_executes_nothing_twice(
    kind: FailureKind, outcome: Outcome, attempts: Any, retryable: Any, gateway: Any, fake: FakeGateway, sleeps: Any
) -> None:
    """Attempts, and whether callers may try again: of a command that may run once, and of one that may run twice."""
    for (status, text), idempotent in product(CASES[kind], (False, True)):
        fake.reset()
        sleeps.clear()
        fake.always("CompleteJob", fail(status, text))
        limiter, made = Mock(round=7), attempts[idempotent]
        error = await refusal(gateway, COMPLETE, idempotent=idempotent, limiter=limiter)
        assert verdict(error) == (Code(status), Source.GATEWAY, outcome, retryable[idempotent]), text
        assert (error.details or {}).get("attempts") == (made if made > 1 else None), text
        assert (fake.count("CompleteJob"), sleeps) == (made, pytest.approx([0.1, 0.3, 0.9, 2.7][: made - 1])), text
        assert limiter.mock_calls == [call.record_refusal(7)] * (made if kind is FailureKind.OVERLOAD else 0), text


async def test_a_later_attempt_may_succeed_and_the_limit_is_told(gateway: ZeebeEngine, fake: FakeGateway) -> None:
    limiter = Mock(round=7)
    fake.script("CreateProcessInstance", fail("RESOURCE_EXHAUSTED", BUSY), fail("RESOURCE_EXHAUSTED", BUSY))
    response = await send(gateway, CREATE, limiter=limiter)
    assert (response.bpmnProcessId, fake.count("CreateProcessInstance")) == ("order", 3)
    assert limiter.mock_calls == [call.record_refusal(7), call.record_refusal(7), call.record_success()]


async def test_a_long_rejection_is_cut_and_a_long_answer_is_not(gateway: ZeebeEngine, fake: FakeGateway) -> None:
    fake.script("CreateProcessInstance", fail("INVALID_ARGUMENT", "x" * 100_000))
    error = await refusal(gateway, CREATE)
    assert (error.code, error.message, error.details) == (Code.INVALID_ARGUMENT, "x" * 2048, {"truncated": True})
    large = pb.CreateProcessInstanceWithResultResponse(variables="x" * 5_000_000)
    fake.script("CreateProcessInstanceWithResult", answer(large))
    assert await send(gateway, pb.CreateProcessInstanceWithResultRequest()) == large


def failed(kind: FailureKind) -> Failure:
    return Failure(Code.UNAVAILABLE, "text", kind)


def test_delays_grow_threefold_with_full_jitter_to_at_most_five_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    retries = Retries(False, None, lambda: 0.5)
    delays = [retries.after(failed(FailureKind.OVERLOAD), 0.0) for _ in range(5)]
    assert delays[:4] == pytest.approx([0.05, 0.15, 0.45, 1.35])
    assert delays[4] is None
    monkeypatch.setattr("consumer.core.backoff.ATTEMPTS", 9)
    retries = Retries(False, None, lambda: 1.0)
    assert max(retries.after(failed(FailureKind.OVERLOAD), 0.0) or 0 for _ in range(8)) == 5.0


@for_each([(100.05, None), (100.1, None), (100.2, 0.1), (None, 0.1)])
def test_no_attempt_is_planned_past_the_deadline(deadline: float | None, delay: float | None) -> None:
    assert Retries(False, deadline, lambda: 1.0).after(failed(FailureKind.OVERLOAD), 100.0) == delay


def test_fresh_credentials_are_tried_once_and_at_once() -> None:
    retries = Retries(False, None, lambda: 1.0)
    assert retries.after(failed(FailureKind.CREDENTIALS), 0.0) == 0.0
    assert retries.after(failed(FailureKind.OVERLOAD), 0.0) is not None
    assert retries.after(failed(FailureKind.CREDENTIALS), 0.0) is None
    raised = retries.error(failed(FailureKind.CREDENTIALS))
    assert (raised.outcome, raised.retryable) == (Outcome.NOT_EXECUTED, False)


@for_each([(FailureKind.UNCERTAIN, Outcome.UNKNOWN), (FailureKind.OVERLOAD, Outcome.NOT_EXECUTED)])
def test_an_unknown_outcome_stays_unknown_and_a_certain_one_certain(first: FailureKind, outcome: Outcome) -> None:
    retries = Retries(True, None, lambda: 1.0)
    retries.after(failed(first), 0.0)
    retries.after(failed(FailureKind.UNREACHABLE), 0.0)
    raised = retries.error(failed(FailureKind.UNREACHABLE))
    assert (raised.outcome, raised.details) == (outcome, {"attempts": 2})


@pytest.fixture
def span() -> Mock:
    """Keeps what it is told of every call."""
    span = Mock(metadata=(("traceparent", "00-1-2-01"),))
    span.opened.return_value = nullcontext(span)
    return span


async def test_an_observer_sees_each_call_its_attempts_and_end(fake: FakeGateway, connect: Connect, span: Mock) -> None:
    gateway = connect(f"dns:///localhost:{fake.port}", observer=span.opened)
    fake.script("CreateProcessInstance", fail("RESOURCE_EXHAUSTED", BUSY))
    await send(gateway, CREATE)
    opened = call.opened("CreateProcessInstance", f"localhost:{fake.port}")
    assert span.mock_calls == [opened, call.attempt(1, "RESOURCE_EXHAUSTED", 0.1), call.finish("OK")]
    span.reset_mock()
    fake.script("CompleteJob", fail("NOT_FOUND", DENIED))
    await refusal(gateway, COMPLETE)
    assert span.mock_calls == [call.opened("CompleteJob", f"localhost:{fake.port}"), call.finish("NOT_FOUND")]


@for_each([(Basic("demo", "pässword"), "Basic ZGVtbzpww6Rzc3dvcmQ="), (None, None)])
async def test_trace_context_and_credentials_travel_as_metadata(
    credentials: Basic | None, sent: str | None, fake: FakeGateway, connect: Connect, span: Mock
) -> None:
    await send(connect(fake.address, observer=span.opened, credentials=credentials), CREATE)
    metadata = fake.requests[-1].metadata
    assert (metadata["traceparent"], metadata.get("authorization")) == ("00-1-2-01", sent)


LARGE: dict[type, Any] = {
    str: "x" * wire.MAX_MESSAGE,
    bytes: b"x" * wire.MAX_MESSAGE,
    # An object that also the variables of `signal` may be.
    msgspec.Raw: msgspec.Raw(b'{"x":{"value":"' + b"x" * wire.MAX_MESSAGE + b'"}}'),
}


def too_large() -> Iterator[Any]:
    """Every operation with more than four mebibytes in one of its fields without limit."""
    for operation, row in OPERATIONS.items():
        command = next(commands(operation))
        for name in command.__struct_fields__:
            large = LARGE.get(type(getattr(command, name)))
            if large is not None and name != "tenant_filter":
                yield row, msgspec.structs.replace(command, **{name: large})


@for_each(too_large())
async def test_a_command_above_four_mebibytes_is_refused_without_a_call(
    row: Operation, command: Command, gateway: ZeebeEngine, fake: FakeGateway
) -> None:
    message = row.to_request(command)
    with pytest.raises(CommandError) as raised:
        await send(gateway, message)
    assert fake.requests == []
    size = message.ByteSize()
    assert raised.value.message == f"data: {size} bytes as a message to the gateway; accepted are at most 4194304"
    assert verdict(raised.value) == (Code.RESOURCE_EXHAUSTED, Source.CONSUMER, Outcome.NOT_EXECUTED, False)


async def test_the_largest_request_is_sent(gateway: ZeebeEngine, fake: FakeGateway) -> None:
    request = pb.SetVariablesRequest(variables="x" * (4_194_304 - 5))
    assert request.ByteSize() == 4_194_304
    await send(gateway, request)
    assert fake.count("SetVariables") == 1


NOT_EXECUTED = fail("UNKNOWN", outcome="not-executed")


@for_each([(answer(), 1), (fail("RESOURCE_EXHAUSTED"), 1), (fail("UNKNOWN"), 1), (NOT_EXECUTED, 0)])
async def test_the_fake_counts_executions(step: Step, executed: int, gateway: ZeebeEngine, fake: FakeGateway) -> None:
    """The fault suite judges by that."""
    fake.reset()
    fake.script("PublishMessage", step)
    try:
        await send(gateway, pb.PublishMessageRequest(messageId="m-1"))
    except GatewayError:
        assert step.failed is not None
        assert step.failed.code == "UNKNOWN", "what was refused for load is executed by the second attempt"
    assert fake.executions["PublishMessage", "m-1"] == executed


def test_the_fake_tells_requests_apart() -> None:
    for message, key in (
        (pb.PublishMessageRequest(messageId="m", correlationKey="c", variables="{}"), "m"),
        (pb.PublishMessageRequest(correlationKey="c"), "c"),
        (pb.CreateProcessInstanceWithResultRequest(request={"variables": '{"id":1}'}), '{"id":1}'),
        (pb.CompleteJobRequest(jobKey=7, variables="{}"), 7),
        (pb.CancelProcessInstanceRequest(processInstanceKey=8), 8),
        (pb.TopologyRequest(), None),
    ):
        assert identity("", message) == key


# --- endings ---


OVER = Code.DEADLINE_EXCEEDED


async def test_a_deadline_that_has_passed_sends_nothing(gateway: ZeebeEngine, fake: FakeGateway) -> None:
    with pytest.raises(CommandError) as raised:
        await send(gateway, CREATE, deadline=time.time() - 1)
    assert fake.requests == []
    assert verdict(raised.value) == (OVER, Source.CONSUMER, Outcome.NOT_EXECUTED, False)


async def test_the_callers_deadline_ends_a_call_that_is_out(gateway: ZeebeEngine, fake: FakeGateway) -> None:
    fake.always("CompleteJob", after(30))
    for idempotent in (False, True):
        error = await refusal(gateway, COMPLETE, deadline=time.time() + 0.2, idempotent=idempotent)
        assert "before the caller's deadline" in error.message
        assert verdict(error) == (OVER, Source.CONSUMER, Outcome.UNKNOWN, idempotent)


async def test_an_attempt_ends_after_its_own_time_or_the_configured_one(fake: FakeGateway, connect: Connect) -> None:
    gateway = connect(fake.address, request_timeout=0.4)
    fake.always("CompleteJob", after(30))
    error = await refusal(gateway, COMPLETE, attempt_timeout=0.2)
    assert "within 0.2 s" in error.message
    assert (error.kind, fake.count("CompleteJob")) == (FailureKind.LATE, 1)
    assert verdict(error) == (OVER, Source.CONSUMER, Outcome.UNKNOWN, False)
    error = await refusal(gateway, COMPLETE, idempotent=True)
    assert "within 0.4 s" in error.message
    assert fake.count("CompleteJob") == 1 + 5


@for_each([(2, 0, 4, Code.RESOURCE_EXHAUSTED, Source.GATEWAY, 4), (10, 60, 1, OVER, Source.CONSUMER, 2)])
async def test_no_attempt_is_planned_past_the_deadline_or_begins_after_it(
    within: float, overslept: float, sent: int, code: Code, source: Source, attempts: int, connect: Connect
) -> None:
    clock = Clock()

    async def sleep(_: float) -> None:
        clock.now += overslept

    async with FakeGateway() as fake:
        fake.always("CreateProcessInstance", fail("RESOURCE_EXHAUSTED", BUSY))
        error = await refusal(connect(fake.address, clock=clock, sleep=sleep), CREATE, deadline=clock.now + within)
    assert fake.count("CreateProcessInstance") == sent
    assert (error.code, error.source, error.outcome) == (code, source, Outcome.NOT_EXECUTED)
    assert error.details == {"attempts": attempts}


async def test_a_reset_at_our_own_deadline_is_our_own_ending(fake: FakeGateway, connect: Connect, clock: Clock) -> None:
    def late(_: Request) -> Step:
        clock.now += 60
        return fail("CANCELLED", "Stream removed (RST_STREAM (Received RST_STREAM with error code 8))")

    fake.always("CreateProcessInstance", late)
    error = await refusal(connect(fake.address, clock=clock), CREATE)
    assert (error.code, error.source, error.outcome) == (OVER, Source.CONSUMER, Outcome.UNKNOWN)


async def test_cancelling_the_task_cancels_the_call_and_passes_through(gateway: ZeebeEngine, fake: FakeGateway) -> None:
    ended = asyncio.Event()

    async def hang(_: Request) -> Step:
        try:
            return await asyncio.Future()
        finally:
            ended.set()

    fake.always("CreateProcessInstance", hang)
    task = asyncio.create_task(send(gateway, CREATE))
    await samples.until(lambda: fake.requests)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await ended.wait()


async def test_closing_ends_everything_for_good(gateway: ZeebeEngine, fake: FakeGateway, sleeps: list[float]) -> None:
    out, cancelled = await samples.unanswered(fake, refusal(gateway, CREATE), send(gateway, CREATE))
    closing = asyncio.create_task(gateway.close())
    await asyncio.sleep(0)
    cancelled.cancel()
    with pytest.raises(asyncio.CancelledError):
        await cancelled
    await closing
    assert verdict(await out) == (Code.CANCELLED, Source.CONSUMER, Outcome.UNKNOWN, False)
    error = await refusal(gateway, CREATE)
    assert (len(fake.requests), sleeps) == (2, [])
    assert verdict(error) == (Code.UNAVAILABLE, Source.CONSUMER, Outcome.NOT_EXECUTED, True)


async def test_closing_ends_a_version_question_that_is_out(gateway: ZeebeEngine, fake: FakeGateway) -> None:
    fake.always("Topology", after(30))
    task = asyncio.create_task(refusal(gateway, samples.TAGGED))
    await samples.until(lambda: fake.requests)
    await gateway.close()
    assert (await task).kind is FailureKind.CLOSING


async def test_whoever_sends_a_command_may_stop_it_right_before_each_attempt(
    gateway: ZeebeEngine, fake: FakeGateway
) -> None:
    asked: list[int] = []

    async def may_go() -> None:
        asked.append(len(fake.requests))
        if len(asked) == 3:
            raise CommandError(Code.FAILED_PRECONDITION, "not any more")

    busy = fail("RESOURCE_EXHAUSTED", BUSY)
    fake.script("CompleteJob", busy, busy, answer(pb.CompleteJobResponse()))
    with pytest.raises(CommandError, match="not any more"):
        await send(gateway, COMPLETE, may_go=may_go)
    assert asked == [0, 1, 2]


@for_each([7200.0, -7200.0])
async def test_an_attempt_takes_its_time_however_the_clock_is_set_meanwhile(
    step: float, connect: Connect, fake: FakeGateway
) -> None:
    """Set ahead it is not late; set back it does not wait for hours."""
    wall = Clock()
    patient, hasty = (
        connect(fake.address, clock=wall, monotonic=time.monotonic, request_timeout=seconds) for seconds in (60.0, 0.5)
    )

    async def set_clock() -> None:
        wall.now += step

    fake.script("CreateProcessInstance", answer(pb.CreateProcessInstanceResponse()), after(60))
    assert await send(patient, CREATE, may_go=set_clock) == pb.CreateProcessInstanceResponse()
    error = await refusal(hasty, CREATE, may_go=set_clock)
    assert verdict(error) == (Code.DEADLINE_EXCEEDED, Source.CONSUMER, Outcome.UNKNOWN, False)
    assert "within 0.5 s" in error.message
