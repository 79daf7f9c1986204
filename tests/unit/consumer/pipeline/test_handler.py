"""The path of a request through decoding, mapping and the call, and what becomes of whatever goes wrong on it."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest

from consumer.core.call import Call
from consumer.core.delivery import Delivery, Handler, Middleware
from consumer.core.limiter import AimdLimit
from consumer.core.message import Message, Reply
from consumer.pipeline.handler import executing
from consumer.pipeline.middleware import compose, guarded, recovered
from tests.cases import for_each
from tests.unit.consumer.deliveries import FakeDelivery, delivery
from tests.unit.consumer.engines import FakeEngine
from tests.unit.consumer.errors import verdict
from tests.unit.contracts.samples import SMALLEST
from tests.unit.contracts.values import info, keys
from zeebe_amqp.commands import COMMANDS, PublishMessage
from zeebe_amqp.errors import Code, CommandError, Error, Outcome, Source

KEY = 2251799813685249
NOW = 1_800_000_000.0


def handler(engine: FakeEngine) -> Handler:
    return executing(engine, clock=lambda: NOW)


async def refusal(engine: FakeEngine, request: Delivery) -> CommandError:
    """The error of a request that must fail."""
    with pytest.raises(CommandError) as raised:
        await handler(engine)(request)
    return raised.value


# --- executing ---


async def test_a_request_becomes_a_call_and_its_answer_a_result() -> None:
    engine = FakeEngine({"key": KEY, "tenantId": "t"})
    reply = await handler(engine)(delivery("publish-message", {"messageName": "m"}))
    assert reply == Reply("publish-message", {"key": KEY, "tenantId": "t"})
    assert engine.calls == [Call(PublishMessage(message_name="m"), sent=True)]


async def test_keys_are_text_when_the_metadata_ask_for_it() -> None:
    engine = FakeEngine({})
    await handler(engine)(delivery("topology", {}, {"keys": "string"}))
    await handler(engine)(delivery("topology"))
    assert [call.keys_as_text for call in engine.calls] == [True, False]


async def test_the_limit_of_the_queue_is_told_by_what_is_not_exempt_from_it() -> None:
    limits = {"commands": AimdLimit(4), "polls": AimdLimit(4)}
    for operation in COMMANDS:
        engine = FakeEngine({})
        data = {**SMALLEST, "deploy-process": "<x/>", "signal": {"name": "s"}}.get(operation)
        metadata = {"fileName": "a.bpmn"} if operation == "deploy-process" else None
        request = delivery(operation, data, metadata, queue="polls")
        await executing(engine, limits)(request)
        exempt = operation in {"complete-job", "fail-job", "throw-error"}
        assert engine.calls[0].limiter is (None if exempt else limits["polls"]), operation


@for_each(
    [
        ("complete-job", {"jobKey": KEY}, None, True),
        ("publish-message", {"messageName": "m", "messageId": "i"}, None, False),
        ("publish-message", {"messageName": "m", "timeToLive": "1m"}, None, False),
        ("publish-message", {"messageName": "m", "messageId": "i", "timeToLive": "1m"}, None, True),
        ("create-instance", {"bpmnProcessId": "p", "requestTimeout": "3s"}, None, False),
        ("create-instance", {"bpmnProcessId": "p", "withResult": True}, 15.0, False),
        ("create-instance", {"bpmnProcessId": "p", "withResult": True, "requestTimeout": "3s"}, 3.0, False),
        ("activate-jobs", {"jobType": "t", "maxJobsToActivate": 1}, None, False),
        ("activate-jobs", {"jobType": "t", "maxJobsToActivate": 1, "requestTimeout": "3s"}, 13.0, False),
    ]
)
async def test_the_call_knows_how_long_it_may_take_and_whether_it_may_be_repeated(
    operation: str, data: Any, attempt_timeout: float | None, idempotent: bool
) -> None:
    engine = FakeEngine(CommandError(Code.NOT_FOUND, "no"))
    headers = {"deadline": int(NOW * 1000) + 1}
    await refusal(engine, delivery(operation, data, headers=headers))
    [call] = engine.calls
    assert (call.deadline, call.attempt_timeout, call.idempotent) == (NOW + 0.001, attempt_timeout, idempotent)


@for_each([0, 1, 90_000])
async def test_a_past_deadline_calls_nobody(late: int) -> None:
    engine, request = FakeEngine({}), delivery("topology", headers={"deadline": int(NOW * 1000) - late})
    error = await refusal(engine, request)
    assert verdict(error) == (Code.DEADLINE_EXCEEDED, Source.CONSUMER, Outcome.NOT_EXECUTED, False)
    assert error.details == {"field": "deadline"}
    assert f"passed {late} ms before" in error.message
    assert (engine.calls, request.sent) == ([], False)


async def test_a_deadline_in_another_unit_calls_nobody_and_says_which_is_taken() -> None:
    engine = FakeEngine({})
    error = await refusal(engine, delivery("topology", headers={"deadline": int(NOW)}))
    assert (error.code, engine.calls) == (Code.DEADLINE_EXCEEDED, [])
    assert ": seconds? It takes " in error.message


@for_each(["soon", 1.5, True])
async def test_a_deadline_that_is_no_number_calls_nobody(deadline: Any) -> None:
    engine = FakeEngine({})
    error = await refusal(engine, delivery("topology", headers={"deadline": deadline}))
    assert (error.code, error.details, engine.calls) == (Code.INVALID_ARGUMENT, {"field": "header deadline"}, [])


IMPOSSIBLE = [
    (operation, data, f"data{path}", key)
    for operation, command in COMMANDS.items()
    if operation not in {"topology", "deploy-process"}  # which read no keys
    for key in (1, 2**51 - 1)
    for path, data in keys(info(command), key)
]
IMPOSSIBLE += [("create-instance", {"processDefinitionKey": 1, "withResult": True}, "data.processDefinitionKey", 1)]


@for_each(IMPOSSIBLE)
async def test_a_key_below_the_first_partition_calls_nobody(operation: str, data: Any, field: str, key: int) -> None:
    engine, request = FakeEngine(None), delivery(operation, data)
    error = await refusal(engine, request)
    assert (error.code, error.outcome, error.details) == (Code.NOT_FOUND, Outcome.NOT_EXECUTED, {"field": field})
    assert error.message.startswith(f"{field}: {key} is not a key")
    assert (engine.calls, request.sent) == ([], False)


@for_each([
    ("deploy-process", "<x/>", {"fileName": "a.bpmn", "tenantId": "acme"}, "metadata.tenantId"),
    ("deploy-resource", "<x/>", {"fileName": "a.bpmn", "tenantId": "acme"}, "metadata.tenantId"),
    ("deploy-resource", {"resources": [{"name": "a.bpmn", "content": "<x/>"}], "tenantId": "acme"}, None,
     "data.tenantId"),
])  # fmt: skip
async def test_a_refused_tenant_is_named_where_the_caller_wrote_it(
    operation: str, data: Any, metadata: dict[str, str] | None, field: str
) -> None:
    too_new = CommandError(Code.UNIMPLEMENTED, "data.tenantId: too new", details={"field": "data.tenantId", "more": 1})
    error = await refusal(FakeEngine(too_new), delivery(operation, data, metadata))
    assert (error.message, error.details) == (f"{field}: too new", {"field": field, "more": 1})


def late(outcome: Outcome = Outcome.UNKNOWN, code: Code = Code.DEADLINE_EXCEEDED) -> CommandError:
    return CommandError(code, "too late", source=Source.GATEWAY, outcome=outcome)


@for_each([
    ("create-instance", {"bpmnProcessId": "p"}, late(), "too late; the process instance, if it was created, goes on"),
    ("activate-jobs", {"jobType": "t", "maxJobsToActivate": 1}, late(), "too late; jobs that were activated stay"),
    ("complete-job", {"jobKey": KEY}, late(), "too late"),
    ("create-instance", {"bpmnProcessId": "p"}, late(Outcome.NOT_EXECUTED), "too late"),
    ("create-instance", {"bpmnProcessId": "p"}, late(code=Code.ABORTED), "too late"),
])  # fmt: skip
async def test_a_late_answer_says_what_may_go_on(operation: str, data: Any, error: CommandError, message: str) -> None:
    raised = await refusal(FakeEngine(error), delivery(operation, data))
    assert raised.message.startswith(message)
    assert (raised.message == "too late") == (message == "too late")


async def test_from_the_call_on_the_request_counts_as_called_and_what_cannot_be_decoded_calls_nobody() -> None:
    request = delivery("topology")
    await refusal(FakeEngine(late()), request)
    assert request.sent
    engine, request = FakeEngine(None), FakeDelivery(Message(b"{"))
    assert (await refusal(engine, request)).code is Code.INVALID_ARGUMENT
    assert (engine.calls, request.sent) == ([], False)


# --- guarded ---


def counting(ran: list[Delivery]) -> Handler:
    async def handle(request: Delivery) -> Reply:
        ran.append(request)
        return Reply("topology")

    return handle


async def test_what_may_be_answered_runs_and_what_may_not_does_not() -> None:
    ran: list[Delivery] = []
    assert (await guarded(counting(ran))(FakeDelivery(Message(b"")))).ok
    assert len(ran) == 1
    ran.clear()
    request = FakeDelivery(Message(b"", reply_to="q"))
    request.refusal = "not to q"
    with pytest.raises(CommandError) as raised:
        await guarded(counting(ran))(request)
    assert (raised.value.code, raised.value.message, raised.value.details) == (
        Code.PERMISSION_DENIED,
        "not to q",
        {"field": "reply_to"},
    )
    assert (raised.value.outcome, ran) == (Outcome.NOT_EXECUTED, [])


async def test_what_is_not_amqp_does_not_run_and_says_why() -> None:
    ran: list[Delivery] = []
    request = FakeDelivery(Message(b"", malformed_properties=("type: bytes", "user_id: bytes")))
    request.refusal = "never asked"
    with pytest.raises(CommandError) as raised:
        await guarded(counting(ran))(request)
    assert raised.value.code is Code.INVALID_ARGUMENT
    assert raised.value.message == "not AMQP: type: bytes; user_id: bytes; the message was not run"
    assert (raised.value.outcome, ran) == (Outcome.NOT_EXECUTED, [])


# --- compose ---


async def test_the_first_middleware_is_the_outermost() -> None:
    order: list[str] = []

    def named(name: str) -> Middleware:
        def around(inner: Handler) -> Handler:
            async def run(request: Delivery) -> Reply:
                order.append(name)
                return await inner(request)

            return run

        return around

    assert (await compose(counting([]), named("a"), named("b"), named("c"))(delivery("topology"))).ok
    assert order == ["a", "b", "c"]


# --- recovered ---


def failing(error: BaseException) -> Handler:
    async def handle(_: Delivery) -> Reply:
        raise error

    return handle


async def test_a_success_passes_unchanged_and_an_error_becomes_a_reply_to_its_operation() -> None:
    reply = await recovered()(counting([]))(FakeDelivery(Message(b"")))
    assert reply == Reply("topology")
    error = CommandError(Code.NOT_FOUND, "no", source=Source.GATEWAY, details={"intent": "CANCEL"})
    reply = await recovered()(failing(error))(delivery("topology"))
    assert reply == Reply("topology", error=error.error())
    error.operation = "complete-job"  # a name in the error counts for more than the request
    assert (await recovered()(failing(error))(delivery("topology"))).operation == "complete-job"


@for_each(
    [
        (b'{"operation": "topology", "date": 1}', "topology"),
        (b'{"operation": "topologie"}', "topologie"),
        (b'{"operation": 7}', None),
        (b"not JSON", None),
    ]
)
async def test_a_refused_request_is_answered_under_the_name_it_gave(body: bytes, operation: str | None) -> None:
    reply = await recovered()(handler(FakeEngine(None)))(FakeDelivery(Message(body)))
    assert reply.operation == operation
    assert reply.error is not None


@for_each([(False, Outcome.NOT_EXECUTED), (True, Outcome.UNKNOWN)])
async def test_a_defect_is_answered_without_its_inside_and_logged_with_it(
    called: bool, outcome: Outcome, caplog: pytest.LogCaptureFixture
) -> None:
    request = delivery("topology")
    request.call = Call(PublishMessage(message_name="m"), sent=called)
    caplog.clear()
    with caplog.at_level(logging.ERROR, logger="consumer.pipeline.middleware"):
        reply = await recovered(lambda _: "4bf9")(failing(ZeroDivisionError("secret inside")))(request)
    assert reply == Reply(
        "topology",
        error=Error(
            code=Code.INTERNAL,
            message="the consumer failed on this request; its log has the details under trace id 4bf9",
            source=Source.CONSUMER,
            outcome=outcome,
            retryable=False,
        ),
    )
    [record] = caplog.records
    assert record.exc_info is not None
    assert isinstance(record.exc_info[1], ZeroDivisionError)
    assert record.trace_id == "4bf9"  # type: ignore[attr-defined]  # an extra of the record


async def test_a_defect_after_the_call_has_an_unknown_outcome() -> None:
    """The engine answered, and it is the answer that could not be handled."""
    reply = await recovered()(handler(FakeEngine(ZeroDivisionError())))(delivery("topology"))
    assert reply.error is not None
    assert (reply.error.code, reply.error.outcome) == (Code.INTERNAL, Outcome.UNKNOWN)


async def test_a_defect_of_the_decoder_is_answered_without_an_operation(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("consumer.core.message.envelope.decode", broken)
    reply = await recovered()(handler(FakeEngine(None)))(delivery("topology"))
    assert reply.operation is None
    assert reply.error is not None
    assert reply.error.message.endswith("under trace id none")
    assert reply.error.outcome is Outcome.NOT_EXECUTED


async def test_a_cancellation_is_no_reply() -> None:
    with pytest.raises(asyncio.CancelledError):
        await recovered()(failing(asyncio.CancelledError()))(delivery("topology"))
