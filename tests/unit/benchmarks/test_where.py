"""A look at the service belongs to one room, and CPU time is divided like the looks."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from benchmarks import where
from benchmarks.where import Thread

ROOT = Path(__file__).parents[3]
BELOW = ("thread (7): MainThread", "_run (consumer/cli.py:111)", "Runner.run (asyncio/runners.py:118)")
STACKS = {
    (): where.REST,
    ("QueueWorker._run (consumer/pipeline/worker.py:1)", "timeout (asyncio/timeouts.py:9)"): "pipeline",
    ("Connection.__reader (aiormq/connection.py:1)", "StreamReader.readexactly (asyncio/streams.py:1)"): where.IN,
    ("Connection.__reader (aiormq/connection.py:1)", "by_type (pamqp/decode.py:1)"): where.IN,
    ("Connection.__writer (aiormq/connection.py:1)", "StreamWriter.write (asyncio/streams.py:1)"): where.OUT,
    ("Publisher.publish (consumer/rabbitmq/publisher.py:1)", "Frame.marshal (pamqp/base.py:1)"): where.OUT,
    ("FutureStore.add (aiormq/base.py:1)",): "frames, either way",
    ("Requests.measure (consumer/telemetry/requests.py:1)", "decode (zeebe_amqp/envelope.py:1)"): "decode",
    ("execute (consumer/pipeline/handler.py:1)", "_creation (consumer/zeebe/operations/instances.py:1)"): "map",
    ("ZeebeEngine._attempt (consumer/zeebe/client.py:1)", "Call._invoke (grpc/aio/_call.py:1)"): "gRPC",
    ("Ledger.claim (consumer/ledger/ledger.py:1)", "uuid4 (uuid.py:1)"): "ledger",
    ("Recorder.command (consumer/security/audit_record.py:1)", "hexdigest (hashlib.py:1)"): "audit",
    ("Histogram.record (consumer/telemetry/series.py:1)",): "telemetry",
    ("Reply.encode (zeebe_amqp/reply.py:1)",): "encode",
    ("Tap.data_received (zeebe_amqp/amqp/tap.py:1)", "unpack (struct.py:1)"): where.IN,
    ("Channel.publish (zeebe_amqp/amqp/tap.py:1)", "encoded (zeebe_amqp/amqp/frames.py:1)"): where.OUT,
}
"""What stands above the event loop, and the room."""


def test_a_look_belongs_to_the_room_of_the_innermost_frame_that_has_one() -> None:
    for stack, room in STACKS.items():
        assert where.room((*BELOW, *stack)) == room, stack


def test_every_room_is_shown_and_can_be_reached() -> None:
    assert {*where.ROOMS.values(), *where.OUTER.values(), *where.THREADS.values(), where.REST} == {*where.ORDER}


def test_every_module_of_the_service_belongs_to_a_room() -> None:
    """Of the house and of what it takes from the contract; the command line and the checks are no part of a command."""
    files, folders = (
        "cli|check|job_list|ledger_commands|lookup|health|permission_list|table|work",
        "config|console|dead_letters|doctor|inquiry|jobs|policy_commands",
    )
    aside = rf"consumer/({files}|({folders})/|__)"
    for file in (ROOT / "consumer").rglob("*.py"):
        path = str(file.relative_to(ROOT))
        if not where.re.match(aside, path):
            assert where.room((*BELOW, f"function ({path}:1)")) != where.REST, path


def test_looks_are_counted_by_thread() -> None:
    lines = [
        ";".join((*BELOW, "decode (zeebe_amqp/envelope.py:1)")) + " 3",
        ";".join((*BELOW, "decode (zeebe_amqp/envelope.py:9)")) + " 2",
        "thread (8): ledger;Worker._run (consumer/ledger/thread.py:1) 4",
        "process 1: something else 9",
    ]
    assert where.looks(lines) == {7: Counter({"decode": 5}), 8: Counter({"ledger": 4})}


def test_time_is_divided_like_the_looks_and_none_is_lost() -> None:
    used = {7: Thread("python", 8.0), 8: Thread("event_engine", 1.5), 9: Thread("libuv-worker", 0.5)}
    divided = where.divided(used, {7: Counter({"decode": 3, "ledger": 1})})
    assert divided == pytest.approx({"decode": 6.0, "ledger": 2.0, "gRPC": 1.5, where.REST: 0.5})
