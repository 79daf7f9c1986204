"""The members of JSON objects, where a key may be given twice: the last one wins."""

from __future__ import annotations

from typing import Final

import msgspec
from msgspec import inspect

__all__ = ["LIST", "OBJECT", "latest"]


OBJECT: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])
"""Reads an object one level deep: its members' bytes by key."""
LIST: Final = msgspec.json.Decoder(list[msgspec.Raw])
"""Reads a list one level deep: its items' bytes."""


def latest(raw: bytes, kind: inspect.Type) -> bytes:
    """JSON for `kind` with each key once, the last one; documents stay byte for byte.

    The typed decoder refuses a wrong value even where a later one replaces it.
    """
    match kind:
        case inspect.StructType() if raw.startswith(b"{"):
            types = {field.encode_name: field.type for field in kind.fields}
            members = OBJECT.decode(raw)
            known = {key: _latest_member(members[key], types[key]) for key in members if key in types}
            return msgspec.json.encode(members | known)
        case inspect.VarTupleType() if raw.startswith(b"["):
            return msgspec.json.encode([_latest_member(item, kind.item_type) for item in LIST.decode(raw)])
    return raw


def _latest_member(raw: msgspec.Raw, kind: inspect.Type) -> msgspec.Raw:
    return msgspec.Raw(latest(bytes(raw), kind))
