"""A connection that runs is opened again for ever, and takes no answer of the library for a cancellation."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from aiormq.exceptions import AMQPConnectionError

from zeebe_amqp.amqp import reconnecting as module
from zeebe_amqp.amqp.connection import LoginRefused, logins
from zeebe_amqp.amqp.reconnecting import OnLost, ReconnectingConnection
from zeebe_amqp.amqp.refusal import BrokerRefusal
from zeebe_amqp.errors import Code


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
    """A connection whose openings and attempts are counted."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, urls: tuple[str, ...] = ("amqp://one/",)) -> None:
        monkeypatch.setattr(module, "connect", self._connect)
        self.refusals: list[BaseException] = []
        self.tried: list[str] = []
        self.connections: list[FakeConnection] = []
        self.losts: list[OnLost] = []
        self.pauses: list[float] = []
        self.now = 0.0
        self.refused: list[BrokerRefusal] = []
        self.connection = ReconnectingConnection(
            urls,
            "test",
            self._opened,
            login_hint="; look at X",
            refused=self.refused.append,
            first_pause=1.0,
            max_pause=30.0,
            sleep=self._sleep,
            clock=lambda: self.now,
        )

    async def _sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        await asyncio.sleep(0)

    async def _connect(self, url: str, name: str, tls: object) -> Any:
        self.tried.append(url)
        if self.refusals:
            raise self.refusals.pop(0)
        self.connections.append(FakeConnection())
        return self.connections[-1]

    async def _opened(self, _: Any, on_lost: OnLost) -> None:
        self.losts.append(on_lost)

    async def until(self, connections: int) -> None:
        async with asyncio.timeout(30):
            while len(self.losts) < connections or self.connection.problem is not None:  # noqa: ASYNC110 - nobody tells it
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
    running = asyncio.create_task(scene.connection.run())
    await scene.until(1)
    assert len(scene.tried) == 3
    await scene.stop(running)


async def test_every_try_that_fails_is_logged_in_one_line_with_its_reason(
    scene: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    scene.refusals = [OSError("refused")] * 3
    running = asyncio.create_task(scene.connection.run())
    await scene.until(1)
    await scene.stop(running)
    lines = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert lines == [f"broker (test): OSError: refused; next try in {pause:.1f} s" for pause in scene.pauses]
    assert len(lines) == 3


async def test_a_login_that_is_refused_from_the_start_is_tried_on_and_told_with_what_to_look_at(scene: Scene) -> None:
    scene.refusals = [LoginRefused("not you")] * 2
    running = asyncio.create_task(scene.connection.run())
    while not scene.pauses:  # noqa: ASYNC110 - nobody tells it
        await asyncio.sleep(0)
    assert scene.connection.problem == "UNAUTHENTICATED: not you; look at X"
    assert str(scene.connection.refusal) == "not you"
    await scene.until(1)
    assert scene.connection.refusal is None
    await scene.stop(running)


async def test_a_lost_connection_is_closed_and_opened_again(scene: Scene) -> None:
    running = asyncio.create_task(scene.connection.run())
    await scene.until(1)
    scene.connections[0].lose(OSError("reset"))
    await scene.until(2)
    assert [connection.closed for connection in scene.connections] == [1, 0]
    await scene.stop(running)


async def test_a_connection_of_no_more_use_is_closed_and_opened_again(scene: Scene) -> None:
    running = asyncio.create_task(scene.connection.run())
    await scene.until(1)
    scene.losts[0]("the queue was deleted")
    await scene.until(2)
    assert [connection.closed for connection in scene.connections] == [1, 0]
    await scene.stop(running)


async def test_what_an_old_connection_tells_late_does_not_end_the_new_one(scene: Scene) -> None:
    running = asyncio.create_task(scene.connection.run())
    await scene.until(1)
    scene.losts[0]("gone")
    await scene.until(2)
    scene.losts[0]("gone at last")
    scene.connections[0].lose(OSError("late"))
    await asyncio.sleep(0.01)
    assert (scene.connection.problem, len(scene.connections)) == (None, 2)
    await scene.stop(running)


async def test_hosts_are_tried_in_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    scene = Scene(monkeypatch, ("amqp://one/", "amqp://two/", "amqp://three/"))
    scene.refusals = [OSError()] * 4
    running = asyncio.create_task(scene.connection.run())
    await scene.until(1)
    assert scene.tried == ["amqp://one/", "amqp://two/", "amqp://three/", "amqp://one/", "amqp://two/"]
    await scene.stop(running)


async def test_a_cancelled_run_closes_its_connection_and_ends(scene: Scene) -> None:
    running = asyncio.create_task(scene.connection.run())
    await scene.until(1)
    await scene.stop(running)
    assert running.cancelled()
    assert scene.connections[0].closed == 1


async def test_a_run_cancelled_while_it_connects_ends(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    connecting = asyncio.Event()

    async def never(*_: Any) -> None:
        connecting.set()
        await asyncio.Event().wait()

    monkeypatch.setattr(module, "connect", never)
    running = asyncio.create_task(scene.connection.run())
    await connecting.wait()
    await scene.stop(running)
    assert running.cancelled()


async def test_the_problem_says_why_it_is_not_connected(scene: Scene) -> None:
    assert scene.connection.problem == "not connected yet"
    running = asyncio.create_task(scene.connection.run())
    await scene.until(1)
    scene.refusals = [OSError("refused")] * 1_000_000
    scene.connections[0].lose(OSError("reset"))
    async with asyncio.timeout(30):
        while scene.connection.problem != "OSError: refused":  # noqa: ASYNC110 - nobody tells it
            await asyncio.sleep(0)
    await scene.stop(running)


def check_pauses(scene: Scene, *longest: float) -> None:
    """Each pause is between half of what it is at most and all of it."""
    for pause, most in zip(scene.pauses, longest, strict=True):
        assert most / 2 <= pause <= most, f"{pause} s, at most {most} s"


async def test_pauses_grow_while_no_host_answers_and_begin_anew_with_a_connection_that_held(scene: Scene) -> None:
    scene.refusals = [OSError()] * 9
    running = asyncio.create_task(scene.connection.run())
    await scene.until(1)
    scene.now += 31
    scene.connections[0].lose(None)
    await scene.until(2)
    check_pauses(scene, 1, 2, 4, 8, 16, 30, 30, 30, 30, 1)
    await scene.stop(running)


async def test_pauses_grow_while_connections_end_as_soon_as_they_are_there(scene: Scene) -> None:
    running = asyncio.create_task(scene.connection.run())
    for number in range(6):
        await scene.until(number + 1)
        scene.losts[number]("the broker closed the channel")
    await scene.until(7)
    check_pauses(scene, 1, 2, 4, 8, 16, 30)
    await scene.stop(running)


async def test_a_refusal_by_which_a_connection_ends_counts_until_the_next_one_is_set_up(scene: Scene) -> None:
    running = asyncio.create_task(scene.connection.run())
    await scene.until(1)
    refusal = BrokerRefusal("you may not", Code.PERMISSION_DENIED)
    scene.losts[0](refusal)
    assert scene.connection.refusal is refusal, "at once: others may ask before the connection is closed"
    scene.losts[0]("and it is closed")
    await scene.until(2)
    assert (scene.connection.refusal, scene.refused) == (None, []), "what waits is not failed by another's refusal"
    await scene.stop(running)


async def test_a_refusal_of_what_a_connection_needs_is_told_and_tried_on_without_a_word_about_the_address(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened, refusal = scene._opened, BrokerRefusal("no such right; get it", Code.PERMISSION_DENIED)
    refusals = [refusal]

    async def refuse(connection: Any, on_lost: OnLost) -> None:
        if refusals:
            raise refusals.pop()
        await opened(connection, on_lost)

    monkeypatch.setattr(scene.connection, "_opened", refuse)
    running = asyncio.create_task(scene.connection.run())
    while not scene.pauses:  # noqa: ASYNC110 - nobody tells it
        await asyncio.sleep(0)
    assert scene.connection.problem == "PERMISSION_DENIED: no such right; get it"
    assert (scene.connection.refusal, scene.refused) == (refusal, [refusal])
    await scene.until(1)
    await scene.stop(running)


async def test_each_connection_has_a_tls_context_of_its_own_since_certificates_are_renewed(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[object] = []

    async def connect(url: str, name: str, tls: object) -> Any:
        given.append(tls)
        return await scene._connect(url, name, tls)

    monkeypatch.setattr(module, "connect", connect)
    contexts = iter(("first", "second"))
    scene.connection._tls = lambda: next(contexts)  # type: ignore[assignment,return-value]
    running = asyncio.create_task(scene.connection.run())
    await scene.until(1)
    scene.connections[0].lose(None)
    await scene.until(2)
    assert given == ["first", "second"]
    await scene.stop(running)


async def test_a_cancellation_that_the_library_turns_into_an_error_still_ends_it(
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

    monkeypatch.setattr(module, "connect", swallow)
    running = asyncio.create_task(scene.connection.run())
    await connecting.wait()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running


def test_our_logins_are_those_of_the_urls_except_where_a_certificate_says_who_we_are() -> None:
    urls = ("amqp://a:secret@one/", "amqp://b:secret@two/", "amqps://c@three/?auth=EXTERNAL", "amqp://four/")
    assert logins(urls) == {"a", "b", "guest"}


async def test_a_cancellation_that_the_library_takes_for_its_own_ends_it_all_the_same(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It connects in spite of it, or sets up the connection: then nobody would close what nobody knows of."""
    connect, opened = scene._connect, scene._opened

    async def connects(url: str, name: str, tls: object) -> Any:
        with suppress(asyncio.CancelledError):
            await asyncio.sleep(30)
        return await connect(url, name, tls)

    async def opens(connection: Any, on_lost: OnLost) -> None:
        with suppress(asyncio.CancelledError):
            await asyncio.sleep(30)
        await opened(connection, on_lost)

    monkeypatch.setattr(module, "connect", connects)
    await ended(scene)
    monkeypatch.setattr(module, "connect", connect)
    monkeypatch.setattr(scene.connection, "_opened", opens)
    await ended(scene)
    assert [each.closed for each in scene.connections] == [1, 1]


async def ended(scene: Scene) -> None:
    running = asyncio.create_task(scene.connection.run())
    for _ in range(5):
        await asyncio.sleep(0)
    running.cancel()
    async with asyncio.timeout(10):
        await asyncio.gather(running, return_exceptions=True)
