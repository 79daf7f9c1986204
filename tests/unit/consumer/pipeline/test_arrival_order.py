"""What is about the same thing runs in the order in which it came, and one at a time."""

from __future__ import annotations

import asyncio

from consumer.core.delivery import Delivery, Reply
from consumer.core.limiter import AimdLimit
from consumer.core.message import Message
from tests.unit.consumer.deliveries import FakeDelivery
from tests.unit.consumer.errors import failed
from tests.unit.consumer.workers import OK, FakePublisher, settled, until, worker_of
from zeebe_amqp.errors import Code

AWAY = Reply("topology", error=failed(Code.UNAVAILABLE, retryable=True))


class Bench:
    """A worker of answers; every run takes `turns` of the event loop, by the name of its message."""

    def __init__(self, limit: int = 9, *, answers: bool = True) -> None:
        self.events: list[str] = []
        self.ran: list[str] = []
        self.running: list[str] = []
        self.replies: dict[str, list[Reply]] = {}
        self.held: dict[str, asyncio.Event] = {}
        publisher = FakePublisher(self.events)
        self.worker = worker_of(self._run, publisher, answers=answers, limit=AimdLimit(limit))

    async def _run(self, delivery: Delivery) -> Reply:
        name = str(delivery.message.message_id)
        self.ran.append(name)
        self.running.append(name)
        await (self.held[name].wait() if name in self.held else asyncio.sleep(0))
        self.running.remove(name)
        replies = self.replies.get(name)
        return replies.pop(0) if replies else OK

    def delivered(self, name: str, about: str | None = "job") -> FakeDelivery:
        body = b'{"operation":"topology"}'
        return FakeDelivery(Message(body, correlation_id=about, message_id=name), self.events)


class Slow(FakeDelivery):
    """Its body takes a while."""

    @property
    def large(self) -> bool:
        return True

    async def decode(self) -> None:
        for _ in range(20):
            await asyncio.sleep(0)


async def test_what_comes_while_all_are_busy_does_not_overtake() -> None:
    """Two runs end in one turn of the loop: the first place is given to who waits, the second one is free for all."""
    bench = Bench(limit=2)
    bench.held = {"x": asyncio.Event(), "y": asyncio.Event()}
    for delivery in (bench.delivered("x", "x"), bench.delivered("y", "y"), bench.delivered("first")):
        bench.worker.accept(delivery)
    await until(lambda: bench.running == ["x", "y"])
    for _ in range(5):
        await asyncio.sleep(0)
    bench.held["x"].set()
    bench.held["y"].set()
    bench.worker.accept(bench.delivered("second"))
    await until(lambda: not bench.worker.in_flight)
    assert bench.ran == ["x", "y", "first", "second"]


async def test_what_is_tried_again_is_not_overtaken() -> None:
    bench = Bench()
    bench.replies = {"first": [AWAY, AWAY]}
    await settled(bench.worker, bench.delivered("first"), bench.delivered("second"))
    assert bench.ran == ["first", "first", "first", "second"]


async def test_what_takes_long_to_read_is_not_overtaken() -> None:
    bench = Bench()
    large = Slow(bench.delivered("first").message, bench.events)
    await settled(bench.worker, large, bench.delivered("second"), bench.delivered("third"))
    assert bench.ran == ["first", "second", "third"]


async def test_others_do_not_wait() -> None:
    bench = Bench()
    bench.held = {"first": asyncio.Event()}
    others = [bench.delivered("other", "another job"), bench.delivered("a", None), bench.delivered("b", None)]
    for delivery in (bench.delivered("first"), bench.delivered("second"), *others):
        bench.worker.accept(delivery)
    await until(lambda: bench.worker.in_flight == 2)
    assert sorted(bench.ran) == ["a", "b", "first", "other"]
    bench.held["first"].set()
    await until(lambda: not bench.worker.in_flight)
    assert bench.ran[-1] == "second"


async def test_requests_do_not_wait() -> None:
    bench = Bench(answers=False)
    bench.held = {"first": asyncio.Event()}
    bench.worker.accept(bench.delivered("first"))
    bench.worker.accept(bench.delivered("second"))
    await until(lambda: bench.worker.in_flight == 1)
    assert bench.ran == ["first", "second"]
    bench.held["first"].set()
    await until(lambda: not bench.worker.in_flight)


async def test_stopping_gives_back_what_waits_and_ends_what_runs() -> None:
    bench = Bench()
    bench.held = {"first": asyncio.Event()}
    for name in ("first", "second", "third"):
        bench.worker.accept(bench.delivered(name))
    await until(lambda: bench.running == ["first"])
    for _ in range(5):
        await asyncio.sleep(0)
    asyncio.get_running_loop().call_later(0.01, bench.held["first"].set)
    assert await bench.worker.stop(30)
    assert bench.ran == ["first"]
    assert sorted(bench.events) == ["ack", "acknowledged", "give back", "give back"]
