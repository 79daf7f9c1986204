from __future__ import annotations

import json
import pickle
from itertools import product

import msgspec
import pytest

from zeebe_amqp.errors import (
    KINDS,
    Code,
    CommandError,
    Error,
    Outcome,
    OutcomeUnknown,
    Retryable,
    Source,
    invalid,
    nearest,
)

GRPC_NAMES = (
    "CANCELLED UNKNOWN INVALID_ARGUMENT DEADLINE_EXCEEDED NOT_FOUND ALREADY_EXISTS PERMISSION_DENIED "
    "RESOURCE_EXHAUSTED FAILED_PRECONDITION ABORTED OUT_OF_RANGE UNIMPLEMENTED INTERNAL UNAVAILABLE DATA_LOSS "
    "UNAUTHENTICATED"
)


def test_the_codes_are_the_sixteen_names_of_grpc_and_no_other() -> None:
    assert " ".join(Code) == GRPC_NAMES


def test_a_command_error_is_final_and_the_consumers_unless_said_otherwise() -> None:
    error = CommandError(Code.NOT_FOUND, "gone")
    assert error.error() == Error(
        code=Code.NOT_FOUND, message="gone", source=Source.CONSUMER, outcome=Outcome.NOT_EXECUTED, retryable=False
    )
    assert error.operation is None
    assert str(error) == "NOT_FOUND: gone"


def test_details_are_left_out_of_the_json_when_there_are_none() -> None:
    members = json.loads(msgspec.json.encode(CommandError(Code.INTERNAL, "x").error()))
    assert members == {
        "code": "INTERNAL",
        "message": "x",
        "source": "consumer",
        "outcome": "not-executed",
        "retryable": False,
    }


def test_an_error_of_a_reply_becomes_the_exception_it_came_from() -> None:
    error = CommandError(
        Code.ABORTED, "x", source=Source.GATEWAY, outcome=Outcome.UNKNOWN, retryable=True, details={"attempts": 2}
    ).error()
    raised = CommandError.of(error, "topology")
    assert raised.error() == error
    assert raised.operation == "topology"


def test_a_refusal_names_the_field_in_text_and_details() -> None:
    error = invalid("data.jobKye", "unknown field", suggestion="jobKey")
    assert error.message == "data.jobKye: unknown field"
    assert error.details == {"field": "data.jobKye", "suggestion": "jobKey"}
    assert invalid("data", "missing").details == {"field": "data"}


@pytest.mark.parametrize(
    ("name", "expected"),
    [("jobKye", "jobKey"), ("JOBKEY", "jobKey"), ("job_key", "jobKey"), ("zzz", None), ("", None), ("j" * 10**6, None)],
)
def test_the_nearest_name_is_offered_only_when_it_is_near(name: str, expected: str | None) -> None:
    assert nearest(name, ["jobKey", "retries"]) == expected


DEFECTS = {Code.CANCELLED, Code.UNKNOWN, Code.OUT_OF_RANGE, Code.INTERNAL, Code.DATA_LOSS}
"""The codes that nobody branches on."""


def reply_error(code: Code, outcome: Outcome = Outcome.NOT_EXECUTED, retryable: bool = False) -> Error:
    return Error(code=code, message="x", source=Source.GATEWAY, outcome=outcome, retryable=retryable)


def test_every_code_has_its_exception_or_is_a_defect() -> None:
    assert set(KINDS) == set(Code) - DEFECTS


@pytest.mark.parametrize("code", Code)
def test_an_exception_is_named_after_its_code(code: Code) -> None:
    raised = CommandError.of(reply_error(code))
    expected = "CommandError" if code in DEFECTS else code.title().replace("_", "")
    assert type(raised).__name__ == expected


@pytest.mark.parametrize(("code", "outcome", "retryable"), list(product(Code, Outcome, (False, True))))
def test_an_exception_is_caught_by_each_of_its_facts_and_by_no_other(
    code: Code, outcome: Outcome, retryable: bool
) -> None:
    error = reply_error(code, outcome, retryable)
    raised = CommandError.of(error)
    assert raised.error() == error
    assert isinstance(raised, OutcomeUnknown) == (outcome is Outcome.UNKNOWN)
    assert isinstance(raised, Retryable) == retryable
    assert {other for other, kind in KINDS.items() if isinstance(raised, kind)} == {code} - DEFECTS


@pytest.mark.parametrize(("code", "outcome", "retryable"), list(product(Code, Outcome, (False, True))))
def test_an_exception_survives_being_pickled(code: Code, outcome: Outcome, retryable: bool) -> None:
    raised = CommandError.of(reply_error(code, outcome, retryable), "topology")
    raised.request_id = "mine"
    copy = pickle.loads(pickle.dumps(raised))
    assert type(copy) is type(raised)
    assert (copy.error(), copy.operation, copy.request_id) == (raised.error(), "topology", "mine")
