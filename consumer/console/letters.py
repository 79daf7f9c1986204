"""The dead-letter queue for the console: look, send again, drop, as the commands do.

It works in a thread with an event loop of its own: a letter may be large, and requests must not wait for it.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections import Counter
from collections.abc import Callable, Collection, Coroutine, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final, TypeVar

from consumer.audit import letter_audit
from consumer.config import Settings
from consumer.console.rendering import bounded
from consumer.core.secret_file import KeyFileError
from consumer.dead_letters.audit import LetterAudit, NotRecorded
from consumer.dead_letters.dropping import discard
from consumer.dead_letters.group import Group, Groups
from consumer.dead_letters.letter import DeadLetter, Filter
from consumer.dead_letters.queue import open_dead_letters
from consumer.dead_letters.replay_policy import ReplayPolicy
from consumer.dead_letters.replaying import resend
from consumer.dead_letters.sweep import Act
from consumer.dead_letters.view import Report, row
from consumer.dead_letters.waiting import following
from consumer.lookup import open_inquiries
from zeebe_amqp.amqp.connection import BrokerError
from zeebe_amqp.jobs.names import RESULTS, UNDONE

__all__ = ["MAX_LOOKED", "NAME_SIZE", "PAGE", "Busy", "Done", "Letters", "Looked", "contents", "name_of"]

PAGE: Final = 25
"""Letters on a page."""
MAX_LOOKED: Final = 1000
"""Letters that are looked at, oldest first, as the commands do."""
MAX_BYTES: Final = 64 * 2**20
"""Bytes of letters that a look takes, about."""
LOOK: Final = 10.0
"""Seconds for a look."""
TURN: Final = 5.0
"""Seconds to wait for somebody else's look: two at a time would hide letters from each other."""
OUTCOMES: Final = 5.0
"""Seconds to wait for what becomes of what was sent again."""
NAME_SIZE: Final = 32
"""Characters of what a letter is called here."""
MAX_BODY: Final = 8192
"""Bytes of a body that are shown."""
MAX_HEADERS: Final = 60
"""Headers that are shown."""

_PROBLEMS: Final = (BrokerError, KeyFileError, NotRecorded)

T = TypeVar("T")


class Busy(Exception):
    """Somebody else does what only so many may do at a time."""


@dataclass
class Looked:
    """What a look found."""

    rows: list[dict[str, Any]] = field(default_factory=list)
    """Of the page: those of the command's list, each with its `name` and why it would not be sent again."""
    groups: list[Group] = field(default_factory=list)
    """All causes, the commonest first."""
    total: int = 0
    """Letters in the queue."""
    looked: int = 0
    """Letters that were looked at."""
    matched: int = 0
    """Of these, those that pass the filter."""
    problem: str = ""
    """Why there is not more."""


@dataclass
class Done:
    """What was done with letters."""

    rows: list[dict[str, Any]] = field(default_factory=list)
    """Of each: as the command's, with its `result`."""
    missing: int = 0
    """How many were not there."""
    notes: list[str] = field(default_factory=list)
    problem: str = ""
    """Why not everything was done."""

    @property
    def results(self) -> str:
        """How many ended how: "2 succeeded, 1 refused"."""
        counts = Counter(str(each["result"]) for each in self.rows)
        counts.update({"not there": self.missing} if self.missing else {})
        return ", ".join(f"{count} {result}" for result, count in sorted(counts.items())) or "none"


def name_of(letter: DeadLetter) -> str:
    """What a form and an address call a letter: its id may be anything, and somebody else's, too."""
    parts = (letter.id, str(letter.failed_at), hashlib.sha256(letter.body).hexdigest())
    return hashlib.sha256("\0".join(parts).encode("utf-8", "surrogatepass")).hexdigest()[:NAME_SIZE]


class Letters:
    """The queue, for one look or change at a time.

    Args:
        settings: those of the service.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._turn = asyncio.Lock()

    async def look(self, filter: Filter, page: int) -> Looked:
        """The letters of a page, from 1 on, and all causes.

        Raises:
            Busy: somebody else looks.
        """
        return await self._beside(partial(self._look, filter, page))

    async def find(self, name: str) -> dict[str, Any] | None:
        """Everything about a letter; None when it is not there.

        Raises:
            Busy: somebody else looks.
            BrokerError, KeyFileError: the queue cannot be used.
        """
        return await self._beside(partial(self._find, name))

    async def replay(self, names: Collection[str], policy: Mapping[str, bool]) -> Done:
        """Send letters again; `policy` has the switches of `ReplayPolicy`.

        Raises:
            Busy: somebody else looks.
        """
        return await self._beside(partial(self._replay, names, policy))

    async def drop(self, names: Collection[str]) -> Done:
        """Drop letters for good.

        Raises:
            Busy: somebody else looks.
        """
        return await self._beside(partial(self._drop, names))

    async def _beside(self, work: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Work in a thread, when it is our turn; to the end, also when nobody waits for it any more."""
        try:
            async with asyncio.timeout(TURN):
                await self._turn.acquire()
        except TimeoutError:
            raise Busy from None
        thread = asyncio.ensure_future(asyncio.to_thread(lambda: asyncio.run(work())))
        thread.add_done_callback(lambda _: self._turn.release())
        return await asyncio.shield(thread)

    async def _look(self, filter: Filter, page: int) -> Looked:
        found, groups = Looked(), Groups()
        try:
            async with asyncio.timeout(LOOK), open_dead_letters(self._settings) as dead:
                taken = 0
                async for letter in dead.letters(MAX_LOOKED):
                    found.total, found.looked = dead.total, found.looked + 1
                    groups.add(letter)
                    if filter.matches(letter):
                        found.matched += 1
                        if (page - 1) * PAGE < found.matched <= page * PAGE:
                            found.rows.append(self._row(letter))
                    taken += len(letter.body)
                    if taken > MAX_BYTES:
                        break
        except TimeoutError:
            found.problem = f"The look took longer than {LOOK:g} s."
        except _PROBLEMS as error:
            found.problem = str(error)
        found.groups = groups.ordered()
        return found

    def _row(self, letter: DeadLetter) -> dict[str, Any]:
        return {**row(letter), "name": name_of(letter), "refusal": self._policy({}).refusal(letter)}

    async def _find(self, name: str) -> dict[str, Any] | None:
        try:
            async with asyncio.timeout(LOOK), open_dead_letters(self._settings) as dead:
                async for letter in dead.letters(MAX_LOOKED):
                    if name_of(letter) == name:
                        return {**self._row(letter), **contents(letter)}
        except TimeoutError:
            raise BrokerError(f"the look took longer than {LOOK:g} s") from None
        return None

    def _policy(self, switches: Mapping[str, bool]) -> ReplayPolicy:
        settings = self._settings
        queues = (*settings.amqp.queues, *((RESULTS, UNDONE) if settings.jobs else ()))
        return ReplayPolicy(
            queues,
            force=switches.get("force", False),
            keep_deadline=not switches.get("without_deadline", False),
            unsigned=switches.get("unsigned", False),
        )

    async def _replay(self, names: Collection[str], switches: Mapping[str, bool]) -> Done:
        done, audit, report = Done(), letter_audit(self._settings, in_service=True), Report(silent=True)
        inquiries = partial(open_inquiries, self._settings)
        try:
            async with following(self._settings, inquiries, OUTCOMES, report, done.notes.append) as pending:
                await self._act(done, names, resend(self._policy(switches), audit, pending), audit)
        except KeyFileError as error:
            done.problem = str(error)
        return done

    async def _drop(self, names: Collection[str]) -> Done:
        done, audit = Done(), letter_audit(self._settings, in_service=True)
        await self._act(done, names, discard(audit), audit)
        return done

    async def _act(self, done: Done, names: Collection[str], act: Act, audit: LetterAudit) -> None:
        """Do something with each of these letters. It is never cut off: what was sent again must leave the queue."""
        wanted = set(names)
        try:
            async with audit, open_dead_letters(self._settings) as dead:
                async for letter in dead.letters(MAX_LOOKED):
                    if (name := name_of(letter)) in wanted:
                        wanted.discard(name)
                        done.rows.append(await act(dead, letter))
                    if not wanted:
                        break
        except _PROBLEMS as error:
            done.problem = str(error)
        done.missing = len(wanted)


def contents(letter: DeadLetter) -> dict[str, Any]:
    """Its properties, headers and body, as far as they are shown."""
    body, cut = bounded(letter.body, MAX_BODY)
    return {
        "properties": dict(letter.properties),
        "headers": dict(list(letter.headers.items())[:MAX_HEADERS]),
        "body": body,
        "cut": cut,
    }
