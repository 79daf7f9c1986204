"""Keys that prove that the service wrote something."""

from __future__ import annotations

import hmac
from collections.abc import Sequence
from typing import Final

__all__ = ["DEAD_LETTERS", "JOB_IDS", "SigningKeys"]

DEAD_LETTERS: Final = b"zeebe-amqp dead letters"
"""The purpose of the keys that sign dead letters and their replays."""
JOB_IDS: Final = b"zeebe-amqp job ids"
"""The purpose of the keys that sign the ids of jobs."""
_HASH: Final = "sha256"


class SigningKeys:
    """Keys of one purpose: the first signs, all verify. Without any nothing is signed, and nothing verified.

    Args:
        secrets: as they are configured.
        purpose: what the keys sign. A signature of one purpose says nothing for another.
    """

    def __init__(self, secrets: Sequence[bytes], purpose: bytes) -> None:
        self._keys = tuple(hmac.digest(secret, purpose, _HASH) for secret in secrets)

    def __bool__(self) -> bool:
        return bool(self._keys)

    def sign(self, content: bytes) -> bytes:
        """The signature of `content`, 32 bytes.

        Raises:
            LookupError: there is no key.
        """
        return hmac.digest(self._keys[0], content, _HASH)

    def verify(self, content: bytes, signature: bytes) -> bool:
        """Whether one of the keys signed `content`; a comparison tells nothing of the signature by its time."""
        return any(hmac.compare_digest(hmac.digest(key, content, _HASH), signature) for key in self._keys)

    def verify_start(self, content: bytes, start: bytes) -> bool:
        """The same where only the first bytes of the signature are there."""
        size = len(start)
        return any(hmac.compare_digest(hmac.digest(key, content, _HASH)[:size], start) for key in self._keys)
