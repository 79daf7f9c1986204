"""A connection that is kept is opened again for ever, and takes no answer of the library for a cancellation."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from typing import Any

import pytest
from aiormq.exceptions import AMQPConnectionError

from tests.cases import check_all, check_each
from zeebe_amqp import Client
from zeebe_amqp.amqp import reconnecting as module
from zeebe_amqp.amqp.connection import LoginRefused, Unreachable, logins
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
        self.setup_failures: list[BaseException] = []
        self.tried: list[str] = []
        self.connections: list[FakeConnection] = []
        self.losts: list[OnLost] = []
        self.pauses: list[float] = []
        self.now = 0.0
        self.refused: list[BrokerRefusal] = []
        self.running: asyncio.Task[None] | None = None
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
        if self.setup_failures:
            raise self.setup_failures.pop(0)
        self.losts.append(on_lost)

    def start(self) -> asyncio.Task[None]:
        self.running = asyncio.create_task(self.connection.run())
        return self.running

    async def until(self, connections: int) -> None:
        """Run until there are so many connections."""
        if self.running is None and not self.losts:
            self.start()
        async with asyncio.timeout(30):
            while len(self.losts) < connections or self.connection.problem is not None:  # noqa: ASYNC110 - nobody tells it
                await asyncio.sleep(0)

    async def until_it_pauses(self) -> None:
        self.start()
        while not self.pauses:  # noqa: ASYNC110 - nobody tells it
            await asyncio.sleep(0)

    async def stop(self) -> None:
        async with asyncio.timeout(10):
            await self.connection.close()
        if self.running is not None:
            self.running.cancel()
            async with asyncio.timeout(10):
                await asyncio.gather(self.running, return_exceptions=True)


@pytest.fixture
async def scene(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Scene]:
    made = Scene(monkeypatch)
    yield made
    await made.stop()


async def test_whatever_a_connection_attempt_raises_another_one_follows(monkeypatch: pytest.MonkeyPatch) -> None:
    async def is_followed(error: BaseException) -> None:
        scene = Scene(monkeypatch)
        scene.refusals = [error, error]
        await scene.until(1)
        assert len(scene.tried) == 3
        await scene.stop()

    errors = [OSError("refused"), AMQPConnectionError("no"), TimeoutError(), RuntimeError("closed"), Exception()]
    await check_each([*errors, KeyError("capabilities"), asyncio.CancelledError()], is_followed)


async def test_every_try_that_fails_is_logged_in_one_line_with_its_reason(
    scene: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    scene.refusals = [OSError("refused")] * 3
    await scene.until(1)
    lines = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert lines == [f"broker (test): OSError: refused; next try in {pause:.1f} s" for pause in scene.pauses]
    assert len(lines) == 3


async def test_a_login_that_is_refused_from_the_start_is_tried_on_and_told_with_what_to_look_at(scene: Scene) -> None:
    scene.refusals = [LoginRefused("not you")] * 2
    await scene.until_it_pauses()
    assert scene.connection.problem == "UNAUTHENTICATED: not you; look at X"
    assert str(scene.connection.refusal) == "not you"
    await scene.until(1)
    assert scene.connection.refusal is None


async def test_a_connection_that_is_lost_or_of_no_more_use_is_closed_and_opened_again(scene: Scene) -> None:
    await scene.until(1)
    scene.connections[0].lose(OSError("reset"))
    await scene.until(2)
    scene.losts[1]("the queue was deleted")
    await scene.until(3)
    assert [connection.closed for connection in scene.connections] == [1, 1, 0]


async def test_what_an_old_connection_tells_late_does_not_end_the_new_one(scene: Scene) -> None:
    await scene.until(1)
    scene.losts[0]("gone")
    await scene.until(2)
    scene.losts[0]("gone at last")
    scene.connections[0].lose(OSError("late"))
    await asyncio.sleep(0.01)
    assert (scene.connection.problem, len(scene.connections)) == (None, 2)


async def test_hosts_are_tried_in_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    scene = Scene(monkeypatch, ("amqp://one/", "amqp://two/", "amqp://three/"))
    scene.refusals = [OSError()] * 4
    await scene.until(1)
    await scene.stop()
    assert scene.tried == ["amqp://one/", "amqp://two/", "amqp://three/", "amqp://one/", "amqp://two/"]


async def test_a_cancelled_run_closes_its_connection_and_ends(scene: Scene) -> None:
    running = scene.start()
    await scene.until(1)
    await scene.stop()
    assert (running.cancelled(), scene.connections[0].closed) == (True, 1)


async def test_a_run_cancelled_while_it_connects_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also when the library turns the cancellation into an error of its own: it must not go on connecting for ever."""

    async def never(*_: object) -> None:
        connecting.set()
        await asyncio.Event().wait()

    async def swallow(*_: object) -> None:
        connecting.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            monkeypatch.setattr(module, "connect", never)
            raise AMQPConnectionError("refused") from None

    for connect in (never, swallow):
        connecting, scene = asyncio.Event(), Scene(monkeypatch)
        monkeypatch.setattr(module, "connect", connect)
        running = scene.start()
        await connecting.wait()
        await scene.stop()
        assert running.cancelled(), connect.__name__


async def test_the_problem_says_why_it_is_not_connected(scene: Scene) -> None:
    assert scene.connection.problem == "not connected yet"
    await scene.until(1)
    scene.refusals = [OSError("refused")] * 1_000_000
    scene.connections[0].lose(OSError("reset"))
    async with asyncio.timeout(30):
        while scene.connection.problem != "OSError: refused":  # noqa: ASYNC110 - nobody tells it
            await asyncio.sleep(0)


def check_pauses(scene: Scene, *longest: float) -> None:
    """Each pause is between half of what it is at most and all of it."""
    for pause, most in zip(scene.pauses, longest, strict=True):
        assert most / 2 <= pause <= most, f"{pause} s, at most {most} s"


async def test_pauses_grow_while_no_host_answers_and_begin_anew_with_a_connection_that_held(scene: Scene) -> None:
    scene.refusals = [OSError()] * 9
    await scene.until(1)
    scene.now += 31
    scene.connections[0].lose(None)
    await scene.until(2)
    check_pauses(scene, 1, 2, 4, 8, 16, 30, 30, 30, 30, 1)


async def test_pauses_grow_while_connections_end_as_soon_as_they_are_there(scene: Scene) -> None:
    for number in range(6):
        await scene.until(number + 1)
        scene.losts[number]("the broker closed the channel")
    await scene.until(7)
    check_pauses(scene, 1, 2, 4, 8, 16, 30)


async def test_a_refusal_by_which_a_connection_ends_counts_until_the_next_one_is_set_up(scene: Scene) -> None:
    await scene.until(1)
    refusal = BrokerRefusal("you may not", Code.PERMISSION_DENIED)
    scene.losts[0](refusal)
    assert scene.connection.refusal is refusal, "at once: others may ask before the connection is closed"
    scene.losts[0]("and it is closed")
    await scene.until(2)
    assert (scene.connection.refusal, scene.refused) == (None, []), "what waits is not failed by another's refusal"


async def test_a_refusal_of_what_a_connection_needs_is_told_and_tried_on_without_a_word_about_the_address(
    scene: Scene,
) -> None:
    refusal = BrokerRefusal("no such right; get it", Code.PERMISSION_DENIED)
    scene.setup_failures = [refusal]
    await scene.until_it_pauses()
    assert scene.connection.problem == "PERMISSION_DENIED: no such right; get it"
    assert (scene.connection.refusal, scene.refused) == (refusal, [refusal])
    await scene.until(1)


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
    await scene.until(1)
    scene.connections[0].lose(None)
    await scene.until(2)
    assert given == ["first", "second"]


# --- opened once and kept ---------------------------------------------------------------------------------------------


async def test_opening_takes_the_first_host_that_answers_and_keeps_on_with_the_next_ones(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    scene = Scene(monkeypatch, ("amqp://a/", "amqp://b/"))
    scene.refusals = [OSError("down")]
    await scene.connection.open()
    scene.refusals = [OSError("down"), ValueError("a defect"), LoginRefused("not you any more")]
    for _ in range(2):
        scene.connections[0].lose(OSError("cut"))
    await scene.until(2)
    assert scene.tried == ["amqp://a/", "amqp://b/"] * 3
    assert [each.closed for each in scene.connections] == [1, 0]
    assert ([str(each) for each in scene.refused], scene.connection.refusal) == (["not you any more"], None)
    await scene.stop()
    assert [each.closed for each in scene.connections] == [1, 1]


async def test_a_refused_login_ends_the_opening_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    scene = Scene(monkeypatch, ("amqp://a/", "amqp://b/"))
    scene.refusals = [LoginRefused("not you")]
    with pytest.raises(LoginRefused, match="not you"):
        await scene.connection.open()
    assert scene.tried == ["amqp://a/"]


async def test_what_cannot_be_set_up_is_closed_again_and_told_with_every_host(monkeypatch: pytest.MonkeyPatch) -> None:
    scene = Scene(monkeypatch, ("amqp://a/", "amqp://b/", "amqp://c/"))
    # The last is a cancellation that nobody asked for.
    scene.setup_failures = [OSError("no"), Exception("the library's own"), asyncio.CancelledError()]
    told = r"a:5672: OSError: no; b:5672: ConnectionError: the connection was closed; c:5672: .*the connection was lost"
    with pytest.raises(Unreachable, match=told):
        await scene.connection.open()
    assert [each.closed for each in scene.connections] == [1, 1, 1]
    scene.setup_failures = [ValueError("a defect")]
    with pytest.raises(ValueError, match="a defect"):
        await scene.connection.open()
    assert scene.connections[3].closed == 1


async def test_closing_or_a_cancellation_ends_an_attempt_to_connect(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def waits(*_: object) -> None:
        connecting.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            raise OSError("as the library does it") from None

    connecting = asyncio.Event()
    await scene.connection.open()
    monkeypatch.setattr(module, "connect", waits)
    scene.connections[0].lose(None)
    await connecting.wait()
    await asyncio.wait_for(scene.connection.close(), 30)
    connecting.clear()
    opening = asyncio.create_task(Scene(monkeypatch).connection.open())
    monkeypatch.setattr(module, "connect", waits)
    await connecting.wait()
    opening.cancel()
    with pytest.raises(asyncio.CancelledError):
        await opening


def test_what_is_no_address_of_a_broker_is_refused_and_no_password_repeated() -> None:
    def is_refused(address: str) -> None:
        with pytest.raises(ValueError, match="broker: expected an address such as amqp://") as raised:
            Client(["amqp://host/", address])
        assert "secret" not in str(raised.value)

    check_all(["", "nonsense", "http://host/", "amqp:///", "host:5672", "user:secret@host"], is_refused)
    with pytest.raises(ValueError, match="broker: expected at least one address, found none"):
        Client([])
    for address in ("amqp://host", "amqps://user:secret@host:5671/vhost?heartbeat=5"):
        Client(address)


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
    scene.start()
    for _ in range(5):
        await asyncio.sleep(0)
    await scene.stop()
