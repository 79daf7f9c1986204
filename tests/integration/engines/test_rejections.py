"""How the engine rejects each operation: its codes and its words reach the caller unchanged.

`REJECTIONS` is complete: every operation has at least two. Topology has none, the engine has no reason to reject a
question, and evaluate-conditional is too new for most engines; refusals by the consumer stand in their place.
"""

from __future__ import annotations

from tests.cases import check_each
from tests.integration.caller import Caller
from tests.integration.engine_features import EngineFeatures
from tests.integration.engines.rejections import CODES, NOT_FOUND, REJECTIONS, STATE, TABLE, TOO_LARGE, Rejection
from tests.integration.process_helper import ProcessHelper, refused
from zeebe_amqp.commands import COMMANDS
from zeebe_amqp.errors import Code, Outcome, Source

REFUSED_BY_US = {"topology", "evaluate-conditional", "signal"}


async def test_a_rejection_is_told_in_the_engine_s_words(caller: Caller, features: EngineFeatures) -> None:
    async def is_told(case: Rejection) -> None:
        process = ProcessHelper(caller, features)
        data, metadata = await case.prepare(process)
        error = (await caller.call(case.operation, data, metadata)).error
        expected = case.on(features)
        if expected is None:
            assert error is None
            return
        assert error is not None
        details = dict(error.details or {})
        advice = details.pop("suggestion", "")
        assert error.message == expected.message(data, process)
        told = (error.code, error.source, error.outcome, error.retryable)
        assert told == (expected.code, Source.GATEWAY, Outcome.NOT_EXECUTED, False)
        assert details == ({"intent": expected.intent, "rejection": expected.rejection} if expected.rejection else {})
        assert ("1.5 MB are known to pass" in advice) == (expected.rejection == TOO_LARGE)

    await check_each({f"{case.operation}: {case.why}": (case,) for case in REJECTIONS}, is_told)


async def test_an_incident_is_not_resolved_while_its_job_has_no_retries(process: ProcessHelper) -> None:
    job, incident = await process.incident()
    error = refused(await process.caller.call("resolve-incident", {"incidentKey": incident}))
    rejection = STATE if process.features.is_newer else NOT_FOUND
    assert (error.code, error.source, error.outcome) == (CODES[rejection], Source.GATEWAY, Outcome.NOT_EXECUTED)
    assert error.details == {"intent": "RESOLVE", "rejection": rejection}
    assert error.message.endswith(
        f"'{incident}', but job with key '{job}' has no retries left. Please update the job"
        " retries and retry resolving the incident"
    )


async def test_topology_is_refused_for_bad_metadata_and_after_the_caller_s_deadline(caller: Caller) -> None:
    """The engine has no reason to reject a question, so its refusals are ours."""
    error = refused(await caller.call("topology", {}, metadata={"keys": "number"}))
    told = (error.code, error.source, error.details)
    assert told == (Code.INVALID_ARGUMENT, Source.CONSUMER, {"field": "metadata.keys"})
    error = refused(await caller.call("topology", {}, headers={"deadline": 1}))
    told = (error.code, error.source, error.outcome)
    assert told == (Code.DEADLINE_EXCEEDED, Source.CONSUMER, Outcome.NOT_EXECUTED)


def test_every_operation_that_an_engine_can_reject_has_at_least_two_different_rejections() -> None:
    assert set(TABLE) == set(COMMANDS) - REFUSED_BY_US
    for operation, rows in TABLE.items():
        assert len(rows) >= 2, operation
