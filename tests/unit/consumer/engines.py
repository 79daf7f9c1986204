"""An engine that answers what a test says."""

from __future__ import annotations

import asyncio

from consumer.core.call import Call
from zeebe_amqp.errors import CommandError


class FakeEngine:
    """Answers every call with `answer`, or raises one like it, as an engine does each time; keeps what it was asked."""

    def __init__(self, answer: object = None) -> None:
        self._answer = answer
        self.calls: list[Call] = []

    async def execute(self, call: Call) -> object:
        self.calls.append(call)
        call.sent = True
        await asyncio.sleep(0)
        answer = self._answer
        if isinstance(answer, CommandError):
            terms = {"source": answer.source, "outcome": answer.outcome, "details": answer.details}
            raise CommandError(answer.code, answer.message, **terms)  # type: ignore[arg-type]
        if isinstance(answer, BaseException):
            raise type(answer)(*answer.args)
        return answer

    async def close(self) -> None:
        """Nothing is open."""
