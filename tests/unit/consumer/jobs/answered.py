"""Jobs that were given out, and deliveries of what is said of them."""

from __future__ import annotations

from typing import Any

from consumer.config.settings import JobType
from consumer.core.delivery import Decoder
from consumer.core.message import Message
from consumer.jobs.answers import AnswerDecoder
from consumer.jobs.signed_id import JobId, SignedIds, hash_type
from tests.unit.consumer.deliveries import FakeDelivery

SECRET = b"s" * 32
IDS = SignedIds([SECRET])
TYPE = "charge-card"
KEY = 2**51 + 7
JOB = JobId(KEY, 1_700_000_300_000, 3, hash_type(TYPE))
DECODER = AnswerDecoder(IDS, [JobType(TYPE), JobType("other", delivery_limit=1)])


class Answered(FakeDelivery):
    """A delivery to a queue of answers."""

    def __init__(self, message: Message, decoder: Decoder = DECODER.results) -> None:
        super().__init__(message)
        self._decoder = decoder


def message(body: bytes = b"", job: JobId = JOB, **properties: Any) -> Message:
    """An answer, of one job unless it is told otherwise."""
    return Message(body, **{"correlation_id": IDS.write(job), "queue": "zeebe.jobs.results", **properties})


def answered(body: bytes = b"", job: JobId = JOB, **properties: Any) -> Answered:
    """The delivery of an answer."""
    return Answered(message(body, job, **properties))


def undone(reason: str, job: JobId = JOB, **properties: Any) -> Answered:
    """The delivery of a job that came back."""
    headers = {"x-death": [{"reason": reason, "queue": "zeebe.jobs.charge-card", "count": 1}]}
    terms = {"queue": "zeebe.jobs.undone", "reply_to": "zeebe.jobs.results", "type": TYPE, "headers": headers}
    return Answered(message(b'{"a": 1}', job, **{**terms, **properties}), DECODER.undone)
