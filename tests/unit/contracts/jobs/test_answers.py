"""What a worker says of a job, as the command that it comes to: every outcome with every kind of body."""

from __future__ import annotations

import gzip
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.cases import for_each
from zeebe_amqp import wire
from zeebe_amqp.commands import Command, CompleteJob, FailJob, ThrowError, UpdateJobTimeout
from zeebe_amqp.commands.jobs import JobResult
from zeebe_amqp.errors import invalid
from zeebe_amqp.jobs.answers import (
    MAX_REASON,
    AnswerMessage,
    GivenOut,
    Interpretation,
    NotAnAnswer,
    Outcome,
    Statement,
    fail,
    interpret,
    to_command,
)

JOB = GivenOut(2**51 + 7, 3, "charge-card")
OUTCOMES = [None, "", "charge-card.result", *Outcome]


def read(body: bytes = b"", type: Any = None, **properties: Any) -> Interpretation:
    return interpret(AnswerMessage(body, type, **{"headers": {}, **properties}), JOB)


def reason(body: bytes = b"", type: Any = None, **properties: Any) -> str:
    """Why an answer cannot be used; the job fails for it with one retry less."""
    command, outcome = read(body, type, **properties)
    assert outcome is None
    assert isinstance(command, FailJob)
    assert (command.job_key, command.retries, command.retry_back_off, command.variables) == (JOB.key, 2, None, None)
    return command.error_message.removeprefix("the answer cannot be used: ")


def complete(variables: bytes | None) -> Command:
    return CompleteJob(job_key=JOB.key, variables=None if variables is None else msgspec.Raw(variables))


NOTHING = [b"", b" ", b"null", b"\n null \t"]
OBJECTS = [b"{}", b'{"a":1}', b' {"a" : [ 1.0, 1e2 ], "a": 2}\n']


@for_each([(outcome, body) for outcome in (None, "", "charge-card.result", "complete") for body in NOTHING])
def test_complete_without_variables(outcome: str | None, body: bytes) -> None:
    assert read(body, outcome) == (complete(None), Outcome.COMPLETE)


@for_each([(outcome, body) for outcome in (None, "", "charge-card.result", "complete") for body in OBJECTS])
def test_complete_with_variables_byte_for_byte(outcome: str | None, body: bytes) -> None:
    assert read(body, outcome) == (complete(body.strip()), Outcome.COMPLETE)


@for_each([
    (b"", FailJob(job_key=JOB.key, retries=2)),
    (b"null", FailJob(job_key=JOB.key, retries=2)),
    (b'{"errorMessage":"no"}', FailJob(job_key=JOB.key, retries=2, error_message="no")),
    (b'{"retries":0}', FailJob(job_key=JOB.key, retries=0)),
    (b'{"retries":9,"retries":1}', FailJob(job_key=JOB.key, retries=1)),
    (b'{"errorMessage":7,"errorMessage":"no"}', FailJob(job_key=JOB.key, retries=2, error_message="no")),
    (b'{"retryBackOff":"PT5M","variables":{"a": 1.0}}', None),
])  # fmt: skip
def test_fail(body: bytes, command: FailJob | None) -> None:
    found, outcome = read(body, "fail")
    assert outcome is Outcome.FAIL
    assert isinstance(found, FailJob)
    if command is None:
        assert int(found.retry_back_off) == 300_000  # type: ignore[arg-type, call-overload]
        assert bytes(found.variables) == b'{"a": 1.0}'  # type: ignore[arg-type]
    else:
        assert found == command


def test_error_and_extend() -> None:
    assert read(b'{"errorCode":"E","errorMessage":"m","variables":{ }}', "error") == (
        ThrowError(job_key=JOB.key, error_code="E", error_message="m", variables=msgspec.Raw(b"{ }")),
        Outcome.ERROR,
    )
    command, outcome = read(b'{"timeout":"2m"}', "extend")
    assert isinstance(command, UpdateJobTimeout)
    assert (int(command.timeout), outcome) == (120_000, Outcome.EXTEND)  # type: ignore[arg-type, call-overload]


@for_each([
    ("error", b"", "body.errorCode: missing"),
    ("error", b"{}", "body.errorCode: missing"),
    ("error", b'{"errorCode":" "}', "body.errorCode: "),
    ("error", b'{"errorCode":"E","retries":1}', "body.retries: "),
    ("extend", b"", "body.timeout: missing"),
    ("extend", b'{"timeout":0}', "body.timeout: missing"),
    ("extend", b'{"timeout":"soon"}', "body.timeout: "),
    ("extend", b'{"timeout":"-1s"}', "body.timeout: "),
    ("fail", b'{"retries":"2"}', "body.retries: "),
    ("fail", b'{"retries":null}', "body.retries: "),
    ("fail", b'{"retries":4294967296}', "body.retries: "),
    ("fail", b'{"errorMesage":"no"}', "body.errorMesage: "),
    ("fail", b'{"variables":[]}', "body.variables: expected a JSON object"),
    ("fail", b'{"variables":{"a":1e999}}', "body.variables: a number beyond the range of a double"),
    ("fail", b'{"jobKey":1}', "body.jobKey: not accepted; the correlation id says which job it is"),
    ("error", b'{"jobKey":1,"errorCode":"E"}', "body.jobKey: not accepted"),
    ("extend", b'{"\\u006aobKey":1,"timeout":"1m"}', "body.jobKey: not accepted"),
    ("complete", b'{"a":1e999}', "body: a number beyond the range of a double"),
    ("complete", b'{"a":NaN}', "body: not valid JSON"),
    ("complete", b'{"a":"\\ud800"}', "body: not valid JSON"),
    ("complete", b'{"a":01}', "body: not valid JSON"),
    ("complete", b'{"a":1,}', "body: not valid JSON"),
    ("complete", b"{'a':1}", "body: not valid JSON"),
    ("complete", b'{"a":1', "body: not valid JSON"),
    ("complete", b'{"a":1}}', "body: not valid JSON"),
    ("complete", b'{"a":1} {"b":2}', "body: not valid JSON"),
    ("complete", b'{"a":1},"jobKey":5', "body: not valid JSON"),
    ("complete", b'{},"result":{"denied":true}', "body: not valid JSON"),
    ("complete", b'\xef\xbb\xbf{"a":1}', "body: not valid JSON (found a byte order mark"),
    ("complete", '{"a":1}'.encode("utf-16"), "body: not valid JSON"),
    ("complete", b'{"a":"\xff"}', "body: not valid JSON: not UTF-8"),
    ("complete", b'{"\xff":1}', "body: not"),
    ("complete", b"\xff", "body: not valid JSON"),
    ("complete", b"\x80\x02}q\x00.", "body: not valid JSON"),
    ("complete", b"[]", "body: expected a JSON object, found a list"),
    ("complete", b"  [1]", "body: expected a JSON object, found a list"),
    ("complete", b'"x"', 'body: expected a JSON object, found text "x"'),
    ("complete", b' "\xff"', "body: expected a JSON object, found something else"),
    ("complete", b'"x', "body: not valid JSON"),
    ("complete", b"true", "body: expected a JSON object, found true"),
    ("complete", b"12" * 5000, "body: expected a JSON object, found 1212"),
    ("complete", b"hello", "body: not valid JSON"),
    ("complete", b"\x0b{}", "body: not valid JSON"),
    ("complete", b'{"a":' * 501 + b"1" + b"}" * 501, "body: nested deeper than 500 levels"),
    ("fail", b'{"variables":' + b'{"a":' * 501 + b"1" + b"}" * 502, "body.variables: nested deeper than 500 levels"),
    ("complete", b'{"a":' * 100_000, "body: n"),
    ("fail", b'{"a":' + b"[" * 100_000, "body: n"),
    ("fail", b"[" * 100_000, "body: expected a JSON object, found a list"),
])  # fmt: skip
def test_what_says_nothing_fails_the_job_with_words_about_the_body(outcome: str, body: bytes, words: str) -> None:
    told = reason(body, outcome)
    assert told.startswith(words), told
    assert "data." not in told
    assert len(told) < MAX_REASON


@for_each(["completed", "COMPLETE", "charge-card", "other.result", "fail ", "\0", "x" * 255])
def test_an_outcome_that_nobody_knows_fails_the_job(named: str) -> None:
    words = "expected one of complete, fail, error, extend, or none to complete; found text"
    assert reason(b"{}", named).startswith(f"type: {words}")
    assert reason(b"{}", headers={"outcome": named}).startswith(f"header outcome: {words}")


@for_each([7, True, b"fail", ["fail"], {"fail": 1}, 1.5])
def test_an_outcome_that_is_no_text_is_not_taken_for_none(named: Any) -> None:
    assert reason(b"{}", headers={"outcome": named}).startswith("header outcome: expected one of ")


@for_each([
    (None, "fail", Outcome.FAIL),
    ("complete", "fail", Outcome.FAIL),
    ("com.example.Result", "complete", Outcome.COMPLETE),
    ("fail", None, Outcome.FAIL),
    ("fail", "", Outcome.FAIL),
    (None, "", Outcome.COMPLETE),
])  # fmt: skip
def test_the_header_comes_before_the_type_which_frameworks_set(
    type: str | None, header: str | None, outcome: Outcome
) -> None:
    assert read(b"{}", type, headers={"outcome": header}).outcome is outcome


@for_each([
    (None, None, True),
    ("application/json", None, True),
    ("Application/JSON; charset=utf-8", "UTF-8", True),
    ("text/plain", "identity", True),
    ("application/octet-stream", "", True),
    ("application/x-java-serialized-object", None, False),
    ("application/xml", None, False),
    ("application/json", "gzip", False),
    ("application/x-python-serialize", "binary", False),
])  # fmt: skip
def test_the_content_is_json(media: str | None, encoding: str | None, usable: bool) -> None:
    found = read(b"{}", content_type=media, content_encoding=encoding)
    assert (found.outcome is Outcome.COMPLETE) is usable
    if not usable:
        assert "content_" in reason(b"{}", content_type=media, content_encoding=encoding)
    assert read(b"", content_type=media).outcome is Outcome.COMPLETE, "of nothing no type matters"
    assert "content_encoding: expected" in reason(gzip.compress(b"{}"), content_encoding="gzip")


class TestResult:
    def test_of_a_listener(self) -> None:
        document = '{"type":"userTask","denied":true}'
        command, _ = read(b'{"a":1}', headers={"job-result": document})
        assert command == CompleteJob(
            job_key=JOB.key, variables=msgspec.Raw(b'{"a":1}'), job_result=JobResult(type="userTask", denied=True)
        )

    @for_each([
        (7, "header job-result: expected JSON text, found 7"),
        (b"{}", "header job-result: expected JSON text"),
        ("[]", "header job-result: expected a JSON object, found a list"),
        ("{", "header job-result: not valid JSON"),
        ("\ud800", "header job-result: not"),
        ('{"denied":1}', "header job-result.denied: "),
        ('{"deny":true}', "header job-result.deny: "),
        ('{"a":' * 100_000, "header job-result: n"),
        ('{},"jobKey":{}', "header job-result: not valid JSON"),
    ])  # fmt: skip
    def test_that_is_none_fails_the_job(self, document: Any, words: str) -> None:
        told = reason(b"{}", headers={"job-result": document})
        assert told.startswith(words), told

    def test_belongs_to_a_completion_alone(self) -> None:
        assert read(b"{}", "fail", headers={"job-result": "["}).outcome is Outcome.FAIL


def test_no_retries_are_less_than_none_and_a_reason_is_text_that_can_be_shown() -> None:
    command = fail(GivenOut(5, 0, "x"), "\x1b[31m\0é\n" + "x" * 5000)
    assert command.retries == 0
    assert command.error_message.startswith("\ufffd[31m\ufffdé\n")
    assert len(command.error_message) == MAX_REASON


@for_each([NotAnAnswer("state: FAILURE"), None])
def test_a_reading_of_a_framework_may_say_what_it_likes(problem: Exception | None) -> None:
    def framed(message: AnswerMessage, job: GivenOut) -> Statement:
        if problem is not None:
            raise problem
        return Statement(Outcome.FAIL, b'{"errorMessage":"framed"}')

    command = to_command(AnswerMessage(b"whatever"), JOB, reading=framed)
    words = "framed" if problem is None else "the answer cannot be used: state: FAILURE"
    assert command == FailJob(job_key=JOB.key, retries=2, error_message=words)


def test_a_refusal_that_names_no_field_is_told_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    problem = invalid("x", "y")
    problem.details = None

    def refuse(*_: object, **__: object) -> Any:
        raise problem

    monkeypatch.setattr(CompleteJob, "from_wire", refuse)
    assert reason(b"{}") == "x: y"


def test_the_depth_is_the_services() -> None:
    message = AnswerMessage(b'{"a":{"b":1}}')
    assert isinstance(to_command(message, JOB, max_depth=2), CompleteJob)
    assert isinstance(to_command(message, JOB, max_depth=1), FailJob)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@given(st.dictionaries(st.text(), JSON, max_size=5), st.sampled_from(["", " ", "\n\t"]))
def test_any_object_of_variables_arrives_as_it_is(variables: dict[str, Any], space: str) -> None:
    body = (space + msgspec.json.encode(variables).decode() + space).encode()
    command, outcome = read(body)
    if outcome is not None:  # else it has a number that no double holds
        assert isinstance(command, CompleteJob)
        assert command.job_key == JOB.key
        assert bytes(command.variables) == body.strip()  # type: ignore[arg-type]


def test_the_longest_body_is_read_in_one_pass() -> None:
    body = b'{"a":"' + b"x" * (wire.MAX_BODY - 8) + b'"}'
    assert read(body).outcome is Outcome.COMPLETE
