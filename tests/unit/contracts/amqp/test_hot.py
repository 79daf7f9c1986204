"""A channel past the library: what comes for it is taken, what goes is answered, and its end is the end of all that."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from pamqp import commands, frame
from pamqp.heartbeat import Heartbeat

from tests.cases import check_each
from tests.unit.contracts.amqp.channels import HotScene
from tests.unit.contracts.amqp.frames import PIECE, ack, closing, delivery, frame_of, nack, returned, split
from zeebe_amqp import wire
from zeebe_amqp.amqp import frames
from zeebe_amqp.amqp.hot import LARGE, ChannelEnded, Nacked, Returned
from zeebe_amqp.amqp.properties import Properties


@pytest.fixture
async def scene() -> HotScene:
    return HotScene()


def states(*confirms: asyncio.Future[None]) -> list[str]:
    """What came of publishes, in words."""
    found = []
    for confirm in confirms:
        error = confirm.exception() if confirm.done() else None
        found.append(type(error).__name__ if error else "taken" if confirm.done() else "waits")
    return found


# --- what comes -------------------------------------------------------------------------------------------------------


async def test_a_delivery_is_handed_on_when_all_of_it_has_come(scene: HotScene) -> None:
    for size in (0, 1, PIECE - 1, PIECE, PIECE + 1, 3 * PIECE):
        scene.delivered.clear()
        data = delivery(8, b"x" * size, message_type="topology", headers={"a": 1})
        whole = split(data)
        for kind, _, payload in whole[:-1]:
            assert scene.channel.take(kind, payload, 0, len(payload)), size
            assert scene.delivered == [], size
        kind, _, payload = whole[-1]
        assert scene.channel.take(kind, payload, 0, len(payload))
        [found] = scene.delivered
        assert (found.tag, found.redelivered, found.size, len(found.body)) == (8, True, size, size)
        assert found.address == ("exchange", "key", 0)
        assert found.properties == Properties(type="topology", headers={"a": 1}), size
        assert found.elsewhere is None


async def test_deliveries_keep_their_order_and_their_bodies_also_with_an_empty_piece(scene: HotScene) -> None:
    bodies = [b"", b"a", b"b" * 10_000, b"", b"c" * PIECE]
    assert scene.receive(b"".join(delivery(tag, body) for tag, body in enumerate(bodies, 1))) == []
    assert [(each.tag, each.body) for each in scene.delivered] == list(enumerate(bodies, 1))
    scene.delivered.clear()
    head = split(delivery(1, b"abc"))[:2]
    for kind, payload in ((1, head[0][2]), (2, head[1][2]), (3, b"a"), (3, b""), (3, b"bc")):
        assert scene.channel.take(kind, payload, 0, len(payload))
    assert scene.bodies == [b"abc"]


async def test_of_a_body_above_the_limit_its_beginning_and_its_size_are_kept() -> None:
    kept_bytes = wire.KEPT_OF_LARGE
    limit = 3 * kept_bytes
    for size, kept in ((limit, limit), (limit + 1, kept_bytes), (20 * kept_bytes, kept_bytes)):
        for piece in (PIECE, 100_000, 20 * kept_bytes):
            scene = HotScene(max_body=limit)
            body = bytes(range(250)) * (size // 250 + 1)
            scene.receive(delivery(1, body[:size], piece) + delivery(2, b"next"))
            assert [(each.size, len(each.body)) for each in scene.delivered] == [(size, kept), (4, 4)], (size, piece)
            assert scene.bodies == [body[:kept], b"next"], (size, piece)


class Spilled:
    """A body that is not in memory."""

    def __init__(self) -> None:
        self.pieces: list[bytes] = []
        self.state = "open"

    def add(self, piece: bytes) -> None:
        assert self.state == "open"
        self.pieces.append(piece)

    def end(self) -> None:
        self.state = "whole"

    def drop(self) -> None:
        self.state = "dropped"


class Spilling:
    """Gathers bodies elsewhere."""

    def __init__(self) -> None:
        self.asked: list[int] = []
        self.bodies: list[Spilled] = []

    def __call__(self, size: int) -> Spilled:
        self.asked.append(size)
        self.bodies.append(Spilled())
        return self.bodies[-1]


async def test_a_large_body_within_the_limit_is_gathered_as_its_owner_wants() -> None:
    for piece in (PIECE, 10 * LARGE):
        spilling = Spilling()
        scene = HotScene(gather=spilling, max_body=2 * LARGE)
        sizes = (0, 10, LARGE, LARGE + 1, 2 * LARGE, 2 * LARGE + 1)
        scene.receive(b"".join(delivery(tag, b"x" * size, piece) for tag, size in enumerate(sizes, 1)))
        assert spilling.asked == [LARGE + 1, 2 * LARGE], piece
        assert [(body.state, b"".join(body.pieces)) for body in spilling.bodies] == [
            ("whole", b"x" * size) for size in spilling.asked
        ]
        assert [each.elsewhere for each in scene.delivered] == [None] * 3 + spilling.bodies + [None], piece
        assert [len(each.body) for each in scene.delivered] == [0, 10, LARGE, 0, 0, wire.KEPT_OF_LARGE], piece


async def test_a_body_that_does_not_come_to_its_end_is_dropped_and_after_the_end_nothing_is_gathered() -> None:
    spilling = Spilling()
    scene = HotScene(gather=spilling)
    scene.receive(b"".join(frame_of(each) for each in split(delivery(1, b"x" * 2 * LARGE))[:-1]))
    scene.channel.end("the connection was lost")
    assert (spilling.bodies[0].state, scene.delivered) == ("dropped", [])
    # What comes later would be there for ever: nobody is told of it.
    assert scene.receive(delivery(1, b"x" * 2 * LARGE)) == []
    assert (len(spilling.bodies), scene.delivered) == (1, [])


async def test_what_is_not_a_message_is_for_the_library(scene: HotScene) -> None:
    for method in (
        commands.Channel.OpenOk(),
        commands.Basic.ConsumeOk("c"),
        commands.Basic.CancelOk("c"),
        commands.Basic.Cancel("c"),
        commands.Basic.QosOk(),
        commands.Confirm.SelectOk(),
        commands.Channel.Flow(active=False),
        Heartbeat(),
    ):
        data = frame.marshal(method, 1)
        assert len(scene.receive(data)) == 1, method
    assert scene.channel.ended is None
    # Content that no message began: a library's own message, such as an answer that is not known here.
    _, *content = split(delivery(1, b"abc"))
    assert len(scene.receive(b"".join(map(frame_of, content)))) == 2
    assert scene.delivered == []


# --- publishing -------------------------------------------------------------------------------------------------------


async def test_publishes_are_counted_from_one_and_written_whole(scene: HotScene) -> None:
    for tag in (1, 2, 3):
        scene.publish()
        assert (scene.channel.published, len(scene.writer.written)) == (tag, tag)
    assert scene.channel.oldest == 1
    for data in scene.writer.written:
        assert [kind for kind, _, _ in split(data)] == [frames.METHOD, frames.HEADER, frames.BODY]


async def test_confirms_are_for_one_or_for_all_before(scene: HotScene) -> None:
    confirms = [scene.publish() for _ in range(8)]
    for data, expected in (
        (ack(2), "waits taken waits waits waits waits waits waits"),
        (nack(1), "Nacked taken waits waits waits waits waits waits"),
        (ack(5, multiple=True), "Nacked taken taken taken taken waits waits waits"),
        (nack(7, multiple=True), "Nacked taken taken taken taken Nacked Nacked waits"),
        (ack(8), "Nacked taken taken taken taken Nacked Nacked taken"),
    ):
        assert scene.receive(data) == []
        assert states(*confirms) == expected.split(), data
    assert scene.channel.oldest is None
    with pytest.raises(Nacked, match="the broker sent a nack"):
        await confirms[0]


async def test_confirms_and_returns_of_what_nobody_knows_are_ignored(scene: HotScene) -> None:
    scene.receive(ack(1) + nack(7) + ack(9, multiple=True))
    first = scene.publish()
    scene.receive(ack(0) + ack(0, multiple=True) + ack(2) + nack(2**63 - 1))
    assert states(first) == ["waits"]
    scene.receive(ack(1) + ack(1) + nack(1))
    assert states(first) == ["taken"]
    second, third = scene.publish("a"), scene.publish()
    scene.receive(ack(2) + returned("a") + returned("z") + returned(None))
    assert states(second, third) == ["taken", "waits"]


async def test_who_does_not_wait_any_more_is_not_told(scene: HotScene) -> None:
    gone, taken, back = scene.publish("a"), scene.publish("b"), scene.publish("c")
    gone.cancel()
    back.cancel()
    scene.receive(ack(1) + returned("c") + nack(3) + ack(2))
    assert (gone.cancelled(), states(taken), back.cancelled()) == (True, ["taken"], True)


async def test_a_message_that_comes_back_is_known_by_its_id_and_its_ack_says_nothing_more(scene: HotScene) -> None:
    confirms = [scene.publish(message_id) for message_id in ("a", "b", "c")]
    assert scene.receive(returned("b", b"x" * 10_000) + ack(3, multiple=True)) == []
    assert states(*confirms) == ["taken", "Returned", "taken"]
    with pytest.raises(Returned, match="NO_ROUTE"):
        await confirms[1]
    assert (scene.channel.oldest, scene.delivered) == (None, [])


async def test_the_same_id_may_be_published_again_after_its_confirm_or_after_its_return(scene: HotScene) -> None:
    first = scene.publish("a")
    scene.receive(ack(1))
    second = scene.publish("a")
    scene.receive(returned("a"))
    third = scene.publish("a")
    scene.receive(ack(2) + returned("a") + ack(3))
    assert states(first, second, third) == ["taken", "Returned", "Returned"]


async def test_nothing_is_remembered_of_what_is_confirmed_or_has_ended(scene: HotScene) -> None:
    for message_id in "abcd":
        scene.publish(message_id)
    scene.receive(ack(1) + returned("b") + nack(3, multiple=True))
    assert (list(scene.channel._unconfirmed), scene.channel._mandatory) == ([4], {"d": 4})
    scene.channel.end("the connection was lost")
    assert (scene.channel._unconfirmed, scene.channel._mandatory) == ({}, {})


async def test_what_cannot_be_written_is_not_counted(scene: HotScene) -> None:
    for properties in (Properties(type="x" * 256), Properties(headers={"a": "x" * 5000}), Properties(priority=-1)):
        with pytest.raises(ValueError, match=r"\d+ .*is accepted|do not fit"):
            scene.channel.publish("", "q", properties, b"", mandatory=True)
    with pytest.raises(TypeError):
        scene.channel.publish("", "q", Properties(headers={"a": object()}), b"")
    assert (scene.channel.published, scene.channel.oldest, scene.writer.written) == (0, None, [])


async def test_whether_the_peer_takes_what_is_written_is_the_writers_word(scene: HotScene) -> None:
    assert scene.channel.is_writable
    scene.writer.is_writable = False
    assert not scene.channel.is_writable
    await scene.channel.writable()


# --- taking -----------------------------------------------------------------------------------------------------------


async def test_deliveries_are_acknowledged_and_given_back(scene: HotScene) -> None:
    assert scene.channel.ack(7)
    assert scene.channel.nack(8)
    assert scene.channel.nack(0, multiple=True)
    assert scene.writer.written == [
        frame.marshal(commands.Basic.Ack(7), 1),
        frame.marshal(commands.Basic.Nack(8, requeue=True), 1),
        frame.marshal(commands.Basic.Nack(0, multiple=True, requeue=True), 1),
    ]


async def test_a_message_is_got_or_there_is_none_and_an_answer_that_nobody_waits_for_is_ignored(
    scene: HotScene,
) -> None:
    empty = frame.marshal(commands.Basic.GetEmpty(""), 1)
    assert scene.receive(empty) == []
    getting = asyncio.create_task(scene.channel.get("q"))
    await asyncio.sleep(0)
    assert scene.writer.written == [frame.marshal(commands.Basic.Get(queue="q"), 1)]
    found = commands.Basic.GetOk(4, True, "exchange", "key", 11)
    scene.receive(frame.marshal(found, 1) + b"".join(map(frame_of, split(delivery(1, b"x" * 10_000))[1:])))
    message = await getting
    assert message is not None
    assert (message.tag, message.redelivered, message.address) == (4, True, ("exchange", "key", 11))
    assert (message.body, scene.delivered) == (b"x" * 10_000, [])
    getting = asyncio.create_task(scene.channel.get("q"))
    await asyncio.sleep(0)
    scene.receive(empty)
    assert await getting is None
    getting = asyncio.create_task(scene.channel.get("q"))
    await asyncio.sleep(0)
    getting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await getting
    assert scene.receive(empty) == []


# --- the end ----------------------------------------------------------------------------------------------------------


async def test_at_the_end_whatever_waits_fails_and_nothing_is_sent_any_more() -> None:
    async def ends_all(end: Callable[[HotScene], object], text: str, code: int | None) -> None:
        scene = HotScene()
        confirms = [scene.publish("a"), scene.publish(), scene.publish("c")]
        scene.receive(ack(2))
        getting = asyncio.create_task(scene.channel.get("q"))
        await asyncio.sleep(0)
        scene.writer.written.clear()
        end(scene)
        assert states(*confirms) == ["ChannelEnded", "taken", "ChannelEnded"]
        for waiting in (confirms[0], getting):
            with pytest.raises(ChannelEnded) as caught:
                await waiting
            assert (str(caught.value), caught.value.code) == (text, code)
        assert (scene.channel.ack(1), scene.channel.nack(1), scene.channel.nack(0, multiple=True)) == (False,) * 3
        for attempt in (scene.publish, lambda: asyncio.ensure_future(scene.channel.get("q"))):
            with pytest.raises(ChannelEnded, match=text):
                await attempt()
        assert (scene.writer.written, scene.channel.oldest) == ([], None)
        scene.channel.end("later")
        assert str(scene.channel.ended) == text, "the first reason counts"

    refused = "the broker closed the channel: 406 PRECONDITION_FAILED"
    cases: dict[str, tuple[Callable[[HotScene], object], str, int | None]] = {
        "left by us": (lambda scene: scene.channel.leave(frames.CLOSE), "the channel is being closed", None),
        "closed by the broker": (lambda scene: scene.receive(closing(406, "PRECONDITION_FAILED")), refused, 406),
        "lost": (lambda scene: scene.channel.end("the connection was lost"), "the connection was lost", None),
    }
    await check_each(cases, ends_all)


async def test_a_confirm_that_nobody_waits_for_ends_silently(scene: HotScene) -> None:
    """Otherwise the loop would complain of an exception that was never retrieved."""
    said: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: said.append(context))
    scene.publish("a")
    scene.channel.end("the connection was lost")
    await asyncio.sleep(0)
    assert said == []


async def test_only_its_own_closing_ends_it(scene: HotScene) -> None:
    for method in (frames.CLOSE_OK, frames.ACK, 20 << 16 | 10, 60 << 16 | 20, 0):
        scene.channel.leave(method)
    assert scene.channel.ended is None


async def test_after_we_close_it_what_still_comes_is_swallowed_until_the_broker_is_done(scene: HotScene) -> None:
    scene.receive(b"".join(map(frame_of, split(delivery(1, b"x" * 10_000))[:3])))
    scene.channel.leave(frames.CLOSE)
    rest = b"".join(map(frame_of, split(delivery(1, b"x" * 10_000))[3:]))
    assert scene.receive(rest + delivery(2, b"y") + delivery(3, b"z" * 10_000) + ack(1) + returned("a")) == []
    assert (scene.delivered, scene.channel.is_gone) == ([], False)
    closed = frame.marshal(commands.Channel.CloseOk(), 1)
    assert len(scene.receive(closed)) == 1, "the library waits for it"
    assert scene.channel.is_gone


async def test_a_channel_that_the_broker_or_what_is_received_closes_is_gone(scene: HotScene) -> None:
    assert len(scene.receive(delivery(1, b"x") + closing())) == 1, "the library hears of it"
    assert (scene.bodies, scene.channel.is_gone) == ([b"x"], True)
    scene = HotScene(deliver=lambda _: scene.channel.end("enough"))
    assert scene.receive(delivery(1, b"x") + delivery(2, b"y")) == []
    assert str(scene.channel.ended) == "enough"
