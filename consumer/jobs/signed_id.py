"""The id under which a job is given out: it comes back with the answer, and proves which job that is for."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Final, NamedTuple

from consumer.core.signing import JOB_IDS, SigningKeys
from zeebe_amqp.jobs.readings import PLAIN

__all__ = ["MAX_LENGTH", "JobId", "SignedIds", "hash_type", "hide_signature"]

_VERSION: Final = "1"
_PREFIX: Final = f"{_VERSION}."
_SIGNATURE: Final = 16
"""Bytes of a signature."""
MAX_LENGTH: Final = 120
"""Characters of an id, at most: a longer text is none, and is not read."""
_MAX_LONG: Final = 2**63 - 1
_MAX_INT: Final = 2**31 - 1
"""What the engine's numbers hold; a larger one is of no job, whoever signed it."""
_FORM: Final = re.compile(
    r"1\.([0-9]{1,19})\.([0-9]{1,19})\.([0-9]{1,10})\.([0-9a-f]{16})\.([a-z-]{1,16})\.([A-Za-z0-9_-]{22})"
)


class JobId(NamedTuple):
    """What an id says of a job: it was given out once, so."""

    key: int
    deadline: int
    """Of that activation, milliseconds since 1970; with the key it names the activation."""
    retries: int
    """Tries that were left, that one included."""
    type_hash: str
    """Of the job's type; see `hash_type`."""
    answers: str = PLAIN
    """How its workers write answers; see `zeebe_amqp.jobs.readings`. Whoever gets an answer need not fetch the type."""


class SignedIds:
    """Makes ids, and reads those that come back.

    Args:
        secrets: keys; the first one signs, all verify.
    """

    def __init__(self, secrets: Sequence[bytes]) -> None:
        self._keys = SigningKeys(secrets, JOB_IDS)

    def write(self, job: JobId) -> str:
        """The id of a job; opaque to workers, and never to be logged whole."""
        content = f"{_VERSION}.{job.key}.{job.deadline}.{job.retries}.{job.type_hash}.{job.answers}"
        return f"{content}.{self._signature(content)}"

    def read(self, text: object) -> JobId | None:
        """What an id says; None for what we did not write."""
        if not isinstance(text, str) or len(text) > MAX_LENGTH:
            return None
        form = _FORM.fullmatch(text)
        if form is None or not self._is_ours(text.rpartition(".")[0], form[6]):
            return None
        job = JobId(int(form[1]), int(form[2]), int(form[3]), form[4], form[5])
        return job if max(job.key, job.deadline) <= _MAX_LONG and job.retries <= _MAX_INT else None

    def _signature(self, content: str) -> str:
        return _to_text(self._keys.sign(content.encode())[:_SIGNATURE])

    def _is_ours(self, content: str, signature: str) -> bool:
        start = base64.urlsafe_b64decode(signature + "==")
        # Bits of the last character stand for nothing: of a job there is one id, whatever compares it as text.
        return _to_text(start) == signature and self._keys.verify_start(content.encode(), start)


def _to_text(signature: bytes) -> str:
    return base64.urlsafe_b64encode(signature).decode().rstrip("=")


def hide_signature(text: str | None) -> str | None:
    """Text for logs and traces: an id of a job without its signature, anything else as it is.

    Who has the whole id can answer for the job.
    """
    if text is None or not text.startswith(_PREFIX) or _FORM.fullmatch(text) is None:
        return text
    return text.rpartition(".")[0] + ".…"


@lru_cache(maxsize=4096)
def hash_type(job_type: str) -> str:
    """What stands for the type of a job in its id: 16 hexadecimal digits."""
    return hashlib.sha256(job_type.encode()).hexdigest()[:16]
