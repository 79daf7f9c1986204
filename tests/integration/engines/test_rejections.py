"""How the engine rejects each operation: its codes and its words reach the caller unchanged.

`REJECTIONS` is complete: every operation has at least two. Topology has none, the engine has no reason to reject a
question, and evaluate-conditional is too new for most engines; refusals by the consumer stand in their place.
"""

from __future__ import annotations

import pytest

from tests.integration.caller import Caller
from tests.integration.engines import rejected_binding, rejected_engine
from tests.integration.engines.rejection import NOT_FOUND, STATE, TOO_LARGE, Rejection
from tests.integration.process_helper import ProcessHelper
from zeebe_amqp.commands import COMMANDS
from zeebe_amqp.errors import Code, Error, Outcome, Source

REJECTIONS = [*rejected_binding.REJECTIONS, *rejected_engine.REJECTIONS]


@pytest.mark.parametrize("case", REJECTIONS, ids=lambda case: f"{case.operation}: {case.why}")
async def test_a_rejection_is_told_in_the_engine_s_words(process: ProcessHelper, case: Rejection) -> None:
    data, metadata = await case.prepare(process)
    error = (await process.caller.call(case.operation, data, metadata)).error
    expected = case.on(process.features)
    if expected is None:
        assert error is None
        return
    assert error is not None
    details = dict(error.details or {})
    advice = details.pop("suggestion", "")
    assert error.message == expected.message(data, process)
    assert (error.code, error.source, error.outcome, error.retryable) == (
        expected.code,
        Source.GATEWAY,
        Outcome.NOT_EXECUTED,
        False,
    )
    assert details == ({"intent": expected.intent, "rejection": expected.rejection} if expected.intent else {})
    assert ("1.5 MB are known to pass" in advice) == (expected.rejection == TOO_LARGE)


async def test_an_incident_is_not_resolved_while_its_job_has_no_retries(process: ProcessHelper) -> None:
    job, incident = await process.incident()
    error = (await process.caller.call("resolve-incident", {"incidentKey": incident})).error
    newer, older = (Code.FAILED_PRECONDITION, STATE), (Code.NOT_FOUND, NOT_FOUND)
    code, rejection = newer if process.features.is_newer else older
    assert error == Error(
        code=code,
        message=f"Command 'RESOLVE' rejected with code '{rejection}': Expected to resolve incident with key"
        f" '{incident}', but job with key '{job}' has no retries left. Please update the job retries and retry"
        " resolving the incident",
        source=Source.GATEWAY,
        outcome=Outcome.NOT_EXECUTED,
        retryable=False,
        details={"intent": "RESOLVE", "rejection": rejection},
    )


async def test_topology_is_refused_for_bad_metadata(caller: Caller) -> None:
    """The engine has no reason to reject a question, so its refusals are ours: this one and the next."""
    error = (await caller.call("topology", {}, metadata={"keys": "number"})).error
    assert error is not None
    assert (error.code, error.source, error.details) == (
        Code.INVALID_ARGUMENT,
        Source.CONSUMER,
        {"field": "metadata.keys"},
    )


async def test_topology_is_refused_after_the_caller_s_deadline(caller: Caller) -> None:
    error = (await caller.call("topology", {}, headers={"deadline": 1})).error
    assert error is not None
    assert (error.code, error.source, error.outcome) == (
        Code.DEADLINE_EXCEEDED,
        Source.CONSUMER,
        Outcome.NOT_EXECUTED,
    )


@pytest.mark.parametrize("operation", sorted(set(COMMANDS) - {"topology", "evaluate-conditional", "signal"}))
def test_every_operation_that_an_engine_can_reject_has_at_least_two_different_rejections(operation: str) -> None:
    told = {(case.why, case.code, case.text) for case in REJECTIONS if case.operation == operation}
    assert len(told) >= 2
