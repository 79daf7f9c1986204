"""The innermost handler: a request becomes a call and its answer a reply; what cannot be done calls nobody."""

from __future__ import annotations

from typing import Any

import pytest

from consumer.core.call import Call
from consumer.core.delivery import Delivery
from consumer.core.limiter import AimdLimit
from consumer.core.message import Message, Reply
from consumer.pipeline.handler import executing
from tests.cases import for_each
from tests.unit.consumer.deliveries import FakeDelivery, delivery
from tests.unit.consumer.workers import FakeEngine
from tests.unit.contracts.samples import SMALLEST
from tests.unit.contracts.values import info, keys
from zeebe_amqp.commands import COMMANDS
from zeebe_amqp.errors import Code, CommandError, Outcome, Source

KEY = 2251799813685249
NOW = 1_800_000_000.0
LATE, ABORTED = Code.DEADLINE_EXCEEDED, Code.ABORTED
UNKNOWN, NOT = Outcome.UNKNOWN, Outcome.NOT_EXECUTED


async def refusal(request: Delivery, engine: FakeEngine) -> CommandError:
    """The error of a request that must fail."""
    with pytest.raises(CommandError) as raised:
        await executing(engine, clock=lambda: NOW)(request)
    return raised.value


async def uncalled(request: Delivery) -> CommandError:
    """The error of a request that calls nobody."""
    engine = FakeEngine({})
    error = await refusal(request, engine)
    assert (engine.calls, request.sent, error.outcome) == ([], False, NOT)
    return error


@for_each([
    ("publish-message", {"messageName": "m"}, None, None, False),
    ("topology", {}, {"keys": "string"}, None, True),
    ("complete-job", {"jobKey": KEY}, None, None, True),
    ("publish-message", {"messageName": "m", "messageId": "i"}, None, None, False),
    ("publish-message", {"messageName": "m", "timeToLive": "1m"}, None, None, False),
    ("publish-message", {"messageName": "m", "messageId": "i", "timeToLive": "1m"}, None, None, True),
    ("create-instance", {"bpmnProcessId": "p", "requestTimeout": "3s"}, None, None, False),
    ("create-instance", {"bpmnProcessId": "p", "withResult": True}, None, 15.0, False),
    ("create-instance", {"bpmnProcessId": "p", "withResult": True, "requestTimeout": "3s"}, None, 3.0, False),
    ("activate-jobs", {"jobType": "t", "maxJobsToActivate": 1}, None, None, False),
    ("activate-jobs", {"jobType": "t", "maxJobsToActivate": 1, "requestTimeout": "3s"}, None, 13.0, False),
])  # fmt: skip
async def test_a_request_becomes_a_call_on_its_terms_and_the_answer_a_result(
    operation: str, data: Any, metadata: dict[str, str] | None, attempt_timeout: float | None, idempotent: bool
) -> None:
    engine = FakeEngine({"key": KEY})
    request = delivery(operation, data, metadata, headers={"deadline": int(NOW * 1000) + 1})
    reply = await executing(engine, clock=lambda: NOW)(request)
    assert reply == Reply(operation, {"key": KEY})
    as_text = metadata is not None
    assert engine.calls == [
        Call(request.request.command, NOW + 0.001, attempt_timeout, idempotent, keys_as_text=as_text, sent=True)
    ]
    assert request.sent


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


async def test_what_is_late_or_cannot_be_read_calls_nobody() -> None:
    for deadline, code in ((int(NOW * 1000), LATE), ("soon", Code.INVALID_ARGUMENT)):
        assert (await uncalled(delivery("topology", headers={"deadline": deadline}))).code is code
    assert (await uncalled(FakeDelivery(Message(b"{")))).code is Code.INVALID_ARGUMENT


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
    error = await uncalled(delivery(operation, data))
    assert (error.code, error.details) == (Code.NOT_FOUND, {"field": field})
    assert error.message.startswith(f"{field}: {key} is not a key")


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
    error = await refusal(delivery(operation, data, metadata), FakeEngine(too_new))
    assert (error.message, error.details) == (f"{field}: too new", {"field": field, "more": 1})


@for_each([
    ("create-instance", {"bpmnProcessId": "p"}, LATE, UNKNOWN, "; the process instance, if it was created, goes on"),
    ("activate-jobs", {"jobType": "t", "maxJobsToActivate": 1}, LATE, UNKNOWN, "; jobs that were activated stay"),
    ("complete-job", {"jobKey": KEY}, LATE, UNKNOWN, ""),
    ("create-instance", {"bpmnProcessId": "p"}, LATE, NOT, ""),
    ("create-instance", {"bpmnProcessId": "p"}, ABORTED, UNKNOWN, ""),
])  # fmt: skip
async def test_lateness_tells_what_goes_on(operation: str, data: Any, code: Code, outcome: Outcome, words: str) -> None:
    request = delivery(operation, data)
    answer = CommandError(code, "late", source=Source.GATEWAY, outcome=outcome)
    raised = await refusal(request, FakeEngine(answer))
    assert raised.message.startswith(f"late{words}")
    assert (raised.message == "late", request.sent) == (not words, True)
