"""What the gateway may answer to each operation, made from the protocol: a new field is covered without being named."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from consumer.zeebe.rpcs import METHODS
from tests.unit.consumer.zeebe.operations.requests import REQUESTS


def filled(kind: type[Message], alternative: int = 0) -> Message:
    """A response with every field set to something else than its default; of a oneof the member of that number."""
    message = kind()
    for field in kind.DESCRIPTOR.fields:
        if (oneof := field.containing_oneof) and oneof.fields[alternative % len(oneof.fields)] is not field:
            continue
        one = value_of(field, alternative)
        if field.is_repeated:
            getattr(message, field.name).extend([one, one])
        elif field.message_type is not None:
            getattr(message, field.name).CopyFrom(one)
        else:
            setattr(message, field.name, one)
    return message


def value_of(field: FieldDescriptor, alternative: int) -> Any:
    if field.message_type is not None:
        return filled(GetMessageClass(field.message_type), alternative)
    if field.enum_type is not None:
        return field.enum_type.values[-1].number
    return {FieldDescriptor.TYPE_STRING: "text", FieldDescriptor.TYPE_BOOL: True}.get(field.type, 2**30)


def responses(operation: str, kind: type[Message]) -> Iterator[tuple[str, Any]]:
    for response in (kind(), *(filled(kind, alternative) for alternative in range(4))):
        yield operation, [response] if operation == "activate-jobs" else response


KINDS = dict.fromkeys((operation, METHODS[sent.DESCRIPTOR.full_name].response) for operation, *_, sent in REQUESTS)
RESPONSES = [("activate-jobs", []), *(each for kind in KINDS for each in responses(*kind))]
"""Each operation with responses that say nothing and all there is."""
