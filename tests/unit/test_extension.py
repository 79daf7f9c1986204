"""What a new operation, a new engine and a new engine of rules touch: no more than the guide to the house says."""

from __future__ import annotations

import json
from typing import Any, ClassVar

import click
import pytest

from consumer.config import Zeebe
from consumer.core.access import NO_LIMITS, Decision, UserLimits
from consumer.core.call import Call, RoutedEngine
from consumer.core.message import Reply
from consumer.pipeline.authorization import authorized
from consumer.pipeline.ending import Ending
from consumer.pipeline.handler import executing
from consumer.security.audit_record import Recorder
from consumer.zeebe import ZeebeEngine
from consumer.zeebe.operations import OPERATIONS, Operation
from consumer.zeebe.operations.row import to_data
from consumer.zeebe.protocol import gateway_pb2 as pb
from tests.fakes.gateway import FakeGateway
from tests.unit.consumer.deliveries import delivery
from zeebe_amqp import commands, envelope
from zeebe_amqp.asyncapi import data
from zeebe_amqp.cli import operations as command_line
from zeebe_amqp.commands import COMMANDS, Command, Topology
from zeebe_amqp.commands.keys import target
from zeebe_amqp.commands.target import Target
from zeebe_amqp.errors import Code, CommandError
from zeebe_amqp.schema.fields import Key, Maybe, Name


class Rouse(Command[Any], frozen=True, kw_only=True):
    """Rouse whoever sleeps; a made-up operation.

    Args:
        who: the name of the sleeper.
        instance_key: the key of a dream.

    Errors:
        NOT_FOUND: nobody of this name sleeps.
    """

    operation: ClassVar[str] = "rouse"
    idempotent: ClassVar[bool] = True
    exempt_from_limit: ClassVar[bool] = True

    who: Name
    instance_key: Maybe[Key] = None


ROW = Operation(Rouse, lambda command: pb.BroadcastSignalRequest(signalName=command.who), to_data)
"""With the command above, all that a new operation is."""


@pytest.fixture(autouse=True)
def known(monkeypatch: pytest.MonkeyPatch) -> None:
    """The table of commands with one more: it is made from the list of types."""
    for module in (commands, envelope, command_line, data):
        monkeypatch.setattr(module, "COMMANDS", {**COMMANDS, Rouse.operation: Rouse})


@pytest.fixture
async def engine() -> Any:
    async with FakeGateway() as gateway:
        connected = ZeebeEngine(Zeebe(gateway.address, plaintext=True), operations={**OPERATIONS, "rouse": ROW})
        yield connected
        await connected.close()


async def test_a_new_operation_is_a_command_and_a_row(engine: ZeebeEngine) -> None:
    """What is wrong with it is said as for all others."""
    handler = executing(engine)
    reply = await handler(delivery("rouse", {"who": "ann"}))
    assert (reply.operation, reply.error) == ("rouse", None)
    assert reply.data["key"] > 0
    for given, field in (({}, "data.who"), ({"who": "a", "instanceKey": 1}, "data.instanceKey"), ({"whom": 1}, "data")):
        with pytest.raises(CommandError) as raised:
            await handler(delivery("rouse", given))
        assert str((raised.value.details or {})["field"]).startswith(field), given


def test_command_line_and_schemas_learn_it_from_its_type() -> None:
    made = command_line.command("rouse")
    assert {"data_who", "data_instance_key"} <= {parameter.name for parameter in made.params}
    assert "Rouse whoever sleeps" in (made.help or "")
    assert "the key of a dream" in made.get_help(click.Context(made))
    schema = data.schemas()["Rouse"]
    assert {name: each["description"] for name, each in schema["properties"].items()} == {
        "who": "the name of the sleeper",
        "instanceKey": "the key of a dream",
    }


class Bell:
    """A made-up engine: all of a second interface's room that the others see."""

    async def execute(self, call: Call) -> Any:
        """Ring."""
        call.sent = True
        if getattr(call.command, "who", "") == "nobody":
            raise CommandError(Code.NOT_FOUND, "nobody is there")
        return {"rung": True}

    async def close(self) -> None:
        """Be silent."""
        self.closed = True


async def test_a_second_engine_is_a_room_and_a_line(engine: ZeebeEngine) -> None:
    """Each command goes to the engine that takes it, and all are closed."""
    routed = RoutedEngine(engine, bell := Bell(), lambda command: command.operation == "rouse")
    handler = executing(routed)
    assert await handler(delivery("rouse", {"who": "ann"})) == Reply("rouse", {"rung": True})
    assert (await handler(delivery("topology"))).data["clusterSize"] == 1
    with pytest.raises(CommandError, match="nobody is there"):
        await handler(delivery("rouse", {"who": "nobody"}))
    await routed.close()
    with pytest.raises(CommandError, match="closed"):
        await engine.execute(Call(Topology()))
    assert bell.closed


class Household:
    """A made-up engine of rules: all that the others see of one."""

    def decide(self, user: str | None, command: Command, acts_on: Target | None = None) -> Decision:
        """Nobody is roused by strangers."""
        if user == "ann":
            return Decision(True, "rule 7", target(command), policy="c0ffee")
        return Decision(False, "rule 1", target(command), "ask ann", "data.who", policy="c0ffee")

    def limits(self, user: str | None) -> UserLimits:
        """As much as anybody."""
        return NO_LIMITS


async def test_another_engine_of_rules_is_a_class_that_decides(engine: ZeebeEngine) -> None:
    """What it decides is what the caller hears, and what the audit says."""
    asking = authorized(Household())(executing(engine))
    data = {"who": "bob", "instanceKey": 2**52}
    asked = delivery("rouse", data, user_id="ann")
    reply = await asking(asked)
    record = json.loads(Recorder().command(asked, reply, Ending.SETTLED).line)
    facts = {name: record[name] for name in ("decision", "rule", "policy_sha256", "target")}
    assert facts == {
        "decision": "allowed", "rule": "rule 7", "policy_sha256": "c0ffee", "target": {"keys": [str(2**52)]},
    }  # fmt: skip
    with pytest.raises(CommandError, match="ask ann") as raised:
        await asking(delivery("rouse", data, user_id="eve"))
    assert (raised.value.code, raised.value.details) == (Code.PERMISSION_DENIED, {"field": "data.who"})
