"""Where records of the audit go on this machine: a file, or a standard stream."""

from __future__ import annotations

import asyncio
import fcntl
import os
import select
import stat
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final, Protocol

from consumer.core.thread import Worker
from consumer.security.audit_record import Record

__all__ = ["AuditError", "AuditFile", "DescriptorSink", "FileSink", "QueueSink", "Sink", "examine"]

CLOSING: Final = 1.0
"""Seconds to wait for a write that is going on when the sink is closed."""
_OTHERS: Final = 0o027
"""Rights to the file that are refused: its group may read it, as a program that ships logs must, nobody else."""
_FLAGS: Final = os.O_RDWR | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY


class AuditError(Exception):
    """Nothing can be recorded, and waiting would not help; the text names the setting."""


class Sink(Protocol):
    """Where records go."""

    @property
    def name(self) -> str:
        """As in the setting AUDIT."""

    @property
    def is_remote(self) -> bool:
        """Whether it may be away for a while, at the start as well."""

    async def open(self) -> None:
        """See whether records can be written.

        Raises:
            AuditError: they cannot, and waiting would not help.
            Exception: they cannot now.
        """

    async def write(self, records: Sequence[Record]) -> None:
        """Write these; when it returns they are safe. Raises anything: then they may be there or not."""

    async def close(self) -> None:
        """Let go of it; also when it was never opened."""


class DescriptorSink:
    """An open file of this process, such as its standard output: whoever reads that keeps the records.

    Args:
        descriptor: its number.
        name: as in the setting.
    """

    is_remote = False

    def __init__(self, descriptor: int, name: str) -> None:
        self.name = name
        self._descriptor = descriptor
        self._torn = False
        self._thread: Worker | None = None

    async def open(self) -> None:
        """See `Sink.open`."""
        try:
            mode = fcntl.fcntl(self._descriptor, fcntl.F_GETFL) & os.O_ACCMODE
        except OSError as error:
            raise AuditError(f"AUDIT: {self.name} is closed; accepted: an open one, or a file") from error
        if mode == os.O_RDONLY:
            raise AuditError(f"AUDIT: {self.name} can only be read; accepted: one that can be written")
        self._thread = self._thread or Worker("audit")

    async def write(self, records: Sequence[Record]) -> None:
        """See `Sink.write`; waits while nobody reads."""
        assert self._thread is not None
        await self._thread.call(self._write, _joined(records))

    def _write(self, data: bytes) -> None:
        if self._torn:
            data = b"\n" + data
        self._torn = True
        _write_all(self._descriptor, data)
        self._torn = False

    async def close(self) -> None:
        """See `Sink.close`."""
        if self._thread is not None:
            self._thread.close(CLOSING)


class FileSink:
    """A file; several processes may write to it.

    Args:
        path: of the file.
    """

    is_remote = False

    def __init__(self, path: Path) -> None:
        self.name = str(path)
        self._file = AuditFile(path)
        self._thread: Worker | None = None

    async def open(self) -> None:
        """See `Sink.open`."""
        self._thread = self._thread or Worker("audit")
        await self._thread.call(self._file.open)

    async def write(self, records: Sequence[Record]) -> None:
        """See `Sink.write`; records are on the disk when it returns."""
        assert self._thread is not None
        await self._thread.call(self._file.append, _joined(records))

    async def close(self) -> None:
        """See `Sink.close`."""
        if self._thread is not None:
            self._thread.call(self._file.close)
            self._thread.close(CLOSING)


class AuditFile:
    """The file, for one thread. It and its folder are made, for this user only, when they are missing.

    It is opened anew when it was renamed or removed, so whoever rotates it need not tell us, and looked at again when
    its rights were changed.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor: int | None = None
        self._seen: tuple[int, ...] = ()
        self._torn = False
        """Whether the last line in it has no end: its writer died, or the disk was full."""

    def open(self) -> None:
        """Open it, or see that it is open.

        Raises:
            AuditError: others may write or read it, it belongs to somebody else, or cannot be opened.
        """
        if self._descriptor is not None:
            return
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            descriptor = self._open_or_make()
        except OSError as error:
            raise self._refused(f"cannot be opened ({error.strerror})") from error
        try:
            found = os.fstat(descriptor)
            self._check(found)
            self._torn = found.st_size > 0 and os.pread(descriptor, 1, found.st_size - 1) != b"\n"
            self._sync_folder()
        except BaseException:
            os.close(descriptor)
            raise
        self._descriptor, self._seen = descriptor, _identity(found)

    def _open_or_make(self) -> int:
        try:
            descriptor = os.open(self._path, _FLAGS | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            return os.open(self._path, _FLAGS)
        if os.geteuid() == 0:  # a command that root runs makes it for the service, which could not use root's
            folder = self._path.parent.stat()
            os.fchown(descriptor, folder.st_uid, folder.st_gid)
        return descriptor

    def _check(self, found: os.stat_result) -> None:
        # Not put right by us: a change of its rights does not take back what others have read or written before, and
        # somebody may have set them on purpose.
        if not stat.S_ISREG(found.st_mode):
            raise self._refused("is no ordinary file")
        if found.st_uid != os.geteuid() != 0:
            raise self._refused(f"belongs to another user (uid {found.st_uid}, this is {os.geteuid()})")
        if found.st_mode & _OTHERS:
            raise self._refused(f"may be read or written by others (mode {stat.S_IMODE(found.st_mode):04o})")

    def _refused(self, found: str) -> AuditError:
        return AuditError(
            f"AUDIT: {self._path} {found}; accepted: a file of this user with mode 0600 or 0640, or a name that is free"
        )

    def _sync_folder(self) -> None:
        """A new file's name is on the disk only then."""
        with suppress(OSError):  # not every folder may be read
            folder = os.open(self._path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)

    def append(self, data: bytes) -> None:
        """Write whole lines; they are on the disk when it returns.

        Raises:
            OSError: they are not, or in part: the next line begins after the rest of a broken one.
            AuditError: as `open`.
        """
        if not self._is_current():
            self.close()
        self.open()
        assert self._descriptor is not None
        try:
            # In one write where the disk lets us: what other processes append comes before it or after it.
            _write_all(self._descriptor, b"\n" + data if self._torn else data)
            os.fdatasync(self._descriptor)
        except BaseException:
            self.close()  # opening looks for the broken line, and a new descriptor does not hide a failed fdatasync
            raise
        self._torn = False

    def _is_current(self) -> bool:
        try:
            there = os.stat(self._path, follow_symlinks=False)
        except FileNotFoundError:
            return False
        return _identity(there) == self._seen

    def close(self) -> None:
        """Close it; `open` or `append` open it again."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            os.close(descriptor)


def examine(path: Path) -> str:
    """What is at `path`; nothing is made.

    Raises:
        AuditError: no record could be written there.
    """
    if os.path.lexists(path):
        file = AuditFile(path)
        file.open()
        file.close()
        return f"mode {stat.S_IMODE(path.stat().st_mode):04o}"
    folder = next(each for each in path.parents if os.path.exists(each))
    if not os.access(folder, os.W_OK | os.X_OK):
        raise AuditError(f"AUDIT: {path} cannot be made in {folder}; accepted: a folder that this user may write to")
    return "not there yet; the service makes it"


class QueueSink:
    """A stream or an exchange at the broker; the room that speaks AMQP prepares it and publishes.

    Args:
        name: as in the setting.
        prepare: declares or checks it; raises anything when it cannot be used now.
        publish: publishes a record's line with its topic, and returns when the broker has confirmed that it is kept.
    """

    is_remote = True

    def __init__(
        self, name: str, prepare: Callable[[], Awaitable[object]], publish: Callable[[bytes, str], Awaitable[object]]
    ) -> None:
        self.name = name
        self._prepare = prepare
        self._publish = publish
        self._is_open = False

    async def open(self) -> None:
        """See `Sink.open`."""
        await self._prepare()
        self._is_open = True

    async def write(self, records: Sequence[Record]) -> None:
        """See `Sink.write`."""
        if not self._is_open:
            await self.open()
        publishing = (self._publish(line, topic) for line, topic in records)
        for outcome in await asyncio.gather(*publishing, return_exceptions=True):
            if isinstance(outcome, BaseException):
                self._is_open = False  # it may have been deleted
                raise outcome

    async def close(self) -> None:
        """See `Sink.close`."""


def _identity(found: os.stat_result) -> tuple[int, ...]:
    """Which file it is, and who may do what with it."""
    return found.st_dev, found.st_ino, found.st_uid, found.st_mode


def _joined(records: Sequence[Record]) -> bytes:
    return b"".join(record.line + b"\n" for record in records)


def _write_all(descriptor: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        try:
            rest = rest[os.write(descriptor, rest) :]
        except BlockingIOError:  # whoever started us may share it without waiting
            select.select([], [descriptor], [])
