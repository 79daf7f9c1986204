"""Waiting for what becomes of letters that were sent again.

One that fails again without an answer becomes a dead letter, of which a copy comes. One that succeeds leaves nothing at
the broker: the service, or its ledger, is asked. Nothing is added to the request for that.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from typing import Final, TypeAlias

from consumer.config import Settings
from consumer.dead_letters.copies import Copies, open_copies
from consumer.dead_letters.letter import DeadLetter
from consumer.dead_letters.outcome import FAILED, Inquire, Outcome, Pending, Replay
from consumer.dead_letters.view import Report
from zeebe_amqp.amqp.connection import BrokerError

__all__ = ["Inquiries", "following"]

Inquiries: TypeAlias = Callable[[], AbstractAsyncContextManager[Inquire]]
"""Opens what asks the service."""
FIRST_PAUSE: Final = 0.1
"""Seconds before the second look; the next ones come later and later."""
MAX_PAUSE: Final = 2.0
"""Seconds between two looks, at most."""
_NOT_WAITED: Final = "not waited for"


@asynccontextmanager
async def following(
    settings: Settings, inquiries: Inquiries, seconds: float, report: Report, note: Callable[[str], None]
) -> AsyncIterator[Pending]:
    """Follow what the block sends again: after it, for at most so many seconds. Each replay is told in any case.

    A cancellation while it waits ends the waiting, not the program: what is known is told.

    Args:
        settings: where the broker is, and its keys.
        inquiries: opens what asks the service.
        seconds: to wait.
        report: is told of each.
        note: takes what cannot be seen, and why.
    """
    pending = Pending()
    async with AsyncExitStack() as stack:
        copies = await _open_copies(stack, settings, note)
        inquire = await stack.enter_async_context(inquiries())
        wait = _Wait(pending, copies, inquire, report, note)
        ended = _NOT_WAITED
        try:
            yield pending
            ended = await wait.run(seconds)
        finally:
            for replay in pending:
                wait.end(replay, wait.give_up(replay, ended))


async def _open_copies(stack: AsyncExitStack, settings: Settings, note: Callable[[str], None]) -> Copies | None:
    try:
        return await stack.enter_async_context(open_copies(settings))
    except BrokerError as error:
        note(f"what fails again is not seen: {error}")
        return None


class _Wait:
    def __init__(
        self, pending: Pending, copies: Copies | None, inquire: Inquire, report: Report, note: Callable[[str], None]
    ) -> None:
        self._pending = pending
        self._copies = copies
        self._inquire = inquire
        self._report = report
        self._note = note
        self._is_answered = True
        """Whether the service answers."""

    async def run(self, seconds: float) -> str:
        """Wait; why it ended."""
        try:
            async with asyncio.timeout(seconds):
                await self._look_until_known()
        except TimeoutError:
            return f"not known after {seconds:g} s"
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is None or not task.cancelling():
                raise
            task.uncancel()
            return "interrupted"
        return "not to be seen from here"

    async def _look_until_known(self) -> None:
        """Look until all is known, or nothing more can be."""
        pause = FIRST_PAUSE
        while True:
            await self._look_at_copies()
            await self._ask()
            self._report.await_outcome(self._pending.total - len(self._pending), self._pending.total)
            if not self._pending or (self._copies is None and not self._can_ask()):
                return
            await asyncio.sleep(pause)
            pause = min(2 * pause, MAX_PAUSE)

    def _can_ask(self) -> bool:
        return self._is_answered and bool(self._pending.to_ask())

    async def _look_at_copies(self) -> None:
        if self._copies is None:
            return
        try:
            async for letter in self._copies.take():
                self._bury(letter)
        except BrokerError as error:
            self._copies = None
            self._note(f"what fails again is not seen any more: {error}")

    def _bury(self, letter: DeadLetter) -> None:
        replay = self._pending.find(letter)
        if replay is not None:
            self.end(replay, Outcome(FAILED, letter.code, letter.message, "it is in the dead-letter queue again"))

    async def _ask(self) -> None:
        for replay in self._pending.to_ask():
            outcome = await self._inquire(replay.user, replay.request_id or "", replay.replays)
            self._is_answered = outcome is not None
            if outcome is None:  # nor does it answer for the others
                return
            replay.last = outcome
            if outcome.is_known:
                self.end(replay, outcome)

    def end(self, replay: Replay, outcome: Outcome) -> None:
        """Tell the outcome of a replay."""
        self._report.tell(self._pending.end(replay, outcome))

    def give_up(self, replay: Replay, ended: str) -> Outcome:
        """What is told of a replay whose outcome is not known."""
        return Outcome(problem=f"{ended}: {self._reason(replay)}")

    def _reason(self, replay: Replay) -> str:
        if not replay.is_recorded:
            return "it has no request id, or only reads, so nothing records its success"
        if not self._is_answered:
            return "no service answers in STATE_DIR: run this where the service runs, with its settings"
        if replay.last is None or replay.last.problem is None:
            return "nothing is known of it: it may wait in its queue, or have been answered with an error that may pass"
        return replay.last.problem
