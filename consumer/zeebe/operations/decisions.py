"""Operations on decisions."""

from __future__ import annotations

from typing import Final

from consumer.zeebe.operations.row import Operation, to_data
from consumer.zeebe.protocol import gateway_pb2 as pb
from zeebe_amqp.commands.decisions import EvaluateDecision
from zeebe_amqp.schema.fields import text

__all__ = ["OPERATIONS"]


def _evaluate_decision(command: EvaluateDecision) -> pb.EvaluateDecisionRequest:
    return pb.EvaluateDecisionRequest(
        decisionId=command.decision_id or "",
        decisionKey=int(command.decision_key or 0),
        variables=text(command.variables),
        tenantId=command.tenant_id,
    )


OPERATIONS: Final = (Operation(EvaluateDecision, _evaluate_decision, to_data),)
