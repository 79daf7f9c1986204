"""Documents of variables: what the engine can digest, found out without changing a byte. Contract section 5."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from decimal import Decimal
from itertools import accumulate
from typing import Any, Final, TypeVar, overload

import msgspec
import orjson

from zeebe_amqp import wire
from zeebe_amqp.errors import CommandError, invalid
from zeebe_amqp.schema import byte_order_mark, fields
from zeebe_amqp.schema.formatting import unparsed

__all__ = ["Carrier", "check", "depth", "encode", "parse", "too_deep"]


T = TypeVar("T")

_ENCODER: Final = msgspec.json.Encoder(enc_hook=fields.encode, decimal_format="number")
_SUSPECT: Final = (b"null", b"NaN", b"Infinity")
_STRING: Final = re.compile(rb'"(?:[^"\\]++|\\.)*+"', re.DOTALL)
_STEPS: Final = bytes.maketrans(b"{[}]", b"\x01\x01\xff\xff")
_NO_BRACKETS: Final = bytes(byte for byte in range(256) if byte not in b"{[}]")
_KINDS: Final = {list: "a list", str: "text", bool: "true or false", type(None): "null"}
_INFINITY: Final = "infinity"
_DEPTH: Final = ("depth", "Recursion")  # the words differ with the version
_NOT_UTF8: Final = "not valid UTF-8"


class Carrier:
    """Data of a reply that carries a document of variables, JSON as text."""

    __slots__ = ()
    variables: str

    @overload
    def values(self) -> dict[str, Any]: ...

    @overload
    def values(self, kind: type[T]) -> T: ...

    def values(self, kind: Any = dict[str, Any]) -> Any:
        """The variables, parsed; `kind` is what they become: a dict, a dataclass, a msgspec struct, a TypedDict.

        Whole numbers are exact, however long.

        Raises:
            msgspec.ValidationError: they are not of that kind.
        """
        return msgspec.json.decode(self.variables, type=kind)


def encode(value: object, field: str) -> bytes:
    """JSON for a Python value that stands at `field`: whole numbers and decimals keep their digits.

    Raises:
        CommandError: INVALID_ARGUMENT, for what JSON cannot carry unchanged: NaN, infinity, lone surrogates, unknown
            types, too many levels.
    """
    try:
        data = _ENCODER.encode(value)
        # The encoder writes null for what is not a number: only then is it worth looking.
        lost = next(_not_finite(_plain(value), field), None) if any(word in data for word in _SUSPECT) else None
    except RecursionError:
        raise too_deep(field, wire.MAX_DEPTH) from None
    except (TypeError, NotImplementedError, UnicodeEncodeError) as problem:
        raise invalid(field, f"cannot be written as JSON: {problem}") from None
    if lost is not None:
        raise invalid(lost, "expected a number that JSON has, found NaN or infinity")
    return data


def _plain(value: object) -> Any:
    """The value as plain Python; what is JSON already is left out."""
    return msgspec.to_builtins(
        value,
        builtin_types=(Decimal,),
        enc_hook=lambda item: None if isinstance(item, msgspec.Raw) else fields.encode(item),
    )


def _not_finite(value: Any, path: str) -> Iterator[str]:
    match value:
        case dict():
            for key, item in value.items():
                yield from _not_finite(item, f"{path}.{key}")
        case list() | tuple():
            for index, item in enumerate(value):
                yield from _not_finite(item, f"{path}[{index}]")
        case float() if not math.isfinite(value):
            yield path
        case Decimal() if not value.is_finite():
            yield path


def check(raw: bytes, field: str, max_depth: int) -> None:
    """Refuse a document that is not an object, not strict JSON, or nested beyond `max_depth` levels.

    `raw` is the document as sent, `field` the path where it stands. Takes time in proportion to its length.

    Raises:
        CommandError: INVALID_ARGUMENT; the content is never repeated.
    """
    document = parse(raw, field, max_depth)
    if type(document) is not dict:
        found = f"found {_KINDS.get(type(document), 'a number')}{unparsed(raw.strip())}"
        raise invalid(field, f"expected a JSON object, {found}")
    # Counting brackets is cheap, and settles nearly every document: the rest is for the odd one.
    if raw.count(b"{") + raw.count(b"[") > max_depth and depth(raw) > max_depth:
        raise too_deep(field, max_depth)


def parse(raw: bytes, field: str, max_depth: int = wire.MAX_DEPTH) -> Any:
    """The value of strict JSON; `field` and `max_depth` are for the words of the refusal.

    Raises:
        CommandError: INVALID_ARGUMENT; the content is never repeated.
    """
    try:
        return orjson.loads(raw)
    except orjson.JSONDecodeError as problem:
        raise _refusal(problem, raw, field, max_depth) from None


def depth(raw: bytes) -> int:
    """How many levels valid JSON is nested: `{}` is 1."""
    steps = _STRING.sub(b"", raw).translate(_STEPS, _NO_BRACKETS)
    return max(accumulate(memoryview(steps).cast("b")), default=0)


def too_deep(field: str, max_depth: int) -> CommandError:
    """The refusal of what is nested beyond `max_depth` levels at `field`."""
    return invalid(field, f"nested deeper than {max_depth} levels, which would crash the engine")


def _refusal(problem: orjson.JSONDecodeError, raw: bytes, field: str, max_depth: int) -> CommandError:
    if any(words in problem.msg for words in _DEPTH):
        return too_deep(field, max_depth)
    if _INFINITY in problem.msg:
        return invalid(field, "a number beyond the range of a double, which the engine would turn into text")
    if mark := byte_order_mark.refusal(raw, len(problem.doc[: problem.pos].encode())):
        return invalid(field, f"not valid JSON: {mark}")
    if _NOT_UTF8 in problem.msg:
        return invalid(field, "not valid JSON: not UTF-8")
    return invalid(field, f"not valid JSON: {problem.msg} at character {problem.pos}")
