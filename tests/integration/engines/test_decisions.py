"""Decisions through the queue: those that come to a result, and those that fail."""

from __future__ import annotations

from typing import Any

from tests.cases import for_each
from tests.integration import decisions
from tests.integration.process_helper import KEY, ProcessHelper, unique


async def deployed(process: ProcessHelper) -> str:
    """The id of a new decision."""
    name = unique("decision")
    file = {"name": "fee.dmn", "content": decisions.fee(name)}
    await process.caller.result("deploy-resource", {"resources": [file]})
    return name


def evaluated(process: ProcessHelper, name: str, title: str, kind: str, output: str, **more: Any) -> dict[str, Any]:
    """A decision on the way to the result."""
    return {
        "decisionKey": KEY,
        "decisionId": name,
        "decisionName": title,
        "decisionVersion": 1,
        "decisionType": kind,
        "decisionOutput": output,
        "matchedRules": [],
        "evaluatedInputs": [],
        "tenantId": process.features.tenant,
        "decisionEvaluationInstanceKey": process.features.says("8.8", ""),
        **more,
    }


def evaluation(process: ProcessHelper, name: str, output: str, *steps: dict[str, Any], **more: Any) -> dict[str, Any]:
    """The whole answer to an evaluation."""
    decision = evaluated(process, name, "Fee", "", output)
    of_steps = ("decisionType", "matchedRules", "evaluatedInputs", "decisionEvaluationInstanceKey")
    return {
        **{field: value for field, value in decision.items() if field not in of_steps},
        "decisionRequirementsId": f"{name}-requirements",
        "decisionRequirementsKey": KEY,
        "evaluatedDecisions": list(steps),
        "failedDecisionId": "",
        "failureMessage": "",
        "decisionInstanceKey": KEY if process.features.numbers_evaluations else 0,
        "decisionEvaluationKey": process.features.says("8.8", 0),
        **more,
    }


def matched(name: str, rule: int, output: str) -> dict[str, Any]:
    """A rule that matched."""
    outputs = [{"outputId": f"{name}-output", "outputName": "Fee", "outputValue": output}]
    return {"ruleId": f"{name}-{output}", "ruleIndex": rule, "evaluatedOutputs": outputs}


@for_each([(3, 1, "4"), (7, 2, "9")])
async def test_evaluate_decision_answers_the_output_and_how_it_came_about(
    weight: int, rule: int, fee: str, process: ProcessHelper
) -> None:
    name = await deployed(process)
    answer = await process.caller.result("evaluate-decision", {"decisionId": name, "variables": {"weight": weight}})
    given = {"inputId": f"{name}-input", "inputName": "Weight", "inputValue": str(weight)}
    guard = evaluated(process, f"{name}-guard", "Guard", "LITERAL_EXPRESSION", str(weight))
    rules = [matched(name, rule, fee)]
    table = evaluated(process, name, "Fee", "DECISION_TABLE", fee, matchedRules=rules, evaluatedInputs=[given])
    assert answer == evaluation(process, name, fee, guard, table)
    again = {"decisionKey": answer["decisionKey"], "variables": {"weight": weight}}
    number = KEY if process.features.numbers_evaluations else 0
    assert await process.caller.result("evaluate-decision", again) == answer | {"decisionInstanceKey": number}


@for_each([{"weight": 101}, {"weight": "heavy"}, {}, None])
async def test_a_decision_that_fails_is_a_result_that_says_where_and_why(
    variables: Any, process: ProcessHelper
) -> None:
    name = await deployed(process)
    answer = await process.caller.result("evaluate-decision", {"decisionId": name, "variables": variables})
    assert answer == evaluation(
        process,
        name,
        process.features.failed_output,
        evaluated(process, f"{name}-guard", "Guard", "LITERAL_EXPRESSION", "null"),
        failedDecisionId=f"{name}-guard",
        failureMessage=f"Expected to evaluate decision '{name}', but Assertion failure on evaluate the expression "
        "'assert(weight, weight <= 100)': The condition is not fulfilled",
    )
