"""Who is logged in: sessions in memory, and the token that begins one."""

from __future__ import annotations

import hmac
import secrets
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

__all__ = ["IDLE", "MAX_AGE", "MAX_SESSIONS", "PAUSE", "TRIES", "Session", "Sessions", "TooManyTries"]

IDLE: Final = 1800.0
"""Seconds after which a session ends that nobody used."""
MAX_AGE: Final = 8 * 3600.0
"""Seconds after which every session ends."""
MAX_SESSIONS: Final = 16
"""How many there are at a time; the oldest ends for a new one."""
TRIES: Final = 5
"""Wrong tokens in `PAUSE` seconds before no further one is compared."""
PAUSE: Final = 60.0


class TooManyTries(Exception):
    """So many tokens were wrong that none is compared for a while."""


@dataclass(eq=False)
class Session:
    """Somebody who knew the token."""

    began: float
    used: float
    key: str = field(default_factory=lambda: secrets.token_urlsafe(32), repr=False)
    """The value of its cookie."""
    csrf: str = field(default_factory=lambda: secrets.token_urlsafe(32), repr=False)
    """What its forms carry, and no other page knows."""
    name: str = field(default_factory=lambda: secrets.token_hex(4))
    """What the log calls it."""

    def owns(self, form: str) -> bool:
        """Whether a form that carries this is one of its own."""
        return hmac.compare_digest(form.encode(errors="replace"), self.csrf.encode())


class Sessions:
    """The sessions of one token.

    Args:
        token: begins one.
        clock: seconds that only grow.
    """

    def __init__(self, token: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._token = token.encode()
        self._clock = clock
        self._sessions: dict[str, Session] = {}
        self._wrong: deque[float] = deque(maxlen=TRIES)

    def begin(self, token: str) -> Session | None:
        """A new session; None for a wrong token.

        Raises:
            TooManyTries: nothing was compared.
        """
        now = self._clock()
        if len(self._wrong) == TRIES and now - self._wrong[0] < PAUSE:
            raise TooManyTries
        if not hmac.compare_digest(token.encode(errors="replace"), self._token):
            self._wrong.append(now)
            return None
        self._forget_ended(now)
        while len(self._sessions) >= MAX_SESSIONS:
            del self._sessions[next(iter(self._sessions))]
        session = Session(now, now)
        self._sessions[session.key] = session
        return session

    def find(self, key: str | None, *, used: bool = True) -> Session | None:
        """The session with this cookie; None when there is none, or no more.

        `used`: whether somebody uses it now; a page that renews itself does not.
        """
        now = self._clock()
        self._forget_ended(now)
        session = self._sessions.get(key or "")
        if session is not None and used:
            session.used = now
        return session

    def end(self, session: Session) -> None:
        """End one."""
        self._sessions.pop(session.key, None)

    def _forget_ended(self, now: float) -> None:
        for session in list(self._sessions.values()):
            if now - session.used >= IDLE or now - session.began >= MAX_AGE:
                self.end(session)
