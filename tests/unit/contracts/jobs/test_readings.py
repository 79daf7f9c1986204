"""The envelopes of frameworks: what a handler returned completes the job, what it raised fails it, whatever else comes.

What stands here is what the frameworks send: `tests/integration/test_job_workers.py` runs most of them.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, NamedTuple

from hypothesis import example, given
from hypothesis import strategies as st

from tests.cases import check_all
from zeebe_amqp.commands import Command, CompleteJob, FailJob, ThrowError, UpdateJobTimeout
from zeebe_amqp.jobs import names
from zeebe_amqp.jobs.answers import MAX_REASON, AnswerMessage, GivenOut, to_command
from zeebe_amqp.jobs.readings import PLAIN, READINGS

JOB = GivenOut(key=2251799813685250, retries=3, type="charge-card")


class Framework(NamedTuple):
    """What a framework sends, by what its handler did."""

    returned: Callable[[Any], AnswerMessage]
    raised: Callable[[str, str], AnswerMessage]
    """By the name of the exception's type, and its text."""


def message(body: Any, **properties: Any) -> AnswerMessage:
    return AnswerMessage(json.dumps(body).encode(), content_type="application/json", **properties)


def nameko(result: Any, error: Any) -> AnswerMessage:
    return message({"result": result, "error": error})


def celery(status: str, result: Any, traceback: str | None = None) -> AnswerMessage:
    told = {"status": status, "result": result, "traceback": traceback, "children": []}
    return message({**told, "date_done": "2026-11-27T19:00:00+00:00", "task_id": "1.2.3"})


def unhandled(kind: str, text: str) -> dict[str, Any]:
    """An exception as Spring writes it: by its getters."""
    return {"cause": None, "stackTrace": [{"className": kind}], "message": text, "localizedMessage": text}


FRAMEWORKS = {
    "nameko": Framework(
        lambda value: nameko(value, None),
        lambda kind, text: nameko(
            None, {"exc_type": kind, "exc_path": f"builtins.{kind}", "exc_args": [text], "value": text}
        ),
    ),
    "celery": Framework(
        lambda value: celery("SUCCESS", value),
        lambda kind, text: celery(
            "FAILURE", {"exc_type": kind, "exc_message": [text], "exc_module": "builtins"}, "Traceback …"
        ),
    ),
    "nestjs": Framework(
        lambda value: message({"response": value, "isDisposed": True}),
        lambda _, text: message({"err": {"status": "error", "message": text}, "isDisposed": True}),
    ),
    "aio-pika": Framework(
        lambda value: message(value, type="result"),
        lambda kind, text: message(
            {"error": {"type": kind, "message": f"{kind}({text!r})", "args": [text]}}, type="error"
        ),
    ),
    "spring": Framework(
        lambda value: message(value, headers={"__TypeId__": "java.util.HashMap"}),
        lambda kind, text: message({"value": None, "exception": unhandled(kind, text)}),
    ),
}


def read(reading: str, answer: AnswerMessage) -> Command:
    return to_command(answer, JOB, reading=READINGS[reading])


def key(command: Command) -> int:
    """The key of the job that a command is about."""
    assert isinstance(command, CompleteJob | FailJob | ThrowError | UpdateJobTimeout)
    return command.job_key


def failure(reading: str, answer: AnswerMessage) -> str:
    """The text with which an answer fails the job, one retry less."""
    command = read(reading, answer)
    assert isinstance(command, FailJob), command
    assert (command.job_key, command.retries) == (JOB.key, JOB.retries - 1)
    return command.error_message or ""


def test_every_reading_has_its_framework() -> None:
    assert FRAMEWORKS.keys() | {PLAIN} == READINGS.keys()


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
OBJECTS = st.dictionaries(st.text(max_size=8), VALUES, max_size=4)


@given(OBJECTS)
def test_what_a_handler_returns_are_the_variables_byte_for_byte(variables: dict[str, Any]) -> None:
    def completes(reading: str, framework: Framework) -> None:
        command = read(reading, framework.returned(variables))
        assert isinstance(command, CompleteJob), command
        assert bytes(command.variables or b"") == json.dumps(variables).encode()

    check_all(FRAMEWORKS.items(), completes)


def test_a_handler_that_returns_nothing_completes_the_job() -> None:
    def completes(reading: str, framework: Framework) -> None:
        assert read(reading, framework.returned(None)) == CompleteJob(job_key=JOB.key)

    check_all(FRAMEWORKS.items(), completes)


@given(st.sampled_from(["done", 7, True, [1], 0.5, ""]))
def test_a_handler_that_returns_what_are_no_variables_fails_the_job(value: Any) -> None:
    def fails(reading: str, framework: Framework) -> None:
        assert "expected a JSON object" in failure(reading, framework.returned(value))

    check_all(FRAMEWORKS.items(), fails)


@given(st.text(max_size=2000), st.sampled_from(["ValueError", "IllegalStateException"]))
@example("x" * 5000, "ValueError")
@example("\x1b[2J", "ValueError")
@example("", "ValueError")
def test_a_handler_that_raises_fails_the_job_with_a_text_that_can_be_shown(text: str, kind: str) -> None:
    def fails(reading: str, framework: Framework) -> None:
        told = failure(reading, framework.raised(kind, text))
        assert 0 < len(told) <= MAX_REASON
        assert all(each.isprintable() or each in "\n\t" for each in told)

    check_all(FRAMEWORKS.items(), fails)


def test_the_text_says_what_was_raised() -> None:
    told = {name: failure(name, framework.raised("ValueError", "no funds")) for name, framework in FRAMEWORKS.items()}
    assert told == {
        "nameko": "ValueError: no funds",
        "celery": "ValueError: no funds",
        "nestjs": "error: no funds",
        "aio-pika": "ValueError: ValueError('no funds')",
        "spring": "no funds",
    }


def test_an_error_of_another_form_fails_the_job_too() -> None:
    odd = {
        "nameko": ('{"result": null, "error": "down"}', "down"),
        "celery": ('{"status": "REVOKED", "result": null}', "null"),
        "nestjs": ('{"err": "There is no matching message handler", "status": "error"}', "There is no matching"),
        "aio-pika": ('{"error": [1]}', "[1]"),
        "spring": ('{"value": null, "exception": {"message": null}}', "the handler failed"),
    }

    def fails(reading: str, body: str, told: str) -> None:
        found = failure(reading, AnswerMessage(body.encode(), type="error" if reading == "aio-pika" else None))
        assert found.startswith(told), found

    check_all([(name, *case) for name, case in odd.items()], fails)


def test_what_is_no_envelope_and_what_is_no_end_fails_the_job_and_says_why() -> None:
    wrong = [
        ("nameko", message({"charged": 1}), "error is missing"),
        ("nameko", AnswerMessage(b""), "found nothing"),
        ("celery", message({"result": {}}), "status is missing"),
        ("celery", celery("RETRY", {"exc_type": "ValueError"}), 'SUCCESS, FAILURE or REVOKED, found text "RETRY"'),
        ("celery", celery("STARTED", {"pid": 1}), 'found text "STARTED"'),
        ("nestjs", message({"response": {}}), "isDisposed: expected true"),
        ("aio-pika", message({}), "type: expected result or error, found null"),
        ("aio-pika", message({"charged": 1}, type="error"), "error is missing"),
    ]

    def fails(reading: str, answer: AnswerMessage, told: str) -> None:
        assert told in failure(reading, answer)

    check_all(wrong, fails)


def test_a_message_that_names_an_outcome_is_read_without_an_envelope() -> None:
    """No envelope has a word for a BPMN error, or for more time: a handler sends such an answer itself."""

    def is_plain(reading: str) -> None:
        assert isinstance(read(reading, message({"timeout": "1m"}, type="extend")), UpdateJobTimeout)
        assert failure(reading, message({"errorMessage": "down"}, type="fail")) == "down"
        assert isinstance(read(reading, message({}, type="complete")), CompleteJob)
        error = read(reading, message({"errorCode": "no-funds"}, type="error"))
        assert isinstance(error, FailJob if reading == "aio-pika" else ThrowError)
        assert isinstance(read(reading, message({"errorCode": "x"}, headers={names.OUTCOME: "error"})), ThrowError)

    check_all([*READINGS], is_plain)


HOSTILE = [
    b'"\\ud800"', b"\xff", b" [1]", b'"\xff"', b"[1", b'{"result":' + b"[" * 100_000, b'{"\xff":1}',
    b'{"a":' * 3000 + b"1" + b"}" * 3000, b'{"result":1,"error":"\xff"}', b'{"error":{"value":"\\ud800"}}',
    b'{"exception":"\xff","value":1}', b'{"status":"FAILURE","result":' + b"[" * 5000 + b"]" * 5000 + b"}",
    b'{"status":1e999}', b'{"error":null,"error":{"value":"x"},"result":{}}', b"\xef\xbb\xbf{}", b"null", b" ", b"{}",
]  # fmt: skip
TYPES = (None, "result", "error", "fail", "extend", "", "\x00")


def test_hostile_bodies_are_commands_for_this_job_and_complete_nothing_that_says_it_failed() -> None:
    def is_command(reading: str, body: bytes, kind: str | None) -> None:
        command = read(reading, AnswerMessage(body, type=kind))
        assert key(command) == JOB.key
        assert not (isinstance(command, CompleteJob) and command.variables and reading != PLAIN and b"FAIL" in body)

    check_all([(reading, body, kind) for reading in READINGS for body in HOSTILE for kind in TYPES], is_command)
    twice = b'{"error":null,"error":{"value":"x"},"result":{}}'
    assert failure("nameko", AnswerMessage(twice)) == "x"  # the last one of a key counts
