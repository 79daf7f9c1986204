"""Something between the service and the gateway answers HTTP: that is not the engine's word, and loses nothing."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from consumer.config import Zeebe
from consumer.core.circuit_breaker import THRESHOLD
from consumer.zeebe.hints import hint
from tests.cases import for_each
from tests.fakes.http2 import HttpAnswer, HttpServer, OldHttpServer, page
from tests.unit.consumer.errors import verdict
from tests.unit.consumer.zeebe.samples import ACTIVATE, CREATE, DENIED, Authority, Connect, refusal
from zeebe_amqp.errors import Code, Outcome, Source

NOT_PASSED_ON = (300, 301, 302, 303, 307, 308, 400, 401, 403, 404, 407, 421, 426, 429, 503)
TOO_LARGE = (413, 431)
PERHAPS_PASSED_ON = (204, 402, 405, 408, 418, 500, 501, 502, 504, 505, 511, 599, 999)
GRPC = ("content-type", "application/grpc")
NO_PAGES = (
    HttpAnswer(0, (("content-type", "text/plain"),), b"upstream connect error"),
    HttpAnswer(0, (("content-type", "application/json"),), b'{"code": 14}'),
    HttpAnswer(0),
    HttpAnswer(0, (GRPC,)),
)
"""No content makes a difference."""
ENDINGS = (
    page(200),
    HttpAnswer(200),
    HttpAnswer(200, (("content-type", "text/html"),)),
    HttpAnswer(200, (GRPC,)),
    HttpAnswer(200, (GRPC,), bytes(5)),
    HttpAnswer(200, (GRPC,), bytes(5), (("x-some", "thing"),)),
)
"""Answers with 200 that have no gRPC status say nothing of what became of the call."""
RESET = "upstream connect error or disconnect/reset before headers. reset reason: "

NO = Outcome.NOT_EXECUTED
AWAY = (Code.UNAVAILABLE, NO, (True, True), (5, 5), "not passed on")
REFUSED = (Code.RESOURCE_EXHAUSTED, NO, (False, False), (1, 1), "too large")
LOST = (Code.UNAVAILABLE, Outcome.UNKNOWN, (False, True), (1, 5), "may have been executed")


@for_each([
    *((page(status), *AWAY) for status in NOT_PASSED_ON),
    *((replace(answer, status=503), *AWAY) for answer in NO_PAGES),
    *((page(status), *REFUSED) for status in TOO_LARGE),
    *((page(status), *LOST) for status in PERHAPS_PASSED_ON),
    *((answer, *LOST) for answer in ENDINGS),
])  # fmt: skip
async def test_an_answer_in_http_says_by_its_status_what_became_of_the_command(
    answer: HttpAnswer, code: Code, outcome: Outcome, retryable: Any, attempts: Any, words: str, connect: Connect
) -> None:
    """Attempts, and whether callers may try again: of a command that may run once, and of one that may run twice."""
    async with HttpServer(answer) as server:
        engine, asked = connect(server.address), 0
        for idempotent in (False, True):
            error = await refusal(engine, CREATE, idempotent=idempotent)
            assert verdict(error) == (code, Source.CONSUMER, outcome, retryable[idempotent])
            for told in (words, "not the gateway's", f"HTTP status {answer.status}" if answer.status != 200 else ""):
                assert told in error.message
            assert "proxy" in hint(error.message, Zeebe()), "an operator is told where to look"
            made = attempts[idempotent]
            assert error.details == ({"attempts": made} if made > 1 else None)
            asked += made
            # What is too large for a proxy says nothing about the gateway behind it.
            unreached = 0 if words == "too large" else asked
            assert (len(server.requests), engine.circuit.unreached) == (asked, unreached)
            assert engine.circuit.is_open is (unreached >= THRESHOLD)


@for_each([*map(page, (200, 404, 502, 503)), HttpAnswer(503)])
async def test_a_stream_answered_in_http_has_not_heard_the_gateway(answer: HttpAnswer, connect: Connect) -> None:
    """C-core does not always tell a stream which status a page had; then nobody knows the outcome."""
    async with HttpServer(answer) as server:
        engine = connect(server.address)
        error = await refusal(engine, ACTIVATE)
    assert (error.code, error.source) == (Code.UNAVAILABLE, Source.CONSUMER)
    assert error.outcome is Outcome.UNKNOWN or f"HTTP status {answer.status}" in error.message
    assert answer.body or (error.outcome, error.retryable) == (NO, True), "without a page the status is always known"
    assert "not the gateway's" in error.message
    assert engine.circuit.unreached > 0


def said(status: int, number: str, text: str) -> HttpAnswer:
    return HttpAnswer(status, (GRPC, ("grpc-status", number), ("grpc-message", text)))


@for_each([
    *((said(status, "5", DENIED), Code.NOT_FOUND, NO, 0) for status in (200, 400, 404, 500, 503)),
    (said(200, "14", "no healthy upstream"), Code.UNAVAILABLE, NO, 5),
    (said(200, "14", f"{RESET}remote connection failure"), Code.UNAVAILABLE, NO, 5),
    (said(200, "14", f"{RESET}connection termination"), Code.UNAVAILABLE, Outcome.UNKNOWN, 0),
    (HttpAnswer(0, reset=2), Code.INTERNAL, Outcome.UNKNOWN, 0),
    (HttpAnswer(0, reset=7), Code.UNAVAILABLE, Outcome.UNKNOWN, 0),
    (HttpAnswer(0, reset=8), Code.CANCELLED, Outcome.UNKNOWN, 0),
])  # fmt: skip
async def test_what_is_said_in_grpc_keeps_its_meaning_whatever_the_http_status(
    answer: HttpAnswer, code: Code, outcome: Outcome, unreached: int, connect: Connect
) -> None:
    async with HttpServer(answer) as server:
        engine = connect(server.address)
        error = await refusal(engine, CREATE)
    assert verdict(error)[:3] == (code, Source.GATEWAY, outcome)
    assert answer.reset is not None or error.message == dict(answer.headers)["grpc-message"]
    assert engine.circuit.unreached == unreached


async def test_a_server_of_http_1_is_not_reached(connect: Connect) -> None:
    async with OldHttpServer(page(503)) as server:
        engine = connect(server.address)
        error = await refusal(engine, CREATE)
    assert verdict(error) == (Code.UNAVAILABLE, Source.GATEWAY, Outcome.NOT_EXECUTED, True)
    assert "HTTP status 503" in error.message
    assert engine.circuit.is_open


async def test_a_token_that_a_proxy_refuses_is_replaced_once(connect: Connect, authority: Authority) -> None:
    """Who looks at tokens before the gateway answers HTTP; without a new one the service would never recover."""
    async with HttpServer(page(401)) as server:
        engine = connect(server.address, credentials=authority.setting())
        for _ in range(3):
            error = await refusal(engine, CREATE)
            assert verdict(error) == (Code.UNAVAILABLE, Source.CONSUMER, Outcome.NOT_EXECUTED, True)
    assert len(authority.forms) == 2
