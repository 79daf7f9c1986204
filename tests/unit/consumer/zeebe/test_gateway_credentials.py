"""Credentials: fixed ones, and tokens from an authorization server that behaves or does not."""

from __future__ import annotations

import asyncio
import gzip
import math
import time
from collections.abc import AsyncIterator
from typing import Any
from unittest.mock import AsyncMock

import pytest
from aiohttp import web

from consumer.zeebe import credentials
from consumer.zeebe.credentials import Token
from consumer.zeebe.failures import Failure, FailureKind
from tests.cases import for_each
from tests.fakes.gateway import FakeGateway, Request
from tests.unit.consumer.zeebe.samples import CREATE, Authority, Clock, Connect, refusal, send, until
from zeebe_amqp.errors import Code, Source
from zeebe_amqp.testing import Step, answer, fail


@pytest.fixture
async def token(authority: Authority, clock: Clock) -> AsyncIterator[Token]:
    token = Token(authority.setting(), clock)
    yield token
    await token.close()


@for_each([(None, {}), ("zeebe", {"scope": "zeebe"})])
async def test_a_token_is_asked_for_with_client_credentials(scope: Any, more: Any, authority: Authority) -> None:
    authority.forms.clear()
    await Token(authority.setting()).close()  # nobody asked for this one
    token = Token(authority.setting(scope=scope))
    assert await token.authorization(5) == "Bearer token-1"
    client = {"client_id": "worker", "client_secret": "secret", "audience": "zeebe.example"}
    assert authority.forms == [{"grant_type": "client_credentials", **client, **more}]
    await token.close()


IMPOSSIBLE = (
    None,
    "soon",
    [],
    {},
    True,
    False,
    math.nan,
    math.inf,
    -math.inf,
    -5,
    0,
    0.9,
    1e-300,
    10**400,
    "NaN",
    "inf",
)


@for_each([
    (3600, 3600), (20, 20), (1, 1), ("3600", 3600), ("1e1", 10), (86401, 86400), (1e300, 86400),
    *((told, 300) for told in IMPOSSIBLE),
])  # fmt: skip
async def test_a_token_is_renewed_while_it_is_used(told: Any, life: float, authority: Authority, clock: Clock) -> None:
    """From a minute before its end, or half its life; one that does not say how long it lives has five minutes, and
    none is used for more than a day."""
    authority.life = told
    authority.forms.clear()
    token = Token(authority.setting(), clock)
    await token.authorization(5)
    clock.now += life - min(60, life / 2) - 0.25
    assert await token.authorization(5) == "Bearer token-1"
    assert (len(authority.forms), token._fetching) == (1, None)
    clock.now += 0.5
    assert await token.authorization(5) == "Bearer token-1"
    await until(lambda: token._fetching is None)
    assert await token.authorization(5) == "Bearer token-2"
    assert len(authority.forms) == 2
    clock.now += life + 1
    assert await token.authorization(5) == "Bearer token-3", "one past its end is never used"
    await token.close()


async def failure(authority: Authority, answer: web.Response) -> Failure:
    """What is told of an authorization server that answers so; nobody asks it again at once, or repeats a secret."""
    authority.answers, asked = [answer], len(authority.forms)
    token = Token(authority.setting())
    for _ in range(2):
        with pytest.raises(Failure) as raised:
            await token.authorization(5)
    await token.close()
    assert len(authority.forms) == asked + 1
    for text in (raised.value.text, repr(raised.value)):
        assert "secret" not in text.replace("ZEEBE_CLIENT_SECRET", "")
    return raised.value


@for_each([400, 401, 403])
async def test_refused_credentials_are_final_and_name_the_settings(status: int, authority: Authority) -> None:
    told = await failure(authority, web.json_response({"error": "invalid_client"}, status=status))
    assert f"answered {status} (invalid_client); check ZEEBE_CLIENT_ID" in told.text
    assert (told.code, told.kind, told.source) == (Code.UNAUTHENTICATED, FailureKind.FINAL, Source.CONSUMER)


@for_each([
    web.Response(status=500, text="<html>"),
    web.Response(status=429),
    web.json_response({"error": "<script>"}, status=503),
    web.json_response(["no"], status=502),
    web.Response(text="no JSON"),
    web.json_response(["token"]),
    web.json_response({"token": "x"}),
    web.json_response({"access_token": 5}),
    web.json_response({"access_token": ""}),
    web.json_response({"error": "secret"}, status=500),
    web.Response(text="[" * 60_000),
    web.Response(text='{"access_token": "secret", "expires_in": ' + "9" * 5000 + "}"),
    web.Response(body=b"{}", headers={"content-type": "application/json; charset=none-such"}),
    web.Response(body=b"\xff\xfe", content_type="application/json"),
])  # fmt: skip
async def test_a_broken_authority_is_an_outage(broken: web.Response, authority: Authority) -> None:
    told = await failure(authority, broken)
    assert told.text.startswith("ZEEBE_AUTHORIZATION_SERVER_URL: the authorization server answered ")
    assert "<" not in told.text
    assert (told.code, told.kind, told.source) == (Code.UNAVAILABLE, FailureKind.UNREACHABLE, Source.CONSUMER)


LINE_ENDS = ("a\r\nx-user: root", "a\nb", "a\0", "a b", "a\t", "\x7f", "tokèn", "a\u2028b", "\x80", " a", "a ")


@for_each(LINE_ENDS)
async def test_a_token_that_no_header_can_carry_is_refused(text: str, authority: Authority) -> None:
    """C-core would fail each call with it, or begin another header."""
    told = await failure(authority, web.json_response({"access_token": text}))
    assert "answered with an access_token that is not of visible ASCII characters" in told.text
    assert (told.code, told.kind) == (Code.UNAVAILABLE, FailureKind.UNREACHABLE)


@for_each([300, 301, 302, 303, 307, 308])
async def test_a_redirect_is_not_followed(status: int, authority: Authority) -> None:
    """The secret would go along."""
    elsewhere = web.Response(status=status, headers={"location": f"{authority.url}/elsewhere"})
    told = await failure(authority, elsewhere)
    assert f"answered {status}, a redirect, which is not followed" in told.text


async def test_a_body_is_read_as_it_is_and_no_further_than_64_kib(authority: Authority) -> None:
    token = {"access_token": "a" * (credentials.MAX_BODY - 20)}
    authority.answers = [web.json_response(token)]
    fits = Token(authority.setting())
    assert len(await fits.authorization(5)) > 65_000
    await fits.close()
    told = await failure(authority, web.json_response({"access_token": "a" * (credentials.MAX_BODY - 19)}))
    assert "sent a body of more than 65536 bytes" in told.text
    bomb = web.Response(body=gzip.compress(bytes(10_000_000)), headers={"content-encoding": "gzip"})
    told = await failure(authority, bomb)
    assert "sent a compressed body, though asked for a plain one" in told.text


async def test_whatever_fails_is_told_and_asked_again_after_a_pause(
    token: Token, authority: Authority, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(credentials, "read_body", AsyncMock(side_effect=KeyError("secret")))
    for _ in range(5):
        with pytest.raises(Failure, match=r"the authorization server could not be asked \(KeyError\)"):
            await token.authorization(5)
    assert len(authority.forms) == 1
    clock.now += 1
    monkeypatch.undo()
    assert await token.authorization(5) == "Bearer token-2"


async def test_a_page_for_plaintext_at_a_port_for_tls_is_no_refusal(
    authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Some servers answer 400 in plaintext there; what is wrong is the URL, not the secret."""
    monkeypatch.setattr(credentials, "speaks_tls", AsyncMock(return_value=True))
    told = await failure(
        authority, web.Response(status=400, text="<html>The plain HTTP request was sent to HTTPS port")
    )
    assert "the authorization server speaks TLS" in told.text
    assert (told.code, told.kind) == (Code.UNAVAILABLE, FailureKind.UNREACHABLE)
    told = await failure(authority, web.json_response({"error": "invalid_client"}, status=400))
    assert told.code is Code.UNAUTHENTICATED


async def test_a_slow_authority_is_an_outage(authority: Authority, token: Token, monkeypatch: Any) -> None:
    monkeypatch.setattr(credentials, "FETCH_TIMEOUT", 0.05)
    authority.answering.clear()
    with pytest.raises(Failure, match=r"did not answer \(.*Timeout.*\)"):
        await token.authorization(5)


async def test_a_failing_authority_is_asked_ever_less_often(token: Token, authority: Authority, clock: Clock) -> None:
    authority.answers = [web.Response(status=500) for _ in range(20)]
    pauses = []
    for _ in range(9):
        asked, waited = len(authority.forms), 0.0
        while len(authority.forms) == asked:
            with pytest.raises(Failure):
                await token.authorization(5)
            clock.now += 0.25
            waited += 0.25
        pauses.append(waited - 0.25)
    assert pauses == [0, 0.25, 0.75, 1.75, 3.75, 7.75, 15.75, 29.75, 29.75]


async def test_a_token_outlives_a_failing_authority(token: Token, authority: Authority, clock: Clock) -> None:
    await token.authorization(5)
    authority.answers = [web.Response(status=500) for _ in range(3)]
    clock.now += 3600 - 30
    for _ in range(3):
        assert await token.authorization(5) == "Bearer token-1"
        await until(lambda: token._fetching is None)
    assert len(authority.forms) == 2
    clock.now += 31
    with pytest.raises(Failure):
        await token.authorization(5)


async def test_a_caller_who_gives_up_leaves_the_question_to_the_others(token: Token, authority: Authority) -> None:
    authority.answering.clear()
    hasty, patient = asyncio.create_task(token.authorization(5)), asyncio.create_task(token.authorization(5))
    await until(lambda: authority.forms)
    hasty.cancel()
    with pytest.raises(asyncio.CancelledError):
        await hasty
    authority.answering.set()
    assert await patient == "Bearer token-1"
    assert len(authority.forms) == 1


async def test_closing_ends_a_question_that_is_out(token: Token, authority: Authority) -> None:
    authority.answering.clear()
    task = asyncio.create_task(token.authorization(5))
    await until(lambda: authority.forms)
    await token.close()
    with pytest.raises(Failure, match="did not issue a token"):
        await task


async def test_a_refused_token_is_replaced_once(fake: FakeGateway, authority: Authority, connect: Connect) -> None:
    def guard(request: Request) -> Step:
        is_known = request.metadata.get("authorization") == "Bearer token-2"
        return answer() if is_known else fail("UNAUTHENTICATED", "Expected bearer token to be valid")

    fake.always("CreateProcessInstance", guard)
    gateway = connect(fake.address, credentials=authority.setting())
    await asyncio.gather(*(send(gateway, CREATE) for _ in range(20)))
    assert {request.metadata["authorization"] for request in fake.requests} == {"Bearer token-1", "Bearer token-2"}
    assert len(authority.forms) == 2


async def test_credentials_refused_again_are_final(fake: FakeGateway, authority: Authority, connect: Connect) -> None:
    fake.always("CreateProcessInstance", fail("UNAUTHENTICATED", "Expected bearer token to be valid"))
    gateway = connect(fake.address, credentials=authority.setting())
    for _ in range(10):
        error = await refusal(gateway, CREATE)
        assert (error.code, error.source, error.retryable) == (Code.UNAUTHENTICATED, Source.GATEWAY, False)
    assert len(authority.forms) == 2, "a gateway that refuses every token must not make us hammer the authority"


async def test_an_outage_of_the_authority_is_tried_again_and_sends_nothing(
    fake: FakeGateway, authority: Authority, connect: Connect, clock: Clock
) -> None:
    async def nap(seconds: float) -> None:
        clock.now += seconds

    authority.answers = [web.Response(status=500) for _ in range(2)]
    await send(connect(fake.address, credentials=authority.setting(), clock=clock, sleep=nap), CREATE)
    assert [request.metadata["authorization"] for request in fake.requests] == ["Bearer token-3"]


async def test_no_token_is_awaited_past_the_deadline(fake: FakeGateway, authority: Authority, connect: Connect) -> None:
    authority.answering.clear()
    gateway = connect(fake.address, credentials=authority.setting())
    error = await refusal(gateway, CREATE, deadline=time.time() + 0.1)
    assert "did not issue a token in time" in error.message
    assert (error.code, error.source, error.retryable) == (Code.UNAVAILABLE, Source.CONSUMER, True)
    assert fake.requests == []
