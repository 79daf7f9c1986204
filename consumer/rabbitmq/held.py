"""What is held in memory, bounded by bytes, and by user.

Above the bound, and above the sender's share of it, large bodies wait in files, and come back in their turn.

Not reading the socket is no way to wait: brokers reset a connection that is not read for as long as three heartbeats,
and with it comes everything again.
"""

from __future__ import annotations

import asyncio
import logging
import tempfile
from io import FileIO
from pathlib import Path
from typing import NamedTuple

from consumer.core.shares import Shares
from consumer.core.thread import Worker
from consumer.core.turns import Turns
from zeebe_amqp.amqp.hot import Body, Incoming

__all__ = ["HeldBytes", "Spilled"]

log = logging.getLogger(__name__)


class HeldBytes:
    """Counts the bytes of the bodies in memory, over all queues; of the large ones by user.

    A user's large bodies stay in memory while the user holds fewer bytes than are free; the next ones go to files.

    Args:
        maximum: from here on large bodies go to files.
        folder: where these files are; they have no name, and are gone with the process.
    """

    def __init__(self, maximum: int, folder: Path) -> None:
        self.maximum = maximum
        self._small = 0
        """Bytes of small bodies: a user can have only as many of them as the broker delivers."""
        self._large = Shares(lambda: maximum - self._small)
        self._folder = folder
        self._thread: Worker | None = None
        self._fetched = 0
        """How many bodies came back from files and are held."""
        self._waiting: Turns[_Return] = Turns()

    @property
    def total(self) -> int:
        """Bytes in memory now."""
        return self._small + self._large.taken

    def gather(self, incoming: Incoming) -> Body:
        """What gathers the large body of a message: memory where its sender has room, else a file."""
        # Of a dead letter that is sent again, who sends it.
        size, user = incoming.size, incoming.properties.user_id
        if not self._fits(size, user):
            try:
                return self._spill()
            except OSError as error:
                fields = {"event": "request.unspilled", "path": str(self._folder), "error": str(error)}
                words = "a large request cannot wait in %s, and waits in memory: %s"
                log.error(words, self._folder, error, extra=fields)
        return _Kept(self, size, user)

    def _spill(self) -> Spilled:
        if self._thread is None:
            self._folder.mkdir(parents=True, exist_ok=True)
            self._thread = Worker("large-bodies")
        return Spilled(tempfile.TemporaryFile(dir=self._folder, buffering=0), self._thread)

    def hold(self, size: int) -> None:
        """So many bytes more of small bodies are in memory."""
        self._small += size

    def release(self, size: int) -> None:
        """They are not any more."""
        self._small -= size
        self._let_in()

    def hold_large(self, size: int, user: str | None) -> None:
        """A large body of `user` is in memory, or comes."""
        self._large.take(user, size)

    def release_large(self, size: int, user: str | None) -> None:
        """It is not any more."""
        self._large.release(user, size)
        self._let_in()

    async def fetch(self, spilled: Spilled, size: int, user: str | None) -> bytes:
        """Bring a body back when there is room for it; then it is held. Users take turns.

        `release_fetched` must follow.
        """
        await self._room(size, user)
        try:
            return await spilled.read()
        except BaseException:
            self.release_fetched(size, user)
            raise

    def release_fetched(self, size: int, user: str | None) -> None:
        """A body that came back is done."""
        self._fetched -= 1
        self.release_large(size, user)

    async def _room(self, size: int, user: str | None) -> None:
        place: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.add(user, _Return(size, place))
        self._let_in()  # whoever waits may be over a share, and this one not
        try:
            await place
        except asyncio.CancelledError:
            # The place may have been given in the same moment.
            if place.done() and not place.cancelled():
                self.release_fetched(size, user)
            raise

    def _fits(self, size: int, user: str | None) -> bool:
        return size <= self._large.free and self._large.is_within_share(user)

    def _may_return(self, user: str | None, body: _Return) -> bool | None:
        """Whether the next body of a user may come back; None: it may, and all others wait until it fits."""
        # One at a time goes on in any case, or small requests alone could keep the large ones out.
        if body.place.done() or not self._fetched:
            return True
        if not self._large.is_within_share(user):
            return False
        return True if body.size <= self._large.free else None

    def _let_in(self) -> None:
        while self._waiting and (next_one := self._waiting.find(self._may_return)) is not None:
            user, body = next_one
            if not body.place.done():
                self._fetched += 1
                self.hold_large(body.size, user)
                body.place.set_result(None)

    def close(self) -> None:
        """End the thread of the files."""
        if self._thread is not None:
            self._thread.close()
            self._thread = None


class _Return(NamedTuple):
    """A body in a file that is to come back."""

    size: int
    place: asyncio.Future[None]


class _Kept:
    """A large body in memory, counted from its first piece on."""

    def __init__(self, held: HeldBytes, size: int, user: str | None) -> None:
        self._held = held
        self._size, self._user = size, user
        self._pieces: list[bytes] = []
        held.hold_large(size, user)

    def add(self, piece: bytes) -> None:
        self._pieces.append(piece)

    def end(self) -> bytes:
        return b"".join(self._pieces)

    def drop(self) -> None:
        self._held.release_large(self._size, self._user)


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
