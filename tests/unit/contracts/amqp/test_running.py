"""A connection that is kept is opened again for ever, and takes no answer of the library for a cancellation."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import AsyncIterator, Callable
from itertools import chain, count, product
from typing import Any
from unittest.mock import AsyncMock, Mock

import pytest
from aiormq.exceptions import AMQPConnectionError

from tests.cases import for_each
from zeebe_amqp import Client
from zeebe_amqp.amqp import reconnecting as module
from zeebe_amqp.amqp.connection import LoginRefused, Unreachable, logins
from zeebe_amqp.amqp.reconnecting import ReconnectingConnection
from zeebe_amqp.amqp.refusal import BrokerRefusal
from zeebe_amqp.errors import Code

ONE, TWO, THREE = "amqp://one/", "amqp://two/", "amqp://three/"
RIGHT = BrokerRefusal("no such right; get it", Code.PERMISSION_DENIED)


class Broker:
    """Three hosts in memory, and the connection that is kept to one of them."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.connections: list[Mock] = []
        self.pauses: list[float] = []
        self.now = 0.0
        self.connect, self.opened, self.refused = AsyncMock(), AsyncMock(), Mock()
        self.fail()
        monkeypatch.setattr(module, "connect", self.connect)
        pausing: dict[str, Any] = {"sleep": self._sleep, "first_pause": 1.0, "max_pause": 30.0}
        self.is_hurried = Mock(return_value=False)
        pausing["is_hurried"] = self.is_hurried
        told: dict[str, Any] = {"refused": self.refused, "login_hint": "; look at X", "tls": Mock(side_effect=count(1))}
        self.kept = ReconnectingConnection(
            (ONE, TWO, THREE), "test", self.opened, clock=lambda: self.now, **pausing, **told
        )
        self.running: asyncio.Task[None] | None = None

    async def _sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        await asyncio.sleep(0)

    def connection(self) -> Mock:
        """Another one."""
        self.connections.append(Mock(close_callbacks=set(), close=AsyncMock()))
        return self.connections[-1]

    def fail(self, *errors: BaseException) -> None:
        """The next attempts fail with these errors."""
        self.connect.side_effect = chain(errors, iter(self.connection, None))

    def lose(self, number: int, error: BaseException | None) -> None:
        """A connection ends."""
        for callback in self.connections[number].close_callbacks:
            callback(self.connections[number], error)

    def tell(self, number: int, reason: str | BrokerRefusal) -> None:
        """A connection is of no more use, says who was given it."""
        self.opened.await_args_list[number].args[1](reason)

    @property
    def tried(self) -> list[str]:
        return [call.args[0] for call in self.connect.await_args_list]

    @property
    def closed(self) -> list[int]:
        """How often each connection was closed."""
        return [each.close.await_count for each in self.connections]

    async def until(self, condition: Callable[[], object]) -> None:
        """Let it run so far."""
        if self.running is None and not self.connections:
            self.running = asyncio.create_task(self.kept.run())
        async with asyncio.timeout(30):
            while not condition():  # noqa: ASYNC110 - nobody tells it
                await asyncio.sleep(0)

    async def connected(self, times: int) -> None:
        """Let it run until it is connected for that time."""
        await self.until(lambda: self.opened.await_count >= times and self.kept.problem is None)

    async def stop(self) -> None:
        """Cancel the run, or close what was opened."""
        async with asyncio.timeout(10):
            if self.running is None:
                await self.kept.close()
            else:
                self.running.cancel()
                await asyncio.wait({self.running})
                assert self.running.cancelled()


@pytest.fixture
async def broker(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Broker]:
    made = Broker(monkeypatch)
    yield made
    await made.stop()


async def test_whatever_an_attempt_raises_the_next_host_is_tried_and_why_logged(broker: Broker, caplog: Any) -> None:
    reasons: dict[BaseException, str] = {
        OSError("refused"): "OSError: refused",
        AMQPConnectionError("no"): "AMQPConnectionError: no",
        TimeoutError("late"): "TimeoutError: late",
        RuntimeError("closed"): "RuntimeError: closed",
        Exception(): "ConnectionError: the connection was closed",
        KeyError("capabilities"): "KeyError: 'capabilities'",
        asyncio.CancelledError(): "ConnectionError: the connection was lost",
    }
    broker.fail(*reasons)
    await broker.connected(1)
    assert broker.tried == [ONE, TWO, THREE, ONE, TWO, THREE, ONE, TWO]
    lines = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    told = zip(reasons.values(), broker.pauses, strict=True)
    assert lines == [f"broker (test): {reason}; next try in {pause:.1f} s" for reason, pause in told]


async def test_a_refusal_is_tried_on_and_told_and_that_of_a_login_with_what_to_look_at(broker: Broker) -> None:
    login = LoginRefused("not you")
    broker.fail(login, login)
    await broker.until(lambda: broker.pauses)
    assert broker.kept.problem == "UNAUTHENTICATED: not you; look at X"
    assert (broker.kept.refusal, broker.refused.call_args.args) == (login, (login,))
    broker.opened.side_effect = [RIGHT, None]
    await broker.until(lambda: len(broker.pauses) == 3)
    assert broker.kept.problem == f"PERMISSION_DENIED: {RIGHT}"
    assert (broker.kept.refusal, broker.refused.call_args.args) == (RIGHT, (RIGHT,))
    await broker.connected(2)
    assert broker.kept.refusal is None


async def test_in_a_hurry_the_pause_after_a_lost_connection_does_not_grow_but_that_after_a_failure_does(
    broker: Broker,
) -> None:
    broker.is_hurried.return_value = True
    for number in range(1, 6):
        await broker.connected(number)
        broker.lose(number - 1, None)
    await broker.connected(6)
    assert max(broker.pauses) <= module.FIRST_PAUSE
    broker.fail(*[OSError("refused")] * 3)
    broker.lose(5, None)
    await broker.connected(7)
    assert [pause > module.FIRST_PAUSE for pause in broker.pauses[5:]] == [False, True, True, True]
    broker.is_hurried.return_value = False
    broker.lose(6, None)
    await broker.connected(8)
    assert broker.pauses[-1] > module.FIRST_PAUSE


async def test_a_connection_that_is_lost_or_of_no_more_use_is_closed_and_opened_again(broker: Broker) -> None:
    assert broker.kept.problem == "not connected yet"
    await broker.connected(1)
    broker.connect.side_effect = OSError("refused")
    broker.lose(0, OSError("reset"))
    await broker.until(lambda: broker.kept.problem == "OSError: refused")
    broker.fail()
    await broker.connected(2)
    broker.tell(1, "the queue was deleted")
    await broker.connected(3)
    assert broker.closed == [1, 1, 0]
    contexts = [call.args[2] for call in broker.connect.await_args_list]
    assert contexts == [*range(1, len(contexts) + 1)], "a TLS context each, as certificates are renewed"
    await broker.stop()
    assert broker.closed == [1, 1, 1]


async def test_what_an_old_connection_tells_late_does_not_end_the_new_one(broker: Broker) -> None:
    await broker.connected(1)
    broker.tell(0, "gone")
    await broker.connected(2)
    broker.tell(0, "gone at last")
    broker.lose(0, OSError("late"))
    await asyncio.sleep(0.01)
    assert (broker.kept.problem, len(broker.connections)) == (None, 2)


async def test_pauses_grow_while_no_connection_holds_and_begin_anew_with_one_that_held(broker: Broker) -> None:
    broker.fail(OSError(), OSError(), OSError())
    for number in range(5):
        await broker.connected(number + 1)
        broker.tell(number, "the broker closed the channel")
    await broker.connected(6)
    broker.now += 31
    broker.lose(5, None)
    await broker.connected(7)
    for pause, most in zip(broker.pauses, (1, 2, 4, 8, 16, 30, 30, 30, 1), strict=True):
        assert most / 2 <= pause <= most, f"{pause} s, at most {most} s"


async def test_a_refusal_by_which_a_connection_ends_counts_until_the_next_one_is_set_up(broker: Broker) -> None:
    await broker.connected(1)
    broker.tell(0, RIGHT)
    assert broker.kept.refusal is RIGHT, "at once: others may ask before the connection is closed"
    broker.tell(0, "and it is closed")
    await broker.connected(2)
    assert broker.kept.refusal is None
    broker.refused.assert_not_called()  # what waits is not failed by another's refusal


async def test_opening_takes_the_first_host_that_answers_and_keeps_on_with_the_next_ones(broker: Broker) -> None:
    broker.fail(LoginRefused("not you"))
    with pytest.raises(LoginRefused, match="not you"):
        await broker.kept.open()
    assert broker.tried == [ONE], "the others have the same users"
    broker.fail(OSError("down"))
    await broker.kept.open()
    broker.fail(OSError("down"), ValueError("a defect"), LoginRefused("not you any more"))
    for _ in range(2):
        broker.lose(0, OSError("cut"))
    await broker.connected(2)
    assert broker.tried == [ONE, TWO, THREE] * 2 + [ONE]
    assert broker.closed == [1, 0]
    assert [str(call.args[0]) for call in broker.refused.call_args_list] == ["not you any more"]
    assert broker.kept.refusal is None
    await broker.stop()
    assert broker.closed == [1, 1]


async def test_what_cannot_be_set_up_is_closed_again_and_told_with_every_host(broker: Broker) -> None:
    # The last is a cancellation that nobody asked for.
    broker.opened.side_effect = [OSError("no"), Exception("the library's own"), asyncio.CancelledError()]
    told = r"one:5672: OSError: no; two:5672: ConnectionError: the connection was closed; three:.* connection was lost"
    with pytest.raises(Unreachable, match=told):
        await broker.kept.open()
    broker.opened.side_effect = [ValueError("a defect")]
    with pytest.raises(ValueError, match="a defect"):
        await broker.kept.open()
    assert broker.closed == [1, 1, 1, 1]


REACTIONS = (asyncio.CancelledError(), AMQPConnectionError("refused"), OSError("as the system does it"), None)


@for_each(product(("run", "open", "close"), ("connect", "opened"), REACTIONS))
async def test_a_cancellation_ends_an_attempt_whatever_the_library_makes_of_it(
    way: str, step: str, reaction: BaseException | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may raise an error of its own, or go on in spite of it: then nobody would close what nobody knows of."""

    async def hang(*_: object) -> Mock | None:
        reached.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            if reaction is not None:
                raise reaction from None
        return broker.connection() if step == "connect" else None

    broker, reached = Broker(monkeypatch), asyncio.Event()
    if way == "close":
        await broker.kept.open()
        broker.lose(0, None)
    getattr(broker, step).side_effect = hang
    async with asyncio.timeout(30):
        if way == "close":
            await reached.wait()
            await broker.kept.close()
        else:
            task = asyncio.create_task(getattr(broker.kept, way)())
            await reached.wait()
            task.cancel()
            await asyncio.wait({task})
            assert task.cancelled()
    assert broker.closed == [1] * len(broker.connections)


def test_what_is_no_address_of_a_broker_is_refused_and_no_password_repeated() -> None:
    for address in ("", "nonsense", "http://host/", "amqp:///", "host:5672", "user:secret@host"):
        with pytest.raises(ValueError, match="broker: expected an address such as amqp://") as raised:
            Client(["amqp://host/", address])
        assert "secret" not in str(raised.value), address
    with pytest.raises(ValueError, match="broker: expected at least one address, found none"):
        Client([])
    for address in ("amqp://host", "amqps://user:secret@host:5671/vhost?heartbeat=5"):
        Client(address)


REFUSED = "broker: the address of host has other parameters than are accepted: "
NAMES = "the parameters auth, cafile, certfile, keyfile, heartbeat, name, each once"


@for_each([
    *((query, NAMES) for query in ("no_verify_ssl=1", "no%5fverify_ssl=1", "verify_ssl=0", "capath=/", "timeout=1")),
    ("heartbeat=1&heartbeat=2", NAMES),
    ("auth=none", "auth=plain or auth=external"),
    ("heartbeat=soon", "heartbeat=SECONDS, a whole number up to 65534"),
    ("cafile=", "the path of a PEM file for each of cafile, certfile and keyfile; the latter two only together"),
    ("certfile=a", "the path of a PEM file for each of cafile, certfile and keyfile; the latter two only together"),
])  # fmt: skip
def test_parameters_that_would_weaken_tls_or_do_nothing_are_refused(query: str, accepted: str) -> None:
    """`no_verify_ssl=1` switches the AMQP library's checks off, without a word."""
    with pytest.raises(ValueError, match=re.escape(f"{REFUSED}{accepted}") + r"\Z"):
        Client(["amqps://other", f"amqps://ann:secret@host?{query}"])
    if query == "cafile=":
        with pytest.raises(ValueError, match="cafile only with amqps://"):
            Client("amqp://host?cafile=a")


def test_our_logins_are_those_of_the_urls_except_where_a_certificate_or_a_token_says_who_we_are() -> None:
    urls = (
        "amqp://a:secret@one/",
        "amqp://b:eyJ.secret@two/",
        "amqps://c@three/?auth=EXTERNAL",
        "amqp://four/",
        "amqp://d:eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhbm4ifQ.c2ln@five/",
        "amqp://%C3%A9%40x:secret@six/",
    )
    assert logins(urls) == {"a", "b", "guest", "é@x"}
