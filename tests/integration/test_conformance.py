"""What the service in memory promises to callers' tests is what the real one does: each test here runs on both."""

from __future__ import annotations

import asyncio
import codecs
import json
import uuid
from collections.abc import AsyncIterator
from typing import Any, get_origin

import pytest
import pytest_asyncio

from tests.cases import check_each, for_each
from tests.conftest import Broker
from tests.integration.service import eventually, running_service
from tests.integration.services import InMemoryService, RealService, Service
from tests.unit.contracts.samples import KEY, SMALLEST, body, smallest
from zeebe_amqp import (
    AlreadyExists,
    CancelInstance,
    Client,
    Code,
    CommandError,
    CompleteJob,
    CreateInstance,
    DeadlineExceeded,
    DeployProcess,
    Jobs,
    NotFound,
    Outcome,
    OutcomeUnknown,
    PublishMessage,
    ResourceExhausted,
    Source,
    Unavailable,
    envelope,
)
from zeebe_amqp.commands import COMMANDS, Command
from zeebe_amqp.testing import Step, after, answer, fail

pytestmark = pytest.mark.asyncio(loop_scope="module")

NO_JOB = "Command 'COMPLETE' rejected with code 'NOT_FOUND': no such job"
NO_PROCESS = "Command 'CREATE' rejected with code 'NOT_FOUND': no such process"
BROKEN = "an error that nobody expects"


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def real(rabbitmq: Broker, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[RealService]:
    """The program, with a gateway that knows all operations and fields."""
    directory = tmp_path_factory.mktemp("conformance")
    async with running_service(directory, rabbitmq.url, gateway_version="8.9.0") as running:
        yield RealService(running)


@pytest.fixture(params=["memory", "real"])
def service(request: pytest.FixtureRequest, real: RealService) -> Service:
    """Both, one after the other."""
    return InMemoryService() if request.param == "memory" else real


@pytest_asyncio.fixture(loop_scope="module")
async def client(service: Service) -> AsyncIterator[Client]:
    """A client of it."""
    async with service.client() as connected:
        yield connected


def create(**options: Any) -> CreateInstance:
    """A command like no other."""
    return CreateInstance(bpmn_process_id="order", variables={"id": uuid.uuid4().hex}, **options)


# --- results ----------------------------------------------------------------------------------------------------------


@for_each(COMMANDS)
async def test_every_operation_returns_its_typed_result(operation: str, client: Client) -> None:
    command = smallest(operation)
    found = await client.call(command)
    assert type(found) is (get_origin(command.result) or command.result or type(None))


async def test_an_instance_with_a_result_comes_with_its_variables(client: Client) -> None:
    command = create()
    assert (await client.call(command.until_end("5s"))).values() == command.variables


async def test_a_job_is_taken_and_completed(service: Service, client: Client) -> None:
    job_type = uuid.uuid4().hex
    service.has_job(job_type)
    async with Jobs(client, job_type, at_once=1, worker="me", request_timeout="1s") as jobs:
        job = await anext(jobs)
        assert (job.activated.type, job.activated.worker, job.retries) == (job_type, "me", 3)
        await job.complete({"done": job_type})
    assert service.executions(CompleteJob(job_key=job.key, variables={"done": job_type})) == 1


# --- errors -----------------------------------------------------------------------------------------------------------


async def test_a_rejection_is_raised_as_the_engine_said_it(service: Service, client: Client) -> None:
    command = CompleteJob(job_key=KEY)
    service.script(command, fail("NOT_FOUND", NO_JOB))
    with pytest.raises(NotFound) as raised:
        await client.call(command, request_id=uuid.uuid4().hex)
    error = raised.value
    assert (error.message, error.source, error.operation) == (NO_JOB, Source.GATEWAY, "complete-job")
    assert (error.outcome, error.retryable) == (Outcome.NOT_EXECUTED, False)
    assert error.details == {"intent": "COMPLETE", "rejection": "NOT_FOUND"}


FINAL = ["INVALID_ARGUMENT", "NOT_FOUND", "ALREADY_EXISTS", "PERMISSION_DENIED", "FAILED_PRECONDITION", "UNIMPLEMENTED"]
DEFECTS = ["INTERNAL", "UNKNOWN", "OUT_OF_RANGE", "DATA_LOSS", "CANCELLED", "ABORTED", "UNAVAILABLE"]


async def test_a_check_of_the_gateway_is_final_and_a_defect_leaves_it_open(service: Service, client: Client) -> None:
    """A command that must not be repeated is not: not by the service, and not by who is told so."""

    async def has_outcome(code: str, step: Step, outcome: Outcome) -> None:
        command = create()
        service.script(command, step)
        with pytest.raises(CommandError) as raised:
            await client.call(command)
        error = raised.value
        assert (error.code, error.outcome, error.retryable, error.source) == (code, outcome, False, "gateway")
        assert isinstance(error, OutcomeUnknown) is (outcome is Outcome.UNKNOWN)
        assert service.executions(command) == (outcome is Outcome.UNKNOWN)

    final = [(code, fail(code, "no"), Outcome.NOT_EXECUTED) for code in FINAL]
    await check_each([*final, *((code, fail(code, BROKEN), Outcome.UNKNOWN) for code in DEFECTS)], has_outcome)


@for_each(["INTERNAL", "UNKNOWN", "OUT_OF_RANGE", "DATA_LOSS"])
async def test_what_may_be_repeated_is_retryable_whatever_happened(code: str, service: Service, client: Client) -> None:
    command = CancelInstance(process_instance_key=KEY)
    service.script(command, fail(code, BROKEN))
    with pytest.raises(OutcomeUnknown) as raised:
        await client.call(command)
    assert raised.value.retryable


@for_each([(create(), False), (CancelInstance(process_instance_key=KEY + 1), True)])
async def test_at_the_callers_deadline_nobody_knows(
    command: Command, retryable: bool, service: Service, client: Client
) -> None:
    service.script(command, after(60))
    with pytest.raises(
        DeadlineExceeded, match=r": the gateway did not answer before the caller's deadline; "
    ) as raised:
        await client.call(command, timeout=6)
    error = raised.value
    assert (error.source, error.outcome, error.retryable) == (Source.CONSUMER, Outcome.UNKNOWN, retryable)
    assert ("goes on running" in error.message) is isinstance(command, CreateInstance)
    assert service.executions(command) == 1


async def test_a_queue_that_does_not_exist_is_an_error_at_once(service: Service) -> None:
    async with service.client(commands="no.such.queue") as client:
        with pytest.raises(Unavailable) as raised:
            await client.call(create(), timeout=600)
    assert (raised.value.outcome, raised.value.retryable) == (Outcome.NOT_EXECUTED, True)


# --- the same request again -------------------------------------------------------------------------------------------


async def test_the_same_id_is_executed_once_and_always_answered_the_same(service: Service, client: Client) -> None:
    command, identity = create(), uuid.uuid4().hex
    answers = await asyncio.gather(*(client.call(command, request_id=identity) for _ in range(5)))
    assert {*answers, await client.call(command, request_id=identity)} == {answers[0]}
    assert service.executions(command) == 1


async def test_an_id_belongs_to_one_request(service: Service, client: Client) -> None:
    command, identity = create(), uuid.uuid4().hex
    await client.call(create(), request_id=identity)
    with pytest.raises(AlreadyExists) as raised:
        await client.call(command, request_id=identity)
    assert (raised.value.source, raised.value.details) == (Source.CONSUMER, {"field": "request-id"})
    assert raised.value.message == (
        f"request-id: {identity!r} was used by another request with different content; use a new id for a new request"
    )
    assert service.executions(command) == 0


ENDS = [(fail("NOT_FOUND", NO_PROCESS), Code.NOT_FOUND), (fail("INTERNAL", BROKEN), Code.INTERNAL)]


@for_each(ENDS)
async def test_an_error_for_good_is_answered_again_and_a_dead_letter_while_nobody_waits(
    step: Step, code: Code, service: Service, client: Client
) -> None:
    command, identity, sent = create(), uuid.uuid4().hex, create()
    service.script(command, step, step)
    for _ in range(2):
        with pytest.raises(CommandError) as raised:
            await client.call(command, request_id=identity)
        assert raised.value.code is code
    await client.send(sent)
    assert await service.dead_letter_code(sent) is code


async def test_what_may_be_repeated_runs_again_after_an_open_outcome(service: Service, client: Client) -> None:
    command = PublishMessage(message_name="a", message_id=uuid.uuid4().hex, time_to_live="1h")
    identity = uuid.uuid4().hex
    service.script(command, fail("INTERNAL", BROKEN), answer())
    with pytest.raises(OutcomeUnknown):
        await client.call(command, request_id=identity)
    await client.call(command, request_id=identity)
    assert service.executions(command) == 2


async def test_an_id_is_free_again_after_a_refusal_or_a_reading(client: Client) -> None:
    identity = uuid.uuid4().hex
    refused = await client.call_raw(body("create-instance", {"bpmnProcessId": 7}), request_id=identity)
    assert json.loads(refused)["error"]["code"] == "INVALID_ARGUMENT"
    await client.call(smallest("topology"), request_id=identity)
    await client.call(smallest("evaluate-decision"), request_id=identity)
    await client.call(create(), request_id=identity)


async def test_what_is_only_sent_is_executed_once_however_often_it_is_sent(service: Service, client: Client) -> None:
    command = create()
    identity = await client.send(command)
    assert await client.send(command, request_id=identity) == identity
    await client.call(command, request_id=identity)
    await eventually(lambda: service.executions(command) == 1, "it is executed")


# --- to the last byte -------------------------------------------------------------------------------------------------


def deep(levels: int) -> bytes:
    """A command with variables nested that deep."""
    document = b'{"a":' * levels + b"1" + b"}" * levels
    return b'{"operation":"create-instance","data":{"bpmnProcessId":"a","variables":' + document + b"}}"


LENIENT = ("topology", "signal")
"""Operations that ignore fields they do not know."""
BUFFER = {"type": "Buffer", "data": [60, 120, 47, 62]}
"""The bytes of a file as Node writes them into JSON."""
FILE = {"type": "deploy-process", "content_type": "application/xml"}
NAMED = {"metadata": {"fileName": "a.bpmn"}}
STRANGE: list[tuple[bytes, dict[str, Any]]] = [
    *(
        (each, {})
        for each in (b"", b"[]", b"null", b"{", b"\xff", b"\xef\xbb\xbf{}", b'{"operation":""}', b'{"operation":7}')
    ),
    *((mark + body("topology"), {}) for mark in (codecs.BOM_UTF8, codecs.BOM_UTF16_LE, codecs.BOM_UTF32_BE)),
    (b'{"operaton":"topology"}', {}),
    (body("toplogy"), {}),
    (body("topology", None, extra=1), {}),
    *((body("topology", None, metadata=metadata), {}) for metadata in ({"keys": "number"}, [], "{}")),
    (json.dumps(body("topology").decode()).encode(), {}),
    (body("create-instance", {"bpmnProcessId": "a", "variables": "{}"}), {}),
    (body("create-instance", '{"bpmnProcessId": "a"}'), {}),
    (body("throw-error", {"jobKey": KEY, "errorCode": " "}), {}),
    (body("topology"), {"content_type": "application/xml"}),
    (b"hello", {"content_type": "text/plain"}),
    (b"<x/>", FILE),
    (b"", FILE | {"headers": {"fileName": "a.bpmn"}}),
    (b"<x/>", FILE | {"headers": {"fileName": "a.dmn"}}),
    (b"{}", {"type": "no-such-operation"}),
    (deep(501), {}),
    *((body(each, BUFFER, **NAMED), {}) for each in ("deploy-process", "deploy-resource")),
    (body("deploy-resource", {"resources": [{"name": "a.bpmn", "content": BUFFER}]}), {}),
    (json.dumps(BUFFER).encode(), {"type": "deploy-process", "headers": {"fileName": "a.bpmn"}}),
    (body("deploy-process", "PHgvPg==", **NAMED), {}),
    *((body(operation, data | {"unknown": 1}), {}) for operation, data in SMALLEST.items() if operation not in LENIENT),
    *((body(operation, {}), {}) for operation in COMMANDS if operation not in ("topology", "evaluate-conditional")),
    *(
        (body(operation, {name: 5 if name.endswith("Key") else value for name, value in data.items()}), {})
        for operation, data in SMALLEST.items()
        if any(name.endswith("Key") for name in data)
    ),
    (body("modify-instance", {"processInstanceKey": KEY, "terminateInstructions": [{"elementInstanceKey": 5}]}), {}),
]
"""Requests that are refused without asking the engine."""


async def test_both_refuse_with_the_same_words(real: RealService) -> None:
    async def is_refused(asked: bytes, options: dict[str, Any]) -> None:
        found, expected = await asyncio.gather(memory.call_raw(asked, **options), program.call_raw(asked, **options))
        assert json.loads(found) == json.loads(expected)
        assert "error" in json.loads(found)

    async with InMemoryService().client() as memory, real.client() as program:
        await check_each(STRANGE, is_refused)


def shape(value: Any) -> Any:
    """Names and types: all of a reply but its values."""
    match value:
        case dict():
            return {name: shape(each) for name, each in value.items()}
        case list():
            return [shape(value[0])] if value else []
    return type(value).__name__


@for_each([{}, {"keys": "string"}])
async def test_both_answer_with_the_same_fields(keys: dict[str, str], real: RealService) -> None:
    service = InMemoryService()
    service.has_job(smallest("activate-jobs").job_type)
    async with service.client() as memory, real.client() as program:
        for operation in COMMANDS:
            asked = envelope.encode(smallest(operation), metadata=keys)
            found, expected = await asyncio.gather(memory.call_raw(asked), program.call_raw(asked))
            assert shape(json.loads(found)) == shape(json.loads(expected)), operation


async def test_both_take_a_file_without_an_envelope(client: Client) -> None:
    reply = await client.call_raw(b"<x/>", type="deploy-process", headers={"fileName": "order.bpmn"})
    [deployed] = json.loads(reply)["data"]["processes"]
    assert (deployed["bpmnProcessId"], deployed["resourceName"]) == ("order", "order.bpmn")
    assert (await client.call(DeployProcess(name="order.bpmn", content=b"<x/>"))).processes[0].version == 1


async def test_what_the_engine_is_too_busy_for_may_be_sent_again(service: Service, client: Client) -> None:
    """The service tries five times itself; this test is the last, since its script may not be used up."""
    command = create()
    service.script(command, *[fail("RESOURCE_EXHAUSTED", "busy")] * 5)
    with pytest.raises(ResourceExhausted) as raised:
        await client.call(command)
    error = raised.value
    assert (error.source, error.outcome, error.retryable) == (Source.GATEWAY, Outcome.NOT_EXECUTED, True)
    assert service.executions(command) == 0
