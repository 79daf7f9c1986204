"""Several engines behind one interface: each command finds its own."""

from __future__ import annotations

from consumer.camunda7 import accepts
from consumer.core.call import Call, RoutedEngine
from tests.cases import for_each
from zeebe_amqp.commands import Command, Topology
from zeebe_amqp.commands.signals import Signal


class Fake:
    def __init__(self, name: str) -> None:
        self.name = name
        self.calls: list[Call] = []
        self.closed = False

    async def execute(self, call: Call) -> str:
        self.calls.append(call)
        return self.name

    async def close(self) -> None:
        self.closed = True


def signal(execution: str | None = None) -> Command:
    return Signal(name="s", execution_id=execution)


@for_each([False, True])
async def test_a_command_goes_to_the_engine_that_takes_it_and_keeps_its_terms(every: bool) -> None:
    zeebe, camunda7 = Fake("zeebe"), Fake("camunda7")
    engine = RoutedEngine(zeebe, camunda7, accepts(every=every))
    for command, expected in (
        (Topology(), "zeebe"),
        (signal(), "camunda7" if every else "zeebe"),
        (signal("e"), "camunda7"),
    ):
        call = Call(command, deadline=7.0)
        assert await engine.execute(call) == expected, command
        assert call in zeebe.calls + camunda7.calls


async def test_both_engines_are_closed() -> None:
    engines = Fake("zeebe"), Fake("camunda7")
    await RoutedEngine(*engines, accepts(every=True)).close()
    assert all(engine.closed for engine in engines)
