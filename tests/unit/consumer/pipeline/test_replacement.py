"""What a caller is told whose reply is larger than any message may be."""

from __future__ import annotations

from consumer.core.message import Reply
from consumer.pipeline.replacement import replace_large
from tests.cases import for_each
from tests.unit.consumer.errors import failed
from zeebe_amqp.errors import Code, Error, Outcome, Source


@for_each([False, True])
def test_a_result_becomes_an_error_that_says_that_the_command_was_executed(replayed: bool) -> None:
    found = replace_large(Reply("activate-jobs", ["x" * 1000], replayed=replayed), 1002, 800)
    assert found.error == Error(
        code=Code.RESOURCE_EXHAUSTED,
        message="activate-jobs was executed, and its result is too large for the broker: it has 1002 bytes, and a "
        "message has at most 800 (max_message_size)",
        source=Source.CONSUMER,
        outcome=Outcome.UNKNOWN,
        retryable=False,
        details={"executed": True, "suggestion": "ask for less at a time: fewer jobs, or fewer variables"},
    )
    assert (found.operation, found.replayed) == ("activate-jobs", replayed)
    assert len(found.encode()) < 600


def test_an_error_stays_what_it_is_and_becomes_short() -> None:
    error = failed(Code.NOT_FOUND)
    found = replace_large(Reply("topology", error=error), 1002, 800)
    assert found.error is not None
    assert (found.error.code, found.error.outcome, found.error.source) == (error.code, error.outcome, error.source)
    assert (found.error.message, found.error.details) == (error.message[:200], None)
