"""Lines of the log: whatever a stranger sent is in them, each stays one line that every reader takes."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Iterator

from consumer.telemetry import logs
from tests.fuzz.inputs import joined, parts, text
from tests.fuzz.target import Target

__all__ = ["LOG"]

OURS = "2026-01-01T00:00:00.000Z INFO    consumer.app: "
"""How a line of ours begins."""


def read(data: bytes) -> None:
    """The text of an error and the value of a field."""
    said, value = map(text, parts(data, 2))
    for formatter in (logs.TextLines(), logs.JsonLines()):
        try:
            raise ValueError(said)
        except ValueError:
            error = sys.exc_info()
        record = logging.LogRecord("consumer.app", logging.ERROR, "a.py", 1, "%s of %r", (said, value), None)
        traced = logging.LogRecord("consumer.app", logging.ERROR, "a.py", 1, "defect", (), error)
        for each in (record, traced):
            each.queue, each.user = value, said
            logs.Masked().filter(each)
            line, *more = formatter.format(each).split("\n")
            if isinstance(formatter, logs.JsonLines):
                assert not more
                assert json.loads(line)["logger"] == "consumer.app"
            assert line.isprintable() or isinstance(formatter, logs.JsonLines)
            assert len(line) < 1000 + 30 * len(data) or each is traced
            # What follows is a traceback, and nothing in it passes for a line of ours.
            assert all(part.startswith("  ") and part.replace("\t", "").isprintable() for part in more), more


def seeds() -> Iterator[bytes]:
    """What strangers send, and what pretends to be ours."""
    yield joined("no such process", "zeebe.commands")
    yield joined(f"a\n{OURS}all is well", f"b\r{OURS}")
    yield joined("amqp://user:hunter2@host/ password=hunter2", "Bearer hunter2")
    yield joined("\x1b[2J\u2028\u202e\x85", "a=b c=d")


WORDS = (
    b"\n",
    b"\r",
    b"\x85",
    b"\xe2\x80\xa8",
    b"\x1b[2J",
    b"%s",
    b"%",
    b"{",
    b"://a:b@",
    b"password=",
    b"Basic ",
    b"\xff",
)

LOG = Target("log", read, seeds, WORDS)
