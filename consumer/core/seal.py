"""The seal on a message: proves that the service wrote its body, properties and headers, and for which queue."""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Final

from consumer.core.sender import is_added_on_the_way
from consumer.core.signing import DEAD_LETTERS, SigningKeys
from zeebe_amqp import wire
from zeebe_amqp.amqp.properties import NAMES, Properties
from zeebe_amqp.amqp.table import write_table

__all__ = ["Purpose", "Seal", "digest_in", "digest_of"]

_VERSION: Final = "1."
_DIGEST_SIZE: Final = 32
"""Bytes of a body's digest; as many follow of the signature."""
_MAX_SEAL: Final = 100
"""Characters of a seal, at most: a longer text is none, and is not read."""
_NOT_COVERED: Final = frozenset({"headers", "delivery_mode", "user_id"})
"""Properties that a seal leaves out. The broker validates `user_id`; what is put anew is always persistent."""


class Purpose(StrEnum):
    """The kinds of sealed messages; a seal of one kind is none of another."""

    LETTER = "letter"
    """A dead letter that the service wrote."""
    REPLAY = "replay"
    """A dead letter that was sent again."""
    RENEWAL = "renewal"
    """A dead letter that was put anew into its queue, and whose `user_id` a header keeps."""


_ADDED_LATER: Final = frozenset({wire.SIGNATURE, wire.ORIGINAL_QUEUE, wire.RENEWED_USER_ID, wire.RENEWAL})
"""Headers that a seal leaves out: it is one itself, or they come when the message is put anew."""
_LEFT_OUT: Final = {
    Purpose.LETTER: _ADDED_LATER,
    Purpose.REPLAY: _ADDED_LATER,
    Purpose.RENEWAL: frozenset({wire.RENEWAL}),
}


def digest_of(body: bytes) -> bytes:
    """The digest of a body that a seal has."""
    return hashlib.sha256(body).digest()


class Seal:
    """Seals messages, and verifies seals.

    Args:
        secrets: keys; the first one seals, all verify.
    """

    def __init__(self, secrets: tuple[bytes, ...] = ()) -> None:
        self._keys = SigningKeys(secrets, DEAD_LETTERS)

    def __bool__(self) -> bool:
        """Whether there is a key."""
        return bool(self._keys)

    def make(
        self, purpose: Purpose, properties: Properties, headers: Mapping[str, Any], digest: bytes, queue: str
    ) -> str | None:
        """The seal of a message; None without a key.

        Args:
            purpose: what the message is.
            properties: of the message, as they will be written.
            headers: of the message, as they will be written.
            digest: of its body.
            queue: the request queue that it came from or goes to.

        Raises:
            TypeError, ValueError: a header cannot be written.
        """
        if not self._keys:
            return None
        signature = self._keys.sign(_content(purpose, properties, headers, digest, queue))
        return _VERSION + base64.urlsafe_b64encode(digest + signature).decode().rstrip("=")

    def verify(
        self, seal: object, purpose: Purpose, properties: Properties, headers: Mapping[str, Any], queue: str
    ) -> bytes | None:
        """The digest that the body must have, where one of our keys made the seal for the rest; None where not.

        Never raises, whatever the seal and the headers are.
        """
        found = _parts(seal)
        if found is None or not self._keys:
            return None
        digest, signature = found
        try:
            content = _content(purpose, properties, headers, digest, queue)
        except Exception:  # whatever its headers trip over: we did not write that
            return None
        return digest if self._keys.verify(content, signature) else None


def digest_in(seal: object) -> bytes | None:
    """The digest in a seal, whoever made it; None for what is no seal."""
    found = _parts(seal)
    return None if found is None else found[0]


def _parts(seal: object) -> tuple[bytes, bytes] | None:
    """The digest and the signature in a seal."""
    if not isinstance(seal, str) or len(seal) > _MAX_SEAL or not seal.startswith(_VERSION):
        return None
    text = seal.removeprefix(_VERSION)
    try:
        data = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (ValueError, binascii.Error):
        return None
    return (data[:_DIGEST_SIZE], data[_DIGEST_SIZE:]) if len(data) == 2 * _DIGEST_SIZE else None


def _content(purpose: Purpose, properties: Properties, headers: Mapping[str, Any], digest: bytes, queue: str) -> bytes:
    """What is signed, as one table: each part has its type and length before it, so none can pass for another."""
    values = {name: getattr(properties, name) for name in NAMES if name not in _NOT_COVERED}
    left_out = _LEFT_OUT[purpose]
    return write_table(
        {
            "purpose": str(purpose),
            "digest": bytearray(digest),
            "queue": queue,
            "properties": {name: value for name, value in values.items() if value not in (None, "")},
            "headers": {
                name: _ordered(headers[name])
                for name in sorted(headers)
                if name not in left_out and not is_added_on_the_way(name)
            },
        }
    )


def _ordered(value: Any) -> Any:
    """A header's value, its tables in one order whoever wrote them."""
    if isinstance(value, dict):
        return {name: _ordered(value[name]) for name in sorted(value)}
    return [_ordered(each) for each in value] if isinstance(value, list) else value
