"""Letters that the service signed, for tests of what is made of them."""

from __future__ import annotations

from dataclasses import replace

from consumer.core.seal import Purpose, Seal, digest_of
from consumer.dead_letters.letter import DeadLetter
from zeebe_amqp import wire

__all__ = ["OTHER_SEAL", "SEAL", "signed"]

SEAL = Seal((b"k" * 32,))
OTHER_SEAL = Seal((b"o" * 32,))


def signed(letter: DeadLetter, purpose: Purpose = Purpose.LETTER, queue: str | None = None) -> DeadLetter:
    """The letter with a signature of the service; `queue` is another one than it came from."""
    origin = letter.origin or "" if queue is None else queue
    seal = SEAL.make(purpose, letter.written_properties, letter.headers, digest_of(letter.body), origin)
    return replace(letter, headers={**letter.headers, wire.SIGNATURE: seal}, seal=SEAL)
