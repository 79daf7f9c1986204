"""The handlers of both queues of answers, with an engine that is told how its attempts end."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from unittest.mock import Mock

from consumer.core.activation import Activation
from consumer.core.call import Call
from consumer.core.delivery import Delivery, Reply
from consumer.jobs.answering import (
    answer_handler,
    attested,
)
from consumer.ledger import LedgerError
from consumer.pipeline.authorization import authorized
from consumer.pipeline.idempotency import idempotent
from consumer.pipeline.redelivery import RedeliveryMatcher
from consumer.security.policy import parse
from tests.unit.consumer.deliveries import MemoryLedger
from tests.unit.consumer.jobs.answered import JOB, KEY
from zeebe_amqp.commands import Command
from zeebe_amqp.errors import Code, CommandError, Source

DEADLINE = JOB.deadline
GIVEN_OUT = Activation(KEY, DEADLINE, DEADLINE - 300_000)


def refusal(code: Code, **more: Any) -> CommandError:
    return CommandError(code, "no", **{"source": Source.GATEWAY, **more})


class Engine:
    """Asks before each of its attempts, as every engine does; they end like this, one after the other, then well."""

    def __init__(self, *ends: CommandError | None) -> None:
        self.ends = list(ends)
        self.calls: list[Call] = []

    @property
    def commands(self) -> list[Command]:
        return [call.command for call in self.calls]

    async def execute(self, call: Call) -> None:
        assert call.may_go is not None
        assert (call.deadline, call.idempotent) == (None, True)
        await call.may_go()
        call.sent = True
        self.calls.append(call)
        if self.ends and (end := self.ends.pop(0)) is not None:
            raise end

    async def close(self) -> None:
        """Nothing is open."""


class Activations:
    """Knows this activation, or cannot be read."""

    def __init__(self, newest: Activation | LedgerError | None = GIVEN_OUT) -> None:
        self.newest = newest
        self.recorded: list[Activation] = []
        self.forgotten: list[int] = []

    async def newest_activation(self, key: int) -> Activation | None:
        assert key == KEY
        if isinstance(self.newest, LedgerError):
            raise self.newest
        return self.newest

    async def record_activations(self, activations: Sequence[Activation]) -> None:
        self.recorded += activations

    def forget_activation(self, key: int) -> None:
        self.forgotten.append(key)


class Bench:
    """The handlers of both queues, with everything around."""

    def __init__(self, *ends: CommandError | None, newest: Activation | LedgerError | None = GIVEN_OUT) -> None:
        self.engine, self.leases, self.count = Engine(*ends), Activations(newest), Mock()
        self.ledger, self.policy, self.logged = MemoryLedger(), "", Mock()

    async def handle(self, delivery: Delivery) -> Reply:
        plain = {"traced": self._around, "measured": self._around, "count": self.count}
        once = idempotent(self.ledger, RedeliveryMatcher())
        rights = [authorized(Rules(self.policy))] if self.policy else []
        if delivery.message.queue == "zeebe.jobs.undone":
            return await answer_handler(self.engine, self.leases, attested, once, **plain)(delivery)  # type: ignore[arg-type]
        return await answer_handler(self.engine, self.leases, *rights, once, **plain)(delivery)  # type: ignore[arg-type]

    def _around(self, handler: Any) -> Any:
        return handler

    @property
    def counted(self) -> list[tuple[str, dict[str, str]]]:
        return [(call.args[0], call.kwargs) for call in self.count.mock_calls]


class Rules:
    """A policy as `consumer.security.rights.Rights` asks it."""

    def __init__(self, text: str) -> None:
        self._policy = parse(text.encode(), "policy")

    def decide(self, user: str | None, command: Command, target: Any = None) -> Any:
        assert target is not None, "an answer is judged by the type of its job"
        return self._policy.judge(user, command.operation, target)

    def limits(self, user: str | None) -> Any:
        return self._policy.limits(user)
