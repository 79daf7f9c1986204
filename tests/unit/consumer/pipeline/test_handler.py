"""The path of a request through decoding, mapping and the call, and what becomes of whatever goes wrong on it."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import orjson
import pytest
from google.protobuf.message import Message

from consumer.core.message import Handler, Incoming, Reply
from consumer.pipeline.handler import dispatched, guarded, recovered
from consumer.zeebe.protocol import gateway_pb2 as pb
from tests.unit.contracts.values import info, keys
from zeebe_amqp.commands import COMMANDS
from zeebe_amqp.errors import Code, CommandError, Error, Outcome, Source

KEY = 2251799813685249
NOW = 1_800_000_000.0


class Engine:
    """Answers every call with `answer`, or raises it; keeps what it was asked."""

    def __init__(self, answer: object) -> None:
        self.answer = answer
        self.calls: list[tuple[Message, dict[str, Any]]] = []

    async def call(self, message: Message, **options: Any) -> object:
        self.calls.append((message, options))
        if isinstance(self.answer, BaseException):
            raise self.answer
        return self.answer


def incoming(operation: str, data: Any = None, metadata: dict[str, str] | None = None, **more: Any) -> Incoming:
    return Incoming(orjson.dumps({"operation": operation, "data": data, "metadata": metadata}), **more)


def handler(engine: Engine) -> Handler:
    return dispatched(engine, clock=lambda: NOW)


async def refusal(engine: Engine, request: Incoming) -> CommandError:
    """The error of a request that must fail."""
    with pytest.raises(CommandError) as raised:
        await handler(engine)(request)
    return raised.value


# --- dispatched ---


async def test_a_request_becomes_a_call_and_its_answer_a_result() -> None:
    engine = Engine(pb.PublishMessageResponse(key=KEY, tenantId="t"))
    reply = await handler(engine)(incoming("publish-message", {"messageName": "m"}))
    assert reply == Reply("publish-message", {"key": KEY, "tenantId": "t"})
    [(message, options)] = engine.calls
    assert message == pb.PublishMessageRequest(name="m")
    assert options == {"deadline": None, "attempt_timeout": None, "idempotent": False}


async def test_what_the_gateway_is_too_old_to_say_is_null() -> None:
    engine = Engine(pb.CreateProcessInstanceResponse(processInstanceKey=KEY))
    for version, tags in (("8.6.0", None), ("8.8.0", []), (None, [])):
        handle = dispatched(engine, clock=lambda: NOW, version=lambda: version)  # noqa: B023 - called at once
        reply = await handle(incoming("create-instance", {"bpmnProcessId": "p"}))
        assert reply.data["tags"] == tags, version


async def test_keys_are_text_when_the_metadata_ask_for_it() -> None:
    engine = Engine(pb.SetVariablesResponse(key=KEY))
    data = {"elementInstanceKey": KEY, "variables": {}}
    assert (await handler(engine)(incoming("set-variables", data, {"keys": "string"}))).data == {"key": str(KEY)}
    assert (await handler(engine)(incoming("set-variables", data))).data == {"key": KEY}


@pytest.mark.parametrize(
    ("operation", "data", "attempt_timeout", "idempotent"),
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
    ],
)
async def test_the_call_knows_how_long_it_may_take_and_whether_it_may_be_repeated(
    operation: str, data: Any, attempt_timeout: float | None, idempotent: bool
) -> None:
    engine = Engine(CommandError(Code.NOT_FOUND, "no"))
    headers = {"deadline": int(NOW * 1000) + 1}
    await refusal(engine, incoming(operation, data, headers=headers))
    assert engine.calls[0][1] == {
        "deadline": NOW + 0.001,
        "attempt_timeout": attempt_timeout,
        "idempotent": idempotent,
    }


@pytest.mark.parametrize("late", [0, 1, 90_000])
async def test_a_past_deadline_calls_nobody(late: int) -> None:
    engine, request = Engine(pb.TopologyResponse()), incoming("topology", headers={"deadline": int(NOW * 1000) - late})
    error = await refusal(engine, request)
    assert (error.code, error.source, error.outcome, error.retryable) == (
        Code.DEADLINE_EXCEEDED,
        Source.CONSUMER,
        Outcome.NOT_EXECUTED,
        False,
    )
    assert error.details == {"field": "deadline"}
    assert f"passed {late} ms before" in error.message
    assert (engine.calls, request.called) == ([], False)


@pytest.mark.parametrize("deadline", ["soon", 1.5, True])
async def test_a_deadline_that_is_no_number_calls_nobody(deadline: Any) -> None:
    engine = Engine(pb.TopologyResponse())
    error = await refusal(engine, incoming("topology", headers={"deadline": deadline}))
    assert (error.code, error.details, engine.calls) == (Code.INVALID_ARGUMENT, {"field": "header deadline"}, [])


IMPOSSIBLE = [
    pytest.param(operation, data, f"data{path}", key, id=f"{operation}{path}-{key}")
    for operation, command in COMMANDS.items()
    if operation not in {"topology", "deploy-process"}  # which read no keys
    for key in (1, 2**51 - 1)
    for path, data in keys(info(command), key)
]


@pytest.mark.parametrize(("operation", "data", "field", "key"), IMPOSSIBLE)
async def test_a_key_below_the_first_partition_calls_nobody(operation: str, data: Any, field: str, key: int) -> None:
    engine, request = Engine(None), incoming(operation, data)
    error = await refusal(engine, request)
    assert (error.code, error.outcome, error.details) == (Code.NOT_FOUND, Outcome.NOT_EXECUTED, {"field": field})
    assert error.message.startswith(f"{field}: {key} is no key")
    assert (engine.calls, request.called) == ([], False)


async def test_a_key_of_an_instance_that_is_waited_for_is_checked_too() -> None:
    data = {"processDefinitionKey": 1, "withResult": True}
    error = await refusal(Engine(None), incoming("create-instance", data))
    assert error.details == {"field": "data.processDefinitionKey"}


@pytest.mark.parametrize(
    ("operation", "data", "metadata", "field"),
    [
        ("deploy-process", "<x/>", {"fileName": "a.bpmn", "tenantId": "acme"}, "metadata.tenantId"),
        ("deploy-resource", "<x/>", {"fileName": "a.bpmn", "tenantId": "acme"}, "metadata.tenantId"),
        (
            "deploy-resource",
            {"resources": [{"name": "a.bpmn", "content": "<x/>"}], "tenantId": "acme"},
            None,
            "data.tenantId",
        ),
    ],
)
async def test_a_refused_tenant_is_named_where_the_caller_wrote_it(
    operation: str, data: Any, metadata: dict[str, str] | None, field: str
) -> None:
    too_new = CommandError(Code.UNIMPLEMENTED, "data.tenantId: too new", details={"field": "data.tenantId", "more": 1})
    error = await refusal(Engine(too_new), incoming(operation, data, metadata))
    assert (error.message, error.details) == (f"{field}: too new", {"field": field, "more": 1})


def late(outcome: Outcome = Outcome.UNKNOWN, code: Code = Code.DEADLINE_EXCEEDED) -> CommandError:
    return CommandError(code, "too late", source=Source.GATEWAY, outcome=outcome)


@pytest.mark.parametrize(
    ("operation", "data", "error", "message"),
    [
        (
            "create-instance",
            {"bpmnProcessId": "p"},
            late(),
            "too late; the process instance, if it was created, goes on",
        ),
        ("activate-jobs", {"jobType": "t", "maxJobsToActivate": 1}, late(), "too late; jobs that were activated stay"),
        ("complete-job", {"jobKey": KEY}, late(), "too late"),
        ("create-instance", {"bpmnProcessId": "p"}, late(Outcome.NOT_EXECUTED), "too late"),
        ("create-instance", {"bpmnProcessId": "p"}, late(code=Code.ABORTED), "too late"),
    ],
)
async def test_a_late_answer_says_what_may_go_on(operation: str, data: Any, error: CommandError, message: str) -> None:
    raised = await refusal(Engine(error), incoming(operation, data))
    assert raised.message.startswith(message)
    assert (raised.message == "too late") == (message == "too late")


async def test_from_the_call_on_the_request_counts_as_called() -> None:
    request = incoming("topology")
    await refusal(Engine(late()), request)
    assert request.called


async def test_what_cannot_be_decoded_calls_nobody() -> None:
    engine, request = Engine(None), Incoming(b"{")
    assert (await refusal(engine, request)).code is Code.INVALID_ARGUMENT
    assert (engine.calls, request.called) == ([], False)


# --- guarded ---


def counting(ran: list[Incoming]) -> Handler:
    async def handle(request: Incoming) -> Reply:
        ran.append(request)
        return Reply("topology")

    return handle


async def test_what_may_be_answered_runs() -> None:
    ran: list[Incoming] = []
    assert (await guarded(counting(ran), lambda _: None)(Incoming(b""))).ok
    assert len(ran) == 1


async def test_what_may_not_be_answered_does_not_run() -> None:
    ran: list[Incoming] = []
    with pytest.raises(CommandError) as raised:
        await guarded(counting(ran), lambda request: f"not to {request.reply_to}")(Incoming(b"", reply_to="q"))
    assert (raised.value.code, raised.value.message, raised.value.details) == (
        Code.PERMISSION_DENIED,
        "not to q",
        {"field": "reply_to"},
    )
    assert (raised.value.outcome, ran) == (Outcome.NOT_EXECUTED, [])


async def test_what_is_not_amqp_does_not_run_and_says_why() -> None:
    ran: list[Incoming] = []
    with pytest.raises(CommandError) as raised:
        await guarded(counting(ran), lambda _: "never asked")(
            Incoming(b"", malformed_properties=("type: bytes", "user_id: bytes"))
        )
    assert raised.value.code is Code.INVALID_ARGUMENT
    assert raised.value.message == "not AMQP: type: bytes; user_id: bytes; the message was not run"
    assert (raised.value.outcome, ran) == (Outcome.NOT_EXECUTED, [])


# --- recovered ---


def failing(error: BaseException) -> Handler:
    async def handle(_: Incoming) -> Reply:
        raise error

    return handle


async def test_a_success_passes_unchanged() -> None:
    reply = await recovered(counting([]))(Incoming(b""))
    assert reply == Reply("topology")


async def test_an_error_becomes_a_reply_to_its_operation() -> None:
    error = CommandError(Code.NOT_FOUND, "no", source=Source.GATEWAY, details={"intent": "CANCEL"})
    reply = await recovered(failing(error))(incoming("topology"))
    assert reply == Reply("topology", error=error.error())


@pytest.mark.parametrize(
    ("body", "operation"),
    [
        (b'{"operation": "topology", "date": 1}', "topology"),
        (b'{"operation": "topologie"}', "topologie"),
        (b'{"operation": 7}', None),
        (b"not JSON", None),
    ],
)
async def test_a_refused_request_is_answered_under_the_name_it_gave(body: bytes, operation: str | None) -> None:
    reply = await recovered(handler(Engine(None)))(Incoming(body))
    assert reply.operation == operation
    assert reply.error is not None


async def test_a_name_in_the_error_counts_for_more_than_the_request() -> None:
    error = CommandError(Code.NOT_FOUND, "no")
    error.operation = "complete-job"
    assert (await recovered(failing(error))(incoming("topology"))).operation == "complete-job"


@pytest.mark.parametrize(("called", "outcome"), [(False, Outcome.NOT_EXECUTED), (True, Outcome.UNKNOWN)])
async def test_a_defect_is_answered_without_its_inside_and_logged_with_it(
    called: bool, outcome: Outcome, caplog: pytest.LogCaptureFixture
) -> None:
    request = incoming("topology")
    request.called = called
    with caplog.at_level(logging.ERROR, logger="consumer.pipeline.handler"):
        reply = await recovered(failing(ZeroDivisionError("secret inside")), lambda _: "4bf9")(request)
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
    reply = await recovered(handler(Engine("no message at all")))(incoming("topology"))
    assert reply.error is not None
    assert (reply.error.code, reply.error.outcome) == (Code.INTERNAL, Outcome.UNKNOWN)


async def test_a_defect_of_the_decoder_is_answered_without_an_operation(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("consumer.core.message.envelope.decode", broken)
    reply = await recovered(handler(Engine(None)))(incoming("topology"))
    assert reply.operation is None
    assert reply.error is not None
    assert reply.error.message.endswith("under trace id none")
    assert reply.error.outcome is Outcome.NOT_EXECUTED


async def test_a_cancellation_is_no_reply() -> None:
    with pytest.raises(asyncio.CancelledError):
        await recovered(failing(asyncio.CancelledError()))(incoming("topology"))
