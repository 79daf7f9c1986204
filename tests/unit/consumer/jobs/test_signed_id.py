"""The id of a job that was given out: read as it was written, and of nobody else."""

from __future__ import annotations

import string

from consumer.jobs.signed_id import MAX_LENGTH, JobId, SignedIds, hide_signature
from tests.cases import for_each
from tests.unit.consumer.jobs.answered import IDS, JOB

LARGEST = JobId(2**63 - 1, 2**63 - 1, 2**31 - 1, "f" * 16, "aio-pika")


@for_each([(JOB,), (LARGEST,), (JobId(1, 1, 0, "0" * 16),)])
def test_an_id_says_what_was_written_and_is_bounded(job: JobId) -> None:
    text = IDS.write(job)
    assert IDS.read(text) == job
    assert len(text) <= MAX_LENGTH


def test_no_id_with_another_character_anywhere_is_ours() -> None:
    text = IDS.write(JOB)
    for at, had in enumerate(text):
        # In the last one of a signature are bits that stand for nothing: others decode to the same bytes.
        for other in {*string.ascii_letters, *string.digits, *"._-=+/ \n\0\u0661"} - {had}:
            assert IDS.read(text[:at] + other + text[at + 1 :]) is None
    assert IDS.read(text + "\n") is None
    assert IDS.read(text[:-1]) is None
    assert SignedIds([b"o" * 32]).read(text) is None
    assert SignedIds([b"o" * 32, b"s" * 32]).read(text) == JOB


@for_each([(LARGEST._replace(key=2**63),), (LARGEST._replace(deadline=2**63),), (LARGEST._replace(retries=2**31),)])
def test_an_id_of_what_no_engine_has_is_none(job: JobId) -> None:
    assert IDS.read(IDS.write(job)) is None


@for_each([None, "", "x", "1.x", "c-1", "1.2.3.4.5.6", "1." * 60_000])
def test_what_is_no_id_is_shown_as_it_is(text: str | None) -> None:
    assert hide_signature(text) == text


def test_of_an_id_everything_but_the_signature_is_shown() -> None:
    text = IDS.write(JOB)
    assert hide_signature(text) == text[:-22] + "…"
