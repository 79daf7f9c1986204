"""The results of a batch: a file that also says what is left to do."""

from __future__ import annotations

import fcntl
import os
import uuid
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import click
import msgspec

from zeebe_amqp.cli.calling import data_of
from zeebe_amqp.cli.output import compact
from zeebe_amqp.cli.requests import Entry
from zeebe_amqp.errors import CommandError, Error

__all__ = ["SUCCESS", "Journal"]

SUCCESS: Final = "OK"
"""The code of a request that succeeded."""


class _Head(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """The first line: which batch this is."""

    batch: str


class _Failure(msgspec.Struct):
    """What counts of an error."""

    code: str
    retryable: bool = False


class _Line(msgspec.Struct, kw_only=True):
    """What counts of a result's line."""

    id: str
    error: _Failure | None = None


class Journal:
    """The file of results; one process at a time. Use as a context manager.

    Its first line names the batch, which is part of every request id, and is safe on the disk before the first request
    is sent. Every further line is a result; what has one that is final is never sent again.

    Args:
        path: the file; it is made when it does not exist, else the batch goes on.
        restart: begin a new batch, under new request ids, and drop what is there.
    """

    def __init__(self, path: Path, *, restart: bool = False) -> None:
        self.path = path
        self.codes: dict[str, str] = {}
        """How each request ended that has a final result, by identity: "OK" or the error's code."""
        self.open: dict[str, str] = {}
        """How each request ended so far that may be sent again, by identity."""
        self._restart = restart

    def __enter__(self) -> Self:
        """Open it, and read what is there.

        Raises:
            click.ClickException: it cannot be opened, is in use, or is no file of results.
        """
        try:
            self._file = self.path.open("a+b")
        except OSError as problem:
            raise click.FileError(str(self.path), problem.strerror) from None
        try:
            self._lock()
            self._batch = self._read()
        except BaseException:
            self._file.close()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self._file.close()

    def request_id(self, entry: Entry) -> str:
        """The identity under which a request is sent, the same in every run of the batch."""
        return f"{self._batch}-{entry.identity}"

    def record_success(self, entry: Entry, reply: bytes) -> None:
        """Keep a result."""
        self._keep(entry, SUCCESS, data=msgspec.Raw(data_of(reply)))

    def record_failure(self, entry: Entry, error: CommandError) -> None:
        """Keep an error; one that is retryable leaves the request open."""
        self._keep(entry, error.code, error=error.error())

    def _keep(self, entry: Entry, code: str, **outcome: msgspec.Raw | Error) -> None:
        facts = {"line": entry.line, "id": entry.identity, "operation": entry.operation, **outcome}
        self._file.write(compact(msgspec.json.encode(facts)) + b"\n")
        self._file.flush()
        error = outcome.get("error")
        self._note(entry.identity, code, isinstance(error, Error) and error.retryable)

    def _note(self, identity: str, code: str, again: bool) -> None:
        self.open.pop(identity, None)
        (self.open if again else self.codes)[identity] = code

    def _lock(self) -> None:
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise click.UsageError(f"{self.path}: another batch is writing to it; wait until it ends") from None

    def _read(self) -> str:
        self._file.seek(0)
        text = self._file.read()
        # A killed run may have left half a line: its request is sent again, under the same id.
        whole = text[: text.rfind(b"\n") + 1]
        self._file.truncate(len(whole))
        head, *lines = whole.splitlines() or [b""]
        # Also before a restart: what is no file of results is not ours to empty.
        known: _Head | None = self._decode(head, _Head, 1) if head else None
        if known is None or self._restart:
            self._file.truncate(0)
            return self._begin()
        for number, line in enumerate(lines, 2):
            found: _Line = self._decode(line, _Line, number)
            error = found.error
            self._note(found.id, error.code if error else SUCCESS, bool(error and error.retryable))
        return known.batch

    def _begin(self) -> str:
        batch = uuid.uuid4().hex
        self._file.write(msgspec.json.encode(_Head(batch=batch)) + b"\n")
        self._file.flush()
        os.fsync(self._file.fileno())
        return batch

    def _decode(self, line: bytes, kind: Any, number: int) -> Any:
        try:
            return msgspec.json.decode(line, type=kind)
        except (msgspec.DecodeError, UnicodeDecodeError) as problem:
            raise click.UsageError(
                f"{self.path}, line {number}: not the results of a batch ({problem}); name another file by --results"
            ) from None

    def open_entries(self, entries: list[Entry]) -> Iterator[Entry]:
        """The requests without a final result."""
        return (entry for entry in entries if entry.identity not in self.codes)
