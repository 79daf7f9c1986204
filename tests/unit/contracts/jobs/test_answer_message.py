"""An answer that is written is read as the command that it was."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.contracts.samples import FULLEST, JSON_VALUES, SMALLEST
from zeebe_amqp.amqp.properties import Properties
from zeebe_amqp.commands import COMMANDS, Command, CompleteJob, FailJob, ThrowError, UpdateJobTimeout
from zeebe_amqp.errors import InvalidArgument
from zeebe_amqp.jobs.answer_message import OUTCOMES, write_answer
from zeebe_amqp.jobs.answers import AnswerMessage, GivenOut, Outcome, to_command

KEY = 2251799813685250
JOB = GivenOut(key=KEY, retries=3, type="charge-card")
TRACE = {"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}

TEXTS = st.text()
VARIABLES = st.none() | st.dictionaries(st.text(), JSON_VALUES, max_size=3).map(
    lambda found: msgspec.Raw(msgspec.json.encode(found))
)
BACK_OFFS = st.none() | st.integers(1, 10**9)
COMMANDS_OF_JOBS = st.one_of(
    st.builds(CompleteJob, job_key=st.just(KEY), variables=VARIABLES),
    st.builds(
        FailJob,
        job_key=st.just(KEY),
        retries=st.integers(-(2**31), 2**31 - 1),
        error_message=TEXTS,
        retry_back_off=BACK_OFFS.map(lambda found: found and timedelta(milliseconds=found)),
        variables=VARIABLES,
    ),
    st.builds(
        ThrowError,
        job_key=st.just(KEY),
        error_code=st.text().filter(str.strip),
        error_message=TEXTS,
        variables=VARIABLES,
    ),
    st.builds(
        UpdateJobTimeout, job_key=st.just(KEY), timeout=st.integers(1, 10**9).map(lambda n: timedelta(milliseconds=n))
    ),
)


def over_the_wire(command: Command, trace: Mapping[str, str] = TRACE) -> tuple[AnswerMessage, Properties]:
    """The answer as it arrives, and its properties."""
    body, written = write_answer(command, "1.id", 1.5, trace)
    found = Properties.read(written.write())
    return AnswerMessage(body, found.type, found.content_type, found.headers or {}), found


def wire(command: Command) -> Any:
    """A command as the service has it; a duration can be said in several ways."""
    return command.from_wire(command.to_wire()[0], {}).to_wire()


@given(COMMANDS_OF_JOBS)
def test_what_was_written_is_read_as_the_same_command(command: Command) -> None:
    try:
        message, _ = over_the_wire(command)
    except InvalidArgument:  # a surrogate, a number beyond a double, a blank code: the service would not take it either
        return
    assert wire(to_command(message, JOB)) == wire(command)


def test_every_field_of_every_command_of_a_job_comes_over() -> None:
    for kind in OUTCOMES:
        for samples in (SMALLEST, FULLEST):
            data = {**samples[kind.operation], "jobKey": KEY}
            command = COMMANDS[kind.operation].from_wire(msgspec.json.encode(data), {})
            message, _ = over_the_wire(command)
            assert wire(to_command(message, JOB)) == wire(command), (kind, data)
    assert list(OUTCOMES.values()) == list(Outcome)


def test_an_answer_is_persistent_and_has_the_id_of_its_job_and_the_trace() -> None:
    _, found = over_the_wire(CompleteJob(job_key=KEY))
    assert (found.delivery_mode, found.correlation_id, found.timestamp, found.type) == (2, "1.id", 1, "complete")
    assert (found.content_type, dict(found.headers or {})) == ("application/json", TRACE)
    assert found.reply_to is None


def test_what_the_service_would_refuse_is_not_written() -> None:
    for command, field in (
        (CompleteJob(job_key=KEY, variables=msgspec.Raw(b"[]")), "data.variables"),
        (ThrowError(job_key=KEY, error_code=" "), "data.errorCode"),
        (UpdateJobTimeout(job_key=KEY, timeout="0s"), "data.timeout"),
    ):
        with pytest.raises(InvalidArgument, match=field):
            write_answer(command, "1.id", 0)
