"""Two services for the same promises: the one in memory, and the real one with a gateway that counts."""

from __future__ import annotations

from typing import Any, Protocol

from google.protobuf.message import Message

from consumer.zeebe.operations import OPERATIONS
from consumer.zeebe.rpcs import METHODS
from tests.fakes import gateway
from tests.integration.service import ConsumerSetup
from zeebe_amqp import Client, Code, envelope, wire
from zeebe_amqp.commands import COMMANDS, Command
from zeebe_amqp.testing import FakeConsumer, Step, answer


class Service(Protocol):
    """A service, as far as both kinds go: what its engine does, and how often it did it."""

    def client(self, **options: Any) -> Client:
        """A client of it."""

    def script(self, command: Command, *steps: Step) -> None:
        """What the engine says to the next commands of that kind, one step each."""

    def executions(self, command: Command) -> int:
        """How often the engine did this command."""

    def has_job(self, job_type: str) -> None:
        """The engine has one job of that type."""

    async def dead_letter_code(self, command: Command) -> Code:
        """Why the command became a dead letter, as soon as it has."""


class InMemoryService:
    """The service in memory: its engine does everything it is asked for."""

    def __init__(self) -> None:
        self.consumer = FakeConsumer()
        for command in COMMANDS.values():
            self.consumer.always(command, answer())

    def client(self, **options: Any) -> Client:
        return self.consumer.client(**options)

    def script(self, command: Command, *steps: Step) -> None:
        self.consumer.script(type(command), *steps)

    def executions(self, command: Command) -> int:
        return len(self.consumer.executed(command))

    def has_job(self, job_type: str) -> None:
        self.consumer.add_job(job_type)

    async def dead_letter_code(self, command: Command) -> Code:
        [dead] = [call for call in self.consumer.dead_letters if call.command == command]
        assert dead.reply is not None
        assert dead.reply.error is not None
        return dead.reply.error.code


class RealService:
    """The program on a real broker; its engine is a gateway that counts."""

    def __init__(self, setup: ConsumerSetup) -> None:
        self._setup = setup
        self.client = setup.client

    def script(self, command: Command, *steps: Step) -> None:
        self._setup.gateway.script(METHODS[_message(command).DESCRIPTOR.full_name].name, *steps)

    def executions(self, command: Command) -> int:
        message = _message(command)
        rpc = METHODS[message.DESCRIPTOR.full_name].name
        return self._setup.gateway.executions[rpc, gateway.identity(rpc, message)]

    def has_job(self, job_type: str) -> None:
        """It always has one."""

    async def dead_letter_code(self, command: Command) -> Code:
        dead = await self._setup.dead_letters.with_body(envelope.encode(command))
        return Code(str(dead.headers[wire.ERROR_CODE]))


def _message(command: Command) -> Message:
    """The request that the gateway gets for a command."""
    decoded = envelope.decode(envelope.encode(command)).command
    message = OPERATIONS[command.operation].to_request(decoded)
    assert isinstance(message, Message)
    return message
