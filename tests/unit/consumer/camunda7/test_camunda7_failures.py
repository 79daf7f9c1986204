"""What each answer of the REST API means, whatever its body is."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from consumer.camunda7.failures import Answer, error
from tests.cases import for_each
from tests.unit.consumer.errors import verdict
from zeebe_amqp.errors import Code, Outcome, Source

JSON = "application/json"
NOWHERE = "Cannot find execution with id 'x': execution is null"
NOT_WAITING = "Execution 'a\nb' has not subscribed to a signal event with name 'y'. is empty"
BROKEN = "An exception occurred in the persistence layer"


def answer(status: int, body: bytes = b"", kind: str = JSON) -> Answer:
    return Answer(status, kind, body, "POST /engine-rest/signal")


def said(kind: str, message: str) -> bytes:
    return json.dumps({"type": kind, "message": message, "code": 0}).encode()


NO, MAYBE = Outcome.NOT_EXECUTED, Outcome.UNKNOWN
ENGINE, OURS = Source.GATEWAY, Source.CONSUMER


@for_each(
    [
        (400, "No signal name given", (Code.INVALID_ARGUMENT, ENGINE, NO, False)),
        (401, "who?", (Code.UNAUTHENTICATED, ENGINE, NO, False)),
        (403, "The user may not", (Code.PERMISSION_DENIED, ENGINE, NO, False)),
        (500, NOWHERE, (Code.NOT_FOUND, ENGINE, NO, False)),
        (500, NOT_WAITING, (Code.FAILED_PRECONDITION, ENGINE, NO, False)),
        (500, BROKEN, (Code.UNKNOWN, ENGINE, NO, False)),
        (500, f"quoted: {NOWHERE}", (Code.UNKNOWN, ENGINE, NO, False)),
        (429, "too many", (Code.RESOURCE_EXHAUSTED, ENGINE, NO, True)),
        (501, "?", (Code.UNKNOWN, ENGINE, MAYBE, False)),
        (502, "bad gateway", (Code.UNAVAILABLE, ENGINE, MAYBE, False)),
        (503, "no", (Code.UNAVAILABLE, ENGINE, MAYBE, False)),
        (504, "late", (Code.UNAVAILABLE, ENGINE, MAYBE, False)),
        (599, "?", (Code.UNKNOWN, ENGINE, MAYBE, False)),
    ]
)
def test_the_engine_s_answer_has_a_code_and_its_own_words(
    status: int, message: str, expected: tuple[Code, Source, Outcome, bool]
) -> None:
    found = error(answer(status, said("SomeException", message)))
    assert verdict(found) == expected
    assert found.message == message
    assert found.details == {"type": "SomeException"}


@for_each([301, 302, 307, 308, 404, 405, 415, 418])
def test_what_is_no_rest_api_is_a_matter_of_the_setting(status: int) -> None:
    found = error(answer(status, said("NotFoundException", "HTTP 404 Not Found")))
    assert verdict(found) == (Code.INTERNAL, OURS, NO, False)
    assert f"answered {status} to POST /engine-rest/signal; check CAMUNDA7_REST_URL" in found.message


@for_each([200, 202, 206])
def test_only_204_says_that_it_was_done(status: int) -> None:
    found = error(answer(status, b"<html>log in</html>", "text/html"))
    assert verdict(found) == (Code.INTERNAL, OURS, MAYBE, False)


@for_each(
    [
        (b"", "", None),
        (b"", JSON, None),
        (b"{}", JSON, None),
        (b'{"type":5,"message":7}', JSON, None),
        (b'{"type":"X","message":""}', JSON, None),
        (b"[1]", JSON, None),
        (b"{", JSON, None),
        (b"[" * 100_000, JSON, None),
        (b"\xff\xfe", JSON, None),
        (b"<html>at org.camunda.Stack(Trace.java:1)</html>", "text/html;charset=utf-8", None),
        (b"  it broke \n", "text/plain; charset=UTF-8", "it broke"),
        (b"\xff", "text/plain", "\N{REPLACEMENT CHARACTER}"),
    ]
)
def test_a_body_of_any_kind_is_no_obstacle(body: bytes, kind: str, message: str | None) -> None:
    found = error(answer(500, body, kind))
    assert (found.code, found.outcome) == (Code.UNKNOWN, NO)
    own = "the Camunda 7 engine answered 500 to POST /engine-rest/signal and did not say why; its log does"
    assert found.message == (message or own)


def test_a_long_text_is_cut_and_refused_credentials_without_words_name_the_settings() -> None:
    found = error(answer(400, said("X" * 9000, "é" * 9000)))
    assert len(found.message.encode()) <= 2048
    assert len((found.details or {})["type"]) <= 2048
    assert "check CAMUNDA7_USER and CAMUNDA7_PASSWORD" in error(answer(401)).message


@given(status=st.integers(100, 999), body=st.binary(max_size=200), kind=st.text(max_size=20))
def test_no_answer_ends_in_anything_but_an_error(status: int, body: bytes, kind: str) -> None:
    assert error(answer(status, body, kind)).message
