"""A fake gateway, and an engine connected to it that never really sleeps between attempts."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from consumer.config import Zeebe
from consumer.zeebe import ZeebeEngine
from tests.fakes.gateway import FakeGateway
from tests.unit.consumer.zeebe.authority import Authority, Clock


class FakeSleep:
    """Stands in for `asyncio.sleep`: remembers how long would have been slept."""

    def __init__(self) -> None:
        self.taken: list[float] = []

    async def __call__(self, seconds: float) -> None:
        self.taken.append(seconds)


@pytest.fixture
def sleeps() -> FakeSleep:
    return FakeSleep()


@pytest.fixture
async def fake() -> AsyncIterator[FakeGateway]:
    async with FakeGateway() as gateway:
        yield gateway


@pytest.fixture
async def gateway(fake: FakeGateway, sleeps: FakeSleep) -> AsyncIterator[ZeebeEngine]:
    connected = ZeebeEngine(Zeebe(fake.address, plaintext=True), sleep=sleeps, random=lambda: 1.0)
    yield connected
    await connected.close()


@pytest.fixture
async def authority() -> AsyncIterator[Authority]:
    authority = Authority()
    application = web.Application()
    application.router.add_post("/token", authority.answer)
    async with TestServer(application) as server:
        authority.url = str(server.make_url("/token"))
        yield authority


@pytest.fixture
def clock() -> Clock:
    return Clock()
