"""Dead letters: whoever wrote them, each can be shown, counted and judged, and is sent again or stays where it is."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace

import orjson
from rich.cells import cell_len

from consumer.core.message import Message, Reply
from consumer.core.seal import Seal, digest_of
from consumer.dead_letters.group import MAX_REASON, fold
from consumer.dead_letters.letter import DeadLetter, Filter, Signature
from consumer.dead_letters.queue import read_letter
from consumer.dead_letters.view import details, is_called, letter_lines, pretty, row
from consumer.rabbitmq.properties import dead_letter_properties
from tests.fuzz.inputs import joined, parts
from tests.fuzz.target import Target
from tests.fuzz.targets import properties as deliveries
from tests.integration.rawamqp import content, entry, short, table
from tests.integration.rawamqp import text as long
from tests.unit.consumer.errors import failed
from tests.unit.contracts.samples import smallest
from zeebe_amqp import wire
from zeebe_amqp.amqp.properties import Properties
from zeebe_amqp.amqp.table import encoded_size, write_table
from zeebe_amqp.client import answers
from zeebe_amqp.commands import COMMANDS
from zeebe_amqp.errors import CommandError

__all__ = ["LETTER", "REPLY"]

ASKED = [*map(smallest, COMMANDS)]
"""A command of each operation; their replies differ."""
SEAL = Seal((b"k" * 32,))


def read(data: bytes) -> None:
    """The properties of a message in the dead-letter queue, the queue that it died in, and its body."""
    header, origin, body = parts(data, 3)
    message = deliveries.incoming(header, body)
    key = origin[:255]
    message.method = b"\0\x3c\0\x47" + bytes(9) + b"\0" + bytes((len(key),)) + key + bytes(4)
    letter = read_letter(message, ["service"], SEAL)
    check_shown(letter)
    check_filter(letter)
    for headers in (
        letter.renewed(),
        letter.replayed("zeebe.commands", letter.sender),
        letter.replayed("q", None, keep_deadline=False),
    ):
        if any(encoded_size(name, value) is None for name, value in headers.items()):
            continue  # the command says so, and it stays
        for written in (letter.written_properties, letter.replayed_properties):
            again = Properties.read(replace(written, headers=headers).write())
            assert not again.malformed
            assert not {"CC", "BCC"} & set(again.headers or {})


def check_shown(letter: DeadLetter) -> None:
    """What is told of it."""
    told = row(letter)
    json.loads(orjson.dumps(told, default=str))
    assert told["signature"] in (None, *Signature)
    assert letter.ours is (told["signature"] is Signature.VALID) or letter._is_our_replay
    for width in (24, 80):
        assert all(cell_len(line) <= width for line in letter_lines(told, width))
    details(letter)
    assert len(pretty(letter.body)) <= 40 * len(letter.body) + 100
    assert is_called(letter, letter.id)
    assert len(fold(told["message"] or "")) <= MAX_REASON
    assert letter.replays >= 0
    assert letter.returns >= 0
    assert not letter.is_doubtful or letter.signature is not Signature.VALID


def check_filter(letter: DeadLetter) -> None:
    """Every question has an answer."""
    assert Filter().matches(letter)
    assert Filter(ids=frozenset((letter.id,))).matches(letter)
    Filter(older_than=1.0, newer_than=5.0, operation="topology", code="x", origin="q", user="alice").matches(letter)
    letter.expired()
    assert letter.request_id is None or len(letter.request_id.encode("utf-8", "surrogatepass")) <= wire.MAX_TEXT


def read_reply(data: bytes) -> None:
    """The body of a reply, as a caller gets it."""
    for command in ASKED:
        with suppress(CommandError):
            answers.read(command, data)
    with suppress(ValueError):
        Reply.decode(data).encode()


def seeds() -> Iterator[bytes]:
    """Letters of ours, of the broker's, of forgers."""
    for user in (None, "alice"):
        request = Message(
            b"{}", queue="zeebe.commands", user_id=user, headers={"request-id": "r", "a": [1]}, timestamp=1_700_000_000
        )
        letter = dead_letter_properties(request, Reply("topology", error=failed()), SEAL, digest_of(b"{}"))
        yield joined(letter.write(), "zeebe.commands", b"{}")
        yield joined(letter.write(), wire.DEAD_LETTER, b"{}")
        yield joined(letter.write(), "other", b"[]")
    death = {"x-death": [{"queue": "zeebe.commands", "reason": "delivery_limit", "count": 3}], "x-delivery-count": 21}
    yield joined(
        Properties(headers=death, user_id="bob", timestamp=2**31).write(), "zeebe.commands", b'{"operation":"topology"}'
    )
    forged = {
        "failed-at": "2026-01-01",
        "error-code": "X",
        "error-message": "m",
        "original-user-id": "alice",
        "replays": 3,
    }
    yield joined(
        Properties(headers={**forged, "renewal": "1.x", "truncated": True, "original-size": 9}).write(), "", b""
    )
    yield joined(
        content(headers=table(entry(b"failed-at", b"S", long(b"9999-12-31T23:59:59"))), user_id=short(b"service")),
        "q",
        b"x",
    )


def reply_seeds() -> Iterator[bytes]:
    """Results and errors."""
    for operation in COMMANDS:
        yield Reply(operation, {"key": 1}).encode()
    yield Reply("topology", error=failed(details={"field": "a"})).encode()


WORDS = (
    *(short(name.encode()) + b"S" for name in (wire.FAILED_AT, wire.ERROR_MESSAGE, wire.SIGNATURE, wire.RENEWAL)),
    short(wire.ORIGINAL_QUEUE.encode()) + b"S", short(b"x-death") + b"S",
    write_table({"x-death": [{"queue": "q", "reason": "expired", "time": 5}]})[4:], write_table({"x-death": ["a"]})[4:],
    b"0001-01-01T00:00:00+23:59", b"9999-12-31T23:59:59-23:59", b"2026-W01-1", b"\x1b[2J", b"\xe2\x80\xae",
    b"\xed\xa0\x80", b"T" + b"\xff" * 8,
    b"T" + bytes(8), b"service", b"l" + b"\x7f" + b"\xff" * 7, b'{"operation":', b"zeebe.dead", b"\xff\xff",
    b"\x20\0",
)  # fmt: skip

LETTER = Target("letter", read, seeds, WORDS, share=2)
REPLY = Target(
    "reply",
    read_reply,
    reply_seeds,
    (b'"error":', b'"data":', b'"code":"NOT_FOUND"', b"null", b'"\xff"', b"[" * 600, b"1e400", b'"\\ud800"'),
)
