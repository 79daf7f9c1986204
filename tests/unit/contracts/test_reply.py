"""Replies: what they look like, and what is read of them."""

from __future__ import annotations

import json

import msgspec
import pytest

from tests.cases import check_all
from zeebe_amqp.commands import COMMANDS
from zeebe_amqp.commands.messages import MessagePublished
from zeebe_amqp.errors import Code, CommandError, Outcome, Source
from zeebe_amqp.reply import Reply

ERROR = CommandError(Code.NOT_FOUND, "gone", source=Source.GATEWAY, details={"intent": "COMPLETE"}).error()


def test_a_result_is_operation_and_data() -> None:
    reply = Reply("set-variables", {"key": 2**63 - 1})
    assert (reply.ok, reply.type) == (True, "set-variables.result")
    assert reply.encode() == b'{"operation":"set-variables","data":{"key":9223372036854775807}}'
    assert Reply("complete-job").encode() == b'{"operation":"complete-job","data":null}'


def test_a_typed_result_is_written_in_camel_case() -> None:
    reply = Reply("publish-message", MessagePublished(key=1, tenant_id="<default>"))
    assert json.loads(reply.encode())["data"] == {"key": 1, "tenantId": "<default>"}


def test_an_error_is_operation_and_error_with_details_if_there_are_any() -> None:
    facts = {"code": "NOT_FOUND", "message": "gone", "source": "gateway", "outcome": "not-executed", "retryable": False}
    reply = Reply("complete-job", error=ERROR)
    assert (reply.ok, reply.type) == (False, "complete-job.error")
    assert json.loads(reply.encode()) == {
        "operation": "complete-job",
        "error": facts | {"details": {"intent": "COMPLETE"}},
    }
    plain = CommandError(Code.NOT_FOUND, "gone", source=Source.GATEWAY).error()
    assert json.loads(Reply(None, error=plain).encode()) == {"operation": None, "error": facts}


def test_the_type_names_every_known_operation_and_is_error_without_one() -> None:
    for operation in COMMANDS:
        assert Reply(operation, error=ERROR).type == f"{operation}.error"
        assert Reply(operation).type == f"{operation}.result"
    for unknown in (None, "", "compleet-job", "x" * 10_000):
        reply = Reply(unknown, error=ERROR)
        assert reply.type == "error"
        assert json.loads(reply.encode())["operation"] == (unknown and unknown[:200])


def test_a_reply_survives_writing_and_reading() -> None:
    unknown = CommandError(Code.ABORTED, "x", outcome=Outcome.UNKNOWN, retryable=True).error()
    for reply in (
        Reply("complete-job"),
        Reply("set-variables", {"key": 2**63 - 1}),
        Reply("activate-jobs", []),
        Reply(None, error=ERROR),
        Reply("topology", error=unknown),
    ):
        assert Reply.decode(reply.encode()) == reply
    assert Reply.decode(b'{"operation":"topology","data":{},"new":1}') == Reply("topology", {}), "more is ignored"


def test_what_is_not_a_reply_is_refused() -> None:
    def is_refused(body: bytes) -> None:
        with pytest.raises(ValueError, match="not a reply"):
            Reply.decode(body)

    check_all([b"", b"[]", b"x", b"\xff", b'{"operation":5}', b'{"error":{}}', b"[" * 10**5], is_refused)


def test_the_data_of_a_reply_can_be_typed_also_with_keys_as_text() -> None:
    data = Reply.decode(b'{"operation":"publish-message","data":{"key":"17","tenantId":"t","new":1}}').data
    typed = msgspec.convert(data, COMMANDS["publish-message"].result, strict=False)
    assert typed == MessagePublished(key=17, tenant_id="t")
