"""The service in memory: reads requests as strictly as the real one, runs each once, answers as a test said."""

from __future__ import annotations

import inspect
import itertools
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from zeebe_amqp import envelope, wire
from zeebe_amqp.client.transport import Outgoing
from zeebe_amqp.commands import ActivateJobs, Command, CreateInstance
from zeebe_amqp.commands.keys import PARTITION_SHIFT
from zeebe_amqp.envelope import Request
from zeebe_amqp.errors import Code, CommandError, Error, Outcome, Source
from zeebe_amqp.reply import Reply
from zeebe_amqp.testing.call import Call, readable
from zeebe_amqp.testing.expectation import Expectations, UnexpectedCommand
from zeebe_amqp.testing.jobs import JobStore
from zeebe_amqp.testing.ledger import Ledger
from zeebe_amqp.testing.refusals import refuse
from zeebe_amqp.testing.results import changed, plain, result
from zeebe_amqp.testing.steps import ReplyFault, Step
from zeebe_amqp.trace_context import well_formed
from zeebe_amqp.trace_variable import insert

__all__ = ["Case", "Service"]

_WHEN_LATE: Final[Mapping[type[Command], str]] = {
    CreateInstance: "; the process instance, if it was created, goes on running",
    ActivateJobs: "; jobs that were activated stay locked until their timeout",
}


@dataclass(slots=True, eq=False)
class Case:
    """A request on its way through the service; a `refusal` says why it does not run."""

    call: Call
    request: Request | None = None
    refusal: CommandError | None = None
    deadline: float | None = None
    reply_fault: ReplyFault | None = None
    """What happens to its reply."""
    command: Command | None = None
    """What the engine gets: with the trace of its caller in a variable, where that was asked for."""


class Service:
    """Requests in, replies out."""

    def __init__(self) -> None:
        self._numbers = itertools.count(1)
        self._ledger = Ledger()
        self.expectations = Expectations()
        self.jobs = JobStore()
        self.calls: list[Call] = []
        self.unexpected: list[str] = []

    def key(self) -> int:
        """A fresh key of partition 1."""
        return (1 << PARTITION_SHIFT) + next(self._numbers)

    def accept(self, outgoing: Outgoing) -> Case:
        """Read and record a request.

        Raises:
            UnexpectedCommand: the test said nothing about it.
        """
        headers = _headers(outgoing)
        call = Call(
            request_id=outgoing.request_id,
            headers=headers,
            replied=outgoing.replied,
            deadline=outgoing.deadline,
            priority=outgoing.priority,
        )
        self.calls.append(call)
        case = Case(call)
        try:
            case.request = envelope.decode(
                outgoing.body, type=outgoing.type, content_type=outgoing.content_type, headers=headers
            )
            envelope.request_id(headers)
            case.deadline = envelope.deadline(headers)
        except CommandError as refusal:
            case.refusal = refusal
            return case
        case.command = _carrying(case.request, headers)
        call.command = readable(case.command)
        self._check(case.request.command, outgoing.request_id)
        return case

    def _check(self, command: Command, request_id: str) -> None:
        known = self.expectations.find(command) or self.jobs.covers(command) or self._ledger.knows(request_id)
        if not known:
            raise self._unexpected(command)

    def _unexpected(self, command: Command) -> UnexpectedCommand:
        refusal = self.expectations.refusal(command)
        self.unexpected.append(str(refusal))
        return refusal

    async def handle(self, case: Case) -> Reply:
        """Run a request and settle it; its call is told the reply.

        Raises:
            UnexpectedCommand: nothing is left of what the test said about it.
        """
        reply = await self._reply(case)
        while not case.call.replied and self._again(case, reply):
            reply = await self._reply(case)
        case.call.reply = reply
        case.call.dead = not case.call.replied and reply.error is not None and not _waits(reply.error)
        return reply

    def _again(self, case: Case, reply: Reply) -> bool:
        """Whether a request that nobody waits for is tried again: by the service later, here when there is a step."""
        if reply.error is None or case.request is None or not self.expectations.scripted(case.request.command):
            return False
        return _waits(reply.error) or reply.error.retryable

    async def _reply(self, case: Case) -> Reply:
        try:
            if case.refusal is not None:
                raise case.refusal
            assert case.request is not None
            request = case.request
            return await self._ledger.run(
                request, case.call.request_id, lambda: self._run(case, request), told=case.call.replied
            )
        except CommandError as error:
            operation = case.request.operation if case.request else error.operation
            return Reply(operation, error=error.error())

    async def _run(self, case: Case, request: Request) -> Reply:
        assert case.command is not None
        try:
            refuse(case.command, case.deadline)
            step = await self._step(request.command, case.command)
            case.reply_fault = step.reply_fault
            return await self._play(case, request, case.command, step)
        except CommandError as error:
            return Reply(request.operation, error=error.error())

    async def _step(self, command: Command, carrying: Command) -> Step:
        """What a test said about a command; it does not know the trace that the command is carrying."""
        reaction = self.expectations.take(command)
        if reaction is None and self.jobs.covers(command):
            return Step()
        if reaction is None:
            raise self._unexpected(command)
        if isinstance(reaction, Step):
            return reaction
        step = reaction(readable(carrying))
        return await step if inspect.isawaitable(step) else step

    async def _play(self, case: Case, request: Request, command: Command, step: Step) -> Reply:
        if case.deadline is not None and step.seconds >= case.deadline - time.time():
            case.call.executions += 1
            raise _late(command)
        error = step.failed.error(command) if step.failed else None
        if error is not None and error.outcome is Outcome.NOT_EXECUTED:
            return Reply(request.operation, error=error)
        data = await self._result(command, step)
        case.call.executions += 1
        if error is not None:
            return Reply(request.operation, error=error)
        return Reply(request.operation, plain(data, keys_as_text=request.keys_as_text))

    async def _result(self, command: Command, step: Step) -> Any:
        """Do the command, and give its result."""
        made: Any
        if isinstance(command, ActivateJobs):
            made = () if step.given else await self.jobs.activate(command)
        elif self.jobs.covers(command):
            made = self.jobs.settle(command)  # type: ignore[arg-type, func-returns-value]
        else:
            made = None if step.given else result(command, self.key)
        return step.data if step.given else changed(command, made, step.fields)


def _carrying(request: Request, headers: Mapping[str, Any]) -> Command:
    name, context = request.metadata.get(wire.TRACE_VARIABLE), well_formed(headers, request.metadata)
    if name is None or wire.TRACEPARENT not in context:
        return request.command
    return insert(request.command, name, context)


def _headers(outgoing: Outgoing) -> Mapping[str, Any]:
    """The headers as the client writes them for a broker."""
    headers = {**outgoing.headers, wire.REQUEST_ID: outgoing.request_id}
    if outgoing.deadline is not None:
        headers[wire.DEADLINE] = int(outgoing.deadline * 1000)
    return headers


def _waits(error: Error) -> bool:
    """Whether a request that nobody waits for stays until the engine is there again."""
    away = error.code is Code.UNAVAILABLE
    refuses = error.code is Code.RESOURCE_EXHAUSTED and error.source is Source.GATEWAY
    return error.retryable and error.outcome is Outcome.NOT_EXECUTED and (away or refuses)


def _late(command: Command) -> CommandError:
    more = _WHEN_LATE.get(type(command), "")
    return CommandError(
        Code.DEADLINE_EXCEEDED,
        f"the gateway did not answer before the caller's deadline; the command may have been executed{more}",
        outcome=Outcome.UNKNOWN,
        retryable=command.is_idempotent(),
    )
