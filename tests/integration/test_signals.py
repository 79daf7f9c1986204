"""Signals by the body of Camunda 7's REST API, through the queue to Zeebe's engine."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from tests.integration import processes
from tests.integration.caller import Caller
from tests.integration.process_helper import ProcessHelper, refused, unique
from zeebe_amqp.errors import Code, Outcome, Source


@pytest.fixture
async def signal(process: ProcessHelper) -> str:
    """A signal that starts the test's process."""
    name = unique("signal")
    await process.deploy_text(processes.roused(process.id, name, process.job_type))
    return name


async def test_the_example_of_the_documentation_starts_who_waits_with_its_variables(
    process: ProcessHelper, signal: str
) -> None:
    variables = {
        "newTimePeriodInMonth": {"value": 24},
        "exact": {"value": 1.5, "type": "Double"},
        "text": {"value": " +024 ", "type": "integer"},
        "document": {"value": '{"a":[1]}', "type": "Json"},
        "nothing": {"value": "", "type": "Boolean"},
    }
    assert await process.caller.result("signal", {"name": signal, "variables": variables, "unknown": 1}) is None
    [job] = await process.jobs()
    assert orjson.loads(job["variables"]) == {
        "newTimePeriodInMonth": 24,
        "exact": 1.5,
        "text": 24,
        "document": {"a": [1]},
        "nothing": None,
    }


@pytest.mark.parametrize("tenant", [{"withoutTenantId": True}, {"withoutTenantId": False}, {"tenantId": "<default>"}])
async def test_what_belongs_to_no_tenant_gets_it(process: ProcessHelper, signal: str, tenant: dict[str, Any]) -> None:
    assert await process.caller.result("signal", {"name": signal, **tenant}) is None
    assert len(await process.jobs()) == 1


async def test_the_same_request_id_signals_once(process: ProcessHelper, signal: str) -> None:
    identity = {"request-id": unique("request")}
    for _ in range(2):
        assert await process.caller.result("signal", {"name": signal}, headers=identity) is None
    assert len(await process.jobs(2)) == 1


async def test_one_execution_alone_is_not_for_zeebe(caller: Caller) -> None:
    error = refused(await caller.call("signal", {"name": "s", "executionId": "4711"}))
    assert (error.code, error.source, error.outcome, error.retryable) == (
        Code.UNIMPLEMENTED,
        Source.CONSUMER,
        Outcome.NOT_EXECUTED,
        False,
    )
    assert "CAMUNDA7_REST_URL" in error.message


async def test_an_empty_name_is_refused_before_the_engine_does(caller: Caller) -> None:
    error = refused(await caller.call("signal", {"name": ""}))
    assert (error.code, error.source, error.details) == (
        Code.INVALID_ARGUMENT,
        Source.CONSUMER,
        {"field": "data.name"},
    )


async def test_the_bare_form_is_the_body_of_the_rest_api_itself(process: ProcessHelper, signal: str) -> None:
    body = orjson.dumps({"name": signal, "variables": {"a": {"value": 1}}})
    reply = orjson.loads((await process.caller.request(body, type="signal")).body)
    assert reply == {"operation": "signal", "data": None}
    [job] = await process.jobs()
    assert job["variables"] == '{"a":1}'
