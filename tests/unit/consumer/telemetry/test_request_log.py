"""What the log says of each request that ended: enough to find out why there was no answer, and no more."""

from __future__ import annotations

import logging
from functools import partial
from typing import Any
from unittest.mock import Mock

import pytest

from consumer.core.call import Call
from consumer.pipeline.ending import Ending
from consumer.telemetry import request_log
from consumer.telemetry.request_log import MAX_KINDS, MAX_LINES, RequestLog
from tests.cases import for_each
from tests.unit.consumer.errors import failed
from tests.unit.consumer.jobs.answered import IDS, JOB
from tests.unit.consumer.telemetry.requests import TRACE, incoming
from tests.unit.consumer.workers import until
from zeebe_amqp.commands import Topology
from zeebe_amqp.errors import Code, Outcome
from zeebe_amqp.reply import Reply

arrived = partial(incoming, reply_to="replies")
error = partial(failed, message="no such job")
FAILED = Reply("complete-job", error=error())
UNKNOWN = Reply("create-instance", error=error(Code.DEADLINE_EXCEEDED, outcome=Outcome.UNKNOWN))
UNREAD = Reply(None, error=error(Code.INVALID_ARGUMENT))
DONE = Reply("topology", {})


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> RequestLog:
    caplog.set_level(logging.DEBUG, request_log.__name__)
    return RequestLog(lambda _: TRACE)


@for_each([
    (DONE, Ending.SETTLED, "DEBUG request.done topology: OK"),
    (FAILED, Ending.SETTLED, "INFO request.failed complete-job: NOT_FOUND, no such job"),
    (UNREAD, Ending.SETTLED, "INFO request.failed a request: INVALID_ARGUMENT, no such job"),
    (UNKNOWN, Ending.SETTLED, "WARNING request.unknown create-instance: DEADLINE_EXCEEDED, no such job"),
    (FAILED, Ending.DEAD_LETTERED, "WARNING request.dead_lettered complete-job: NOT_FOUND, no such job; "
                                   "it is in the dead-letter queue"),
    (DONE, Ending.DROPPED, "WARNING reply.dropped topology: OK; reply queue 'replies': it is full; "
                           "the reply is dropped"),
])  # fmt: skip
async def test_every_ending_is_one_line(reply: Reply, ending: Ending, said: str, log: RequestLog, caplog: Any) -> None:
    caplog.clear()
    log(arrived(), reply, ending, "it is full")
    [record] = caplog.records
    assert f"{record.levelname} {vars(record)['event']} {record.message}" == said


async def test_no_line_has_what_proves_that_an_answer_is_for_a_job(log: RequestLog, caplog: Any) -> None:
    whole = IDS.write(JOB)
    log(arrived(message_id=whole, correlation_id=whole), FAILED, Ending.SETTLED)
    fields = vars(caplog.records[0])
    assert fields["request_id"] == fields["correlation_id"] == whole[:-22] + "…"
    assert whole not in str(fields)


async def test_a_line_has_what_a_search_begins_with(log: RequestLog, caplog: Any) -> None:
    delivery = arrived(message_id="m-1", correlation_id="c-1", app_id="shop", user_id="alice")
    delivery.call = Call(Topology(), sent=True, attempts=2)
    log(delivery, UNKNOWN, Ending.SETTLED)
    fields = vars(caplog.records[0])
    assert 0 <= fields["duration"] < 60
    names = {"request_id": "m-1", "correlation_id": "c-1", "app_id": "shop", "user_id": "alice", "trace_id": TRACE}
    where = {"operation": "create-instance", "queue": "zeebe.commands", "reply_to": "replies"}
    ended = {"code": "DEADLINE_EXCEEDED", "outcome": "unknown", "attempts": 2}
    assert {**names, **where, **ended}.items() <= fields.items()


async def test_attempts_that_sent_nothing_count_and_no_number_is_a_request_id(log: RequestLog, caplog: Any) -> None:
    failed = Reply("topology", error=error(Code.UNAVAILABLE, details={"attempts": 5}))
    log(arrived(headers={"request-id": 7}), failed, Ending.SETTLED)
    assert vars(caplog.records[0])["attempts"] == 5
    assert "request_id" not in vars(caplog.records[0])


async def test_long_texts_are_cut_and_secrets_masked_before(log: RequestLog, caplog: Any) -> None:
    secret = "x" * (request_log.MAX_REASON - 25) + " amqp://user:secret-password@host"
    log(arrived(), Reply("x" * 1000, error=error(Code.UNIMPLEMENTED)), Ending.SETTLED)
    log(arrived(), Reply("a", error=error(message="y" * 9000)), Ending.SETTLED)
    log(arrived(reply_to="z" * 255), DONE, Ending.DROPPED, "it is full")
    log(arrived(), Reply("a", error=error(message=secret)), Ending.SETTLED)
    assert [len(record.message) for record in caplog.records[:3]] == [228, 214, 262]
    assert "secr" not in caplog.records[3].message


async def test_what_comes_in_floods_is_counted(log: RequestLog, caplog: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr(request_log, "WINDOW", 0.05)
    for _ in range(MAX_LINES + 7):
        log(arrived(), FAILED, Ending.SETTLED)
        log(arrived(reply_to="full"), DONE, Ending.DROPPED, "it is full")
    log(arrived(reply_to="other"), DONE, Ending.DROPPED, "it is full")
    assert len(caplog.records) == 2 * MAX_LINES + 1
    await until(lambda: len(caplog.records) == 2 * MAX_LINES + 3)
    assert [(record.message, vars(record)["left_out"]) for record in caplog.records[-2:]] == [
        ("request.failed NOT_FOUND: 7 more within a minute", 7),
        ("reply.dropped OK to 'full': 7 more within a minute", 7),
    ]
    for _ in range(MAX_LINES + 1):
        log(arrived(), FAILED, Ending.SETTLED)
    assert caplog.records[-1].message == "complete-job: NOT_FOUND, no such job"
    log.close()
    assert caplog.records[-1].message == "request.failed NOT_FOUND: 1 more within a minute"


async def test_the_windows_are_bounded_however_many_queues_there_are(log: RequestLog, caplog: Any) -> None:
    for number in range(MAX_KINDS + 100):
        log(arrived(reply_to=f"gone-{number}"), DONE, Ending.DROPPED, "it does not exist")
    lines = [record for record in caplog.records if record.name == request_log.__name__]
    assert (len(log._windows), len(lines)) == (MAX_KINDS + 1, MAX_KINDS + MAX_LINES)


async def test_success_costs_nothing_where_nobody_reads_it(caplog: Any) -> None:
    caplog.set_level(logging.INFO, request_log.__name__)
    RequestLog(trace_id := Mock())(arrived(), DONE, Ending.SETTLED)
    trace_id.assert_not_called()
    assert not caplog.records
