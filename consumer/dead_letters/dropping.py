"""Dropping letters, each recorded before it is gone."""

from __future__ import annotations

from typing import Any

from consumer.dead_letters.audit import DROPPED, LetterAudit
from consumer.dead_letters.letter import DeadLetter
from consumer.dead_letters.queue import DeadLetters
from consumer.dead_letters.sweep import Act
from consumer.dead_letters.view import row

__all__ = ["discard"]


def discard(audit: LetterAudit) -> Act:
    """Record a letter, and take it out of its queue for good."""

    async def act(dead: DeadLetters, letter: DeadLetter) -> dict[str, Any]:
        await audit.record(letter, DROPPED, None)
        dead.drop(letter)
        return {**row(letter), "result": "dropped"}

    return act
