"""Documents of variables: what the engine can digest, found out without changing a byte. Contract section 5."""

from __future__ import annotations

import re
from itertools import accumulate
from typing import Final

import orjson

from zeebe_amqp.errors import CommandError, invalid

_STRING: Final = re.compile(rb'"(?:[^"\\]++|\\.)*+"', re.DOTALL)
_STEPS: Final = bytes.maketrans(b"{[}]", b"\x01\x01\xff\xff")
_NO_BRACKETS: Final = bytes(byte for byte in range(256) if byte not in b"{[}]")
_KINDS: Final = {list: "a list", str: "text", bool: "true or false", type(None): "null"}
_INFINITY: Final = "infinity"
_DEPTH: Final = ("depth", "Recursion")  # the words differ with the version
_NOT_UTF8: Final = "not valid UTF-8"


def check(raw: bytes, field: str, max_depth: int) -> None:
    """Refuse a document that is not an object, not strict JSON, or nested beyond `max_depth` levels.

    `raw` is the document as sent, `field` the path where it stands. Takes time in proportion to its length.

    Raises:
        CommandError: INVALID_ARGUMENT; the content is never repeated.
    """
    try:
        document = orjson.loads(raw)
    except orjson.JSONDecodeError as problem:
        raise _refusal(problem, field, max_depth) from None
    if type(document) is not dict:
        raise invalid(field, f"expected a JSON object, found {_KINDS.get(type(document), 'a number')}")
    # Counting brackets is cheap, and settles nearly every document: the rest is for the odd one.
    if raw.count(b"{") + raw.count(b"[") > max_depth and depth(raw) > max_depth:
        raise too_deep(field, max_depth)


def depth(raw: bytes) -> int:
    """How many levels valid JSON is nested: `{}` is 1."""
    steps = _STRING.sub(b"", raw).translate(_STEPS, _NO_BRACKETS)
    return max(accumulate(memoryview(steps).cast("b")), default=0)


def too_deep(field: str, max_depth: int) -> CommandError:
    """The refusal of what is nested beyond `max_depth` levels at `field`."""
    return invalid(field, f"nested deeper than {max_depth} levels, which the engine does not survive")


def _refusal(problem: orjson.JSONDecodeError, field: str, max_depth: int) -> CommandError:
    if any(words in problem.msg for words in _DEPTH):
        return too_deep(field, max_depth)
    if _INFINITY in problem.msg:
        return invalid(field, "a number beyond the range of a double, which the engine would turn into text")
    if _NOT_UTF8 in problem.msg:
        return invalid(field, "not valid JSON: not UTF-8")
    return invalid(field, f"not valid JSON: {problem.msg} at character {problem.pos}")
