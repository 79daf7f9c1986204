"""Replies: what they look like, and what is read of them."""

from __future__ import annotations

import json

import msgspec
import pytest

from tests.cases import for_each
from zeebe_amqp.commands import COMMANDS
from zeebe_amqp.commands.messages import MessagePublished
from zeebe_amqp.errors import Code, CommandError, Outcome, Source
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
def test_a_reply_has_a_result_or_an_error_and_survives_writing_and_reading(
    reply: Reply, type: str, written: bytes
) -> None:
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
