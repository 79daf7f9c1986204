"""Whoever may write to the dead-letter queue cannot speak for anybody else: not of a sender, not of a reason."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import aio_pika
import pytest_asyncio
from yarl import URL

from consumer.core.key_file import NAME
from consumer.dead_letters.queue import MAX_RETURNS
from scripts.rabbitmq import RabbitMQ
from tests.integration.broker_control import authorize
from tests.integration.caller import Caller
from tests.integration.dead_letter_queue import REASON, DeadLetterQueue
from tests.integration.rawamqp import RawPublisher, content, entry, table, text
from tests.integration.service import ConsumerSetup, eventually, running_service
from zeebe_amqp import wire

FAILS = b'{"operation":"no-such-operation"}'
ALL_TYPES: dict[str, Any] = {
    "text": "ä", "yes": True, "tiny": -7, "small": 300, "usual": 70_000, "large": 2**40, "half": 0.5, "none": None,
    "list": [1, "x", [None, {"b": 1}]], "table": {"z": 1, "a": {"c": "d"}}, "time": datetime(2026, 1, 2, tzinfo=UTC),
    "sum": Decimal("1.10"), "array": bytearray(b"x"), wire.DEADLINE: 2**41, "timestamp_in_ms": 5, "x-shovelled": [{}],
}  # fmt: skip


@pytest_asyncio.fixture
async def users(own_rabbitmq: RabbitMQ) -> AsyncIterator[dict[str, str]]:
    """The addresses of two users who may do everything; the service is a third."""
    found = {}
    for name in ("carol", "trudy"):
        await asyncio.to_thread(authorize, own_rabbitmq, "add_user", name, "secret")
        await asyncio.to_thread(authorize, own_rabbitmq, "set_permissions", name, "/", ".*", ".*", ".*")
        found[name] = str(URL(own_rabbitmq.url).with_user(name).with_password("secret"))
    yield found
    for name in found:
        await asyncio.to_thread(authorize, own_rabbitmq, "delete_user", name)


@pytest_asyncio.fixture
async def service(own_rabbitmq: RabbitMQ, dead: DeadLetterQueue, tmp_path: Path) -> AsyncIterator[ConsumerSetup]:
    """A service that made its own key, which holds little in memory, and the commands beside it."""
    few = {"SIGNING_KEYS": "", "AMQP_MAX_HELD_BYTES": str(1 << 20)}
    async with running_service(tmp_path, own_rabbitmq.url, **few) as running:
        dead.signing_keys, dead.state_dir = (), running.consumer.directory / "state"
        dead.request_queue = running.consumer.queues[0]
        yield running


async def bury(service: ConsumerSetup, url: str, body: bytes = FAILS, **properties: Any) -> aio_pika.IncomingMessage:
    """Have a request fail for good; its letter."""
    before = len(service.dead_letters.messages)
    async with Caller(url, *service.consumer.queues) as caller:
        await caller.publish(body, reply_to=None, **properties)
    await eventually(lambda: len(service.dead_letters.messages) > before, "it is dead")
    return service.dead_letters.messages[before]


async def publish(url: str, exchange: str, key: str, message: aio_pika.Message) -> None:
    connection = await aio_pika.connect(url)
    async with connection:
        channel = await connection.channel()
        found = await channel.get_exchange(exchange) if exchange else channel.default_exchange
        await found.publish(message, key)


def copy_of(letter: aio_pika.IncomingMessage, **changed: Any) -> aio_pika.Message:
    names = ("content_type", "content_encoding", "priority", "correlation_id", "reply_to", "message_id", "timestamp")
    kept: dict[str, Any] = {name: getattr(letter, name) for name in (*names, "type", "app_id", "headers")}
    return aio_pika.Message(**{"body": letter.body, **kept, **changed})


async def test_a_letter_with_every_type_of_header_is_verified_and_runs_for_its_sender_alone(
    service: ConsumerSetup, dead: DeadLetterQueue, users: dict[str, str]
) -> None:
    sent = {"user_id": "carol", "message_id": "m", "type": "t", "priority": 3, "content_type": "application/json"}
    sent |= {"timestamp": datetime.fromtimestamp(1_700_000_000, UTC), "correlation_id": "c", "app_id": "a"}
    letter = await bury(service, users["carol"], headers=ALL_TYPES, **sent)
    assert (service.consumer.directory / "state" / NAME).stat().st_mode & 0o777 == 0o600
    [row] = (await dead.run("list", "--each")).rows
    assert (row["signature"], row["user"], row["code"]) == ("valid", "carol", "UNIMPLEMENTED")
    assert {name: letter.headers[name] for name in ALL_TYPES} == ALL_TYPES
    for count in (1, 2):  # also the letter of its replay
        ended = await dead.resend("m")
        assert [each["result"] for each in ended.rows] == ["replayed"]
        await eventually(lambda count=count: len(service.dead_letters.messages) > count, "it is dead again")
        [row] = (await dead.run("list", "--each")).rows
        assert (row["signature"], row["user"], row["replays"]) == ("valid", "carol", count)


async def test_a_letter_with_every_tag_of_the_wire_is_verified(service: ConsumerSetup, dead: DeadLetterQueue) -> None:
    """Numbers of few bytes, texts that are none, and times in milliseconds: others write them, and we do not."""
    sizes = {"t": 1, "b": 1, "B": 1, "s": 2, "u": 2, "I": 4, "i": 4, "l": 8, "f": 4, "d": 8, "D": 5}
    entries = [entry(tag.encode(), tag.encode(), b"\x01" * size) for tag, size in sizes.items()]
    entries += [entry(b"S", b"S", text(b"\xff")), entry(b"x", b"x", text(b"\xff")), entry(b"V", b"V", b"")]
    entries += [entry(b"T", b"T", (1_700_000_000_123).to_bytes(8)), entry(b"far", b"T", (2**43).to_bytes(8))]
    entries += [entry(b"A", b"A", text(b"b\x01V")), entry(b"F", b"F", table(entry(b"b", b"s", b"\x01\x02")))]
    async with RawPublisher(service.url) as publisher:
        await publisher.publish(service.consumer.queues[0], FAILS, content(headers=table(*entries)))
    await eventually(lambda: bool(service.dead_letters.messages), "it is dead")
    assert len(service.dead_letters.messages[0].headers) > len(entries)
    for _ in range(MAX_RETURNS + 2):
        [row] = (await dead.run("list", "--each")).rows
        assert row["signature"] == "valid"


async def test_another_user_speaks_for_nobody(
    service: ConsumerSetup, dead: DeadLetterQueue, users: dict[str, str]
) -> None:
    letter = await bury(service, users["carol"], user_id="carol", message_id="m")
    queue = letter.routing_key or ""
    for_carol = {**REASON, wire.ORIGINAL_USER_ID: "carol"}
    forged = {
        "reason and sender": aio_pika.Message(FAILS, headers=for_carol, message_id="1"),
        "under his own name": aio_pika.Message(FAILS, headers=for_carol, message_id="2", user_id="trudy"),
        "another body": copy_of(letter, body=b'{"operation":"topology"}'),
        "another type": copy_of(letter, type="topology"),
        "another sender": copy_of(letter, headers={**letter.headers, wire.ORIGINAL_USER_ID: "bob"}),
        "another reason": copy_of(letter, headers={**letter.headers, wire.ERROR_MESSAGE: "harmless"}),
        "a deadline": copy_of(letter, headers={**letter.headers, wire.DEADLINE: 2**42}),
        "a replay": copy_of(letter, headers={**letter.headers, wire.REPLAYS: 1}),
    }
    assert (await dead.run("drop", "--all", "--yes")).code == 0
    for message in forged.values():
        await publish(users["trudy"], wire.DEAD_LETTER, queue, message)
    await publish(users["trudy"], wire.DEAD_LETTER, service.consumer.queues[1], copy_of(letter))
    await publish(users["trudy"], "", wire.DEAD_LETTER, copy_of(letter))
    rows = (await dead.run("list", "--each")).rows
    assert [row["signature"] for row in rows] == ["unsigned"] * 2 + ["wrong"] * 8
    assert [row["user"] for row in rows] == [None, "trudy"] + [None] * 8
    for _ in range(MAX_RETURNS + 2):  # put anew they are what they were
        assert (await dead.run("list", "--each", "--user", "carol")).rows == []
    code, refused, _ = await dead.resend("--all", "--queue", queue)
    assert (code, {row["result"] for row in refused}) == (1, {"refused"})
    assert all("--unsigned" in row["problem"] for row in refused)
    assert "nothing proves that 'carol' sent it" in refused[0]["problem"]
    # As nobody's request at most.
    before = len(service.dead_letters.messages)
    [row] = (await dead.resend("1", "--unsigned")).rows
    assert row["result"] == "replayed"
    await eventually(lambda: len(service.dead_letters.messages) > before, "it is dead again")
    assert wire.ORIGINAL_USER_ID not in service.dead_letters.messages[-1].headers


async def test_the_services_own_login_proves_no_sender(
    service: ConsumerSetup, dead: DeadLetterQueue, users: dict[str, str]
) -> None:
    """Another program that uses it forges a replay; the service takes it for what that login sent."""
    claimed = {wire.ORIGINAL_USER_ID: "carol", wire.REPLAYS: 1, wire.ORIGINAL_QUEUE: "q"}
    letter = await bury(service, users["carol"], user_id="carol", message_id="m")
    for headers in (claimed, {**claimed, wire.SIGNATURE: letter.headers[wire.SIGNATURE]}):
        again = await bury(service, service.url, user_id="guest", headers=headers)
        assert again.headers[wire.ORIGINAL_USER_ID] == "guest"


async def test_a_large_replay_is_its_senders_only_with_the_body_that_was_signed(
    service: ConsumerSetup, dead: DeadLetterQueue, users: dict[str, str], own_rabbitmq: RabbitMQ
) -> None:
    """It comes in many frames, and waits in a file: its sender is known before its body is there."""
    large = b'{"operation":"no-such-operation","data":"' + b"x" * (4 << 20) + b'"}'
    await bury(service, users["carol"], large, user_id="carol", message_id="m")
    held = f"test.{uuid.uuid4().hex}"
    await dead.channel.declare_queue(held, durable=True)
    before = len(service.dead_letters.messages)
    assert (await dead.resend("m")).code == 0
    await eventually(lambda: len(service.dead_letters.messages) > before, "it is dead again")
    letter = service.dead_letters.messages[-1]
    assert (letter.headers[wire.ORIGINAL_USER_ID], len(letter.body)) == ("carol", len(large))
    # A replay on its way, with another body.
    dead.request_queue = held
    assert (await dead.resend("m", "--queue", held)).code == 0
    [replay] = await dead.sent()
    for size in (10, 1 << 17, 4 << 20):
        body = b'{"operation":"no-such-operation","data":"' + b"y" * size + b'"}'
        forged = await bury(service, service.url, body, user_id="guest", headers=dict(replay.headers))
        assert (forged.headers[wire.ORIGINAL_USER_ID], len(forged.body)) == ("guest", len(body))


async def test_no_header_routes_what_the_service_publishes(
    service: ConsumerSetup, dead: DeadLetterQueue, users: dict[str, str]
) -> None:
    """With CC and BCC a publisher names queues; sent on, they would name them with the service's rights."""
    victim = await dead.channel.declare_queue(f"victim.{uuid.uuid4().hex}", exclusive=True)
    routing = {"CC": [victim.name], "BCC": [victim.name]}
    letter = await bury(service, users["carol"], user_id="carol", message_id="m", headers={**routing, "mine": 1})
    assert not {"CC", "BCC"} & letter.headers.keys()
    assert letter.headers["mine"] == 1
    await victim.purge()  # what its sender had the right to
    # What anybody put into the queue itself, and what the broker gave up, has them still.
    await publish(users["trudy"], wire.DEAD_LETTER, service.consumer.queues[0], aio_pika.Message(
        FAILS, headers={"CC": [victim.name], wire.FAILED_AT: "2026-01-01"}, message_id="other"))  # fmt: skip
    for _ in range(MAX_RETURNS + 2):
        assert set(await dead.ids()) == {"m", "other"}
    before = len(service.dead_letters.messages)
    assert (await dead.resend("--all")).code == 0
    await eventually(lambda: len(service.dead_letters.messages) == before + 2, "both are dead again")
    again = await dead.channel.declare_queue(victim.name, passive=True)
    assert again.declaration_result.message_count == 0


async def test_a_replay_that_the_broker_gives_up_is_still_its_senders(
    dead: DeadLetterQueue, users: dict[str, str]
) -> None:
    await dead.add(headers={wire.REQUEST_ID: "m", wire.ORIGINAL_USER_ID: "carol"})
    assert (await dead.resend("m")).code == 0
    await dead.exhaust()
    for _ in range(MAX_RETURNS + 2):  # put anew, too
        [row] = (await dead.run("list", "--each")).rows
        assert (row["code"], row["signature"], row["user"]) == ("delivery_limit", "valid", "carol")
    assert (await dead.resend("m")).code == 0
    [again] = await dead.sent()
    assert (again.headers[wire.ORIGINAL_USER_ID], again.headers[wire.REPLAYS]) == ("carol", 2)


async def test_keys_are_changed_one_after_the_other(dead: DeadLetterQueue) -> None:
    await dead.add(headers={wire.REQUEST_ID: "m", wire.ORIGINAL_USER_ID: "carol"})
    [old], new = dead.signing_keys, b"n" * 32
    said = {}
    for keys in ((old,), (new, old), (new,), ()):
        dead.signing_keys = keys
        [row] = (await dead.run("list", "--each")).rows
        [again] = (await dead.run("replay", "m", "--dry-run")).rows
        said[keys] = (row["signature"], row["user"], again.get("problem", "").partition(":")[0])
    assert said == {
        (old,): ("valid", "carol", ""),
        (new, old): ("valid", "carol", ""),
        (new,): ("wrong", None, "its signature is wrong, or of an unknown key"),
        (): ("wrong", None, "no signing key is here"),
    }
