"""What is held in memory, bounded by bytes: above the bound large bodies wait in files, and come back in their turn.

Not reading the socket is no way to wait: brokers reset a connection that is not read for as long as three heartbeats,
and with it comes everything again.
"""

from __future__ import annotations

import asyncio
import logging
import tempfile
from collections import deque
from io import FileIO
from pathlib import Path

from consumer.core.thread import Worker
from zeebe_amqp.amqp.hot import Body

__all__ = ["HeldBytes", "Spilled"]

log = logging.getLogger(__name__)


class HeldBytes:
    """Counts the bytes of the bodies in memory, over all queues.

    Args:
        maximum: from here on large bodies go to files.
        folder: where these files are; they have no name, and are gone with the process.
    """

    def __init__(self, maximum: int, folder: Path) -> None:
        self.maximum = maximum
        self.bytes = 0
        """In memory now."""
        self._folder = folder
        self._thread: Worker | None = None
        self._fetched = 0
        """How many bodies came back from files and are held."""
        self._waiting: deque[tuple[int, asyncio.Future[None]]] = deque()

    def gather(self, size: int) -> Body:
        """What gathers a large body of so many bytes: memory where there is room, else a file."""
        if self.bytes + size > self.maximum:
            try:
                return self._spill()
            except OSError as error:
                fields = {"event": "request.unspilled", "path": str(self._folder), "error": str(error)}
                words = "a large request cannot wait in %s, and waits in memory: %s"
                log.error(words, self._folder, error, extra=fields)
        return _Kept(self, size)

    def _spill(self) -> Spilled:
        if self._thread is None:
            self._folder.mkdir(parents=True, exist_ok=True)
            self._thread = Worker("large-bodies")
        return Spilled(tempfile.TemporaryFile(dir=self._folder, buffering=0), self._thread)

    def hold(self, size: int) -> None:
        """So many bytes more are in memory."""
        self.bytes += size

    def release(self, size: int) -> None:
        """They are not any more."""
        self.bytes -= size
        self._let_in()

    async def fetch(self, spilled: Spilled, size: int) -> bytes:
        """Bring a body back when there is room for it, first come, first served; then it is held.

        `release_fetched` must follow.
        """
        await self._room(size)
        try:
            return await spilled.read()
        except BaseException:
            self.release_fetched(size)
            raise

    def release_fetched(self, size: int) -> None:
        """A body that came back is done."""
        self._fetched -= 1
        self.release(size)

    async def _room(self, size: int) -> None:
        if not self._waiting and self._fits(size):
            self._take(size)
            return
        place: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((size, place))
        try:
            await place
        except asyncio.CancelledError:
            # The place may have been given in the same moment.
            if place.done() and not place.cancelled():
                self.release_fetched(size)
            raise

    def _fits(self, size: int) -> bool:
        # One at a time goes on in any case, or small requests alone could keep the large ones out.
        return self.bytes + size <= self.maximum or not self._fetched

    def _take(self, size: int) -> None:
        self._fetched += 1
        self.hold(size)

    def _let_in(self) -> None:
        while self._waiting and (self._waiting[0][1].done() or self._fits(self._waiting[0][0])):
            size, place = self._waiting.popleft()
            if not place.done():
                self._take(size)
                place.set_result(None)

    def close(self) -> None:
        """End the thread of the files."""
        if self._thread is not None:
            self._thread.close()
            self._thread = None


class _Kept:
    """A large body in memory, counted from its first piece on."""

    def __init__(self, held: HeldBytes, size: int) -> None:
        self._held = held
        self._size = size
        self._pieces: list[bytes] = []
        held.hold(size)

    def add(self, piece: bytes) -> None:
        self._pieces.append(piece)

    def end(self) -> bytes:
        return b"".join(self._pieces)

    def drop(self) -> None:
        self._held.release(self._size)


class Spilled:
    """A large body in a file; the file is written and read in a thread, in the order of the calls.

    What cannot be written (the disk is full) stays in memory: it must not be lost.
    """

    def __init__(self, file: FileIO, thread: Worker) -> None:
        self._file = file
        self._thread = thread
        self._unwritten: list[bytes] = []

    def add(self, piece: bytes) -> None:
        """The next piece."""
        self._thread.call(self._write, piece)

    def end(self) -> None:
        """All of it has come."""

    def drop(self) -> None:
        """Forget it."""
        self._thread.call(self._file.close)

    async def read(self) -> bytes:
        """All of it, once."""
        return await self._thread.call(self._read)

    def _write(self, piece: bytes) -> None:
        if not self._unwritten:
            try:
                while piece:
                    piece = piece[self._file.write(piece) :]
                return
            except OSError as error:
                fields = {"event": "request.unwritten", "error": str(error)}
                log.error("a large request cannot be written to a file, and waits in memory: %s", error, extra=fields)
        self._unwritten.append(piece)

    def _read(self) -> bytes:
        with self._file:
            self._file.seek(0)
            return b"".join((self._file.read(), *self._unwritten))
