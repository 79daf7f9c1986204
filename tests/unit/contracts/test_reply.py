"""Replies: what they look like, what is read of them, and the errors in them."""

from __future__ import annotations

import json
import pickle
from itertools import product

import msgspec
import pytest

from tests.cases import check_all, for_each
from zeebe_amqp import errors
from zeebe_amqp.commands import COMMANDS
from zeebe_amqp.commands.messages import MessagePublished
from zeebe_amqp.errors import Code, CommandError, Error, Outcome, Source
from zeebe_amqp.reply import Reply

ERROR = CommandError(Code.NOT_FOUND, "gone", source=Source.GATEWAY, details={"intent": "COMPLETE"}).error()
PLAIN = CommandError(Code.NOT_FOUND, "gone", source=Source.GATEWAY).error()
UNKNOWN = CommandError(Code.ABORTED, "x", outcome=Outcome.UNKNOWN, retryable=True).error()
FACTS = b'"error":{"code":"NOT_FOUND","message":"gone","source":"gateway","outcome":"not-executed","retryable":false'
WRITTEN: list[tuple[Reply, str, bytes]] = [
    (Reply("set-variables", {"key": 2**63 - 1}), "set-variables.result",
     b'{"operation":"set-variables","data":{"key":9223372036854775807}}'),
    (Reply("complete-job"), "complete-job.result", b'{"operation":"complete-job","data":null}'),
    (Reply("activate-jobs", []), "activate-jobs.result", b'{"operation":"activate-jobs","data":[]}'),
    (Reply("complete-job", error=ERROR), "complete-job.error",
     b'{"operation":"complete-job",%s,"details":{"intent":"COMPLETE"}}}' % FACTS),
    (Reply(None, error=PLAIN), "error", b'{"operation":null,%s}}' % FACTS),
    (Reply("topology", error=UNKNOWN), "topology.error",
     b'{"operation":"topology","error":{"code":"ABORTED","message":"x","source":"consumer","outcome":"unknown",'
     b'"retryable":true}}'),
]  # fmt: skip


@for_each(WRITTEN)
def test_a_reply_has_a_type_and_survives_writing_and_reading(reply: Reply, type: str, written: bytes) -> None:
    assert (reply.ok, reply.type) == (reply.error is None, type)
    assert json.loads(reply.encode()) == json.loads(written)
    assert reply.encode() == written or not reply.ok
    assert Reply.decode(reply.encode()) == reply


def test_the_type_names_every_known_operation_and_is_error_without_one() -> None:
    for operation in COMMANDS:
        assert Reply(operation, error=ERROR).type == f"{operation}.error"
        assert Reply(operation).type == f"{operation}.result"
    for unknown in (None, "", "compleet-job", "x" * 10_000):
        reply = Reply(unknown, error=ERROR)
        assert reply.type == "error"
        assert json.loads(reply.encode())["operation"] == (unknown and unknown[:200])


@for_each([b"", b"[]", b"x", b"\xff", b'{"operation":5}', b'{"error":{}}', b"[" * 10**5])
def test_what_is_not_a_reply_is_refused(body: bytes) -> None:
    with pytest.raises(ValueError, match="not a reply"):
        Reply.decode(body)


def test_a_typed_result_is_written_in_camel_case_and_read_also_with_keys_as_text_and_more() -> None:
    reply = Reply("publish-message", MessagePublished(key=1, tenant_id="<default>"))
    assert json.loads(reply.encode())["data"] == {"key": 1, "tenantId": "<default>"}
    newer = Reply.decode(b'{"operation":"publish-message","data":{"key":"17","tenantId":"t","new":1},"new":1}')
    typed = msgspec.convert(newer.data, COMMANDS["publish-message"].result, strict=False)
    assert (newer.operation, newer.ok, typed) == ("publish-message", True, MessagePublished(key=17, tenant_id="t"))


GRPC_NAMES = (
    "CANCELLED UNKNOWN INVALID_ARGUMENT DEADLINE_EXCEEDED NOT_FOUND ALREADY_EXISTS PERMISSION_DENIED "
    "RESOURCE_EXHAUSTED FAILED_PRECONDITION ABORTED OUT_OF_RANGE UNIMPLEMENTED INTERNAL UNAVAILABLE DATA_LOSS "
    "UNAUTHENTICATED"
)
DEFECTS = {Code.CANCELLED, Code.UNKNOWN, Code.OUT_OF_RANGE, Code.INTERNAL, Code.DATA_LOSS}
"""The codes that nobody branches on."""


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

    assert " ".join(Code) == GRPC_NAMES
    assert set(errors.KINDS) == set(Code) - DEFECTS
    for code in Code:
        raised = CommandError.of(CommandError(code, "x").error())
        assert type(raised).__name__ == ("CommandError" if code in DEFECTS else code.title().replace("_", ""))
    check_all(product(Code, Outcome, (False, True)), becomes_its_exception)
