"""What all commands have in common: reading, checking and writing themselves."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any, ClassVar, Self

import msgspec
from msgspec import inspect

from zeebe_amqp import documents, fields, wire
from zeebe_amqp.errors import CommandError, invalid
from zeebe_amqp.explanation import explain, type_info
from zeebe_amqp.members import latest
from zeebe_amqp.words import flaw

DATA = "data"
"""Where a command stands in the envelope; paths of fields start with it."""
LONGEST_WAIT = 15 * 60 * 1000
"""The longest requestTimeout, milliseconds: the broker takes back what is unacknowledged for 30 minutes."""


class Command(
    msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True, rename="camel", omit_defaults=True
):
    """A request to the engine: the `data` of an envelope, typed and checked.

    `operation` is its name on the wire, `result` the type of the reply's data (None: no data).
    """

    operation: ClassVar[str]
    result: ClassVar[Any] = None

    @classmethod
    def from_wire(
        cls, data: bytes, metadata: Mapping[str, str], *, bare: bool = False, max_depth: int = wire.MAX_DEPTH
    ) -> Self:
        """Read and check the command from `data`, JSON as sent.

        `metadata` holds the envelope's texts; `bare` says that `data` is the message's whole body.

        Raises:
            CommandError: INVALID_ARGUMENT, naming the field.
        """
        command: Self = _decode(cls, data, max_depth)
        command.verify()
        for path, raw in _documents(command, DATA):
            documents.check(bytes(raw), path, max_depth)
        return command

    def to_wire(self) -> tuple[bytes, dict[str, str]]:
        """The command as the `data` (JSON) and `metadata` of an envelope."""
        return msgspec.json.encode(self, enc_hook=fields.encode), {}

    def verify(self) -> None:
        """Check the rules between fields.

        Raises:
            CommandError: INVALID_ARGUMENT, naming the field.
        """

    def result_type(self) -> Any:
        """The type of the data in the reply to this command; None when there is none."""
        return self.result


class Part(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True, rename="camel", omit_defaults=True):
    """An object inside a command's data."""


class Result(msgspec.Struct, kw_only=True, frozen=True, rename="camel"):
    """Data of a reply. Fields that this version does not know are ignored when read."""


def missing(field: str, expected: str) -> CommandError:
    """The refusal of a required field that is absent or empty."""
    return invalid(f"{DATA}.{field}", f"missing; expected {expected}")


def check_wait(request_timeout: fields.Duration | None) -> None:
    """Refuse a requestTimeout above the longest wait."""
    if (wait := fields.milliseconds(request_timeout)) > LONGEST_WAIT:
        raise invalid(f"{DATA}.requestTimeout", f"expected at most 15 minutes, found {wait} ms")


@cache
def _decoder(kind: type[Command]) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(kind, dec_hook=fields.decode)


def _decode(kind: type[Command], data: bytes, max_depth: int) -> Any:
    try:
        return _typed(kind, data)
    except RecursionError:
        raise documents.too_deep(DATA, max_depth) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as problem:
        raise invalid(DATA, flaw(problem)) from None


def _typed(kind: type[Command], data: bytes) -> Any:
    decoder = _decoder(kind)
    try:
        return decoder.decode(data)
    except msgspec.ValidationError:
        data = latest(data.strip(), type_info(kind))
    try:
        return decoder.decode(data)
    except msgspec.ValidationError as problem:
        raise explain(problem, kind, data, DATA) from None


def _documents(node: msgspec.Struct, path: str) -> Iterator[tuple[str, msgspec.Raw]]:
    """The documents in a command with their paths; null ones are as if absent."""
    for name, wire_name in _holders(type(node)):
        yield from _inside(getattr(node, name), f"{path}.{wire_name}")


def _inside(value: Any, path: str) -> Iterator[tuple[str, msgspec.Raw]]:
    if isinstance(value, msgspec.Raw):
        if bytes(value) != b"null":
            yield path, value
    elif isinstance(value, msgspec.Struct):
        yield from _documents(value, path)
    elif isinstance(value, tuple):
        for index, item in enumerate(value):
            yield from _inside(item, f"{path}[{index}]")


@cache
def _holders(kind: type[msgspec.Struct]) -> tuple[tuple[str, str], ...]:
    """The fields of a type that are, or may contain, documents: attribute and wire name."""
    info = type_info(kind)
    assert isinstance(info, inspect.StructType)
    return tuple((field.name, field.encode_name) for field in info.fields if _holds(field.type))


def _holds(kind: inspect.Type) -> bool:
    match kind:
        case inspect.RawType():
            return True
        case inspect.StructType():
            return any(_holds(field.type) for field in kind.fields)
        case inspect.VarTupleType():
            return _holds(kind.item_type)
    return False
