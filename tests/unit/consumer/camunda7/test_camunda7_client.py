"""A Camunda 7 engine: what is sent, what is tried again, and what is known when it failed."""

from __future__ import annotations

import asyncio
import base64
import logging
import socket
import ssl
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractContextManager, asynccontextmanager, contextmanager
from typing import Any

import pytest
import trustme

from consumer.camunda7 import Camunda7Engine, client
from consumer.camunda7.operations import RestRequest
from consumer.config import Basic
from consumer.config import Camunda7 as Settings
from consumer.core.call import Call, CallObserver, CallSpan
from scripts.process import free_port
from tests.cases import for_each
from tests.fakes.rest import FakeRest, answer, cut, raw
from tests.unit.consumer.errors import verdict
from zeebe_amqp.commands.signals import Signal
from zeebe_amqp.errors import Code, CommandError, Outcome, Source

SIGNAL = RestRequest("/signal", b'{"name":"s"}')


class Span:
    """Keeps what it is told; a `CallObserver` through `opened`."""

    def __init__(self) -> None:
        self.metadata: tuple[tuple[str, str], ...] = (("traceparent", "00-1-2-01"),)
        self.told: list[Any] = []

    def attempt(self, number: int, code: str, delay: float) -> None:
        self.told.append((number, str(code), delay))

    def finish(self, code: str) -> None:
        self.told.append(str(code))

    def opened(self, rpc: str, target: str) -> AbstractContextManager[CallSpan]:
        self.told.append((rpc, target))
        return self._entered()

    @contextmanager
    def _entered(self) -> Iterator[CallSpan]:
        yield self


async def no_sleep(_: float) -> None:
    return


@asynccontextmanager
async def engine(
    url: str, observer: CallObserver | None = None, *, patience: float = 30.0, **settings: Any
) -> AsyncIterator[Camunda7Engine]:
    connected = Camunda7Engine(
        Settings(url, request_timeout=patience, **settings), observer, sleep=no_sleep, random=lambda: 1.0
    )
    try:
        yield connected
    finally:
        await connected.close()


async def send(connected: Camunda7Engine, **terms: Any) -> None:
    await connected.send(SIGNAL, Call(Signal(name="s"), **terms))


async def failure(connected: Camunda7Engine, **options: Any) -> CommandError:
    with pytest.raises(CommandError) as raised:
        await send(connected, **options)
    return raised.value


@pytest.fixture
def fake() -> Iterator[FakeRest]:
    with FakeRest() as running:
        yield running


async def test_a_request_is_posted_as_json_with_its_trace_and_without_credentials(fake: FakeRest) -> None:
    span = Span()
    async with engine(fake.url, span.opened) as connected:
        await send(connected)
    [request] = fake.requests
    assert (request.method, request.path, request.body) == ("POST", "/engine-rest/signal", SIGNAL.body)
    assert request.headers["content-type"] == "application/json"
    assert request.headers["traceparent"] == "00-1-2-01"
    assert "authorization" not in request.headers
    assert span.told == [("POST /signal", f"127.0.0.1:{fake.port}"), "OK"]


async def test_credentials_are_sent_as_http_basic_and_never_shown(
    fake: FakeRest, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    async with engine(fake.url, credentials=Basic("us@er", "hush")) as connected:
        await send(connected)
        assert "hush" not in connected.address + repr(connected)
    assert fake.requests[0].headers["authorization"] == f"Basic {base64.b64encode(b'us@er:hush').decode()}"
    assert "hush" not in caplog.text


async def test_connections_are_kept_and_new_ones_replace_those_the_engine_closed(fake: FakeRest) -> None:
    refusal = answer(500, b'{"message":"no"}', Connection="close")
    fake.script(answer(204), refusal, answer(204), answer(204))
    async with engine(fake.url) as connected:
        await send(connected)
        assert (await failure(connected)).message == "no"
        await send(connected)
        await send(connected)
    assert len(fake.requests) == 4


@for_each([(400, b'{"message":"m"}', Code.INVALID_ARGUMENT), (500, b"", Code.UNKNOWN), (302, b"", Code.INTERNAL)])
async def test_a_refusal_is_final(status: int, body: bytes, code: Code, fake: FakeRest) -> None:
    fake.requests.clear()
    fake.script(answer(status, body, Location=f"{fake.url}/elsewhere"))
    span = Span()
    async with engine(fake.url, span.opened) as connected:
        assert (await failure(connected)).code is code
    assert (len(fake.requests), span.told[1:]) == (1, [str(code)])


async def test_an_engine_that_is_not_there_is_tried_again_and_said_once(caplog: pytest.LogCaptureFixture) -> None:
    span = Span()
    with FakeRest(free_port()) as fake:
        url = fake.url
    async with engine(url, span.opened) as connected:
        for _ in range(2):
            error = await failure(connected)
            assert verdict(error) == (Code.UNAVAILABLE, Source.GATEWAY, Outcome.NOT_EXECUTED, True)
            assert error.details == {"attempts": 5}
            assert "127.0.0.1" not in error.message
        with FakeRest(fake.port):
            await send(connected)
    assert span.told[1:6] == [*((number, "UNAVAILABLE", delay) for number, delay in DELAYS), "UNAVAILABLE"]
    logged = [record.message for record in caplog.records if record.name == client.__name__]
    assert len([line for line in logged if "not reached" in line]) == 1


DELAYS = [(1, 0.1), (2, pytest.approx(0.3)), (3, pytest.approx(0.9)), (4, pytest.approx(2.7))]


async def test_an_engine_that_comes_back_while_it_is_tried_gets_the_request() -> None:
    port = free_port()
    with FakeRest(port) as late:
        late.__exit__()
        started: list[FakeRest] = []

        async def appear(_: float) -> None:
            started.append(FakeRest(port).__enter__())

        connected = Camunda7Engine(Settings(late.url), sleep=appear)
        await send(connected)
        await connected.close()
        [back] = started
        back.__exit__()
    assert len(back.requests) == 1


async def test_the_caller_s_deadline_ends_the_attempts() -> None:
    async with engine(f"http://127.0.0.1:{free_port()}") as connected:
        error = await failure(connected, deadline=time.time() + 0.05)
        assert (error.code, error.outcome) == (Code.UNAVAILABLE, Outcome.NOT_EXECUTED)
        error = await failure(connected, deadline=time.time() - 1)
        assert (error.code, error.outcome, error.details) == (
            Code.DEADLINE_EXCEEDED,
            Outcome.NOT_EXECUTED,
            {"field": "deadline"},
        )


GARBLED = raw(b"HTTP/1.1 400 Bad\r\nTransfer-Encoding: chunked\r\n\r\nzz")


@for_each([cut, raw(b"HTT"), raw(b"SSH-2.0-x\r\n"), raw(b"HTTP/1.1 2\r\n\r\n"), GARBLED])
async def test_a_connection_lost_after_sending_leaves_the_outcome_unknown(step: Any, fake: FakeRest) -> None:
    fake.requests.clear()
    fake.script(step)
    async with engine(fake.url) as connected:
        error = await failure(connected)
    assert verdict(error) == (Code.UNAVAILABLE, Source.GATEWAY, Outcome.UNKNOWN, False)
    assert len(fake.requests) == 1


@for_each([False, True])
async def test_an_answer_that_is_late_leaves_the_outcome_unknown(by_deadline: bool, fake: FakeRest) -> None:
    fake.requests.clear()
    fake.script(fake.hang)
    async with engine(fake.url, patience=30.0 if by_deadline else 0.5) as connected:
        error = await failure(connected, deadline=time.time() + 0.5 if by_deadline else None)
    assert verdict(error) == (Code.DEADLINE_EXCEEDED, Source.CONSUMER, Outcome.UNKNOWN, False)
    assert len(fake.requests) == 1


async def test_a_connection_that_is_never_made_means_nothing_was_sent() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        async with engine(f"https://127.0.0.1:{port}", patience=0.2) as connected:  # nobody answers its TLS
            error = await failure(connected)
    assert (error.code, error.outcome, error.retryable) == (Code.UNAVAILABLE, Outcome.NOT_EXECUTED, True)
    assert "no connection in time" in error.message


async def test_a_connection_that_is_used_again_and_lost_leaves_the_outcome_unknown(fake: FakeRest) -> None:
    fake.script(answer(204), cut)
    async with engine(fake.url) as connected:
        await send(connected)
        error = await failure(connected)
    assert (error.code, error.outcome, len(fake.requests)) == (Code.UNAVAILABLE, Outcome.UNKNOWN, 2)


async def test_an_attempt_counts_as_sent_before_its_first_byte_arrives(
    fake: FakeRest, monkeypatch: pytest.MonkeyPatch
) -> None:
    attempts: list[Any] = []
    begun: list[bool] = []

    def note(_: Any) -> bytes | None:
        begun.append(attempts[-1].begun)
        return answer(204)(_)

    class Attempt:
        def __init__(self) -> None:
            self.begun = False
            attempts.append(self)

    monkeypatch.setattr(client, "_Attempt", Attempt)
    fake.script(note, note)
    async with engine(fake.url) as connected:
        await send(connected)
        await send(connected)
    assert begun == [True, True], "of a new connection, and of one that is used again"


def proxied(monkeypatch: pytest.MonkeyPatch, fake: FakeRest) -> None:
    """Let everything go through the fake as a proxy."""
    for name in ("http_proxy", "https_proxy", "no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    for name in ("HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, f"http://ann:secret@127.0.0.1:{fake.port}")


async def test_what_a_proxy_may_have_passed_on_has_an_unknown_outcome(
    fake: FakeRest, monkeypatch: pytest.MonkeyPatch
) -> None:
    proxied(monkeypatch, fake)
    fake.script(answer(204), cut)
    async with engine("http://engine.invalid/engine-rest") as connected:
        await send(connected)
        assert (await failure(connected)).outcome is Outcome.UNKNOWN
    assert {request.path for request in fake.requests} == {"http://engine.invalid/engine-rest/signal"}
    login = base64.b64encode(b"ann:secret").decode()
    assert {request.headers["proxy-authorization"] for request in fake.requests} == {f"Basic {login}"}


@for_each([answer(403), answer(407), cut, raw(b"HTTP/1.1 200 OK\r\n\r\nno TLS")])
async def test_a_proxy_that_makes_no_way_through_means_nothing_was_sent(
    step: Any, fake: FakeRest, monkeypatch: pytest.MonkeyPatch
) -> None:
    proxied(monkeypatch, fake)
    fake.requests.clear()
    fake.always = step
    async with engine("https://engine.invalid/engine-rest") as connected:
        error = await failure(connected)
    assert (error.code, error.outcome, error.details) == (Code.UNAVAILABLE, Outcome.NOT_EXECUTED, {"attempts": 5})
    assert {request.method for request in fake.requests} == {"CONNECT"}


async def test_a_port_without_tls_means_nothing_was_sent(fake: FakeRest) -> None:
    async with engine(fake.url.replace("http:", "https:")) as connected:
        error = await failure(connected)
    assert (error.code, error.outcome, fake.requests) == (Code.UNAVAILABLE, Outcome.NOT_EXECUTED, [])


async def test_an_engine_whose_certificate_nobody_vouches_for_gets_nothing() -> None:
    context, got = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), []
    trustme.CA().issue_cert("127.0.0.1").configure_cert(context)

    def arrive(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        got.append(writer)
        writer.close()

    server = await asyncio.start_server(arrive, "127.0.0.1", 0, ssl=context)
    async with server, engine(f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}") as connected:
        error = await failure(connected)
    assert (error.code, error.outcome, got) == (Code.UNAVAILABLE, Outcome.NOT_EXECUTED, [])


@for_each(
    [
        b'HTTP/1.1 400 Bad\r\nContent-Type: application/json\r\nContent-Length: 99\r\n\r\n{"message"',
        b"HTTP/1.1 400 Bad\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\nnope",
        b"HTTP/1.1 400 Bad\r\n\r\n" + b"x" * 200_000,
    ]
)
async def test_a_body_that_breaks_off_spoils_nothing(body: bytes, fake: FakeRest) -> None:
    fake.script(raw(body))
    async with engine(fake.url) as connected:
        error = await failure(connected)
    assert (error.code, error.outcome) == (Code.INVALID_ARGUMENT, Outcome.NOT_EXECUTED)


async def test_a_body_that_never_ends_spoils_nothing(fake: FakeRest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "BODY_TIMEOUT", 0.2)
    fake.script(lambda _: b"HTTP/1.1 403 No\r\nContent-Length: 99\r\n\r\n")
    async with engine(fake.url) as connected:
        assert (await failure(connected)).code is Code.PERMISSION_DENIED


async def test_a_cancelled_call_is_cancelled(fake: FakeRest) -> None:
    fake.script(fake.hang)
    async with engine(fake.url) as connected:
        call = asyncio.create_task(send(connected))
        while not fake.requests:  # noqa: ASYNC110 - it arrives in another thread
            await asyncio.sleep(0.01)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call


# --- probe ---


@for_each(
    [
        ([answer(200, b'{"version":"7.24.0"}')], "7.24.0"),
        ([answer(200, b"{}")], ""),
        ([answer(404), answer(200, b'[{"name":"default"}]')], ""),
        ([answer(401)], Code.UNAUTHENTICATED),
        ([answer(404), answer(404)], Code.INTERNAL),
        ([answer(404), answer(200, b"<html>")], Code.INTERNAL),
        ([answer(200, b"<html>", "text/html")], Code.INTERNAL),
        ([cut, cut], Code.UNAVAILABLE),
    ]
)
async def test_a_probe_finds_the_version_or_says_what_is_wrong(
    steps: list[Any], expected: str | Code, fake: FakeRest
) -> None:
    fake.script(*steps)
    async with engine(fake.url) as connected:
        try:
            found: str | Code = await connected.probe()
        except CommandError as error:
            found = error.code
    assert found == expected
    assert isinstance(found, Code) is isinstance(expected, Code)


async def test_the_engine_is_asked_through_the_proxy_of_the_environment_which_is_named(
    fake: FakeRest, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    for name in ("http_proxy", "no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HTTP_PROXY", "http://ann:secret@127.0.0.1:1")
    async with engine(fake.url) as connected:
        error = await failure(connected)
        assert "http://ann:***@127.0.0.1:1 of the variable HTTP_PROXY" in connected.hint(error)
    assert "not reached, through the proxy http://ann:***@127.0.0.1:1 of HTTP_PROXY" in caplog.text
    assert "127.0.0.1:1" not in error.message, "callers need not know"
    for entries in ("127.0.0.1", "127.0.0.0/8", "*"):
        monkeypatch.setenv("NO_PROXY", entries)
        async with engine(fake.url) as connected:
            await send(connected)


async def test_an_engine_that_is_not_reached_is_told_with_the_cause_to_an_operator() -> None:
    async with engine("http://127.0.0.1:1/engine-rest") as connected:
        with pytest.raises(CommandError) as raised:
            await connected.probe()
        assert (raised.value.code, raised.value.details) == (Code.UNAVAILABLE, None)
        assert connected.hint(raised.value).startswith(" (is the engine up, and CAMUNDA7_REST_URL right? ")
        assert connected.hint(CommandError(Code.UNAUTHENTICATED, "no")) == ""
