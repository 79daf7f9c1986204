"""A Camunda 7 engine: what is sent, what is tried again, what answers mean, and what is known when there is none."""

from __future__ import annotations

import asyncio
import base64
import gzip
import json
import logging
import socket
import ssl
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import nullcontext
from itertools import product
from typing import Any, TypeAlias
from unittest.mock import AsyncMock, Mock, call

import pytest
import trustme
from hypothesis import given
from hypothesis import strategies as st

from consumer.camunda7 import Camunda7Engine, client, failures
from consumer.camunda7.operations import RestRequest
from consumer.config import Basic, Camunda7
from consumer.core.call import Call
from consumer.core.foreign_text import operators_text
from scripts.process import free_port
from tests.cases import for_each
from tests.fakes.rest import FakeRest, answer, cut, raw
from tests.unit.consumer.errors import verdict
from zeebe_amqp.commands.signals import Signal
from zeebe_amqp.errors import Code, CommandError, Outcome, Source

Connect: TypeAlias = Callable[..., Camunda7Engine]

SIGNAL = RestRequest("/signal", b'{"name":"s"}')
JSON = "application/json"
INVALID = Code.INVALID_ARGUMENT
NO, MAYBE = Outcome.NOT_EXECUTED, Outcome.UNKNOWN
NOT_REACHED = (Code.UNAVAILABLE, Source.GATEWAY, Outcome.NOT_EXECUTED, True)
LOST = (Code.UNAVAILABLE, Source.GATEWAY, Outcome.UNKNOWN, False)
LATE = (Code.DEADLINE_EXCEEDED, Source.CONSUMER, Outcome.UNKNOWN, False)


@pytest.fixture
def span() -> Mock:
    """Keeps what it is told of every call."""
    span = Mock(metadata=(("traceparent", "00-1-2-01"),))
    span.opened.return_value = nullcontext(span)
    return span


@pytest.fixture
async def connect(span: Mock) -> AsyncIterator[Connect]:
    """Makes engines that do not sleep between attempts, without luck in their delays; they are closed at the end."""
    engines, no_sleep = [], AsyncMock()

    def make(url: str, *, sleep: Any = no_sleep, **settings: Any) -> Camunda7Engine:
        engines.append(Camunda7Engine(Camunda7(url, **settings), span.opened, sleep=sleep, random=lambda: 1.0))
        return engines[-1]

    yield make
    for each in engines:
        await each.close()


@pytest.fixture
def fake() -> Iterator[FakeRest]:
    with FakeRest() as running:
        yield running


@pytest.fixture
async def engine(fake: FakeRest, connect: Connect) -> Camunda7Engine:
    return connect(fake.url)


@pytest.fixture
def proxy(fake: FakeRest, monkeypatch: pytest.MonkeyPatch) -> FakeRest:
    """The fake, which everything goes through as a proxy."""
    for name in ("http_proxy", "https_proxy", "no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    for name in ("HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, f"http://ann:secret@127.0.0.1:{fake.port}")
    return fake


async def send(engine: Camunda7Engine, **terms: Any) -> None:
    await engine.send(SIGNAL, Call(Signal(name="s"), **terms))


async def failure(engine: Camunda7Engine, **terms: Any) -> CommandError:
    with pytest.raises(CommandError) as raised:
        await send(engine, **terms)
    return raised.value


async def test_a_request_is_posted_as_json_with_its_trace(fake: FakeRest, engine: Camunda7Engine, span: Mock) -> None:
    await send(engine)
    [request] = fake.requests
    assert (request.method, request.path, request.body) == ("POST", "/engine-rest/signal", SIGNAL.body)
    assert request.headers["content-type"] == "application/json"
    assert request.headers["traceparent"] == "00-1-2-01"
    assert "authorization" not in request.headers
    assert span.mock_calls == [call.opened("POST /signal", f"127.0.0.1:{fake.port}"), call.finish("OK")]


async def test_credentials_are_sent_and_never_shown(fake: FakeRest, connect: Connect, caplog: Any) -> None:
    caplog.set_level(logging.DEBUG)
    engine = connect(fake.url, credentials=Basic("us@er", "hush"))
    await send(engine)
    assert fake.requests[0].headers["authorization"] == f"Basic {base64.b64encode(b'us@er:hush').decode()}"
    assert "hush" not in engine.address + repr(engine) + caplog.text


async def test_a_connection_that_the_engine_closed_is_replaced(fake: FakeRest, engine: Camunda7Engine) -> None:
    fake.script(answer(204), answer(500, b'{"message":"no"}', Connection="close"))
    await send(engine)
    assert (await failure(engine)).message == "no"
    await send(engine)
    await send(engine)
    assert len(fake.requests) == 4


@for_each([(400, b'{"message":"m"}', Code.INVALID_ARGUMENT), (500, b"", Code.UNKNOWN), (302, b"", Code.INTERNAL)])
async def test_refusal_is_final(status: int, body: bytes, code: Code, fake: FakeRest, connect: Any, span: Mock) -> None:
    fake.reset()
    fake.script(answer(status, body, Location=f"{fake.url}/elsewhere"))
    span.reset_mock()
    assert (await failure(connect(fake.url))).code is code
    assert (len(fake.requests), span.mock_calls[1:]) == (1, [call.finish(code)])


async def test_an_engine_that_is_away_is_tried_again_and_said_once(connect: Connect, span: Mock, caplog: Any) -> None:
    fake = FakeRest(free_port())
    engine = connect(fake.url)
    for _ in range(2):
        error = await failure(engine)
        assert (verdict(error), error.details) == (NOT_REACHED, {"attempts": 5})
        assert "127.0.0.1" not in error.message
    with fake:
        await send(engine)
    delays = [pytest.approx(each) for each in (0.1, 0.3, 0.9, 2.7)]
    attempts = [call.attempt(number, "UNAVAILABLE", delay) for number, delay in enumerate(delays, 1)]
    assert span.mock_calls[1:6] == [*attempts, call.finish("UNAVAILABLE")]
    assert len([record for record in caplog.records if "not reached" in record.message]) == 1


async def test_an_engine_that_comes_back_while_it_is_tried_gets_the_request(connect: Connect) -> None:
    fake = FakeRest(free_port())

    async def appear(_: float) -> None:
        fake.__enter__()

    await send(connect(fake.url, sleep=appear))
    fake.__exit__()
    assert len(fake.requests) == 1


async def test_the_caller_s_deadline_ends_the_attempts(connect: Connect) -> None:
    engine = connect(f"http://127.0.0.1:{free_port()}")
    assert verdict(await failure(engine, deadline=time.time() + 0.05)) == NOT_REACHED
    error = await failure(engine, deadline=time.time() - 1)
    assert verdict(error) == (Code.DEADLINE_EXCEEDED, Source.CONSUMER, Outcome.NOT_EXECUTED, False)
    assert error.details == {"field": "deadline"}


BROKEN = (b"HTT", b"SSH-2.0-x\r\n", b"HTTP/1.1 2\r\n\r\n", b"HTTP/1.1 400 Bad\r\nTransfer-Encoding: chunked\r\n\r\nzz")


@for_each([cut, *map(raw, BROKEN)])
async def test_what_is_lost_after_sending_has_an_unknown_outcome(step: Any, fake: FakeRest, connect: Connect) -> None:
    for before in ([], [answer(204)]):
        engine = connect(fake.url)
        fake.reset()
        fake.script(*before, step)
        for _ in before:
            await send(engine)
        assert verdict(await failure(engine)) == LOST
        assert len(fake.requests) == len(before) + 1


async def test_an_answer_that_is_late_leaves_the_outcome_unknown(fake: FakeRest, connect: Connect) -> None:
    fake.script(fake.hang, fake.hang)
    assert verdict(await failure(connect(fake.url, request_timeout=0.5))) == LATE
    assert verdict(await failure(connect(fake.url), deadline=time.time() + 0.5)) == LATE
    assert len(fake.requests) == 2


async def test_what_a_proxy_may_have_passed_on_has_an_unknown_outcome(proxy: FakeRest, connect: Connect) -> None:
    proxy.script(answer(204), cut)
    engine = connect("http://engine.invalid/engine-rest")
    await send(engine)
    assert verdict(await failure(engine)) == LOST
    assert {request.path for request in proxy.requests} == {"http://engine.invalid/engine-rest/signal"}
    login = base64.b64encode(b"ann:secret").decode()
    assert {request.headers["proxy-authorization"] for request in proxy.requests} == {f"Basic {login}"}


@for_each([answer(403), answer(407), cut, raw(b"HTTP/1.1 200 OK\r\n\r\nno TLS")])
async def test_nothing_is_sent_where_a_proxy_makes_no_way_through(step: Any, proxy: FakeRest, connect: Connect) -> None:
    proxy.reset()
    proxy.always = step
    error = await failure(connect("https://engine.invalid/engine-rest"))
    assert (verdict(error), error.details) == (NOT_REACHED, {"attempts": 5})
    assert {request.method for request in proxy.requests} == {"CONNECT"}


async def test_nothing_is_sent_to_a_port_without_tls_or_that_is_silent(fake: FakeRest, connect: Connect) -> None:
    assert verdict(await failure(connect(fake.url.replace("http:", "https:")))) == NOT_REACHED
    assert fake.requests == []
    with socket.create_server(("127.0.0.1", 0)) as silent:
        engine = connect(f"https://127.0.0.1:{silent.getsockname()[1]}", request_timeout=0.2)
        error = await failure(engine)
    assert verdict(error) == NOT_REACHED
    assert "no connection in time" in error.message


async def test_an_engine_whose_certificate_nobody_vouches_for_gets_nothing(connect: Connect) -> None:
    context, got = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), Mock()
    trustme.CA().issue_cert("127.0.0.1").configure_cert(context)
    async with await asyncio.start_server(got, "127.0.0.1", 0, ssl=context) as server:
        error = await failure(connect(f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}"))
    assert (verdict(error), got.mock_calls) == (NOT_REACHED, [])


@for_each([
    (b'HTTP/1.1 400 Bad\r\nContent-Type: application/json\r\nContent-Length: 99\r\n\r\n{"message"\0close', INVALID),
    (b"HTTP/1.1 400 Bad\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\nnope\0close", INVALID),
    (b"HTTP/1.1 400 Bad\r\n\r\n" + b"x" * 200_000 + b"\0close", INVALID),
    (b"HTTP/1.1 403 No\r\nContent-Length: 99\r\n\r\n", Code.PERMISSION_DENIED),
])  # fmt: skip
async def test_torn_bodies_do_no_harm(body: bytes, code: Code, fake: FakeRest, connect: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr(client, "BODY_TIMEOUT", 0.2)
    fake.script(lambda _: body)
    assert verdict(await failure(connect(fake.url))) == (code, Source.GATEWAY, Outcome.NOT_EXECUTED, False)


async def test_nothing_is_read_of_a_compressed_answer(fake: FakeRest, engine: Camunda7Engine) -> None:
    fake.script(answer(400, gzip.compress(b"x" * 2**20), "text/plain", Content_Encoding="gzip"))
    refused = await failure(engine)
    assert "answered 400 to POST /engine-rest/signal and did not say why" in refused.message
    assert fake.requests[0].headers["accept-encoding"] == "identity"


async def test_a_cancelled_call_is_cancelled(fake: FakeRest, engine: Camunda7Engine) -> None:
    fake.script(fake.hang)
    sending = asyncio.create_task(send(engine))
    while not fake.requests:  # noqa: ASYNC110 - it arrives in another thread
        await asyncio.sleep(0.01)
    sending.cancel()
    with pytest.raises(asyncio.CancelledError):
        await sending


@for_each([
    ([answer(200, b'{"version":"7.24.0"}')], "7.24.0"),
    ([answer(200, b"{}")], ""),
    ([answer(404), answer(200, b'[{"name":"default"}]')], ""),
    ([answer(401)], Code.UNAUTHENTICATED),
    ([answer(404), answer(404)], Code.INTERNAL),
    ([answer(404), answer(200, b"<html>")], Code.INTERNAL),
    ([answer(200, b"<html>", "text/html")], Code.INTERNAL),
    ([cut, cut], Code.UNAVAILABLE),
])  # fmt: skip
async def test_a_probe_finds_a_version_or_problem(steps: Any, expected: Any, fake: FakeRest, connect: Connect) -> None:
    fake.reset()
    fake.script(*steps)
    try:
        found = await connect(fake.url).probe()
    except CommandError as error:
        found = error.code
    assert (type(found), found) == (type(expected), expected)


async def test_the_proxy_is_used_and_named(proxy: FakeRest, connect: Connect, monkeypatch: Any, caplog: Any) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://ann:secret@127.0.0.1:1")
    engine = connect(proxy.url)
    error = await failure(engine)
    assert "http://ann:***@127.0.0.1:1 of the variable HTTP_PROXY" in engine.hint(error)
    assert "not reached, through the proxy http://ann:***@127.0.0.1:1 of HTTP_PROXY" in caplog.text
    assert "127.0.0.1:1" not in error.message, "callers need not know"
    for entries in ("127.0.0.1", "127.0.0.0/8", "*"):
        monkeypatch.setenv("NO_PROXY", entries)
        await send(connect(proxy.url))


async def test_an_engine_that_is_not_reached_is_told_with_the_cause_to_an_operator(connect: Connect) -> None:
    engine = connect("http://127.0.0.1:1/engine-rest")
    with pytest.raises(CommandError) as raised:
        await engine.probe()
    assert (raised.value.code, raised.value.details) == (Code.UNAVAILABLE, None)
    assert engine.hint(raised.value).startswith(" (is the engine up, and CAMUNDA7_REST_URL right? ")
    assert engine.hint(CommandError(Code.UNAUTHENTICATED, "no")) == ""


NOWHERE = "Cannot find execution with id 'x': execution is null"
NOT_WAITING = "Execution 'a\nb' has not subscribed to a signal event with name 'y'. is empty"


def meaning(status: int, body: bytes = b"", kind: str = JSON) -> CommandError:
    return failures.error(failures.Answer(status, kind, body, "POST /engine-rest/signal"))


def said(kind: str, message: str) -> bytes:
    return json.dumps({"type": kind, "message": message, "code": 0}).encode()


@for_each([
    (400, "No signal name given", Code.INVALID_ARGUMENT, NO, False),
    (401, "who?", Code.UNAUTHENTICATED, NO, False),
    (403, "The user may not", Code.PERMISSION_DENIED, NO, False),
    (500, NOWHERE, Code.NOT_FOUND, NO, False),
    (500, NOT_WAITING, Code.FAILED_PRECONDITION, NO, False),
    (500, "An exception occurred in the persistence layer", Code.UNKNOWN, NO, False),
    (500, f"quoted: {NOWHERE}", Code.UNKNOWN, NO, False),
    (429, "too many", Code.RESOURCE_EXHAUSTED, NO, True),
])  # fmt: skip
def test_answers_have_code_and_words(status: int, message: str, code: Code, outcome: Outcome, retryable: bool) -> None:
    found = meaning(status, said("SomeException", message))
    assert verdict(found) == (code, Source.GATEWAY, outcome, retryable)
    assert (found.message, found.details) == (message, {"type": "SomeException"})


@for_each([(501, Code.UNKNOWN), (502, Code.UNAVAILABLE), (503, Code.UNAVAILABLE), (504, Code.UNAVAILABLE),
           (599, Code.UNKNOWN)])  # fmt: skip
async def test_the_words_of_a_proxy_are_for_the_log_alone(status: int, code: Code, fake: Any, connect: Any) -> None:
    fake.script(answer(status, b"no way to node-3:8080", "text/plain"))
    found = await failure(connect(fake.url))
    assert verdict(found) == (code, Source.GATEWAY, MAYBE, False)
    told = f"the Camunda 7 engine answered {status} to POST /engine-rest/signal; the consumer's log has the rest"
    assert (found.message, operators_text(found)) == (told, "no way to node-3:8080")


@for_each([
    (400, "The message 'order.example.com:8080' is for /10.0.3.4:8080", "The message 'order.example.com:8080' is for "
     "<address>"),
    (500, "Unable to do 'a': Connect to erp:8080 [erp/10.1.2.3] failed", "Unable to do 'a': Connect to <address> "
     "[<address>] failed"),
    (500, "HTCL-02007 Unable to call 'http://erp.internal/x'", "HTCL-02007 Unable to call '<address>'"),
    (500, "### Error updating database.  Cause: org.postgresql.util.PSQLException: ERROR: x",
     "### Error updating database.  Cause …"),
    (500, "java.net.ConnectException: erp", None),
])  # fmt: skip
def test_the_words_of_an_engine_name_no_machine(status: int, message: str, told: str | None) -> None:
    own = f"the Camunda 7 engine answered {status} to POST /engine-rest/signal; the consumer's log has the rest"
    found = meaning(status, said("SomeException", message))
    assert (found.message, operators_text(found)) == (told or own, message)


@for_each([*product((301, 302, 307, 308, 404, 405, 415, 418), [NO]), *product((200, 202, 206), [MAYBE])])
def test_what_is_no_rest_api_is_a_matter_of_the_setting(status: int, outcome: Outcome) -> None:
    """Only 204 says that it was done."""
    for body, kind in ((said("NotFoundException", "HTTP 404 Not Found"), JSON), (b"<html>log in</html>", "text/html")):
        found = meaning(status, body, kind)
        assert verdict(found) == (Code.INTERNAL, Source.CONSUMER, outcome, False)
        assert f"answered {status} to POST /engine-rest/signal; check CAMUNDA7_REST_URL" in found.message


@for_each([
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
])  # fmt: skip
def test_a_body_of_any_kind_is_no_obstacle(body: bytes, kind: str, message: str | None) -> None:
    found = meaning(500, body, kind)
    own = "the Camunda 7 engine answered 500 to POST /engine-rest/signal and did not say why; its log does"
    assert (found.code, found.outcome, found.message) == (Code.UNKNOWN, NO, message or own)


@given(
    st.integers(400, 599),
    st.sampled_from([JSON, "text/plain"]),
    st.lists(
        st.sampled_from(["Connection to", "10.9.8.7:80", "node-7.zeebe.svc", "node-7/10.9.8.7", "it's", "'a'"]),
        max_size=9,
    ),
)
def test_no_answer_names_a_machine(status: int, kind: str, words: list[str]) -> None:
    text = " ".join(words)
    found = meaning(status, said("X", text) if kind == JSON else text.encode(), kind)
    assert not any(each in found.message for each in ("10.9", "node-7"))


def test_a_long_text_is_cut_and_refused_credentials_without_words_name_the_settings() -> None:
    found = meaning(400, said("X" * 9000, "é" * 9000))
    assert len(found.message.encode()) <= 2048
    assert found.details is None
    assert meaning(400, said("node-3:8080", "no")).details is None
    assert "check CAMUNDA7_USER and CAMUNDA7_PASSWORD" in meaning(401).message
