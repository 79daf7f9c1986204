from __future__ import annotations

import asyncio
import json
import time
from contextlib import nullcontext
from typing import Any

import pytest

from tests.cases import for_each
from tests.fakes.transport import MemoryTransport, command, error, result
from zeebe_amqp import Client, InvalidArgument, Jobs, NotFound, PermissionDenied, Unavailable
from zeebe_amqp.client import job as job_module
from zeebe_amqp.client import jobs as jobs_module
from zeebe_amqp.client.job import GIVEN_BACK
from zeebe_amqp.commands import ActivateJobs, Command, FailJob

BUSY, AWAY = (error(code, retryable=True) for code in ("RESOURCE_EXHAUSTED", "UNAVAILABLE"))
DONE = result("complete-job")


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """After trouble, between polls and between attempts to tell the end of a job."""
    for module in (job_module, jobs_module):
        monkeypatch.setattr(module, "MAX_PAUSE", 0.001)


def polled(*keys: int, **facts: Any) -> bytes:
    """The answer to a poll: jobs with these keys."""
    job = {
        "type": "ship", "processInstanceKey": 2, "bpmnProcessId": "order", "processDefinitionVersion": 1,
        "processDefinitionKey": 3, "elementId": "ship", "elementInstanceKey": 4, "customHeaders": '{"to": "door"}',
        "worker": "w", "retries": 3, "deadline": 1_500, "variables": '{"number": 18446744073709551617}',
        "tenantId": "<default>", "kind": "BPMN_ELEMENT", "listenerEventType": "UNSPECIFIED", **facts,
    }  # fmt: skip
    return result("activate-jobs", [{"key": key, **job} for key in keys])


def asked(transport: MemoryTransport) -> tuple[list[ActivateJobs], list[Command]]:
    """The polls, and how jobs were ended."""
    commands = [command(request) for request in transport.published]
    polls = [each for each in commands if isinstance(each, ActivateJobs)]
    return polls, [each for each in commands if not isinstance(each, ActivateJobs)]


async def test_jobs_come_one_by_one_and_can_be_completed_failed_and_ended_by_an_error() -> None:
    transport = MemoryTransport(polled(1, 2), DONE, DONE, polled(3), DONE)
    async with Client(transport) as client:
        async for found in (jobs := Jobs(client, "ship")):
            match found.key:
                case 1:
                    await found.complete({"done": True})
                case 2:
                    await found.fail("broken", back_off="1s")
                case 3:
                    await found.throw("out-of-stock", "nothing left", {"a": 1})
                    jobs.stop()
            assert found.settled
    thrown = {"jobKey": 3, "errorCode": "out-of-stock", "errorMessage": "nothing left", "variables": {"a": 1}}
    assert [(each.operation, json.loads(each.to_wire()[0])) for each in asked(transport)[1]] == [
        ("complete-job", {"jobKey": 1, "variables": {"done": True}}),
        ("fail-job", {"jobKey": 2, "retries": 2, "errorMessage": "broken", "retryBackOff": "1000ms"}),
        ("throw-error", thrown),
    ]


async def test_a_poll_asks_for_what_was_wanted_and_waits_and_a_job_says_what_the_engine_said() -> None:
    options: dict[str, Any] = {"worker": "w", "fetch_variables": ("a",), "at_once": 5, "tenant_ids": ("t",)}
    transport = MemoryTransport(polled(1))
    async with (
        Client(transport, polls="p") as client,
        Jobs(client, "ship", timeout="1m", request_timeout="2s", **options) as jobs,
    ):
        found = await anext(jobs)
    [poll], _ = asked(transport)
    assert (poll.job_type, poll.worker_name, poll.max_jobs_to_activate) == ("ship", "w", 5)
    assert (poll.timeout, poll.wait(), poll.fetch_variables, poll.tenant_ids) == (60_000, 2_000, ("a",), ("t",))
    assert transport.published[0].queue == "p"
    assert (found.key, found.process_instance_key, found.retries, found.deadline) == (1, 2, 3, 1.5)
    assert found.variables == found.values() == {"number": 2**64 + 1}
    assert (found.headers, repr(found)) == ({"to": "door"}, "<Job 1 of type 'ship'>")


@for_each([AWAY, BUSY, error("DEADLINE_EXCEEDED", outcome="unknown"), b"not a reply", polled()])
async def test_polling_goes_on_after_trouble_that_may_pass_under_another_identity(trouble: bytes) -> None:
    transport = MemoryTransport(trouble, trouble, polled(1))
    async with Client(transport) as client, Jobs(client, "ship") as jobs:
        assert (await anext(jobs)).key == 1
    assert len({request.request_id for request in transport.published}) == 3


async def test_polling_ends_with_an_error_that_will_not_pass() -> None:
    for code, kind in (("INVALID_ARGUMENT", InvalidArgument), ("PERMISSION_DENIED", PermissionDenied)):
        async with Client(MemoryTransport(error(code))) as client:
            with pytest.raises(kind):
                await anext(Jobs(client, "ship"))


async def test_what_was_fetched_and_not_taken_or_arrives_after_stopping_is_given_back_with_its_tries() -> None:
    """As far as that is possible: one that cannot be given back keeps nobody from stopping."""

    def late(_: Command) -> bytes:
        jobs.stop()
        transport.always = lambda _: DONE
        return polled(2, 3, retries=1)

    transport = MemoryTransport(polled(1, 2, 3, retries=1), DONE, error("NOT_FOUND"), DONE)
    async with Client(transport) as client:
        async with Jobs(client, "ship") as jobs:
            await (await anext(jobs)).complete()
        jobs, transport.always = Jobs(client, "ship"), late
        assert [found async for found in jobs] == []
    back = [FailJob(job_key=key, retries=1, error_message=GIVEN_BACK) for key in (2, 3)]
    assert asked(transport)[1][1:] == back * 2


async def test_stopping_ends_a_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs_module, "MAX_PAUSE", 3600.0)
    transport = MemoryTransport(*[AWAY] * 20)
    async with Client(transport) as client:
        jobs = Jobs(client, "ship")
        waiting = asyncio.create_task(jobs.fetch())
        await transport.arrived(1)
        jobs.stop()
        assert await waiting == []


@for_each([
    (None, time.time() + 3600, [BUSY, BUSY, DONE]),
    (NotFound, time.time() + 3600, [error("NOT_FOUND")]),
    (Unavailable, 1.5, [AWAY]),  # its lock has ended
])  # fmt: skip
async def test_what_may_pass_is_tried_again_under_one_identity_while_the_job_is_ours_and_all_else_is_told(
    kind: type[Exception] | None, deadline: float, answers: list[bytes]
) -> None:
    transport = MemoryTransport(polled(1, deadline=int(deadline * 1000)), *answers)
    async with Client(transport) as client, Jobs(client, "ship") as jobs:
        found = await anext(jobs)
        with nullcontext() if kind is None else pytest.raises(kind):
            await found.complete()
    assert found.settled is (kind is None)
    assert len(transport.published) == 1 + len(answers)
    assert len({request.request_id for request in transport.published[1:]}) == 1
