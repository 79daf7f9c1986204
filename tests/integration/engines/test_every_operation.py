"""What all operations can, whatever they do."""

from __future__ import annotations

from typing import Any

from tests.cases import for_each
from tests.integration.caller import Caller
from tests.integration.engine_features import EngineFeatures
from tests.integration.process_helper import ProcessHelper
from tests.unit.test_completeness import BINDING
from zeebe_amqp.commands import COMMANDS


@for_each([1, 2**64 - 1])
async def test_operation_references_are_accepted(reference: int, caller: Caller, features: EngineFeatures) -> None:
    process, mark = ProcessHelper(caller, features), {"operationReference": reference}
    job, incident = await process.incident()
    instance = await process.instance(**mark)
    calls: list[tuple[str, dict[str, Any]]] = [
        ("set-variables", {"elementInstanceKey": instance, "variables": {}}),
        ("update-job-retries", {"jobKey": job, "retries": 1}),
        ("resolve-incident", {"incidentKey": incident}),
        ("cancel-instance", {"processInstanceKey": instance}),
    ]
    for operation, data in calls:
        await process.caller.result(operation, {**data, **mark})
    having = {name for name in BINDING if "operation_reference" in COMMANDS[name].__struct_fields__}
    assert having == {"create-instance", *(operation for operation, _ in calls)}
