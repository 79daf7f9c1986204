"""From a message in a queue of answers to the command that ends its job."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from consumer.config.settings import JobType
from consumer.jobs import answers
from consumer.jobs.answers import UNKNOWN_TYPE, UNUSABLE, Answer, AnswerDecoder
from consumer.jobs.signed_id import JobId, SignedIds, hash_type
from tests.cases import for_each
from tests.unit.consumer.jobs.answered import DECODER, IDS, JOB, KEY, TYPE, message, undone
from zeebe_amqp import wire
from zeebe_amqp.commands import CompleteJob, FailJob, ThrowError, UpdateJobTimeout
from zeebe_amqp.commands.target import Target
from zeebe_amqp.errors import Code, CommandError
from zeebe_amqp.jobs.answers import Outcome, Statement, plain


def read(body: bytes = b"", job: JobId = JOB, **properties: Any) -> Answer:
    return DECODER.results(message(body, job, **properties), 500, wire.MAX_BODY)


def came_back(reason: Any, **properties: Any) -> Answer:
    return DECODER.undone(undone(reason, **properties).message, 500, wire.MAX_BODY)


@for_each([
    ("complete", b'{ "a":1.0 }', CompleteJob, "complete"),
    (None, b"", CompleteJob, "complete"),
    (f"{TYPE}.result", b"{}", CompleteJob, "complete"),
    ("fail", b'{"errorMessage":"no"}', FailJob, "fail"),
    ("error", b'{"errorCode":"E"}', ThrowError, "error"),
    ("extend", b'{"timeout":"1m"}', UpdateJobTimeout, "extend"),
    ("completed", b"", FailJob, UNUSABLE),
    ("error", b"{}", FailJob, UNUSABLE),
])  # fmt: skip
def test_an_answer_is_a_command_for_the_job_of_its_id(kind: str | None, body: bytes, command: type, name: str) -> None:
    answer = read(body, type=kind)
    assert (type(answer.command), answer.outcome, answer.job, answer.job_type) == (command, name, JOB, TYPE)
    assert answer.command.job_key == KEY  # type: ignore[attr-defined]
    assert answer.operation == answer.command.operation
    assert answer.acts_on == Target(job_types=(TYPE,))
    identity = f"{KEY}.{JOB.deadline}.3.{hash_type(TYPE)}"
    assert answer.identity == ("" if name == "extend" else identity), "its job is extended as often as it likes"


def test_variables_are_handed_on_byte_for_byte() -> None:
    body = '{ "b":1.0, "a" : 1e2, "a": 2, "ä\\u2028":12345678901234567890123 }'.encode()
    command = read(body).command
    assert isinstance(command, CompleteJob)
    assert bytes(command.variables) == body  # type: ignore[arg-type]
    assert msgspec.Raw(body) == command.variables


def test_two_answers_are_the_same_when_their_commands_are() -> None:
    digests = [
        read(*given, **more).digest()
        for given, more in (
            ((b"",), {}),
            ((b"null",), {"type": "complete", "message_id": "x"}),
            ((b'{"a":1}',), {}),
            ((b'{"errorMessage":""}',), {"type": "fail"}),
        )
    ]
    assert digests[0] == digests[1]
    assert len(set(digests)) == 3


@for_each([
    ("", Code.INVALID_ARGUMENT, "correlation_id: missing"),
    (None, Code.INVALID_ARGUMENT, "correlation_id: missing"),
    ("x", Code.PERMISSION_DENIED, "correlation_id: found one that this service did not sign"),
    (IDS.write(JOB) + "A", Code.PERMISSION_DENIED, "did not sign"),
    (IDS.write(JOB).replace(".3.", ".4."), Code.PERMISSION_DENIED, "did not sign"),
    (SignedIds([b"o" * 32]).write(JOB), Code.PERMISSION_DENIED, "SIGNING_KEYS"),
    ("1." * 60_000, Code.PERMISSION_DENIED, "did not sign"),
    ("1.1.1.1.0123456789abcdef.\ud800", Code.PERMISSION_DENIED, "did not sign"),
])  # fmt: skip
def test_what_has_no_id_of_ours_is_refused_and_the_id_is_never_told(given: str | None, code: Code, words: str) -> None:
    for decode, headers in ((DECODER.results, {}), (DECODER.undone, {"x-death": [{"reason": "rejected"}]})):
        with pytest.raises(CommandError) as refusal:
            decode(message(correlation_id=given, headers=headers), 500, wire.MAX_BODY)
        assert (refusal.value.code, refusal.value.details) == (code, {"field": "correlation_id"})
        assert words in refusal.value.message
        assert not given or given not in refusal.value.message


def test_a_key_that_signs_no_more_still_verifies() -> None:
    decoder = AnswerDecoder(SignedIds([b"n" * 32, b"s" * 32]), [])
    assert decoder.results(message(), 500, wire.MAX_BODY).job == JOB


@for_each([
    ({"headers": {"job-type": "unset"}}, "unset"),
    ({"type": "unset.result"}, "unset"),
    ({"headers": {"job-type": "another"}}, UNKNOWN_TYPE),
    ({"headers": {"job-type": 7}}, UNKNOWN_TYPE),
    ({"headers": {"job-type": "x" * 100_000}}, UNKNOWN_TYPE),
    ({"type": "complete"}, UNKNOWN_TYPE),
    ({}, UNKNOWN_TYPE),
])  # fmt: skip
def test_a_type_that_is_not_set_here_is_known_where_the_id_bears_it_out(given: dict[str, Any], named: str) -> None:
    answer = read(b'{"a":1}', JobId(KEY, 5, 1, hash_type("unset")), **given)
    assert (answer.job_type, answer.acts_on) == (named, Target(job_types=(named or "*",)))
    assert isinstance(answer.command, CompleteJob)


@for_each([(101, 100, 100), (wire.MAX_BODY + 1, 2**62, wire.MAX_BODY)])
def test_an_answer_that_is_too_large_fails_its_job(size: int, limit: int, accepted: int) -> None:
    answer = DECODER.results(message(b"", announced_size=size), 500, limit)
    words = f"the answer cannot be used: body: {size} bytes; accepted: {accepted}"
    assert answer.command == FailJob(job_key=KEY, retries=2, error_message=words)
    assert answer.outcome == UNUSABLE


def test_how_the_answers_of_a_type_are_read_that_is_not_set_here_is_what_its_id_says() -> None:
    """Another service fetches it, or did before: read as plain, the answer of a failed handler completes the job."""
    failed = b'{"result": null, "error": {"exc_type": "ValueError", "value": "no"}}'
    for readings, outcome in (("nameko", Outcome.FAIL), ("later", UNUSABLE), ("plain", Outcome.COMPLETE)):
        job = JOB._replace(type_hash=hash_type("elsewhere"), answers=readings)
        assert read(failed, job).outcome == outcome
    here = JOB._replace(answers="nameko")
    assert read(failed, here).outcome == Outcome.COMPLETE


def test_the_reading_and_the_depth_are_those_that_are_set(monkeypatch: Any) -> None:
    read_so = {"upside-down": lambda *_: Statement(Outcome.FAIL, b"{}"), "plain": plain}
    monkeypatch.setattr(answers, "READINGS", read_so)
    decoder = AnswerDecoder(IDS, [JobType(TYPE, answers="upside-down")])
    assert decoder.results(message(b'{"a":1}'), 500, wire.MAX_BODY).outcome == "fail"
    assert DECODER.results(message(b'{"a":{"b":1}}'), 1, wire.MAX_BODY).outcome == UNUSABLE


@for_each([
    ("rejected", "rejected", "rejected by the worker"),
    ("delivery_limit", "delivery_limit", "delivered 4 times without an answer: its workers died or lost their "
     "connection"),
    ("expired", "expired", "no worker took the job in time"),
    ("maxlen", "expired", "no worker took the job in time"),
])  # fmt: skip
def test_a_job_that_came_back_takes_one_retry(reason: str, outcome: str, words: str) -> None:
    answer = came_back(reason)
    assert answer.command == FailJob(job_key=KEY, retries=2, error_message=words)
    assert (answer.outcome, answer.acts_on) == (outcome, Target(job_types=(TYPE,)))
    assert answer.identity == read().identity, "an answer before it counts, and it before an answer"


def test_no_retries_are_less_than_none() -> None:
    command = came_back("rejected", job=JOB._replace(retries=0)).command
    assert isinstance(command, FailJob)
    assert command.retries == 0


def test_how_often_a_job_was_delivered_is_what_is_set_for_its_type() -> None:
    texts = [
        came_back("delivery_limit", job=JOB._replace(type_hash=hash_type(name))).command.error_message  # type: ignore[attr-defined]
        for name in ("other", "unset")
    ]
    assert [each.split(" without")[0] for each in texts] == ["delivered 2 times", "delivered too often"]


@for_each([
    ({"x-last-death-reason": "rejected", "x-death": [{"reason": "expired"}]}, "rejected"),
    ({"x-death": [{"reason": "rejected"}, {"reason": "expired"}], "x-first-death-reason": "expired"}, "rejected"),
    ({"x-first-death-reason": "delivery_limit"}, "delivery_limit"),
    ({"x-first-death-reason": "rejected", "x-death": "rejected"}, "rejected"),
])  # fmt: skip
def test_the_last_time_that_the_broker_took_it_from_its_queue_counts(headers: dict[str, Any], outcome: str) -> None:
    assert came_back("", headers=headers).outcome == outcome


@for_each([
    {},
    {"x-death": []},
    {"x-death": [7]},
    {"x-death": [{}]},
    {"x-death": [{"reason": None}]},
    {"x-death": [{"reason": b"rejected"}]},
    {"x-death": {"reason": "rejected"}},
    {"x-last-death-reason": 7},
    {"x-last-death-reason": "eaten"},
    {"x-first-death-reason": ["rejected"]},
])  # fmt: skip
def test_what_the_broker_did_not_return_is_refused(headers: dict[str, Any]) -> None:
    with pytest.raises(
        CommandError, match="header x-death: expected the broker's reason for returning the job, one of rejected, "
    ):
        came_back("", headers=headers)
