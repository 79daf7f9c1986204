"""Commands about decisions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from zeebe_amqp.commands.command import Command, Result
from zeebe_amqp.schema.fields import Key, Maybe, Name, Variables

__all__ = [
    "DecisionEvaluated",
    "EvaluateDecision",
    "EvaluatedDecision",
    "EvaluatedInput",
    "EvaluatedOutput",
    "MatchedRule",
]


class EvaluatedInput(Result, frozen=True, kw_only=True):
    """An input of a decision table.

    Attributes:
        input_id: the id of the input, as in the DMN.
        input_name: its name.
        input_value: its value, JSON as text.
    """

    input_id: str
    input_name: str
    input_value: str


class EvaluatedOutput(Result, frozen=True, kw_only=True):
    """An output of a rule that matched.

    Attributes:
        output_id: the id of the output, as in the DMN.
        output_name: its name.
        output_value: its value, JSON as text.
    """

    output_id: str
    output_name: str
    output_value: str


class MatchedRule(Result, frozen=True, kw_only=True):
    """A rule of a decision table that matched.

    Attributes:
        rule_id: the id of the rule, as in the DMN.
        rule_index: its place in the table, from 1.
        evaluated_outputs: its outputs.
    """

    rule_id: str
    rule_index: int
    evaluated_outputs: tuple[EvaluatedOutput, ...]


class EvaluatedDecision(Result, frozen=True, kw_only=True):
    """A decision that was evaluated for the result.

    Attributes:
        decision_key: the key of the decision, which is one version of it.
        decision_id: the id of the decision, as in its DMN.
        decision_name: the name of the decision.
        decision_version: the version of the decision.
        decision_type: how it decides, such as DECISION_TABLE or LITERAL_EXPRESSION.
        decision_output: its result, JSON as text.
        matched_rules: the rules of its table that matched.
        evaluated_inputs: the inputs of its table.
        tenant_id: the tenant that it belongs to.
        decision_evaluation_instance_key: the key of this one evaluation, as text.
    """

    decision_key: int
    decision_id: str
    decision_name: str
    decision_version: int
    decision_type: str
    decision_output: str
    matched_rules: tuple[MatchedRule, ...]
    evaluated_inputs: tuple[EvaluatedInput, ...]
    tenant_id: str
    decision_evaluation_instance_key: str | None = None


class DecisionEvaluated(Result, frozen=True, kw_only=True):
    """The result of a decision.

    Attributes:
        decision_key: the key of the decision, which is one version of it.
        decision_id: the id of the decision, as in its DMN.
        decision_name: the name of the decision.
        decision_version: the version of the decision.
        decision_requirements_id: the id of the decision requirements graph that it is part of, as in its DMN.
        decision_requirements_key: the key of that graph.
        decision_output: the result, JSON as text.
        evaluated_decisions: the decisions that were evaluated: those that it requires, and itself.
        failed_decision_id: the id of the decision whose evaluation failed; "" if none did.
        failure_message: why it failed; "" if nothing did.
        tenant_id: the tenant that it belongs to.
        decision_instance_key: the older name of `decision_evaluation_key`.
        decision_evaluation_key: the key of the evaluation, in the engine's records.
    """

    decision_key: int
    decision_id: str
    decision_name: str
    decision_version: int
    decision_requirements_id: str
    decision_requirements_key: int
    decision_output: str
    evaluated_decisions: tuple[EvaluatedDecision, ...]
    failed_decision_id: str
    failure_message: str
    tenant_id: str
    decision_instance_key: int = 0
    decision_evaluation_key: int | None = None


class EvaluateDecision(Command[DecisionEvaluated], frozen=True, kw_only=True):
    """Evaluate a decision, by id or by key.

    An id selects the latest version. A failing evaluation is a result, not an error.

    Args:
        decision_id: the id of the decision, as in its DMN.
        decision_key: the key of the decision, which is one version of it.
        variables: the input of the decision.
        tenant_id: the tenant, if the engine separates tenants; "" is the default tenant.

    Errors:
        NOT_FOUND: no decision has this id or key.
        INVALID_ARGUMENT: the same, from engines before 8.8.
    """

    operation: ClassVar[str] = "evaluate-decision"
    named_by: ClassVar[Mapping[str, str]] = {"decisions": "decision_id"}
    idempotent: ClassVar[bool] = True
    read_only: ClassVar[bool] = True
    one_of: ClassVar[tuple[str, ...]] = ("decision_id", "decision_key")

    decision_id: Maybe[Name] = None
    decision_key: Maybe[Key] = None
    variables: Maybe[Variables] = None
    tenant_id: str = ""
