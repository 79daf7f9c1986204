"""Which version of the gateway brought which field and RPC."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from functools import cache
from importlib import resources
from types import MappingProxyType
from typing import Final, TypeAlias

from google.protobuf.descriptor import FieldDescriptor

from consumer.zeebe import protocol
from consumer.zeebe.protocol import gateway_pb2

__all__ = ["OLDEST", "SINCE", "Version", "parse", "since"]


Version: TypeAlias = tuple[int, int]
"""Major and minor number; patches bring no fields."""

OLDEST: Final[Version] = (1, 0)
_PACKAGE: Final = gateway_pb2.DESCRIPTOR.package


@cache
def parse(text: str) -> Version | None:
    """Major and minor of a version such as "8.9.0-rc1"; None when it does not begin like one."""
    found = re.match(r"(\d{1,9})\.(\d{1,9})", text)
    return (int(found.group(1)), int(found.group(2))) if found else None


def _read() -> dict[str, Version]:
    data: dict[str, str] = json.loads(resources.files(protocol).joinpath("since.json").read_text("utf-8"))
    return {name: parse(text) or OLDEST for name, text in data.items()}


SINCE: Final[Mapping[str, Version]] = MappingProxyType(_read())
"""The version that brought a field ("ActivateJobsRequest.tenantIds") or an RPC ("rpc DeleteResource"); absent: 1.0."""


def since(field: FieldDescriptor) -> Version:
    """The version that brought a field."""
    return SINCE.get(field.full_name.removeprefix(f"{_PACKAGE}."), OLDEST)
