"""The types of the fields of commands: keys, durations, documents, names, counts. Contract section 5.

The JSON decoder sees classes that accept exactly what the contract says; a type checker sees what callers
write: a key is an `int`, a duration `"5m"` or a `timedelta`, variables a mapping.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Final, Self, TypeAlias, TypeVar

import msgspec
from msgspec import Meta

from zeebe_amqp.schema import durations
from zeebe_amqp.schema.formatting import found

__all__ = [
    "Count",
    "Duration",
    "Key",
    "KeyNumber",
    "LenientBool",
    "LenientBoolNumber",
    "Maybe",
    "Name",
    "Period",
    "Priority",
    "Reference",
    "ReferenceNumber",
    "Retries",
    "Scalar",
    "Text",
    "Variables",
    "Version",
    "decode",
    "encode",
    "milliseconds",
    "text",
]


INT32: Final = 2**31 - 1
"""The largest whole number of 32 bits with a sign."""
INT64: Final = 2**63 - 1
"""The largest of 64 bits with a sign: the largest key."""
UINT64: Final = 2**64 - 1
"""The largest of 64 bits without one."""
KEY_DIGITS: Final = 19
"""How many digits the largest key has."""

T = TypeVar("T")


class Scalar(int):
    """A number that the JSON decoder reads in a way of its own."""

    __slots__ = ()
    description: ClassVar[str]
    """What a value is called in an error's message."""
    schema: ClassVar[dict[str, Any]]
    """Its JSON Schema."""

    @classmethod
    def parse(cls, value: object) -> Self:
        """Read a decoded JSON value; ValueError says what was expected and found."""
        raise NotImplementedError


class KeyNumber(Scalar):
    """A key as it comes over the wire: a JSON integer or its decimal text, 1 to 2^63-1."""

    __slots__ = ()
    description: ClassVar[str] = "a key (a whole number above 0, or its decimal text)"
    schema: ClassVar[dict[str, Any]] = {
        "anyOf": [
            {"type": "integer", "minimum": 1, "maximum": INT64},
            {"type": "string", "pattern": "^0*[1-9][0-9]*$", "maxLength": KEY_DIGITS},
        ]
    }

    @classmethod
    def parse(cls, value: object) -> Self:
        """Read a decoded JSON value; ValueError says what was expected and found."""
        number = value if type(value) is int else 0
        # isdecimal alone would let other scripts' digits through
        if type(value) is str and len(value) <= KEY_DIGITS and value.isascii() and value.isdecimal():
            number = int(value)
        if not 0 < number <= INT64:
            raise ValueError(f"expected {cls.description}, found {found(value)}")
        return cls(number)


class ReferenceNumber(Scalar):
    """An operation reference: a whole number from 1 to 2^64-1."""

    __slots__ = ()
    description: ClassVar[str] = "a whole number from 1 to 18446744073709551615"
    schema: ClassVar[dict[str, Any]] = {"type": "integer", "minimum": 1, "maximum": UINT64}

    @classmethod
    def parse(cls, value: object) -> Self:
        """Read a decoded JSON value; ValueError says what was expected and found."""
        if type(value) is not int or not 0 < value <= UINT64:
            raise ValueError(f"expected {cls.description}, found {found(value)}")
        return cls(value)


class Period(Scalar):
    """A duration in whole milliseconds, rounded up; 0 means "not given"."""

    __slots__ = ()
    description: ClassVar[str] = durations.DESCRIPTION
    schema: ClassVar[dict[str, Any]] = durations.SCHEMA

    @classmethod
    def parse(cls, value: object) -> Self:
        """Read text (Go's syntax or ISO-8601) or an integer of nanoseconds; ValueError says what is wrong."""
        return cls(durations.milliseconds(value))

    @property
    def milliseconds(self) -> int:
        """The duration in milliseconds."""
        return int(self)


class LenientBoolNumber(Scalar):
    """A yes or no as Camunda 7's REST API reads it: true, 1 or "true" in any case; false, 0, "false", "" or null."""

    __slots__ = ()
    description: ClassVar[str] = "true or false"
    schema: ClassVar[dict[str, Any]] = {
        "anyOf": [
            {"type": ["boolean", "null"]},
            {"type": "integer", "minimum": 0, "maximum": 1},
            {"type": "string", "pattern": "^([Tt][Rr][Uu][Ee]|[Ff][Aa][Ll][Ss][Ee])?$"},
        ]
    }

    @classmethod
    def parse(cls, value: object) -> Self:
        """Read a decoded JSON value; ValueError says what was expected and found."""
        known = value.lower() if isinstance(value, str) else value
        if isinstance(known, float) or known not in _BOOLEANS:
            raise ValueError(f"expected {cls.description}, found {found(value)}")
        return cls(_BOOLEANS[known])


_BOOLEANS: Final[Mapping[object, bool]] = {
    True: True,
    "true": True,
    None: False,
    False: False,
    "false": False,
    "": False,
}


if TYPE_CHECKING:
    LenientBool: TypeAlias = bool
    """A yes or no."""
    Key: TypeAlias = int
    """The number of something in the engine."""
    Reference: TypeAlias = int
    """A number of the caller's that the engine writes into its records."""
    Duration: TypeAlias = Period | timedelta | str
    """How long; reads with `milliseconds`."""
    Variables: TypeAlias = msgspec.Raw | Mapping[str, Any]
    """A JSON object; decoded requests keep it byte for byte. Reads with `text`."""
    Maybe: TypeAlias = T | None
    """A field that may be absent (None), but may not be sent as null."""
else:
    LenientBool = LenientBoolNumber
    Key = KeyNumber
    Reference = ReferenceNumber
    Duration = Period
    Variables = msgspec.Raw

    class Maybe:
        """A field that may be absent (None), but may not be sent as null: the decoder sees the bare type."""

        def __class_getitem__(cls, item: object) -> object:
            return item


Name: TypeAlias = Annotated[str, Meta(pattern=r"\S", description="text that is not blank")]
"""Text that is not blank."""
Text: TypeAlias = Annotated[str, Meta(min_length=1, description="text that is not empty")]
"""Text of one character or more, blank ones included."""
Count: TypeAlias = Annotated[int, Meta(ge=1, le=INT32, description="a whole number from 1 to 2147483647")]
"""How many, 1 or more."""
Version: TypeAlias = Annotated[
    int,
    Meta(
        ge=-1,
        le=INT32,
        description="-1 for the latest, or a whole number above 0",
        extra_json_schema={"not": {"const": 0}},
    ),
]
"""A process definition's version; 0 is refused by the command."""
Retries: TypeAlias = Annotated[int, Meta(ge=-INT32 - 1, le=INT32, description="a whole number of 32 bits")]
"""How often a job may still be tried."""
Priority: TypeAlias = Annotated[int, Meta(ge=-INT32 - 1, le=INT32, description="a whole number of 32 bits")]
"""A user task's priority."""


def decode(kind: type, value: object) -> object:
    """The decoder's hook for the types of this module; ValueError says what was expected and found."""
    assert issubclass(kind, Scalar)  # the only types the decoder does not know itself
    return kind.parse(value)


def encode(value: object) -> object:
    """The encoder's hook for the types of this module."""
    if isinstance(value, Period):
        return f"{int(value)}ms"
    if isinstance(value, LenientBoolNumber):
        return bool(value)
    if isinstance(value, Scalar):
        return int(value)
    raise NotImplementedError(f"cannot write a {type(value).__name__} as JSON")


def milliseconds(duration: Duration | None) -> int:
    """A duration field in whole milliseconds, rounded up; 0 when it was not given.

    Raises:
        ValueError: for text that is not a duration, or a negative timedelta.
    """
    if duration is None:
        return 0
    if isinstance(duration, timedelta):
        return durations.milliseconds(f"{duration // timedelta(microseconds=1)}us")
    return duration.milliseconds if isinstance(duration, Period) else durations.milliseconds(duration)


def text(variables: Variables | None) -> str:
    """A document field as the engine takes it: the JSON text as sent, "" when there is none."""
    if variables is None:
        return ""
    if not isinstance(variables, msgspec.Raw):
        return msgspec.json.encode(variables).decode()
    document = str(memoryview(variables), "utf-8")
    return "" if document == "null" else document
