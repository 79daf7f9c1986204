"""A link opens its connection again for ever, and takes no answer of the library for a cancellation."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any

import pytest
from aiormq.exceptions import AMQPConnectionError

from consumer.config import Amqp
from consumer.rabbitmq import connection as links
from consumer.rabbitmq.connection import Link, Lost, backoff, logins


class FakeConnection:
    """A connection that can be lost."""

    def __init__(self) -> None:
        self.close_callbacks: set[Callable[..., None]] = set()
        self.closed = 0

    async def close(self) -> None:
        self.closed += 1
        self.lose(None)

    def lose(self, error: BaseException | None) -> None:
        for callback in self.close_callbacks:
            callback(self, error)


class Scene:
    """A link whose connections and connection attempts are counted."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, urls: tuple[str, ...] = ("amqp://one/",)) -> None:
        monkeypatch.setattr(links, "connect", self._connect)
        monkeypatch.setattr(links, "backoff", lambda _: 0.0)
        self.refusals: list[BaseException] = []
        self.tried: list[str] = []
        self.connections: list[FakeConnection] = []
        self.losts: list[Lost] = []
        self.link = Link(Amqp(urls=urls), "test", self._opened)

    async def _connect(self, _: Amqp, url: str, name: str) -> Any:
        self.tried.append(url)
        if self.refusals:
            raise self.refusals.pop(0)
        self.connections.append(FakeConnection())
        return self.connections[-1]

    async def _opened(self, _: Any, lost: Lost) -> None:
        self.losts.append(lost)

    async def until(self, connections: int) -> None:
        async with asyncio.timeout(30):
            while len(self.losts) < connections or self.link.problem is not None:  # noqa: ASYNC110 - nobody tells it
                await asyncio.sleep(0)

    async def stop(self, running: asyncio.Task[None]) -> None:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


@pytest.fixture
def scene(monkeypatch: pytest.MonkeyPatch) -> Scene:
    return Scene(monkeypatch)


@pytest.mark.parametrize(
    "error",
    [OSError("refused"), AMQPConnectionError("no"), TimeoutError(), RuntimeError("closed"), KeyError("capabilities"),
     Exception(), asyncio.CancelledError()],
    ids=repr,
)  # fmt: skip
async def test_whatever_a_connection_attempt_raises_another_one_follows(scene: Scene, error: BaseException) -> None:
    scene.refusals = [error, error]
    running = asyncio.create_task(scene.link.run())
    await scene.until(1)
    assert len(scene.tried) == 3
    await scene.stop(running)


async def test_every_try_that_fails_is_logged_in_one_line_with_its_reason(
    scene: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    scene.refusals = [OSError("refused")] * 3
    running = asyncio.create_task(scene.link.run())
    await scene.until(1)
    await scene.stop(running)
    lines = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert lines == ["broker (test): OSError: refused; next try in 0.0 s"] * 3


async def test_a_lost_connection_is_closed_and_opened_again(scene: Scene) -> None:
    running = asyncio.create_task(scene.link.run())
    await scene.until(1)
    scene.connections[0].lose(OSError("reset"))
    await scene.until(2)
    assert [connection.closed for connection in scene.connections] == [1, 0]
    await scene.stop(running)


async def test_a_connection_of_no_more_use_is_closed_and_opened_again(scene: Scene) -> None:
    running = asyncio.create_task(scene.link.run())
    await scene.until(1)
    scene.losts[0]("the queue was deleted")
    await scene.until(2)
    assert [connection.closed for connection in scene.connections] == [1, 0]
    await scene.stop(running)


async def test_what_an_old_connection_tells_late_does_not_end_the_new_one(scene: Scene) -> None:
    running = asyncio.create_task(scene.link.run())
    await scene.until(1)
    scene.losts[0]("gone")
    await scene.until(2)
    scene.losts[0]("gone at last")
    scene.connections[0].lose(OSError("late"))
    await asyncio.sleep(0.01)
    assert (scene.link.problem, len(scene.connections)) == (None, 2)
    await scene.stop(running)


async def test_hosts_are_tried_in_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    scene = Scene(monkeypatch, ("amqp://one/", "amqp://two/", "amqp://three/"))
    scene.refusals = [OSError()] * 4
    running = asyncio.create_task(scene.link.run())
    await scene.until(1)
    assert scene.tried == ["amqp://one/", "amqp://two/", "amqp://three/", "amqp://one/", "amqp://two/"]
    await scene.stop(running)


async def test_a_cancelled_link_closes_its_connection_and_ends(scene: Scene) -> None:
    running = asyncio.create_task(scene.link.run())
    await scene.until(1)
    await scene.stop(running)
    assert running.cancelled()
    assert scene.connections[0].closed == 1


async def test_a_link_cancelled_while_it_connects_ends(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    connecting = asyncio.Event()

    async def never(*_: Any) -> None:
        connecting.set()
        await asyncio.Event().wait()

    monkeypatch.setattr(links, "connect", never)
    running = asyncio.create_task(scene.link.run())
    await connecting.wait()
    await scene.stop(running)
    assert running.cancelled()


async def test_the_problem_says_why_it_is_not_connected(scene: Scene) -> None:
    assert scene.link.problem == "not connected yet"
    running = asyncio.create_task(scene.link.run())
    await scene.until(1)
    scene.refusals = [OSError("refused")] * 1_000_000
    scene.connections[0].lose(OSError("reset"))
    async with asyncio.timeout(30):
        while scene.link.problem != "OSError: refused":  # noqa: ASYNC110 - nobody tells it
            await asyncio.sleep(0)
    await scene.stop(running)


@pytest.mark.parametrize("failures", [1, 2, 3, 6, 7, 50, 10_000])
def test_the_pause_doubles_from_half_a_second_to_half_a_minute(failures: int) -> None:
    longest = min(30.0, 2 ** min(failures - 1, 20))
    pauses = [backoff(failures) for _ in range(100)]
    assert all(longest / 2 <= pause <= longest for pause in pauses)
    assert len(set(pauses)) > 1


async def test_a_cancellation_that_the_library_turns_into_an_error_still_ends_the_link(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stopping right after the start must not go on connecting for ever."""
    connecting = asyncio.Event()

    async def swallow(*_: object) -> Any:
        connecting.set()
        try:
            await asyncio.sleep(1000)
        except asyncio.CancelledError:
            raise AMQPConnectionError("refused") from None

    monkeypatch.setattr(links, "connect", swallow)
    running = asyncio.create_task(scene.link.run())
    await connecting.wait()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running


def test_our_logins_are_those_of_the_urls_except_where_a_certificate_says_who_we_are() -> None:
    urls = ("amqp://a:secret@one/", "amqp://b:secret@two/", "amqps://c@three/?auth=EXTERNAL", "amqp://four/")
    assert logins(Amqp(urls=urls)) == {"a", "b", "guest"}
