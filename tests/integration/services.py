"""Two services for the same promises: the one in memory, and the real one with a gateway that counts."""

from __future__ import annotations

from typing import Any, TypeAlias

from consumer.zeebe.operations import OPERATIONS
from consumer.zeebe.rpcs import METHODS
from tests.fakes.gateway import identity
from tests.integration.service import ConsumerSetup
from zeebe_amqp import Code, envelope, wire
from zeebe_amqp.commands import COMMANDS, Command
from zeebe_amqp.testing import FakeConsumer, Step, answer


class InMemoryService:
    """The service in memory: its engine does everything it is asked for."""

    def __init__(self) -> None:
        self.consumer = FakeConsumer()
        self.client, self.has_job = self.consumer.client, self.consumer.add_job
        for command in COMMANDS.values():
            self.consumer.always(command, answer())

    def script(self, command: Command, *steps: Step) -> None:
        """What the engine says to the next commands of that kind, one step each."""
        self.consumer.script(type(command), *steps)

    def executions(self, command: Command) -> int:
        """How often the engine did this command."""
        return len(self.consumer.executed(command))

    async def dead_letter_code(self, command: Command) -> Code:
        """Why the command became a dead letter, as soon as it has."""
        [dead] = [call for call in self.consumer.dead_letters if call.command == command]
        assert dead.reply is not None
        assert dead.reply.error is not None
        return dead.reply.error.code


class RealService:
    """The program on a real broker; its engine is a gateway that counts, and has any job."""

    def __init__(self, setup: ConsumerSetup) -> None:
        self._setup = setup
        self.client = setup.client

    def script(self, command: Command, *steps: Step) -> None:
        """See `InMemoryService`."""
        self._setup.gateway.script(request(command)[0], *steps)

    def executions(self, command: Command) -> int:
        """See `InMemoryService`."""
        rpc, message = request(command)
        return self._setup.gateway.executions[rpc, identity(rpc, message)]

    def has_job(self, job_type: str) -> None:
        """It always has one."""

    async def dead_letter_code(self, command: Command) -> Code:
        """See `InMemoryService`."""
        dead = await self._setup.dead_letters.with_body(envelope.encode(command))
        return Code(str(dead.headers[wire.ERROR_CODE]))


Service: TypeAlias = InMemoryService | RealService


def request(command: Command) -> tuple[str, Any]:
    """The RPC of a command, and what the gateway gets."""
    message: Any = OPERATIONS[command.operation].to_request(envelope.decode(envelope.encode(command)).command)
    return METHODS[message.DESCRIPTOR.full_name].name, message
