"""Protobuf responses as plain data: every field present, enums by name, keys exact, and nothing that nobody said."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import cache, partial
from typing import Any, Final, TypeAlias

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

from consumer.zeebe.protocol.since import Version, parse, since

__all__ = ["Reader", "render"]


Reader: TypeAlias = Callable[[Any, bool], Any]

SUPPORTED: Final[Version] = (8, 5)
"""The oldest gateway that is supported; what it knows is always a fact."""
_NEWEST: Final[Version] = (sys.maxsize, 0)

_INT64: Final = {FieldDescriptor.TYPE_INT64, FieldDescriptor.TYPE_UINT64}


def render(message: Message, keys_as_text: bool = False, gateway_version: str | None = None) -> dict[str, Any]:
    """Render a response with the protocol's own field names.

    Zeros, empty texts and lists are present; absent messages and absent optional scalars are None; of a
    oneof only the member that is set appears. With `keys_as_text` every int64 becomes its decimal text.

    A field that a gateway of `gateway_version` does not know yet is None: that it is zero or empty says nothing then.
    Without a version every field counts as known.
    """
    return {
        name: read(message, keys_as_text)
        for name, is_shown, read in _fields(message.DESCRIPTOR, gateway_version)
        if is_shown is None or message.HasField(is_shown)
    }


@cache
def _fields(descriptor: Descriptor, gateway_version: str | None) -> tuple[tuple[str, str | None, Reader], ...]:
    """Per field: its name, the name whose presence decides whether it is shown, and its reader."""
    version = max(parse(gateway_version or "") or _NEWEST, SUPPORTED)
    return tuple(
        (field.name, field.name if _in_oneof(field) else None, _reader(field, gateway_version, since(field) > version))
        for field in descriptor.fields
    )


def _in_oneof(field: FieldDescriptor) -> bool:
    # An `optional` scalar is a oneof of one, named after it with an underscore.
    oneof = field.containing_oneof
    return oneof is not None and oneof.name != f"_{field.name}"


def _reader(field: FieldDescriptor, gateway_version: str | None, is_news: bool) -> Reader:
    """How a field is read; of one that is news to the gateway only what is more than its default is a fact."""
    # Whoever sends a message that is news knows what is in it.
    name, convert = field.name, _converter(field, None if is_news else gateway_version)
    if field.is_repeated:
        if is_news:
            return lambda message, as_text: [convert(value, as_text) for value in getattr(message, name)] or None
        return lambda message, as_text: [convert(value, as_text) for value in getattr(message, name)]
    if field.has_presence:
        return lambda message, as_text: convert(getattr(message, name), as_text) if message.HasField(name) else None
    if is_news:
        return lambda message, as_text: convert(value, as_text) if (value := getattr(message, name)) else None
    if convert is _unchanged:
        return lambda message, _: getattr(message, name)
    return lambda message, as_text: convert(getattr(message, name), as_text)


def _converter(field: FieldDescriptor, gateway_version: str | None) -> Reader:
    if field.message_type is not None:
        return partial(render, gateway_version=gateway_version)
    if field.enum_type is not None:
        names = {number: value.name for number, value in field.enum_type.values_by_number.items()}
        return lambda value, _: names.get(value, str(value))
    if field.type in _INT64:
        return lambda value, as_text: str(value) if as_text else value
    return _unchanged


def _unchanged(value: Any, _: bool) -> Any:
    return value
