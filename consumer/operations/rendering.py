"""Protobuf responses as plain data: every field present, enums by name, keys exact."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any, TypeAlias

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

Reader: TypeAlias = Callable[[Any, bool], Any]

_INT64 = {FieldDescriptor.TYPE_INT64, FieldDescriptor.TYPE_UINT64}


def render(message: Message, keys_as_text: bool = False) -> dict[str, Any]:
    """Render a response with the protocol's own field names.

    Zeros, empty texts and lists are present; absent messages and absent optional scalars are None; of a
    oneof only the member that is set appears. With `keys_as_text` every int64 becomes its decimal text.
    """
    return {
        name: read(message, keys_as_text)
        for name, is_shown, read in _fields(message.DESCRIPTOR)
        if is_shown is None or message.HasField(is_shown)
    }


@cache
def _fields(descriptor: Descriptor) -> tuple[tuple[str, str | None, Reader], ...]:
    """Per field: its name, the name whose presence decides whether it is shown, and its reader."""
    return tuple((field.name, field.name if _in_oneof(field) else None, _reader(field)) for field in descriptor.fields)


def _in_oneof(field: FieldDescriptor) -> bool:
    # An `optional` scalar is a oneof of one, named after it with an underscore.
    oneof = field.containing_oneof
    return oneof is not None and oneof.name != f"_{field.name}"


def _reader(field: FieldDescriptor) -> Reader:
    name, convert = field.name, _converter(field)
    if field.is_repeated:
        return lambda message, as_text: [convert(value, as_text) for value in getattr(message, name)]
    if field.has_presence:
        return lambda message, as_text: convert(getattr(message, name), as_text) if message.HasField(name) else None
    return lambda message, as_text: convert(getattr(message, name), as_text)


def _converter(field: FieldDescriptor) -> Reader:
    if field.message_type is not None:
        return render
    if field.enum_type is not None:
        names = {number: value.name for number, value in field.enum_type.values_by_number.items()}
        return lambda value, _: names.get(value, str(value))
    if field.type in _INT64:
        return lambda value, as_text: str(value) if as_text else value
    return lambda value, _: value
