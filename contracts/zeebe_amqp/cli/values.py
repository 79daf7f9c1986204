"""The values of options: text from a shell, and what becomes of it in JSON."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path
from typing import Any, Final

import click
import msgspec
import orjson

from zeebe_amqp.schema import byte_order_mark, durations
from zeebe_amqp.schema.formatting import printable, quoted

__all__ = [
    "DOCUMENT",
    "FILE",
    "NUMBER",
    "SECONDS",
    "STANDARD_INPUT",
    "TEXT",
    "DocumentType",
    "FileType",
    "NumberType",
    "SecondsType",
    "TextType",
    "given",
    "read",
]

STANDARD_INPUT: Final = "-"
"""What stands for standard input where a file may be named."""
_NUMBER: Final = re.compile(r"-?[0-9]{1,20}")
_SECONDS: Final = re.compile(r"[0-9]{1,9}(\.[0-9]{1,9})?")


class TextType(click.ParamType[str]):
    """Text as it is, whatever its first character."""

    name = "text"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The text; bytes that are not UTF-8 are refused, JSON has no place for them."""
        try:
            str(value).encode()
        except UnicodeEncodeError:
            self.fail("expected text, found bytes that are not UTF-8", param, ctx)
        return str(value)


class NumberType(click.ParamType[int]):
    """A whole number; what is in range is the command's affair."""

    name = "number"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """The number, of plain decimal digits."""
        if not _NUMBER.fullmatch(str(value)):
            self.fail(f"expected a whole number, found {_shown(value)}", param, ctx)
        return int(value)


class DocumentType(click.ParamType[msgspec.Raw]):
    """JSON, given as `given` says; it is sent as it is."""

    name = "json"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> msgspec.Raw:
        """The JSON text, known to be exactly one value."""
        try:
            raw = byte_order_mark.without(given(value))
            orjson.loads(raw)
        except UnicodeEncodeError:
            self.fail("expected JSON, found bytes that are not UTF-8", param, ctx)
        except orjson.JSONDecodeError as problem:
            why = byte_order_mark.refusal(raw, 0) or problem
            self.fail(
                f"not valid JSON: {why} (or name a file: @variables.json, or give - for standard input)", param, ctx
            )
        return msgspec.Raw(raw.strip())


class SecondsType(click.ParamType[float]):
    """How long: a duration with a unit, or a number of seconds."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """The duration in seconds, above 0."""
        if isinstance(value, float):
            return value
        try:
            seconds = float(value) if _SECONDS.fullmatch(value) else durations.milliseconds(value) / 1000
        except ValueError:
            seconds = 0.0
        if not seconds:
            self.fail(f'expected a duration above 0 such as "30s" or "2m", found {_shown(value)}', param, ctx)
        return seconds


class FileType(click.Path):
    """The name of a file, also written with the @ that texts need; "-" is standard input."""

    def __init__(self) -> None:
        super().__init__(exists=True, dir_okay=False, allow_dash=True)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The name without its @, unless there is a file of the whole name."""
        name = str(value)
        if name.startswith("@") and not os.path.exists(name):
            name = name[1:]
        return super().convert(name, param, ctx)


FILE: Final = FileType()
"""The type of names of files that are read."""
TEXT: Final = TextType()
"""The type of options whose text is kept."""
NUMBER: Final = NumberType()
"""The type of whole numbers."""
DOCUMENT: Final = DocumentType()
"""The type of JSON."""
SECONDS: Final = SecondsType()
"""The type of how long the program waits."""


def given(text: str) -> bytes:
    """What is meant by text that may be the thing itself, `@file`, or "-" for standard input.

    Raises:
        click.FileError: the file cannot be read.
    """
    if text == STANDARD_INPUT:
        return read(text)
    return read(text[1:]) if text.startswith("@") else text.encode()


def read(name: str) -> bytes:
    """The bytes of a file, or with "-" of standard input.

    Raises:
        click.FileError: it cannot be read.
    """
    try:
        return sys.stdin.buffer.read() if name == STANDARD_INPUT else Path(name).read_bytes()
    except (OSError, ValueError) as problem:  # a name with a null byte is no OSError
        reason = problem.strerror if isinstance(problem, OSError) else None
        raise click.FileError(_shown(name).strip('"'), reason or str(problem)) from None


def _shown(value: object) -> str:
    return quoted(printable(str(value), kept=""))
