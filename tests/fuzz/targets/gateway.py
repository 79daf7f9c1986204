"""What a gateway, a Camunda 7 or something before them answers: an error for the caller, of bounded size."""

from __future__ import annotations

import json
from collections.abc import Iterator

from consumer.camunda7 import failures as camunda7
from consumer.config import Zeebe
from consumer.core import foreign_text
from consumer.zeebe import failures, hints
from consumer.zeebe.protocol import since
from tests.fuzz.inputs import joined, number, parts, text
from tests.fuzz.target import Target
from zeebe_amqp.client import answers
from zeebe_amqp.commands import Topology
from zeebe_amqp.errors import Code, CommandError
from zeebe_amqp.reply import Reply

__all__ = ["CAMUNDA7", "GATEWAY", "check_error"]

CODES = tuple(Code)
LIMIT = 4 * foreign_text.TEXT_LIMIT
"""Bytes of what an error says in other people's words."""
ZEEBE = Zeebe()
HOSTS = ("10.11.12.13", "gw-7.internal", "fd00:1:2::9", "broker-1")
"""Of the engine's machines, with a port."""


def check_error(error: CommandError, limit: int = LIMIT) -> None:
    """The caller can be told, and reads what the service means."""
    told = Reply("topology", error=error.error())
    body = told.encode()
    assert len(body) < 8 * limit, len(body)
    assert len(error.message.encode(errors="replace")) < limit
    found = Reply.decode(body)
    assert found.error is not None
    assert found.error == told.error
    try:
        answers.read(Topology(), body)
    except CommandError as read:
        assert (read.code, read.outcome, read.retryable) == (error.code, error.outcome, error.retryable)
    else:
        raise AssertionError("an error was read as a result")


def read_gateway(data: bytes) -> None:
    """A status and its text."""
    status, told = parts(data, 2)
    code, words = CODES[number(status) % len(CODES)], text(told)
    failure = failures.Failure.of(code, words)
    for unsure in (False, True):
        error = failures.error(failure, attempts=2, unsure=unsure)
        assert error.code is failure.code
        check_error(error)
    names_no_host(code, words)
    failures.partition(words)
    since.parse.__wrapped__(words)
    assert len(hints.hint(words, ZEEBE)) < 1000


def names_no_host(code: Code, words: str) -> None:
    """The engine's rejection is told whole and so is what is quoted, which is a caller's; nothing else names a host."""
    if "'" in words or '"' in words:
        return
    host = HOSTS[len(words) % len(HOSTS)]
    address = f"[{host}]:26500" if "::" in host else f"{host}:26500"
    for said in (f"{words} {address}", f"{address} {words}"):
        assert host not in failures.error(failures.Failure.of(code, said)).message, said
        assert host not in foreign_text.redact(said)


def read_camunda7(data: bytes) -> None:
    """A status, a content type and a body."""
    status, kind, body = parts(data, 3)
    answer = camunda7.Answer(100 + number(status) % 900, text(kind), body, "POST /signal")
    check_error(camunda7.error(answer))


def gateway_seeds() -> Iterator[bytes]:
    """Every rule's own text."""
    for place, code in enumerate(CODES):
        for rule in failures.RULES:
            if rule.status in (None, code):
                yield joined(bytes((place,)), rule.pattern.replace("\\", "").replace("(", "").replace(")", ""))
    yield joined(b"\5", "Command 'CREATE' rejected with code 'NOT_FOUND': Expected to find process 'order'")
    yield joined(
        b"\x0d", "failed to connect to all addresses; last error: UNAVAILABLE: ipv4:10.0.0.1:26500: Connection refused"
    )
    yield joined(
        b"\x0d",
        "upstream connect error or disconnect/reset before headers. reset reason: connection failure, gw.local:26500",
    )


def camunda7_seeds() -> Iterator[bytes]:
    """Refusals, pages and nothing."""
    refusal = json.dumps({"type": "RestException", "message": "Execution 'a' has not subscribed to a signal event"})
    for status in (100, 104, 200, 300, 301, 303, 329, 400, 402, 404):
        yield joined(status.to_bytes(2, "big"), "application/json", refusal)
        yield joined(status.to_bytes(2, "big"), "text/html", "<html>")


WORDS = (
    b"Command '", b"' rejected with code '", b"EXCEEDED_BATCH_RECORD_SIZE'", b"ipv6:%5B::1%5D:26500", b"[::1]:26500",
    b"a.b:1",
    b"dns:///", b"Received http2 header with status: ", b"Expected to execute command on partition ", b"\xed\xa0\x80",
    b"\0",
    b"9" * 20, b'{"message":', b'{"type":', b"\xff\xfe", b'"\\ud800"', b"charset=utf-16", b"charset=idna",
    b"; charset=",
    b"unicode_escape", b"Execution '", b"8.5.0", b"Connection refused",
)  # fmt: skip

GATEWAY = Target("gateway", read_gateway, gateway_seeds, WORDS)
CAMUNDA7 = Target("camunda7", read_camunda7, camunda7_seeds, WORDS, share=0.5)
