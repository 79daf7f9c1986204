"""The trace of a request in a variable: where it was asked for, or for all where the operator says so."""

from __future__ import annotations

import threading
from typing import Any

import orjson
import pytest

from consumer.core.delivery import Delivery
from consumer.core.large import LARGE
from consumer.core.message import Message
from consumer.pipeline import trace_variable
from consumer.pipeline.handler import executing
from consumer.pipeline.trace_variable import TraceVariable
from tests.cases import for_each
from tests.unit.consumer.deliveries import FakeDelivery, delivery
from tests.unit.consumer.workers import FakeEngine
from tests.unit.contracts.samples import SMALLEST
from zeebe_amqp import wire
from zeebe_amqp.commands import COMMANDS
from zeebe_amqp.trace_variable import MAX_ADDED

PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
CONTEXT = {"traceparent": PARENT, "tracestate": "vendor=1"}
INSERTED = '{"traceparent":"%s","tracestate":"vendor=1"}'.replace("%s", PARENT)
ASKED = {"traceVariable": "mine"}
CARRYING = ("create-instance", "publish-message", "broadcast-signal")


async def executed(request: Delivery, context: dict[str, str] = CONTEXT, **settings: Any) -> Any:
    """The command that the engine gets."""
    engine = FakeEngine({})
    await executing(engine, trace=TraceVariable(lambda _: context, **settings))(request)
    [call] = engine.calls
    return call.command


def message(variables: str, metadata: Any = None) -> FakeDelivery:
    """A message to publish, its variables as they are."""
    asked = orjson.dumps(metadata or {}).decode()
    data = f'{{"messageName":"m","variables":{variables}}}'
    return FakeDelivery(Message(f'{{"operation":"publish-message","data":{data},"metadata":{asked}}}'.encode()))


@for_each(CARRYING)
async def test_the_engine_gets_the_trace_where_the_request_asks_for_it_or_the_operator_does(operation: str) -> None:
    data = {**SMALLEST[operation], "variables": {"a": 1}}
    for metadata, default, name in ((ASKED, None, "mine"), (ASKED, "all", "mine"), (None, "all", "all")):
        request = delivery(operation, data, metadata)
        command = await executed(request, default=default)
        assert bytes(command.variables).decode() == f'{{"a":1,"{name}":{INSERTED}}}'
        assert bytes(request.request.command.variables) == b'{"a":1}', "what was sent stays what it is"  # type: ignore[attr-defined]
        assert request.call is not None
        assert request.call.command is command


async def test_nothing_is_added_where_nobody_asks_or_there_is_no_trace() -> None:
    for metadata, default, context in ((None, None, CONTEXT), (ASKED, "all", {}), (None, "all", {"tracestate": "a=1"})):
        request = message('{"a":1}', metadata)
        assert await executed(request, context, default=default) is request.request.command


@for_each([operation for operation in COMMANDS if operation not in CARRYING and operation in SMALLEST])
async def test_all_other_commands_are_as_they_were_sent(operation: str) -> None:
    request = delivery(operation, SMALLEST[operation])
    command = await executed(request, default="all")
    assert command is request.request.command


async def test_a_request_that_did_not_ask_for_it_never_fails_because_of_it() -> None:
    """What the sender calls so is theirs, and what is large or may not be nested stays as it is."""
    used, large = '{"all":"mine"}', f'{{"a":"{"x" * (wire.MAX_MESSAGE - MAX_ADDED)}"}}'
    for variables, settings in ((used, {}), (large, {}), ('{"a":1}', {"max_depth": 1})):
        request = message(variables)
        assert await executed(request, default="all", **settings) is request.request.command
    asked = await executed(message(large, ASKED), default="all")
    assert bytes(asked.variables).endswith(f',"mine":{INSERTED}}}'.encode())


async def test_large_documents_are_worked_on_beside_the_event_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    threads, insert = [], trace_variable.variables.insert

    def noting(*arguments: Any) -> Any:
        threads.append(threading.current_thread() is threading.main_thread())
        return insert(*arguments)

    monkeypatch.setattr(trace_variable.variables, "insert", noting)
    large = f'{{"a":"{"x" * LARGE}"}}'
    for request in (message("{}"), message(large), message("{}", ASKED), message(large, ASKED)):
        await executed(request, default="all")
    assert threads == [True, False, True, False]
