"""Errors: their codes, the exceptions that they become, and the names that refusals offer."""

from __future__ import annotations

import pickle
from itertools import product

from tests.cases import check_all
from zeebe_amqp import errors
from zeebe_amqp.errors import Code, CommandError, Error, Outcome, Source

GRPC_NAMES = (
    "CANCELLED UNKNOWN INVALID_ARGUMENT DEADLINE_EXCEEDED NOT_FOUND ALREADY_EXISTS PERMISSION_DENIED "
    "RESOURCE_EXHAUSTED FAILED_PRECONDITION ABORTED OUT_OF_RANGE UNIMPLEMENTED INTERNAL UNAVAILABLE DATA_LOSS "
    "UNAUTHENTICATED"
)
DEFECTS = {Code.CANCELLED, Code.UNKNOWN, Code.OUT_OF_RANGE, Code.INTERNAL, Code.DATA_LOSS}
"""The codes that nobody branches on."""


def test_the_codes_are_the_sixteen_names_of_grpc_and_no_other() -> None:
    assert " ".join(Code) == GRPC_NAMES


def test_the_nearest_name_is_offered_only_when_it_is_near() -> None:
    for name in ("jobKye", "JOBKEY", "job_key"):
        assert errors.nearest(name, ["jobKey", "retries"]) == "jobKey", name
    for name in ("zzz", "", "j" * 10**6):
        assert errors.nearest(name, ["jobKey", "retries"]) is None, name[:10]


def test_an_error_of_a_reply_becomes_the_exception_of_its_code_and_of_each_of_its_facts_and_of_no_other() -> None:
    def becomes_its_exception(code: Code, outcome: Outcome, retryable: bool) -> None:
        error = Error(
            code=code, message="x", source=Source.GATEWAY, outcome=outcome, retryable=retryable, details={"attempts": 2}
        )
        raised = CommandError.of(error, "topology")
        assert (raised.error(), raised.operation) == (error, "topology")
        assert isinstance(raised, errors.OutcomeUnknown) == (outcome is Outcome.UNKNOWN)
        assert isinstance(raised, errors.Retryable) == retryable
        assert {other for other, kind in errors.KINDS.items() if isinstance(raised, kind)} == {code} - DEFECTS
        raised.request_id = "mine"
        copy = pickle.loads(pickle.dumps(raised))
        assert type(copy) is type(raised)
        assert (copy.error(), copy.operation, copy.request_id) == (error, "topology", "mine")

    assert set(errors.KINDS) == set(Code) - DEFECTS
    for code in Code:
        raised = CommandError.of(CommandError(code, "x").error())
        assert type(raised).__name__ == ("CommandError" if code in DEFECTS else code.title().replace("_", ""))
    check_all(product(Code, Outcome, (False, True)), becomes_its_exception)
