"""Credentials: fixed ones, and tokens from an authorization server that behaves or does not."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web

from consumer.config import Basic, OAuth
from consumer.zeebe.credentials import Token, credentials_for
from consumer.zeebe.failures import Failure, FailureKind
from tests.cases import for_each
from tests.unit.consumer.zeebe.authority import Authority, Clock, setting
from tests.unit.consumer.zeebe.samples import until
from zeebe_amqp.errors import Code, Source


@pytest.fixture
async def token(authority: Authority, clock: Clock) -> AsyncIterator[Token]:
    token = Token(setting(authority), clock)
    yield token
    await token.close()


async def test_no_credentials_send_nothing_and_basic_ones_are_name_and_password_in_base64(authority: Authority) -> None:
    credentials = credentials_for(None)
    assert await credentials.authorization(5) is None
    assert await credentials.refresh(None) is False
    await credentials.close()
    assert await credentials_for(Basic("demo", "pässword")).authorization(5) == "Basic ZGVtbzpww6Rzc3dvcmQ="
    await credentials_for(setting(authority)).close()
    assert authority.forms == [], "a token that nobody asked for closes quietly"


@for_each([None, "zeebe"])
async def test_a_token_is_asked_for_with_client_credentials(scope: str | None, authority: Authority) -> None:
    authority.forms.clear()
    credentials = credentials_for(setting(authority, scope=scope))
    assert await credentials.authorization(5) == "Bearer token-1"
    assert authority.forms == [
        {
            "grant_type": "client_credentials",
            "client_id": "worker",
            "client_secret": "secret",
            "audience": "zeebe.example",
        }
        | ({"scope": scope} if scope else {})
    ]
    await credentials.close()


async def test_all_callers_share_one_question(token: Token, authority: Authority) -> None:
    values = await asyncio.gather(*(token.authorization(5) for _ in range(20)))
    assert (set(values), len(authority.forms)) == ({"Bearer token-1"}, 1)


async def test_a_token_is_kept_while_it_is_valid_and_near_its_end_used_while_the_next_one_is_fetched(
    token: Token, authority: Authority, clock: Clock
) -> None:
    await token.authorization(5)
    clock.now += 3600 - 61
    assert await token.authorization(5) == "Bearer token-1"
    assert len(authority.forms) == 1
    clock.now += 2
    assert await token.authorization(5) == "Bearer token-1"
    await until(lambda: token._fetching is None)
    assert await token.authorization(5) == "Bearer token-2"
    assert len(authority.forms) == 2
    clock.now += 3601
    assert await token.authorization(5) == "Bearer token-3", "one past its end is never used"


async def test_a_short_lived_token_is_renewed_at_half_its_life(
    token: Token, authority: Authority, clock: Clock
) -> None:
    authority.life = 20
    await token.authorization(5)
    clock.now += 9
    await token.authorization(5)
    assert len(authority.forms) == 1
    clock.now += 2
    await token.authorization(5)
    await until(lambda: len(authority.forms) == 2)


@for_each([(None, 200), ("soon", 200), ([], 200), ("3600", 3000)])
async def test_a_token_of_unknown_life_is_used_for_a_while_and_a_life_in_text_is_understood(
    life: Any, later: float, authority: Authority, clock: Clock
) -> None:
    authority.life = life
    token = Token(setting(authority), clock)
    first = await token.authorization(5)
    clock.now += later
    assert await token.authorization(5) == first
    await token.close()


@for_each([400, 401, 403])
async def test_refused_credentials_are_final_and_name_the_settings(status: int, authority: Authority) -> None:
    authority.answers = [web.json_response({"error": "invalid_client"}, status=status)]
    token = Token(setting(authority))
    with pytest.raises(Failure, match=f"answered {status} \\(invalid_client\\); check ZEEBE_CLIENT_ID") as raised:
        await token.authorization(5)
    assert "secret" not in raised.value.text.replace("ZEEBE_CLIENT_SECRET", "")
    assert (raised.value.code, raised.value.kind, raised.value.source) == (
        Code.UNAUTHENTICATED,
        FailureKind.FINAL,
        Source.CONSUMER,
    )
    await token.close()


@for_each(
    [
        web.Response(status=500, text="<html>"),
        web.Response(status=429),
        web.json_response({"error": "<script>"}, status=503),
        web.json_response(["no"], status=502),
        web.Response(text="no JSON"),
        web.json_response(["token"]),
        web.json_response({"token": "x"}),
        web.json_response({"access_token": 5}),
        web.json_response({"access_token": ""}),
        web.Response(body=b"\xff\xfe", content_type="application/json"),
    ]
)
async def test_a_broken_authority_is_an_outage(broken: web.Response, authority: Authority) -> None:
    authority.answers = [broken]
    token = Token(setting(authority))
    with pytest.raises(Failure, match="ZEEBE_AUTHORIZATION_SERVER_URL: the authorization server") as raised:
        await token.authorization(5)
    assert "<" not in raised.value.text
    assert (raised.value.code, raised.value.kind, raised.value.source) == (
        Code.UNAVAILABLE,
        FailureKind.UNREACHABLE,
        Source.CONSUMER,
    )
    await token.close()


async def test_an_authority_that_is_away_is_an_outage(clock: Clock) -> None:
    token = Token(OAuth("worker", "secret", "http://127.0.0.1:1/token", "zeebe.example"), clock)
    with pytest.raises(Failure, match="did not answer"):
        await token.authorization(5)
    await token.close()


async def test_an_authority_that_is_slow_is_an_outage(
    token: Token, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("consumer.zeebe.credentials.FETCH_TIMEOUT", 0.05)
    authority.hold = asyncio.Event()
    with pytest.raises(Failure, match=r"did not answer \(.*Timeout.*\)"):
        await token.authorization(5)
    authority.hold.set()


async def test_a_failing_authority_is_asked_less_and_less_often(
    token: Token, authority: Authority, clock: Clock
) -> None:
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


async def test_an_authority_that_recovers_is_forgiven(token: Token, authority: Authority, clock: Clock) -> None:
    authority.answers = [web.Response(status=500)]
    with pytest.raises(Failure):
        await token.authorization(5)
    clock.now += 1
    assert await token.authorization(5) == "Bearer token-2"


async def test_a_token_outlives_an_authority_that_fails_to_renew_it(
    token: Token, authority: Authority, clock: Clock
) -> None:
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
    authority.hold = asyncio.Event()
    hasty, patient = asyncio.create_task(token.authorization(5)), asyncio.create_task(token.authorization(5))
    await until(lambda: authority.forms)
    hasty.cancel()
    with pytest.raises(asyncio.CancelledError):
        await hasty
    authority.hold.set()
    assert await patient == "Bearer token-1"
    assert len(authority.forms) == 1


async def test_closing_ends_a_question_that_is_out(token: Token, authority: Authority) -> None:
    authority.hold = asyncio.Event()
    task = asyncio.create_task(token.authorization(5))
    await until(lambda: authority.forms)
    await token.close()
    with pytest.raises(Failure, match="did not issue a token"):
        await task
    authority.hold.set()
