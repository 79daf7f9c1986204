"""What the service in memory promises to callers' tests is what the real one does: each test here runs on both."""

from __future__ import annotations

import asyncio
import codecs
import json
import uuid
from collections.abc import AsyncIterator, Callable
from typing import Any, get_origin

import pytest
import pytest_asyncio

from tests.conftest import Broker
from tests.integration.service import UNMEASURED, ConsumerSetup, eventually, running_service
from tests.integration.services import InMemoryService, RealService, Service
from tests.unit.contracts.samples import KEY, SMALLEST, body, smallest
from zeebe_amqp import (
    AlreadyExists,
    BpmnError,
    CancelInstance,
    Client,
    Code,
    CommandError,
    CompleteJob,
    CreateInstance,
    DeadlineExceeded,
    DeployProcess,
    FailJob,
    Job,
    Jobs,
    NotFound,
    Outcome,
    OutcomeUnknown,
    PublishMessage,
    ResourceExhausted,
    Source,
    Unavailable,
    Worker,
    envelope,
)
from zeebe_amqp.commands import COMMANDS, Command
from zeebe_amqp.testing import Step, after, answer, fail

pytestmark = pytest.mark.asyncio(loop_scope="module")

NEWEST = "8.9.0"
"""The gateway in memory knows all operations and fields."""
NO_JOB = "Command 'COMPLETE' rejected with code 'NOT_FOUND': no such job"
NO_PROCESS = "Command 'CREATE' rejected with code 'NOT_FOUND': no such process"
BROKEN = "an error that nobody expects"


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def consumer_setup(rabbitmq: Broker, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[ConsumerSetup]:
    """The real service of this file."""
    async with running_service(
        tmp_path_factory.mktemp("conformance"), rabbitmq.url, gateway_version=NEWEST, **UNMEASURED
    ) as ready:
        yield ready


@pytest.fixture(params=["memory", "real"])
def service(request: pytest.FixtureRequest) -> Service:
    """Both, one after the other."""
    return InMemoryService() if request.param == "memory" else RealService(request.getfixturevalue("consumer_setup"))


@pytest_asyncio.fixture(loop_scope="module")
async def client(service: Service) -> AsyncIterator[Client]:
    """A client of it."""
    async with service.client() as connected:
        yield connected


def create(**options: Any) -> CreateInstance:
    """A command like no other."""
    return CreateInstance(bpmn_process_id="order", variables={"id": uuid.uuid4().hex}, **options)


# --- results ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("operation", COMMANDS)
async def test_every_operation_returns_its_typed_result(client: Client, operation: str) -> None:
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
        assert isinstance(job, Job)
        assert (job.activated.type, job.activated.worker, job.retries) == (job_type, "me", 3)
        await job.complete({"done": job_type})
    assert service.executions(CompleteJob(job_key=job.key, variables={"done": job_type})) == 1


def bad_ends(mark: str) -> dict[str, tuple[Callable[[], Any], str]]:
    """How functions for jobs end that leave nothing to tell, and what the engine is told instead."""

    def raised(error: BaseException) -> Any:
        raise error

    refused = "the job's end was refused: INVALID_ARGUMENT: "
    return {
        "an exit": (lambda: raised(SystemExit(mark)), f"SystemExit: {mark}"),
        "somebody else's cancellation": (lambda: raised(asyncio.CancelledError(mark)), f"CancelledError: {mark}"),
        "the end of an iterator": (lambda: raised(StopIteration(mark)), f"RuntimeError: StopIteration: {mark}"),
        "control characters": (lambda: raised(ValueError(f"\x1b{mark}\x00")), f"ValueError: \ufffd{mark}\ufffd"),
        "a code that is none": (
            lambda: raised(BpmnError(" ", mark)),
            f"{refused}data.errorCode: expected text that is",
        ),
        "no object": (lambda: mark, f"{refused}data.variables: expected a JSON object, found text"),
        "not a number": (lambda: {mark: float("nan")}, f"{refused}data.variables.{mark}: expected a number that JSON"),
    }


async def failure(client: Client, job_type: str, end: Callable[[], Any]) -> FailJob:
    """What the engine is told of a job whose function ends like this."""
    told: list[FailJob] = []

    def work(job: Job) -> Any:
        worker.stop()
        fail = job.fail

        async def kept(message: str, **options: Any) -> None:
            told.append(FailJob(job_key=job.key, retries=2, error_message=message, retry_back_off="7s"))
            await fail(message, **options)

        job.fail = kept  # type: ignore[method-assign]
        return end()

    worker = Worker(client, job_type, work, concurrency=1, back_off="7s", request_timeout="1s")
    await worker.run()
    [failed] = told
    return failed


async def test_a_job_ends_whatever_the_function_for_it_does(service: Service, client: Client) -> None:
    for name, (end, told) in bad_ends(uuid.uuid4().hex).items():
        job_type = uuid.uuid4().hex
        service.has_job(job_type)
        failed = await failure(client, job_type, end)
        assert failed.error_message.startswith(told), name
        assert service.executions(failed) >= 1, name


# --- errors -----------------------------------------------------------------------------------------------------------


async def test_a_rejection_is_raised_as_the_engine_said_it(service: Service, client: Client) -> None:
    command = CompleteJob(job_key=KEY)
    service.script(command, fail("NOT_FOUND", NO_JOB))
    with pytest.raises(NotFound) as raised:
        await client.call(command, request_id=uuid.uuid4().hex)
    error = raised.value
    assert (error.message, error.source, error.outcome, error.retryable) == (
        NO_JOB,
        Source.GATEWAY,
        Outcome.NOT_EXECUTED,
        False,
    )
    assert error.details == {"intent": "COMPLETE", "rejection": "NOT_FOUND"}
    assert error.operation == "complete-job"


FINAL = ["INVALID_ARGUMENT", "NOT_FOUND", "ALREADY_EXISTS", "PERMISSION_DENIED", "FAILED_PRECONDITION", "UNIMPLEMENTED"]
DEFECTS = ["INTERNAL", "UNKNOWN", "OUT_OF_RANGE", "DATA_LOSS", "CANCELLED", "ABORTED", "UNAVAILABLE"]


@pytest.mark.parametrize("code", FINAL)
async def test_the_gateways_own_check_is_final(service: Service, client: Client, code: str) -> None:
    command = create()
    service.script(command, fail(code, "no"))
    with pytest.raises(CommandError) as raised:
        await client.call(command)
    error = raised.value
    assert (error.code, error.outcome, error.retryable, error.source) == (code, Outcome.NOT_EXECUTED, False, "gateway")
    assert service.executions(command) == 0


@pytest.mark.parametrize("code", DEFECTS)
async def test_what_nobody_expects_leaves_the_outcome_open(service: Service, client: Client, code: str) -> None:
    """A command that must not be repeated is not: not by the service, and not by who is told so."""
    command = create()
    service.script(command, fail(code, BROKEN, outcome="unknown"))
    with pytest.raises(OutcomeUnknown) as raised:
        await client.call(command)
    error = raised.value
    assert (error.code, error.retryable, error.source) == (code, False, Source.GATEWAY)
    assert service.executions(command) == 1


@pytest.mark.parametrize("code", ["INTERNAL", "UNKNOWN", "OUT_OF_RANGE", "DATA_LOSS"])
async def test_what_may_be_repeated_is_retryable_whatever_happened(service: Service, client: Client, code: str) -> None:
    command = CancelInstance(process_instance_key=KEY)
    service.script(command, fail(code, BROKEN, outcome="unknown"))
    with pytest.raises(OutcomeUnknown) as raised:
        await client.call(command)
    assert raised.value.retryable


@pytest.mark.parametrize(
    ("command", "retryable"), [(create(), False), (CancelInstance(process_instance_key=KEY + 1), True)]
)
async def test_at_the_callers_deadline_nobody_knows(
    service: Service, client: Client, command: Command, retryable: bool
) -> None:
    service.script(command, after(60))
    with pytest.raises(DeadlineExceeded) as raised:
        await client.call(command, timeout=6)
    error = raised.value
    assert (error.source, error.outcome, error.retryable) == (Source.CONSUMER, Outcome.UNKNOWN, retryable)
    assert error.message.startswith("the gateway did not answer before the caller's deadline; ")
    assert ("goes on running" in error.message) is isinstance(command, CreateInstance)
    assert service.executions(command) == 1


async def test_a_queue_that_does_not_exist_is_an_error_at_once(service: Service) -> None:
    async with service.client(commands="no.such.queue") as client:
        with pytest.raises(Unavailable) as raised:
            await client.call(create(), timeout=600)
    assert (raised.value.outcome, raised.value.retryable) == (Outcome.NOT_EXECUTED, True)


# --- the same request again -------------------------------------------------------------------------------------------


async def test_the_same_id_is_answered_again_and_not_executed_again(service: Service, client: Client) -> None:
    command, identity = create(), uuid.uuid4().hex
    first = await client.call(command, request_id=identity)
    assert await client.call(command, request_id=identity) == first
    assert service.executions(command) == 1


async def test_the_same_id_at_the_same_time_is_executed_once(service: Service, client: Client) -> None:
    command, identity = create(), uuid.uuid4().hex
    answers = await asyncio.gather(*(client.call(command, request_id=identity) for _ in range(5)))
    assert len(set(answers)) == 1
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


@pytest.mark.parametrize(
    ("step", "error"),
    [(fail("NOT_FOUND", NO_PROCESS), NotFound), (fail("INTERNAL", BROKEN, outcome="unknown"), OutcomeUnknown)],
)
async def test_a_final_error_is_answered_again(
    service: Service, client: Client, step: Step, error: type[CommandError]
) -> None:
    command, identity = create(), uuid.uuid4().hex
    service.script(command, step)
    for _ in range(2):
        with pytest.raises(error):
            await client.call(command, request_id=identity)


async def test_what_may_be_repeated_runs_again_after_an_open_outcome(service: Service, client: Client) -> None:
    command = PublishMessage(message_name="a", message_id=uuid.uuid4().hex, time_to_live="1h")
    identity = uuid.uuid4().hex
    service.script(command, fail("INTERNAL", BROKEN, outcome="unknown"), answer())
    with pytest.raises(OutcomeUnknown):
        await client.call(command, request_id=identity)
    await client.call(command, request_id=identity)
    assert service.executions(command) == 2


async def test_what_was_refused_may_come_again_corrected(client: Client) -> None:
    identity = uuid.uuid4().hex
    refused = await client.call_raw(body("create-instance", {"bpmnProcessId": 7}), request_id=identity)
    assert json.loads(refused)["error"]["code"] == "INVALID_ARGUMENT"
    await client.call(create(), request_id=identity)


async def test_what_only_reads_is_read_again_under_the_same_id(client: Client) -> None:
    identity = uuid.uuid4().hex
    await client.call(smallest("topology"), request_id=identity)
    await client.call(smallest("evaluate-decision"), request_id=identity)


# --- nobody waits -----------------------------------------------------------------------------------------------------


async def test_what_is_only_sent_is_executed_once_however_often_it_is_sent(service: Service, client: Client) -> None:
    command = create()
    identity = await client.send(command)
    assert await client.send(command, request_id=identity) == identity
    await client.call(command, request_id=identity)
    await eventually(lambda: service.executions(command) == 1, "it is executed")


@pytest.mark.parametrize(
    ("step", "code"),
    [(fail("NOT_FOUND", NO_PROCESS), Code.NOT_FOUND), (fail("INTERNAL", BROKEN, outcome="unknown"), Code.INTERNAL)],
)
async def test_what_fails_for_good_while_nobody_waits_is_a_dead_letter(
    service: Service, client: Client, step: Step, code: Code
) -> None:
    command = create()
    service.script(command, step)
    await client.send(command)
    assert await service.dead_letter_code(command) is code


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
STRANGE: list[tuple[bytes, dict[str, Any]]] = [
    *(
        (each, {})
        for each in (b"", b"[]", b"null", b"{", b"\xff", b"\xef\xbb\xbf{}", b'{"operation":""}', b'{"operation":7}')
    ),
    *((mark + body("topology"), {}) for mark in (codecs.BOM_UTF8, codecs.BOM_UTF16_LE, codecs.BOM_UTF32_BE)),
    (b'{"operaton":"topology"}', {}),
    (body("toplogy"), {}),
    (body("topology", None, extra=1), {}),
    (body("topology", None, metadata={"keys": "number"}), {}),
    (body("topology", None, metadata=[]), {}),
    (json.dumps(body("topology").decode()).encode(), {}),
    (body("create-instance", {"bpmnProcessId": "a", "variables": "{}"}), {}),
    (body("create-instance", '{"bpmnProcessId": "a"}'), {}),
    (body("topology", None, metadata="{}"), {}),
    (body("topology"), {"content_type": "application/xml"}),
    (b"hello", {"content_type": "text/plain"}),
    (b"<x/>", FILE),
    (b"", FILE | {"headers": {"fileName": "a.bpmn"}}),
    (b"<x/>", FILE | {"headers": {"fileName": "a.dmn"}}),
    (b"{}", {"type": "no-such-operation"}),
    (deep(501), {}),
    *((body(each, BUFFER, metadata={"fileName": "a.bpmn"}), {}) for each in ("deploy-process", "deploy-resource")),
    (body("deploy-resource", {"resources": [{"name": "a.bpmn", "content": BUFFER}]}), {}),
    (json.dumps(BUFFER).encode(), {"type": "deploy-process", "headers": {"fileName": "a.bpmn"}}),
    (body("deploy-process", "PHgvPg==", metadata={"fileName": "a.bpmn"}), {}),
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


async def test_both_refuse_with_the_same_words(consumer_setup: ConsumerSetup) -> None:
    async with InMemoryService().client() as memory, RealService(consumer_setup).client() as real:
        for asked, options in STRANGE:
            found, expected = await asyncio.gather(memory.call_raw(asked, **options), real.call_raw(asked, **options))
            assert json.loads(found) == json.loads(expected), asked
            assert "error" in json.loads(found), asked


def shape(value: Any) -> Any:
    """Names and types: all of a reply but its values."""
    match value:
        case dict():
            return {name: shape(each) for name, each in value.items()}
        case list():
            return [shape(value[0])] if value else []
    return type(value).__name__


@pytest.mark.parametrize("keys", [{}, {"keys": "string"}])
async def test_both_answer_with_the_same_fields(consumer_setup: ConsumerSetup, keys: dict[str, str]) -> None:
    service = InMemoryService()
    service.has_job("mail")
    async with service.client() as memory, RealService(consumer_setup).client() as real:
        for operation in COMMANDS:
            asked = envelope.encode(smallest(operation), metadata=keys)
            found, expected = await asyncio.gather(memory.call_raw(asked), real.call_raw(asked))
            assert shape(json.loads(found)) == shape(json.loads(expected)), operation


async def test_both_take_a_file_without_an_envelope(service: Service, client: Client) -> None:
    reply = await client.call_raw(b"<x/>", type="deploy-process", headers={"fileName": "order.bpmn"})
    [deployed] = json.loads(reply)["data"]["processes"]
    assert (deployed["bpmnProcessId"], deployed["resourceName"]) == ("order", "order.bpmn")
    assert Code.UNIMPLEMENTED not in reply.decode()
    assert (await client.call(DeployProcess(name="order.bpmn", content=b"<x/>"))).processes[0].version == 1


@pytest.mark.parametrize("content_type", [None, "text/plain", "text/plain;charset=UTF-8", "application/octet-stream"])
async def test_both_take_a_content_type_that_nobody_chose(
    service: Service, client: Client, content_type: str | None
) -> None:
    command = create()
    reply = json.loads(await client.call_raw(envelope.encode(command), content_type=content_type))
    assert reply["operation"] == "create-instance"
    assert "error" not in reply
    assert service.executions(command) == 1


async def test_what_the_engine_is_too_busy_for_may_be_sent_again(service: Service, client: Client) -> None:
    """The service tries five times itself; this test is the last, since its script may not be used up."""
    command = create()
    service.script(command, *[fail("RESOURCE_EXHAUSTED", "busy")] * 5)
    with pytest.raises(ResourceExhausted) as raised:
        await client.call(command)
    error = raised.value
    assert (error.source, error.outcome, error.retryable) == (Source.GATEWAY, Outcome.NOT_EXECUTED, True)
    assert service.executions(command) == 0
