"""Tokens on their way to a gateway that accepts them or does not."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

from aiohttp import web

from consumer.config import Zeebe
from consumer.zeebe import ZeebeEngine
from tests.fakes.gateway import FakeGateway, Request
from tests.unit.consumer.zeebe.authority import Authority, Clock, setting
from tests.unit.consumer.zeebe.calling import send
from tests.unit.consumer.zeebe.samples import CREATE, refusal
from zeebe_amqp.errors import Code, Source
from zeebe_amqp.testing import Step, answer, fail


def guard(*accepted: str) -> Callable[[Request], Step]:
    """A gateway that knows these tokens only."""

    def check(request: Request) -> Step:
        known = request.metadata.get("authorization") in {f"Bearer {token}" for token in accepted}
        return answer() if known else fail("UNAUTHENTICATED", "Expected bearer token to be valid")

    return check


def connected(fake: FakeGateway, authority: Authority, **rest: Any) -> ZeebeEngine:
    return ZeebeEngine(Zeebe(fake.address, plaintext=True, credentials=setting(authority)), **rest)


async def test_a_refused_token_is_replaced_once_for_all_to_whom_it_was_refused(
    fake: FakeGateway, authority: Authority
) -> None:
    fake.always("CreateProcessInstance", guard("token-2"))
    gateway = connected(fake, authority)
    await asyncio.gather(*(send(gateway, CREATE) for _ in range(20)))
    await gateway.close()
    assert {request.metadata["authorization"] for request in fake.requests} == {"Bearer token-1", "Bearer token-2"}
    assert len(authority.forms) == 2


async def test_credentials_refused_again_are_final(fake: FakeGateway, authority: Authority) -> None:
    fake.always("CreateProcessInstance", guard())
    gateway = connected(fake, authority)
    for _ in range(10):
        error = await refusal(gateway, CREATE)
        assert (error.code, error.source, error.retryable) == (Code.UNAUTHENTICATED, Source.GATEWAY, False)
    await gateway.close()
    assert len(authority.forms) == 2, "a gateway that refuses every token must not make us hammer the authority"


async def test_an_outage_of_the_authority_is_tried_again_and_sends_nothing(
    fake: FakeGateway, authority: Authority, clock: Clock
) -> None:
    async def nap(seconds: float) -> None:
        clock.now += seconds

    authority.answers = [web.Response(status=500) for _ in range(2)]
    gateway = connected(fake, authority, clock=clock, sleep=nap, random=lambda: 1.0)
    await send(gateway, CREATE)
    await gateway.close()
    assert fake.requests[0].metadata["authorization"] == "Bearer token-3"


async def test_a_slow_authority_does_not_outlast_the_deadline(fake: FakeGateway, authority: Authority) -> None:
    authority.hold = asyncio.Event()
    gateway = connected(fake, authority)
    error = await refusal(gateway, CREATE, deadline=time.time() + 0.1)
    await gateway.close()
    authority.hold.set()
    assert "did not issue a token in time" in error.message
    assert (error.code, error.source, error.retryable) == (Code.UNAVAILABLE, Source.CONSUMER, True)
    assert fake.requests == []


async def test_refused_client_credentials_are_told_to_the_caller(fake: FakeGateway, authority: Authority) -> None:
    authority.answers = [web.json_response({"error": "invalid_client"}, status=401)]
    gateway = connected(fake, authority)
    error = await refusal(gateway, CREATE)
    await gateway.close()
    assert "invalid_client" in error.message
    assert (error.code, error.source, error.retryable) == (Code.UNAUTHENTICATED, Source.CONSUMER, False)
