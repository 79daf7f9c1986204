"""A fake gateway, and engines connected to it that never really sleep between attempts."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp.test_utils import RawTestServer

from consumer.config import Zeebe
from consumer.zeebe import ZeebeEngine
from tests.fakes.gateway import FakeGateway
from tests.unit.consumer.zeebe.samples import Authority, Clock, Connect


@pytest.fixture
def sleeps() -> list[float]:
    """How long would have been slept, each time."""
    return []


@pytest.fixture
async def connect(sleeps: list[float]) -> AsyncIterator[Connect]:
    """Makes engines for an address, without luck in their delays; they are closed after the test."""
    engines = []

    async def note(seconds: float) -> None:
        sleeps.append(seconds)

    def make(
        address: str,
        *,
        observer: Any = None,
        clock: Any = None,
        monotonic: Any = None,
        sleep: Any = note,
        **settings: Any,
    ) -> Any:
        zeebe = Zeebe(address, **{"plaintext": True, **settings})
        clocks = {"clock": clock, "monotonic": monotonic or clock} if clock else {}
        engines.append(ZeebeEngine(zeebe, observer, sleep=sleep, random=lambda: 1.0, **clocks))
        return engines[-1]

    yield make
    for each in engines:
        await each.close()


@pytest.fixture
async def fake() -> AsyncIterator[FakeGateway]:
    async with FakeGateway() as gateway:
        yield gateway


@pytest.fixture
async def gateway(fake: FakeGateway, connect: Connect) -> ZeebeEngine:
    return connect(fake.address)


@pytest.fixture
async def authority() -> AsyncIterator[Authority]:
    authority = Authority()
    async with RawTestServer(authority.answer) as server:
        authority.url = str(server.make_url("/token"))
        yield authority
        authority.answering.set()


@pytest.fixture
def clock() -> Clock:
    return Clock()
