"""The user whom requests name as their sender, so that nobody else can take or read their request ids."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import Final

from zeebe_amqp import wire
from zeebe_amqp.amqp.connection import login

__all__ = ["Sender"]

log = logging.getLogger(__name__)

_ACCEPTED: Final = f"the name of the broker's user, at most {wire.MAX_TEXT} bytes, or nothing for none"


class Sender:
    """The `user_id` of one client's requests: the same on every connection, because request ids belong to it.

    Args:
        urls: the addresses of the broker.
        given: the name as somebody gave it; "" = none; None = the login's, where all addresses have the same.

    Raises:
        ValueError: the name is too long for a message.
    """

    def __init__(self, urls: Iterable[str], given: str | None) -> None:
        if given is not None and len(given.encode(errors="replace")) > wire.MAX_TEXT:
            raise ValueError(f"user_id: expected {_ACCEPTED}, found {len(given)} characters")
        self._given = given is not None
        self._accepted = False
        self.name = (_common_login(urls) if given is None else given) or None
        """What a request carries; None = nothing."""

    def require(self) -> None:
        """Never go without the name: strict replies are found by it.

        Raises:
            ValueError: there is none.
        """
        if self.name is None:
            raise ValueError("user_id: expected the name of the broker's user, which strict replies need, found none")
        self._given = True

    def accept(self) -> None:
        """The broker takes the name, or may have taken a request with it."""
        self._accepted = self._accepted or self.name is not None

    def drop(self, refusal: object) -> bool:
        """The broker refuses the name; says whether requests go without one from now on.

        They do not where somebody gave it. Nor where a request may have been taken under it: sent again without it,
        that would be another one, and run again.
        """
        if self._given or self._accepted:
            return False
        if self.name is not None:
            words = "requests go without user_id, and share their ids with all others that do: %s"
            log.warning(words, refusal)
            self.name = None
        return True


def _common_login(urls: Iterable[str]) -> str | None:
    names = {login(url) for url in urls}
    if len(names) > 1:
        shown = ", ".join(sorted("another" if name is None else repr(name) for name in names))
        log.warning("requests go without user_id: the addresses of the broker have several names (%s)", shown)
        return None
    name = next(iter(names), None)
    return name if name is None or len(name.encode()) <= wire.MAX_TEXT else None
