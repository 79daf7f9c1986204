"""Something between the service and the gateway answers HTTP: that is not the engine's word, and loses nothing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest

from consumer.config import Zeebe
from consumer.zeebe import GatewayError, ZeebeEngine
from consumer.zeebe.hints import hint
from tests.fakes.gateway import FakeGateway
from tests.fakes.http2 import HttpAnswer, HttpServer, OldHttpServer, page
from tests.unit.consumer.errors import verdict
from tests.unit.consumer.zeebe.authority import Authority, setting
from tests.unit.consumer.zeebe.calling import send
from tests.unit.consumer.zeebe.samples import ACTIVATE, CREATE, refusal
from zeebe_amqp.errors import Code, Outcome, Source

NOT_PASSED_ON = (300, 301, 302, 303, 307, 308, 400, 401, 403, 404, 407, 421, 426, 429, 503)
TOO_LARGE = (413, 431)
PERHAPS_PASSED_ON = (204, 402, 405, 408, 418, 500, 501, 502, 504, 505, 511, 599, 999)
GRPC = ("content-type", "application/grpc")
PAGES = {
    "HTML": page(0),
    "text": HttpAnswer(0, (("content-type", "text/plain"),), b"upstream connect error"),
    "JSON": HttpAnswer(0, (("content-type", "application/json"),), b'{"code": 14}'),
    "no body": HttpAnswer(0),
    "gRPC without a status": HttpAnswer(0, (GRPC,)),
}
ENDINGS = {
    "HTML": page(200),
    "no body": HttpAnswer(200),
    "HTML without a body": HttpAnswer(200, (("content-type", "text/html"),)),
    "gRPC without a status": HttpAnswer(200, (GRPC,)),
    "gRPC with a message and no status": HttpAnswer(200, (GRPC,), bytes(5)),
    "gRPC with trailers and no status": HttpAnswer(200, (GRPC,), bytes(5), (("x-some", "thing"),)),
}
"""Answers with 200 that say nothing of what became of the call."""


@asynccontextmanager
async def behind(server: HttpServer, sleeps: Any, **settings: Any) -> AsyncIterator[ZeebeEngine]:
    """An engine whose gateway's address is that server's."""
    async with server:
        engine = ZeebeEngine(Zeebe(server.address, plaintext=True, **settings), sleep=sleeps, random=lambda: 1.0)
        try:
            yield engine
        finally:
            await engine.close()


async def test_a_status_that_says_that_nothing_was_passed_on_is_a_gateway_that_is_away(sleeps: Any) -> None:
    for status in NOT_PASSED_ON:
        async with behind(HttpServer(page(status)), sleeps) as engine:
            error = await refusal(engine, CREATE)
            assert verdict(error) == (Code.UNAVAILABLE, Source.CONSUMER, Outcome.NOT_EXECUTED, True), status
            assert f"HTTP status {status}" in error.message
            assert "not the gateway's" in error.message
            assert error.details == {"attempts": 5}, status
            assert engine.circuit.is_open, status


async def test_no_content_of_a_page_makes_a_difference(sleeps: Any) -> None:
    for name, sample in PAGES.items():
        async with behind(HttpServer(replace(sample, status=503)), sleeps) as engine:
            error = await refusal(engine, CREATE)
            assert verdict(error) == (Code.UNAVAILABLE, Source.CONSUMER, Outcome.NOT_EXECUTED, True), name
            assert "HTTP status 503" in error.message, name


async def test_what_is_too_large_for_a_proxy_is_refused_and_says_nothing_about_the_gateway(sleeps: Any) -> None:
    for status in TOO_LARGE:
        server = HttpServer(page(status))
        async with behind(server, sleeps) as engine:
            for _ in range(5):
                error = await refusal(engine, CREATE, idempotent=True)
                assert verdict(error) == (Code.RESOURCE_EXHAUSTED, Source.CONSUMER, Outcome.NOT_EXECUTED, False), status
                assert f"HTTP status {status}" in error.message
                assert "too large" in error.message, status
            assert len(server.requests) == 5, status
            assert engine.circuit.unreached == 0, status


async def test_a_status_that_may_come_from_behind_leaves_the_outcome_unknown(sleeps: Any) -> None:
    for status in PERHAPS_PASSED_ON:
        server = HttpServer(page(status))
        async with behind(server, sleeps) as engine:
            once = await refusal(engine, CREATE)
            assert verdict(once) == (Code.UNAVAILABLE, Source.CONSUMER, Outcome.UNKNOWN, False), status
            assert f"HTTP status {status}" in once.message
            assert "may have been executed" in once.message, status
            assert (len(server.requests), engine.circuit.unreached) == (1, 1), status
            again = await refusal(engine, CREATE, idempotent=True)
            assert verdict(again) == (Code.UNAVAILABLE, Source.CONSUMER, Outcome.UNKNOWN, True), status
            assert (len(server.requests), engine.circuit.is_open) == (6, True), status


async def test_an_answer_with_200_and_no_grpc_status_leaves_the_outcome_unknown(sleeps: Any) -> None:
    for name, ending in ENDINGS.items():
        async with behind(HttpServer(ending), sleeps) as engine:
            error = await refusal(engine, CREATE)
            assert verdict(error) == (Code.UNAVAILABLE, Source.CONSUMER, Outcome.UNKNOWN, False), name
            assert "not the gateway's" in error.message, name


async def test_a_stream_that_is_answered_with_a_page_has_not_heard_the_gateway(sleeps: Any) -> None:
    """C-core does not always tell a stream which status it was; then nobody knows the outcome."""
    for status in (200, 404, 502, 503):
        async with behind(HttpServer(page(status)), sleeps) as engine:
            error = await refusal(engine, ACTIVATE)
            assert (error.code, error.source) == (Code.UNAVAILABLE, Source.CONSUMER), status
            assert error.outcome is Outcome.UNKNOWN or f"status {status}" in error.message, status
            assert "not the gateway's" in error.message, status
            assert engine.circuit.unreached > 0, status


async def test_a_stream_that_is_answered_without_a_body_knows_the_status(sleeps: Any) -> None:
    async with behind(HttpServer(HttpAnswer(503)), sleeps) as engine:
        error = await refusal(engine, ACTIVATE)
        assert verdict(error) == (Code.UNAVAILABLE, Source.CONSUMER, Outcome.NOT_EXECUTED, True)


async def test_a_grpc_status_is_the_engines_word_whatever_the_http_status(sleeps: Any) -> None:
    text = "Command 'CREATE' rejected with code 'NOT_FOUND': no process"
    for status in (200, 400, 404, 500, 503):
        answer = HttpAnswer(status, (GRPC, ("grpc-status", "5"), ("grpc-message", text)))
        async with behind(HttpServer(answer), sleeps) as engine:
            error = await refusal(engine, CREATE)
            assert verdict(error) == (Code.NOT_FOUND, Source.GATEWAY, Outcome.NOT_EXECUTED, False), status
            assert error.message == text
            assert engine.circuit.unreached == 0


async def test_what_a_proxy_says_in_grpc_keeps_its_meaning(sleeps: Any) -> None:
    reset = "upstream connect error or disconnect/reset before headers. reset reason: "
    for text, outcome in (
        ("no healthy upstream", Outcome.NOT_EXECUTED),
        (reset + "remote connection failure", Outcome.NOT_EXECUTED),
        (reset + "connection termination", Outcome.UNKNOWN),
    ):
        answer = HttpAnswer(200, (GRPC, ("grpc-status", "14"), ("grpc-message", text)))
        async with behind(HttpServer(answer), sleeps) as engine:
            error = await refusal(engine, CREATE)
            assert (error.code, error.source, error.outcome) == (Code.UNAVAILABLE, Source.GATEWAY, outcome), text
            assert error.message == text


async def test_a_stream_that_is_reset_keeps_its_meaning(sleeps: Any) -> None:
    for number, code in ((2, Code.INTERNAL), (7, Code.UNAVAILABLE), (8, Code.CANCELLED)):
        async with behind(HttpServer(HttpAnswer(0, reset=number)), sleeps) as engine:
            error = await refusal(engine, CREATE)
            assert verdict(error) == (code, Source.GATEWAY, Outcome.UNKNOWN, False), number
            assert engine.circuit.unreached == 0


async def test_a_server_of_http_1_is_not_reached_as_before(sleeps: Any) -> None:
    async with behind(OldHttpServer(page(503)), sleeps) as engine:
        error = await refusal(engine, CREATE)
        assert verdict(error) == (Code.UNAVAILABLE, Source.GATEWAY, Outcome.NOT_EXECUTED, True)
        assert "HTTP status 503" in error.message
        assert engine.circuit.is_open


async def test_the_gateway_is_found_again_on_the_same_port(sleeps: Any) -> None:
    proxy = HttpServer(page(503))
    async with behind(proxy, sleeps) as engine:
        await refusal(engine, CREATE)
        await proxy.stop()
        async with FakeGateway(port=proxy.port), asyncio.timeout(30):
            while engine.circuit.is_open:
                try:
                    await engine.probe()
                except GatewayError:
                    await asyncio.sleep(0.05)
            await send(engine, CREATE)
        await proxy.start()


async def test_a_token_that_a_proxy_refuses_is_replaced_once(sleeps: Any, authority: Authority) -> None:
    """Who looks at tokens before the gateway answers HTTP; without a new one the service would never recover."""
    async with behind(HttpServer(page(401)), sleeps, credentials=setting(authority)) as engine:
        for _ in range(3):
            error = await refusal(engine, CREATE)
            assert verdict(error) == (Code.UNAVAILABLE, Source.CONSUMER, Outcome.NOT_EXECUTED, True)
    assert len(authority.forms) == 2


async def test_a_person_is_told_where_to_look(sleeps: Any) -> None:
    for answer in (page(503), page(404), page(200)):
        async with behind(HttpServer(answer), sleeps) as engine:
            with pytest.raises(GatewayError) as raised:
                await engine.probe()
            assert "proxy" in hint(raised.value.message, Zeebe()), answer.status
