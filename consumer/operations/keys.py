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
    for name in _key_fields(message.DESCRIPTOR):
        key = getattr(message, name)
        if key > 0 and key >> PARTITION_SHIFT == 0:
            raise CommandError(
                Code.NOT_FOUND,
                f"data.{name}: {key} is no key of any cluster (its partition would be 0, and partitions count "
                f"from 1); accepted is a key as the engine returned it",
                details={"field": f"data.{name}"},
            )
    if "request" in message.DESCRIPTOR.fields_by_name:
        refuse_impossible(message.request)  # type: ignore[attr-defined]  # create-instance with result wraps it


@cache
def _key_fields(descriptor: Descriptor) -> tuple[str, ...]:
    return tuple(
        field.name
        for field in descriptor.fields
        if field.type == FieldDescriptor.TYPE_INT64 and field.name.endswith("Key")
    )
