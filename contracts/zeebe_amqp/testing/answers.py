"""Answers of workers to jobs that were pushed, and jobs that no worker ends."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any, Final

from zeebe_amqp.amqp.properties import NO_HEADERS, Properties
from zeebe_amqp.commands import Command, UpdateJobTimeout
from zeebe_amqp.envelope import Request
from zeebe_amqp.errors import Code, CommandError, Error, Outcome
from zeebe_amqp.jobs.answers import AnswerMessage, fail, to_command
from zeebe_amqp.testing.call import Call, readable
from zeebe_amqp.testing.expectation import UnexpectedCommand
from zeebe_amqp.testing.job_queues import JobMessage, JobQueues
from zeebe_amqp.testing.service import Case, Service

__all__ = ["Answers"]

_NOT_ITS_FAULT: Final = frozenset(
    {Code.NOT_FOUND, Code.FAILED_PRECONDITION, Code.ALREADY_EXISTS, Code.PERMISSION_DENIED, Code.UNAUTHENTICATED}
)
"""What is refused because of the job, of another answer or of rights, and not because of what an answer says."""


class Answers:
    """Reads answers as the service does, and runs them."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self.queues = JobQueues(service.jobs, self._bury)

    def accept(self, body: bytes, properties: Properties) -> tuple[Case, JobMessage]:
        """Read and record an answer.

        Raises:
            UnexpectedCommand: no job was given out under its correlation id.
        """
        message = self.queues.message(properties.correlation_id)
        if message is None:
            raise self._strange(properties.correlation_id)
        headers = properties.headers or NO_HEADERS
        answer = AnswerMessage(body, properties.type, properties.content_type, headers)
        command = to_command(answer, message.job)
        # A lock may be made longer several times; every other answer is the only one.
        identity = uuid.uuid4().hex if isinstance(command, UpdateJobTimeout) else message.identity
        return self._case(command, message, identity, headers), message

    def _strange(self, identity: str | None) -> UnexpectedCommand:
        refusal = UnexpectedCommand(f"an answer was not expected: no job was given out under {identity!r}")
        self._service.unexpected.append(str(refusal))
        return refusal

    def _case(self, command: Command, message: JobMessage, identity: str, headers: Mapping[str, Any]) -> Case:
        call = Call(request_id=identity, headers=headers, replied=False, command=readable(command))
        self._service.calls.append(call)
        data, _ = command.to_wire()
        request = Request(operation=command.operation, command=command, data=data, metadata={}, bare=False)
        refusal = _superseded() if self.queues.is_superseded(message) else None
        return Case(call, request, refusal=refusal, command=command)

    async def handle(self, case: Case, message: JobMessage) -> None:
        """Run an answer. One that is refused for good fails its job, which would be given out for ever."""
        error = await self._run(case)
        if error is not None and _is_useless(error) and not isinstance(case.command, UpdateJobTimeout):
            command = fail(message.job, f"the answer was refused: {error.message}")
            await self._run(self._case(command, message, uuid.uuid4().hex, {}))

    async def _run(self, case: Case) -> Error | None:
        reply = await self._service.handle(case)
        case.call.dead = False  # the job comes again; no letter is needed
        return reply.error

    def _bury(self, message: JobMessage, reason: str) -> None:
        """What no worker ends fails, unless the job was given out again."""
        if not self.queues.is_superseded(message):
            command = fail(message.job, reason)
            self._service.jobs.settle(command)
            self._service.calls.append(
                Call(request_id=message.identity, headers={}, replied=False, command=command, executions=1)
            )


def _superseded() -> CommandError:
    return CommandError(Code.FAILED_PRECONDITION, "the job was given out again since; the answer is not executed")


def _is_useless(error: Error) -> bool:
    return not error.retryable and error.outcome is Outcome.NOT_EXECUTED and error.code not in _NOT_ITS_FAULT
