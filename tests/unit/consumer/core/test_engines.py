"""Several engines behind one interface: each command finds its own."""

from __future__ import annotations

from unittest.mock import AsyncMock

from consumer.camunda7 import accepts
from consumer.core.call import Call, RoutedEngine
from tests.cases import for_each
from zeebe_amqp.commands import Command, Topology
from zeebe_amqp.commands.signals import Signal


@for_each([
    (False, Topology(), "zeebe"),
    (False, Signal(name="s"), "zeebe"),
    (False, Signal(name="s", execution_id="e"), "camunda7"),
    (True, Topology(), "zeebe"),
    (True, Signal(name="s"), "camunda7"),
    (True, Signal(name="s", execution_id="e"), "camunda7"),
])  # fmt: skip
async def test_a_command_goes_to_the_engine_that_takes_it_on_its_terms_and_all_are_closed(
    every: bool, command: Command, expected: str
) -> None:
    engines = {name: AsyncMock(**{"execute.return_value": name}) for name in ("zeebe", "camunda7")}
    engine = RoutedEngine(engines["zeebe"], engines["camunda7"], accepts(every=every))
    call = Call(command, deadline=7.0)
    assert await engine.execute(call) == expected
    engines[expected].execute.assert_awaited_once_with(call)
    await engine.close()
    for each in engines.values():
        each.close.assert_awaited_once_with()
