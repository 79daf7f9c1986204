"""Operations that tell processes what they wait for: messages, signals, conditions."""

from __future__ import annotations

from typing import Final

from consumer.zeebe.operations.row import Operation, to_data
from consumer.zeebe.protocol import gateway_pb2 as pb
from zeebe_amqp.commands.messages import BroadcastSignal, EvaluateConditional, PublishMessage
from zeebe_amqp.schema.fields import milliseconds, text

__all__ = ["OPERATIONS"]


def _publish_message(command: PublishMessage) -> pb.PublishMessageRequest:
    return pb.PublishMessageRequest(
        name=command.message_name,
        correlationKey=command.correlation_key,
        messageId=command.message_id,
        timeToLive=milliseconds(command.time_to_live),
        variables=text(command.variables),
        tenantId=command.tenant_id,
    )


def _broadcast_signal(command: BroadcastSignal) -> pb.BroadcastSignalRequest:
    return pb.BroadcastSignalRequest(
        signalName=command.signal_name, variables=text(command.variables), tenantId=command.tenant_id
    )


def _evaluate_conditional(command: EvaluateConditional) -> pb.EvaluateConditionalRequest:
    return pb.EvaluateConditionalRequest(
        variables=text(command.variables),
        processDefinitionKey=command.process_definition_key,
        tenantId=command.tenant_id,
    )


OPERATIONS: Final = (
    Operation(PublishMessage, _publish_message, to_data),
    Operation(BroadcastSignal, _broadcast_signal, to_data),
    Operation(EvaluateConditional, _evaluate_conditional, to_data),
)
