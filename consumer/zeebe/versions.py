"""Which gateway knows which field and RPC: older ones drop what they do not know, silently."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any, Final

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

from consumer.zeebe.protocol.since import OLDEST, SINCE, Version, parse, since
from consumer.zeebe.rpcs import METHODS
from zeebe_amqp.errors import Code, CommandError

__all__ = ["OLDEST", "RPC_MARK", "SINCE", "Version", "check", "depends", "parse"]

RPC_MARK: Final = "rpc "


def depends(message: Message) -> bool:
    """Whether anything in this request is newer than the oldest gateway, so that the version matters."""
    return _newest_rpc(message) > OLDEST or next(_newer(message, OLDEST, ""), None) is not None


def check(message: Message, gateway_version: str | None) -> None:
    """Refuse a request that the connected gateway would not understand in full.

    An unknown version (None, or text that is no version) refuses nothing.

    Raises:
        CommandError: UNIMPLEMENTED, not executed; names the first field that is too new, or the RPC.
    """
    version = parse(gateway_version) if gateway_version else None
    if version is None or not _reaches(message.DESCRIPTOR, version):
        return
    newest = _newest_rpc(message)
    if newest > version:
        raise _too_new("operation", METHODS[message.DESCRIPTOR.full_name].name, newest, gateway_version)
    newer = next(_newer(message, version, ""), None)
    if newer is not None:
        path, brought = newer
        raise _too_new(f"data.{path}", "this field", brought, gateway_version)


def _too_new(field: str, what: str, brought: Version, gateway_version: str | None) -> CommandError:
    needed = f"{brought[0]}.{brought[1]}"
    return CommandError(
        Code.UNIMPLEMENTED,
        f"{field}: {what} needs a gateway of version {needed} or newer, and the connected one is {gateway_version}",
        details={"field": field, "suggestion": f"a gateway of version {needed} or newer"},
    )


def _newest_rpc(message: Message) -> Version:
    rpc = METHODS.get(message.DESCRIPTOR.full_name)
    return SINCE.get(f"{RPC_MARK}{rpc.name}", OLDEST) if rpc else OLDEST


def _newer(message: Message, version: Version, prefix: str) -> Iterator[tuple[str, Version]]:
    candidates = _candidates(message.DESCRIPTOR, version)
    for field, value in message.ListFields():
        if field.name not in candidates:
            continue
        # Creating with result wraps the plain request; its callers know only the fields inside.
        path = prefix if field.name == "request" else f"{prefix}{field.name}"
        brought = since(field)
        if brought > version:
            yield path, brought
        else:
            yield from _inside(field, value, version, path)


def _inside(field: FieldDescriptor, value: Any, version: Version, path: str) -> Iterator[tuple[str, Version]]:
    if not field.is_repeated:
        yield from _newer(value, version, f"{path}." if path else "")
        return
    for index, element in enumerate(value):
        yield from _newer(element, version, f"{path}[{index}].")


@cache
def _candidates(descriptor: Descriptor, version: Version) -> frozenset[str]:
    """The fields of a message that are newer than `version`, or may hold something that is."""
    return frozenset(
        field.name
        for field in descriptor.fields
        if since(field) > version or (field.message_type is not None and _reaches(field.message_type, version))
    )


@cache
def _reaches(descriptor: Descriptor, version: Version) -> bool:
    """Whether a message of this type can hold anything newer than `version`: most need no look inside."""
    rpc = METHODS.get(descriptor.full_name)
    if rpc and SINCE.get(f"{RPC_MARK}{rpc.name}", OLDEST) > version:
        return True
    return bool(_candidates(descriptor, version))
