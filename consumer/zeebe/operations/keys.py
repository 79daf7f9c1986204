"""Keys that cannot exist in any cluster."""

from __future__ import annotations

from functools import cache

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

from zeebe_amqp.errors import Code, CommandError

PARTITION_SHIFT = 51
"""A key's bits from here on are the number of its partition, and partitions count from 1."""


def refuse_impossible(message: Message) -> None:
    """Refuse a request with a key below partition 1.

    The gateway would answer "no such partition" with UNAVAILABLE, which looks like an outage and would be
    tried again and again.

    Raises:
        CommandError: NOT_FOUND, not executed.
    """
    _check(message, "data")


def _check(message: Message, place: str) -> None:
    for field in _paths_to_keys(message.DESCRIPTOR):
        value = getattr(message, field.name)
        # Creating with result wraps the plain request; its callers know only the fields inside.
        path = place if field.name == "request" else f"{place}.{field.name}"
        if field.message_type is None:
            _check_key(value, path)
        elif field.is_repeated:
            for index, part in enumerate(value):
                _check(part, f"{path}[{index}]")
        else:
            _check(value, path)


def _check_key(key: int, path: str) -> None:
    if key > 0 and key >> PARTITION_SHIFT == 0:
        raise CommandError(
            Code.NOT_FOUND,
            f"{path}: {key} is no key of any cluster (its partition would be 0, and partitions count from 1); "
            f"accepted is a key as the engine returned it",
            details={"field": path},
        )


@cache
def _paths_to_keys(descriptor: Descriptor) -> tuple[FieldDescriptor, ...]:
    """The fields of a message that are keys, or messages with keys inside."""
    return tuple(
        field
        for field in descriptor.fields
        if _is_key(field) or (field.message_type is not None and _paths_to_keys(field.message_type))
    )


def _is_key(field: FieldDescriptor) -> bool:
    return field.type == FieldDescriptor.TYPE_INT64 and field.name.endswith("Key")
