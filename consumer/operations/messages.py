"""Operations that tell processes something: messages."""

from __future__ import annotations

from consumer.gateway.protocol import gateway_pb2 as pb
from consumer.operations.row import Operation, rendered
from zeebe_amqp.commands.messages import PublishMessage
from zeebe_amqp.fields import milliseconds, text


def _publish_message(command: PublishMessage) -> pb.PublishMessageRequest:
    return pb.PublishMessageRequest(
        name=command.message_name,
        correlationKey=command.correlation_key,
        messageId=command.message_id,
        timeToLive=milliseconds(command.time_to_live),
        variables=text(command.variables),
        tenantId=command.tenant_id,
    )


def _deduplicated(command: PublishMessage) -> bool:
    # The engine compares ids only among messages that it keeps: without a time to live there is nothing to compare.
    return bool(command.message_id) and milliseconds(command.time_to_live) > 0


OPERATIONS = (Operation(PublishMessage, _publish_message, rendered, repeatable=_deduplicated),)
