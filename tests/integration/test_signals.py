"""Signals by the body of Camunda 7's REST API, through the queue to Zeebe's engine."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from tests.cases import check_each
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
    expected = {"newTimePeriodInMonth": 24, "exact": 1.5, "text": 24, "document": {"a": [1]}, "nothing": None}
    assert orjson.loads(job["variables"]) == expected


async def test_what_belongs_to_no_tenant_gets_it_and_the_same_request_id_signals_once(
    process: ProcessHelper, signal: str
) -> None:
    async def signals_once(tenant: dict[str, Any]) -> None:
        identity = {"request-id": unique("request")}
        for _ in range(2):
            assert await process.caller.result("signal", {"name": signal, **tenant}, headers=identity) is None
        assert len(await process.jobs(2)) == 1

    await check_each([{"withoutTenantId": True}, {"withoutTenantId": False}, {"tenantId": "<default>"}], signals_once)


async def test_what_zeebe_cannot_do_is_refused_before_the_engine_does(caller: Caller) -> None:
    error = refused(await caller.call("signal", {"name": "s", "executionId": "4711"}))
    told = (error.code, error.source, error.outcome, error.retryable)
    assert told == (Code.UNIMPLEMENTED, Source.CONSUMER, Outcome.NOT_EXECUTED, False)
    assert "CAMUNDA7_REST_URL" in error.message
    error = refused(await caller.call("signal", {"name": ""}))
    told = (error.code, error.source, error.details)
    assert told == (Code.INVALID_ARGUMENT, Source.CONSUMER, {"field": "data.name"})
