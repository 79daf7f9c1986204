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
    """An input of a decision table with its value: JSON as text."""

    input_id: str
    input_name: str
    input_value: str


class EvaluatedOutput(Result, frozen=True, kw_only=True):
    """An output of a matched rule with its value: JSON as text."""

    output_id: str
    output_name: str
    output_value: str


class MatchedRule(Result, frozen=True, kw_only=True):
    """A rule of a decision table that matched; `rule_index` counts from 1."""

    rule_id: str
    rule_index: int
    evaluated_outputs: tuple[EvaluatedOutput, ...]


class EvaluatedDecision(Result, frozen=True, kw_only=True):
    """A decision that was evaluated to get the result. `decision_output` is JSON as text."""

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
    """The result of a decision. `decision_output` is JSON as text.

    When the evaluation failed, `failed_decision_id` and `failure_message` say where and why; they are "" otherwise.
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
    """Evaluate a decision by id or by key. An id selects the latest version.

    A failing evaluation is a result, not an error.
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
