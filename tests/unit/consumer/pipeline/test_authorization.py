"""Who may not run a command is refused before anything is remembered of it."""

from __future__ import annotations

import threading
from typing import Any
from unittest.mock import AsyncMock, Mock

import orjson
import pytest

from consumer.core.access import NO_LIMITS, Authorizer, Decision, Unrestricted, UserLimits
from consumer.core.large import LARGE
from consumer.core.message import Message, Reply
from consumer.pipeline.authorization import MAX_AT_ONCE, authorized
from consumer.pipeline.idempotency import idempotent
from consumer.pipeline.middleware import compose
from consumer.pipeline.redelivery import RedeliveryMatcher
from tests.cases import for_each
from tests.unit.consumer.deliveries import FakeDelivery, MemoryLedger, delivery
from tests.unit.consumer.errors import verdict
from zeebe_amqp import wire
from zeebe_amqp.commands import Command, contents
from zeebe_amqp.commands.keys import target
from zeebe_amqp.commands.target import Target
from zeebe_amqp.errors import Code, CommandError, Outcome, Source

DENIED = (Code.PERMISSION_DENIED, Source.CONSUMER, Outcome.NOT_EXECUTED, False)


class Listed:
    """Allows everything to the users of a list."""

    def __init__(self, *users: str | None) -> None:
        self.users = set(users)

    def decide(self, user: str | None, command: Command, acts_on: Target | None = None) -> Decision:
        if user in self.users:
            return Decision(True, "listed", acts_on or target(command))
        return Decision(False, "not listed", target(command), f"{user} may not (data.tenantId)", "data.tenantId")

    def limits(self, user: str | None) -> UserLimits:
        return NO_LIMITS


async def run(request: FakeDelivery, authorizer: Authorizer, **options: Any) -> tuple[CommandError | Reply, int, Mock]:
    """How a request ends, how often it ran, and what was counted."""
    handler, count = AsyncMock(return_value=Reply("topology")), Mock()
    handled = authorized(authorizer, count=count, **options)(handler)
    try:
        return await handled(request), handler.await_count, count
    except CommandError as error:
        return error, handler.await_count, count


async def test_a_command_runs_when_its_sender_may_run_it_and_what_was_decided_stays_with_it() -> None:
    request = delivery("create-instance", {"bpmnProcessId": "order"}, user_id="alice")
    ended, runs, count = await run(request, Listed("alice"))
    assert (isinstance(ended, Reply), runs, count.call_count) == (True, 1, 0)
    assert request.decision == Decision(True, "listed", Target(processes=("order",), tenants=("<default>",)))


@for_each([("bob",), (None,)])
async def test_a_command_that_its_sender_may_not_run_is_refused_counted_and_does_not_run(user: str | None) -> None:
    request = delivery("create-instance", {"bpmnProcessId": "order"}, user_id=user)
    ended, runs, count = await run(request, Listed("alice"))
    assert isinstance(ended, CommandError)
    assert (verdict(ended), ended.message, runs) == (DENIED, f"{user} may not (data.tenantId)", 0)
    assert ended.details == {"field": "data.tenantId"}
    assert request.decision is not None
    assert (request.decision.allowed, request.decision.target.processes) == (False, ("order",))
    count.assert_called_once_with("refused", reason="denied")


async def test_a_refusal_names_the_field_where_the_caller_wrote_it() -> None:
    metadata = {wire.FILE_NAME: "a.bpmn", wire.TENANT_ID: "t"}
    ended, *_ = await run(delivery("deploy-resource", "<a/>", metadata), Listed())
    assert isinstance(ended, CommandError)
    assert (ended.message, ended.details) == ("None may not (metadata.tenantId)", {"field": "metadata.tenantId"})


async def test_a_refusal_of_a_redelivered_request_says_nothing_of_its_earlier_delivery() -> None:
    ended, *_ = await run(delivery("topology", redelivered=True), Listed())
    assert isinstance(ended, CommandError)
    assert verdict(ended) == DENIED
    assert "an earlier policy" in (ended.details or {})["earlierRun"]


@for_each([
    (None, True, "anonymous"),
    ("", True, "anonymous"),
    ("alice", True, None),
    (None, False, None),
])  # fmt: skip
async def test_a_sender_may_have_to_be_known(user: str | None, required: bool, counted: str | None) -> None:
    request = delivery("create-instance", {"bpmnProcessId": "order"}, user_id=user)
    ended, runs, count = await run(request, Unrestricted(), require_user_id=required)
    assert [call.kwargs for call in count.call_args_list] == ([{"reason": counted}] if counted else [])
    assert runs == (0 if counted else 1)
    if counted:
        assert isinstance(ended, CommandError)
        assert (verdict(ended), ended.details) == (DENIED, {"field": "user_id"})
        for word in ("official client", "name of your login"):
            assert word in ended.message
        assert request.decision is not None
        assert (request.decision.rule, request.decision.target.processes) == ("REQUIRE_USER_ID", ("order",))


async def test_no_file_is_read_of_a_sender_who_is_not_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contents, "named", Mock(side_effect=AssertionError("it was read")))
    request = delivery("deploy-process", "<d/>", {wire.FILE_NAME: "a.bpmn"})
    ended, *_ = await run(request, Unrestricted(), require_user_id=True)
    assert isinstance(ended, CommandError)
    assert request.decision is not None
    assert request.decision.target.resources == ("a.bpmn",)


async def test_what_cannot_be_decoded_keeps_its_own_error_and_nobody_decides_about_it() -> None:
    authorizer = Mock()
    for body in (b"{", b'{"operation": "create-instans"}', b'{"operation": "create-instance", "data": {"x": 1}}'):
        request = FakeDelivery(Message(body, user_id="bob", message_id="1"))
        ended, runs, count = await run(request, authorizer)
        assert isinstance(ended, CommandError)
        assert ended.code in (Code.INVALID_ARGUMENT, Code.UNIMPLEMENTED)
        assert (runs, count.call_count, request.decision) == (0, 0, None)
    assert authorizer.mock_calls == []
    ended, *_ = await run(FakeDelivery(Message(b"{")), authorizer, require_user_id=True)
    assert isinstance(ended, CommandError)
    assert (ended.code, ended.details) == (Code.PERMISSION_DENIED, {"field": "user_id"})


@for_each([("alice", True), ("bob", False)])
async def test_a_large_request_is_judged_beside_the_event_loop(user: str, allowed: bool) -> None:
    content = "<d>" + "<process id='order'/>" * (LARGE // 10) + "</d>"
    request = delivery("deploy-process", content, {wire.FILE_NAME: "a.bpmn"}, user_id=user)
    assert request.large
    await request.decode()
    ended, runs, _ = await run(request, Listed("alice"))
    assert (isinstance(ended, Reply), runs) == (allowed, int(allowed))
    assert request.decision is not None
    assert request.decision.target.processes == ("order",)


async def test_files_above_a_bound_are_read_beside_the_event_loop_and_nothing_else_is() -> None:
    threads: list[str] = []

    class Noting(Listed):
        def decide(self, user: str | None, command: Command, acts_on: Target | None = None) -> Decision:
            threads.append(threading.current_thread().name)
            return super().decide(user, command, acts_on)

    for operation, size, beside in (
        ("deploy-process", MAX_AT_ONCE + 1, True),
        ("deploy-process", 100, False),
        ("publish-message", MAX_AT_ONCE + 1, False),
    ):
        name = " " * size
        data = "<d/>" + name if operation == "deploy-process" else {"messageName": "paid", "correlationKey": name}
        await run(delivery(operation, data, {wire.FILE_NAME: "a.bpmn"}, user_id="alice"), Noting("alice"))
        assert (threads.pop() != threading.current_thread().name) is beside, (operation, size)


async def test_nothing_is_remembered_of_a_denied_request_so_that_it_runs_once_it_is_allowed() -> None:
    ledger, rights, handler = (
        MemoryLedger(),
        Listed(),
        AsyncMock(return_value=Reply("publish-message", data={"key": 1})),
    )
    await ledger.start()
    handled = compose(handler, authorized(rights), idempotent(ledger, RedeliveryMatcher()))

    def request() -> FakeDelivery:
        body = {"operation": "publish-message", "data": {"messageName": "paid"}}
        return FakeDelivery(Message(orjson.dumps(body), reply_to="q", message_id="1", user_id="alice"))

    with pytest.raises(CommandError):
        await handled(request())
    assert (ledger.size, handler.await_count) == (0, 0)
    rights.users = {"alice"}
    assert not (await handled(request())).replayed
    assert (await handled(request())).replayed
    rights.users = set()
    with pytest.raises(CommandError):  # also what is remembered is not for everybody
        await handled(request())
    assert handler.await_count == 1
    await ledger.close()
