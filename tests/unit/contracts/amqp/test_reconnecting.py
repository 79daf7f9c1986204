from __future__ import annotations

import asyncio
from typing import Any

import aio_pika
import pytest
from aiormq.exceptions import ProbableAuthenticationError

from zeebe_amqp import Client
from zeebe_amqp.amqp.connection import LoginRefused, Unreachable
from zeebe_amqp.amqp.reconnecting import ReconnectingConnection
from zeebe_amqp.amqp.refusal import BrokerRefusal


class Connection:
    """As much of a connection as is needed to keep it."""

    def __init__(self) -> None:
        self.close_callbacks: set[Any] = set()
        self.closed = 0

    async def close(self) -> None:
        self.closed += 1

    def end(self) -> None:
        for callback in self.close_callbacks:
            callback(self, OSError("cut"))


class Broker:
    """Gives connections, or what else `answers` says, first to last."""

    def __init__(self, *answers: Any) -> None:
        self.answers = list(answers)
        self.asked: list[str] = []

    async def connect(self, url: Any, **_: Any) -> Connection:
        self.asked.append(str(url.host))
        answer = self.answers.pop(0) if self.answers else Connection()
        if answer == "waits":
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                raise OSError("as the library does it") from None
        if isinstance(answer, Exception):
            raise answer
        assert isinstance(answer, Connection)
        return answer


class Opened:
    """Counts the connections that were set up."""

    def __init__(self, *failures: Exception) -> None:
        self.failures = list(failures)
        self.count = 0

    async def __call__(self, *_: Any) -> None:
        if self.failures:
            raise self.failures.pop(0)
        self.count += 1

    async def reached(self, count: int) -> None:
        while self.count < count:  # noqa: ASYNC110 - nobody tells it
            await asyncio.sleep(0)


async def no_pause(_: float) -> None:
    await asyncio.sleep(0)


def kept(monkeypatch: pytest.MonkeyPatch, broker: Broker, opened: Opened) -> ReconnectingConnection:
    monkeypatch.setattr(aio_pika, "connect", broker.connect)
    return ReconnectingConnection(["amqp://a/", "amqp://b/"], "test", opened, sleep=no_pause)


async def test_a_lost_connection_is_opened_again_over_the_hosts_in_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    first, opened = Connection(), Opened()
    broker = Broker(first, OSError("down"), ValueError("a defect"))
    found = kept(monkeypatch, broker, opened)
    await found.open()
    first.end()
    first.end()
    await opened.reached(2)
    assert (broker.asked, first.closed) == (["a", "b", "a", "b"], 1)
    await found.close()


async def test_a_refused_login_ends_the_opening_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    broker = Broker(ProbableAuthenticationError("ACCESS_REFUSED"))
    monkeypatch.setattr(aio_pika, "connect", broker.connect)
    with pytest.raises(LoginRefused, match=r"a:5672 does not let user 'ann' .* log in \(ACCESS_REFUSED\)") as raised:
        await ReconnectingConnection(["amqp://ann:secret@a", "amqp://ann:secret@b"], "test", Opened()).open()
    assert broker.asked == ["a"]
    assert "secret" not in str(raised.value)


async def test_a_login_that_is_refused_later_is_told_and_tried_on(monkeypatch: pytest.MonkeyPatch) -> None:
    first, opened, told = Connection(), Opened(), list[BrokerRefusal]()
    monkeypatch.setattr(aio_pika, "connect", Broker(first, ProbableAuthenticationError("no")).connect)
    found = ReconnectingConnection(["amqp://a/?auth=external"], "test", opened, refused=told.append, sleep=no_pause)
    await found.open()
    first.end()
    await opened.reached(2)
    assert [str(each) for each in told] == ["the broker at a:5672 does not let the client certificate log in (no)"]
    assert found.refusal is None
    await found.close()


async def test_a_connection_that_cannot_be_set_up_is_closed_again(monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = Connection(), Connection()
    found = kept(monkeypatch, Broker(first, second), Opened(OSError("no"), Exception("the library's own")))
    with pytest.raises(Unreachable, match=r"a:5672: OSError: no; b:5672: ConnectionError: the connection was closed"):
        await found.open()
    assert (first.closed, second.closed) == (1, 1)


async def test_a_defect_while_opening_is_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    first = Connection()
    with pytest.raises(ValueError, match="a defect"):
        await kept(monkeypatch, Broker(first), Opened(ValueError("a defect"))).open()
    assert first.closed == 1


async def test_closing_ends_an_attempt_to_connect(monkeypatch: pytest.MonkeyPatch) -> None:
    first = Connection()
    broker = Broker(first, "waits", "waits", "waits")
    found = kept(monkeypatch, broker, Opened())
    await found.open()
    first.end()
    while len(broker.asked) < 2:  # noqa: ASYNC110 - nobody tells it
        await asyncio.sleep(0)
    await asyncio.wait_for(found.close(), 30)


async def test_opening_can_be_cancelled(monkeypatch: pytest.MonkeyPatch) -> None:
    opening = asyncio.create_task(kept(monkeypatch, Broker("waits"), Opened()).open())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    opening.cancel()
    with pytest.raises(asyncio.CancelledError):
        await opening


async def test_a_cancellation_that_nobody_asked_for_is_a_lost_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    async def cancelled(*_: Any) -> None:
        raise asyncio.CancelledError

    monkeypatch.setattr(aio_pika, "connect", Broker().connect)
    with pytest.raises(Unreachable, match="the connection was lost"):
        await ReconnectingConnection(["amqp://a/"], "test", cancelled).open()


@pytest.mark.parametrize("address", ["", "nonsense", "http://host/", "amqp:///", "host:5672", "user:secret@host"])
def test_what_is_no_address_of_a_broker_is_refused_and_no_password_repeated(address: str) -> None:
    with pytest.raises(ValueError, match="broker: expected an address such as amqp://") as raised:
        Client(["amqp://host/", address])
    assert "secret" not in str(raised.value)


def test_no_address_at_all_is_refused() -> None:
    with pytest.raises(ValueError, match="broker: expected at least one address, found none"):
        Client([])


@pytest.mark.parametrize("address", ["amqp://host", "amqps://user:secret@host:5671/vhost?heartbeat=5"])
def test_addresses_of_brokers_are_taken(address: str) -> None:
    Client(address)
