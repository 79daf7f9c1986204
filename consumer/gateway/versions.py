"""Which gateway knows which field and RPC: older ones drop what they do not know, silently."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from functools import cache
from importlib import resources
from types import MappingProxyType
from typing import Any, TypeAlias

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

from consumer.gateway import protocol
from consumer.gateway.protocol import gateway_pb2
from consumer.gateway.rpcs import METHODS
from zeebe_amqp.errors import Code, CommandError

Version: TypeAlias = tuple[int, int]
"""Major and minor number; patches bring no fields."""

RPC_MARK = "rpc "
OLDEST: Version = (1, 0)
_PACKAGE = gateway_pb2.DESCRIPTOR.package


@cache
def parse(text: str) -> Version | None:
    """Major and minor of a version such as "8.9.0-rc1"; None when it does not begin like one."""
    found = re.match(r"(\d+)\.(\d+)", text)
    return (int(found.group(1)), int(found.group(2))) if found else None


def _since() -> dict[str, Version]:
    data: dict[str, str] = json.loads(resources.files(protocol).joinpath("since.json").read_text("utf-8"))
    return {name: parse(text) or OLDEST for name, text in data.items()}


SINCE: Mapping[str, Version] = MappingProxyType(_since())
"""The version that brought a field ("ActivateJobsRequest.tenantIds") or an RPC ("rpc DeleteResource"); absent: 1.0."""


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
    since = _newest_rpc(message)
    if since > version:
        raise _too_new("operation", METHODS[message.DESCRIPTOR.full_name].name, since, gateway_version)
    newer = next(_newer(message, version, ""), None)
    if newer is not None:
        path, since = newer
        raise _too_new(f"data.{path}", "this field", since, gateway_version)


def _too_new(field: str, what: str, since: Version, gateway_version: str | None) -> CommandError:
    needed = f"{since[0]}.{since[1]}"
    return CommandError(
        Code.UNIMPLEMENTED,
        f"{field}: {what} needs a gateway of version {needed} or newer, and the connected one is {gateway_version}",
        details={"field": field, "suggestion": f"a gateway of version {needed} or newer"},
    )


def _newest_rpc(message: Message) -> Version:
    rpc = METHODS.get(message.DESCRIPTOR.full_name)
    return SINCE.get(f"{RPC_MARK}{rpc.name}", OLDEST) if rpc else OLDEST


def _newer(message: Message, version: Version, prefix: str) -> Iterator[tuple[str, Version]]:
    for field, value in message.ListFields():
        # Creating with result wraps the plain request; its callers know only the fields inside.
        path = prefix if field.name == "request" else f"{prefix}{field.name}"
        since = _since_field(field)
        if since > version:
            yield path, since
        elif field.message_type is not None and _reaches(field.message_type, version):
            yield from _inside(field, value, version, path)


def _inside(field: FieldDescriptor, value: Any, version: Version, path: str) -> Iterator[tuple[str, Version]]:
    if not field.is_repeated:
        yield from _newer(value, version, f"{path}." if path else "")
        return
    for index, element in enumerate(value):
        yield from _newer(element, version, f"{path}[{index}].")


def _since_field(field: FieldDescriptor) -> Version:
    return SINCE.get(field.full_name.removeprefix(f"{_PACKAGE}."), OLDEST)


@cache
def _reaches(descriptor: Descriptor, version: Version) -> bool:
    """Whether a message of this type can hold anything newer than `version`: most need no look inside."""
    rpc = METHODS.get(descriptor.full_name)
    if rpc and SINCE.get(f"{RPC_MARK}{rpc.name}", OLDEST) > version:
        return True
    return any(
        _since_field(field) > version or (field.message_type is not None and _reaches(field.message_type, version))
        for field in descriptor.fields
    )
