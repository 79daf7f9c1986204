"""What workers send: it comes to one command for the job, or to a refusal; and no id but ours is taken."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from consumer.config.settings import JobType
from consumer.core.message import Message
from consumer.jobs.answers import UNUSABLE, AnswerDecoder
from consumer.jobs.signed_id import MAX_LENGTH, JobId, SignedIds, hash_type, hide_signature
from consumer.rabbitmq import direct
from consumer.rabbitmq.queue_address import queue_of
from consumer.zeebe.operations import OPERATIONS
from consumer.zeebe.outgoing import serialize
from tests.fuzz.inputs import joined, number, parts, text
from tests.fuzz.target import Target
from tests.fuzz.targets.envelope import headers_of
from zeebe_amqp import wire
from zeebe_amqp.amqp.table import write_table
from zeebe_amqp.commands import CompleteJob, FailJob, ThrowError, UpdateJobTimeout
from zeebe_amqp.errors import Code, CommandError
from zeebe_amqp.jobs.answers import MAX_REASON, Outcome
from zeebe_amqp.jobs.job_message import read_job
from zeebe_amqp.jobs.readings import PLAIN, READINGS

__all__ = ["ANSWER", "ID"]

IDS = SignedIds((b"k" * 32,))
COMMANDS = {
    "complete": CompleteJob,
    "fail": FailJob,
    "error": ThrowError,
    "extend": UpdateJobTimeout,
    UNUSABLE: FailJob,
}
NAMES = tuple(READINGS)
JOBS = {name: JobId(2**51 + 1, 1_700_000_000_000, 3, hash_type(f"type-{name}"), name) for name in READINGS}
DECODER = AnswerDecoder(IDS, [JobType(f"type-{name}", answers=name) for name in READINGS])


def read_answer(data: bytes) -> None:
    """How its framework writes, then type, content type, encoding, headers and body of an answer."""
    reading, kind, content_type, encoding, table, body = parts(data, 6)
    job = JOBS[NAMES[number(reading) % len(NAMES)]]
    named = {"type": kind, "content_type": content_type, "content_encoding": encoding}
    message = Message(
        body,
        correlation_id=IDS.write(job),
        headers=headers_of(table),
        **{name: each.decode(errors="replace") or None for name, each in named.items()},  # type: ignore[arg-type]
    )
    answer = DECODER.results(message, 500, wire.MAX_BODY)
    command: Any = answer.command
    assert command.job_key == job.key
    assert len(answer.digest()) == 32
    assert json.loads(command.to_wire()[0])["jobKey"] == job.key
    assert isinstance(command, COMMANDS.get(answer.outcome, FailJob)), answer.outcome
    if answer.outcome == UNUSABLE:
        assert isinstance(command, FailJob)
        assert command.retries == job.retries - 1
        assert len(command.error_message or "") <= MAX_REASON
        assert (command.error_message or "").replace("\n", "").replace("\t", "").isprintable()
    if isinstance(command, CompleteJob) and command.variables is not None and job.answers == PLAIN:
        assert bytes(command.variables) == body.strip()
    with suppress(CommandError):  # it is too large
        serialize(OPERATIONS[command.operation].to_request(command))
    try:
        undone = DECODER.undone(message, 500, wire.MAX_BODY)
    except CommandError as refusal:
        assert refusal.code is Code.INVALID_ARGUMENT
    else:
        assert undone.job == job
        assert isinstance(undone.command, FailJob)
    with suppress(ValueError, CommandError):
        read_job(body, message.headers)


def read_id(data: bytes) -> None:
    """A text that came as the id of a job, or as the address of a caller."""
    told = text(data)
    job = IDS.read(told)
    assert job is None or IDS.write(job) == told
    hidden = hide_signature(told)
    assert hidden is not None
    assert hidden == told or (len(told) <= MAX_LENGTH and hidden.endswith(".…"))
    for each in JOBS.values():
        # One byte of it changed is another id, and ours are all that is taken.
        written = IDS.write(each)
        at, by = number(data[:2]) % len(written), data[2:3].decode("latin-1") or "x"
        changed = written[:at] + by + written[at + 1 :]
        assert changed == written or IDS.read(changed) is None, changed
    if direct.is_sound(told):
        assert direct.is_direct(told)
        assert told.isascii()
    assert len(queue_of(told)) <= len(told)


def answer_seeds() -> Iterator[bytes]:
    """Answers of every outcome, and those of the frameworks."""
    headers = write_table({"outcome": "fail", "job-result": '{"denied":true}', "x-death": [{"reason": "rejected"}]})[4:]
    bodies = ('{"a":1}', '{"errorMessage":"no","retries":0}', '{"errorCode":"E"}', '{"timeout":"PT5M"}', "", "null")
    framed = (
        '{"result":{"a":1},"error":null}', '{"result":null,"error":{"exc_type":"E","value":"no"}}',
        '{"status":"SUCCESS","result":{}}',
        '{"status":"FAILURE","result":{"exc_type":"E","exc_message":["no"]}}', '{"response":{},"isDisposed":true}',
        '{"err":{"status":"E","message":"no"},"isDisposed":true}', '{"error":{"type":"E","message":"no"}}',
        '{"value":null,"exception":{"class":"E"}}',
    )  # fmt: skip
    for place, _ in enumerate(NAMES):
        for kind, body in zip((*Outcome, "", ""), bodies, strict=True):
            yield joined(bytes((place,)), kind, "application/json", "", "", body)
        for body in framed:
            yield joined(bytes((place,)), "result", "", "", headers, body)
            yield joined(bytes((place,)), "error", "", "", "", body)


def id_seeds() -> Iterator[bytes]:
    """Ids of ours, and addresses of callers."""
    for job in JOBS.values():
        yield IDS.write(job).encode()
    yield b"amq.rabbitmq.reply-to.g1hkAA5yZWFkZXJAcmFiYml0AAAAAQAAAAAAAAAB.key"
    yield b"/queues/a%20b"
    yield b"\0\0A"


WORDS = (
    b'"retries":', b'"retryBackOff":"1s"', b'"variables":{"a":1}', b'"jobKey":1', b'"errorMessage":', b"null",
    b'"\\ud800"', b"\xff", b"[" * 600,
    b'"\xff"', b"complete", b"extend", b'"isDisposed":true', b"\x07outcomeS\0\0\0\5error", b"\njob-resultS\0\0\0\2{}",
    b'"timeout":',
    b"9" * 400, b'{"type":"Buffer","data":[1]}', b"1e400", b" ",
)  # fmt: skip

ANSWER = Target("answer", read_answer, answer_seeds, WORDS, share=2)
ID = Target(
    "job-id", read_id, id_seeds, (b"1.", b".plain.", b"amq.rabbitmq.reply-to.", b"/queues/", b"%ff", b"g1hk"), share=0.5
)
