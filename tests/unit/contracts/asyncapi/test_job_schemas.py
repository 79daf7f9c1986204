"""The schemas of jobs and of answers: what is given out is valid, and of answers they take what the codec takes."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.cases import check_all
from tests.unit.contracts.asyncapi.schema import accepted, problems
from zeebe_amqp import asyncapi
from zeebe_amqp.asyncapi.jobs import EXAMPLES
from zeebe_amqp.commands.jobs import ActivatedJob, UserTask
from zeebe_amqp.jobs.answers import AnswerMessage, GivenOut, Outcome, interpret
from zeebe_amqp.jobs.job_message import write_job

KEY = 2251799813685250
JOB = GivenOut(KEY, 3, "charge-card")
TRACE = {"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "tracestate": "vendor=x"}
HEADERS = "job.headers.json"


def job(**more: Any) -> ActivatedJob:
    texts = ("bpmn_process_id", "element_id", "worker", "tenant_id")
    keys = ("key", "process_instance_key", "process_definition_key", "element_instance_key", "deadline")
    given: dict[str, Any] = {**dict.fromkeys(texts, "text"), **dict.fromkeys(keys, KEY), "type": "charge-card"}
    given |= {"process_definition_version": 1, "retries": 3, "custom_headers": "{}", "variables": "{}"}
    return ActivatedJob(**{"kind": None, "listener_event_type": None, **given, **more})


TASK = UserTask(action="assign", assignee="ann", user_task_key=KEY)
FULLEST = job(kind="TASK_LISTENER", listener_event_type="ASSIGNING", user_task=TASK, tags=("a",))


def headers(job: ActivatedJob, trace: dict[str, str]) -> dict[str, Any]:
    return dict(write_job(job, "1.2.3", 1e9, trace)[1].headers or {})


def test_the_headers_of_every_job_are_valid_and_each_is_described() -> None:
    described = asyncapi.files()[HEADERS]["$defs"]["JobHeaders"]
    fullest = headers(FULLEST, TRACE)
    assert fullest.keys() == described["properties"].keys()
    assert problems(HEADERS, fullest) == problems(HEADERS, headers(job(), {})) == []
    assert headers(job(), {}).keys() == set(described["required"])


def test_a_job_that_lacks_a_header_that_every_job_has_is_refused() -> None:
    def is_refused(name: str) -> None:
        assert not accepted(HEADERS, {each: value for each, value in whole.items() if each != name})

    whole = headers(job(), {})
    check_all([*whole], is_refused)


def taken(outcome: Outcome, body: Any) -> bool:
    """Whether the codec takes the body of an answer."""
    answer = AnswerMessage(json.dumps(body).encode(), outcome)
    return interpret(answer, JOB).outcome is outcome


@pytest.mark.parametrize("outcome", Outcome)
def test_every_example_of_an_answer_is_valid_and_taken(outcome: Outcome) -> None:
    assert problems(f"job.{outcome}.json", EXAMPLES[outcome]) == []
    assert taken(outcome, EXAMPLES[outcome])


FIELDS = {
    "errorMessage": ["", "down", 7, None],
    "errorCode": ["no-funds", "", " ", 7],
    "retries": [0, 3, -1, "3", 2**40],
    "retryBackOff": ["1m", 60_000_000_000, "soon", 5],
    "timeout": ["10m", "0s", 0, "soon"],
    "variables": [{}, {"a": [1]}, None, [], "text"],
    "jobKey": [KEY],
    "unknown": [1],
}
BODIES = st.fixed_dictionaries({}, optional={name: st.sampled_from(values) for name, values in FIELDS.items()})


@given(BODIES | st.sampled_from([None, [], "text", 7]))
def test_schema_and_codec_agree_about_answers(body: Any) -> None:
    for outcome in Outcome:
        if body is None and outcome is Outcome.FAIL:
            continue  # for the codec null is nothing, and a job may fail without a word
        assert accepted(f"job.{outcome}.json", body) == taken(outcome, body), (outcome, body)
