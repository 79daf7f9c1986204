"""Do it once: a request that was delivered or sent again is answered again, not run again."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace

import msgspec

from consumer.delivery.ledger import Ledger, State
from consumer.delivery.unidentified import Unidentified
from consumer.operations import OPERATIONS
from consumer.types import Handler, Incoming, Reply
from zeebe_amqp.errors import Code, CommandError, Outcome, Source

__all__ = ["once"]

_MAY_MEAN_DONE = (Code.NOT_FOUND, Code.ALREADY_EXISTS, Code.FAILED_PRECONDITION)


@dataclass(eq=False)
class _Run:
    digest: bytes
    reply: asyncio.Future[Reply] = field(default_factory=lambda: asyncio.get_running_loop().create_future())


def once(handler: Handler, ledger: Ledger, *, run_again: bool = False) -> Handler:
    """Run each identified request once and answer its repetitions from the ledger.

    Args:
        handler: runs a request and answers errors as replies; it does not raise them.
        ledger: remembers what ran.
        run_again: run a command that must not be repeated again when an earlier run's outcome is unknown
            (the setting ON_UNKNOWN=run), instead of reporting it.
    """
    return _Once(handler, ledger, run_again)


class _Once:
    def __init__(self, handler: Handler, ledger: Ledger, run_again: bool) -> None:
        self._handler = handler
        self._ledger = ledger
        self._run_again = run_again
        self._running: dict[str, _Run] = {}
        self._unidentified = Unidentified(handler)

    async def __call__(self, incoming: Incoming) -> Reply:
        operation = OPERATIONS[incoming.request.operation]
        request_id = incoming.request_id
        if not operation.recorded:
            return await self._handler(incoming)
        if request_id is None:
            return await self._unidentified(incoming)
        return await self._identified(incoming, _identity(incoming.user_id, request_id))

    async def _identified(self, incoming: Incoming, identity: str) -> Reply:
        digest = incoming.request.digest()
        earlier = self._running.get(identity)
        if earlier is not None:
            if earlier.digest != digest:
                raise _taken(incoming)
            # Shielded: whoever stops waiting must not cancel the run that others wait for.
            return replace(await asyncio.shield(earlier.reply), replayed=True)
        run = self._running[identity] = _Run(digest)
        try:
            reply = await self._claimed(incoming, identity, digest)
            run.reply.set_result(reply)
            return reply
        finally:
            run.reply.cancel()  # no effect once it has a result
            del self._running[identity]

    async def _claimed(self, incoming: Incoming, identity: str, digest: bytes) -> Reply:
        claim = await self._ledger.claim(identity, digest)
        if claim.state is State.TAKEN:
            raise _taken(incoming)
        if claim.reply is not None:
            return replace(claim.reply, replayed=True)
        repeatable = OPERATIONS[incoming.request.operation].repeatable(incoming.request.command)
        if claim.state is State.ABANDONED and not repeatable and not self._run_again:
            raise _unknown(incoming)
        reply = await self._handler(incoming)
        if is_final(reply, repeatable):
            await self._ledger.finish(identity, reply)
        else:
            await self._ledger.release(identity)
        return _hedged(reply) if claim.state is State.ABANDONED else reply


def _identity(user_id: str | None, request_id: str) -> str:
    # The length keeps (user "a", id "bc") and (user "ab", id "c") apart.
    user = user_id or ""
    return f"{len(user)}:{user}:{request_id}"


def is_final(reply: Reply, repeatable: bool) -> bool:
    """Whether a repetition must get this very answer: the command went out, and running it again would be wrong."""
    error = reply.error
    if error is None:
        return True
    if error.outcome is Outcome.UNKNOWN:
        return not repeatable
    # Refused credentials are ours to mend; after that the same request should run.
    return error.source is Source.GATEWAY and not error.retryable and error.code is not Code.UNAUTHENTICATED


def _taken(incoming: Incoming) -> CommandError:
    return CommandError(
        Code.ALREADY_EXISTS,
        f"request-id: {str(incoming.request_id)[:80]!r} belongs to another request with other content; "
        "a new request needs a new id",
        details={"field": "request-id"},
    )


def _unknown(incoming: Incoming) -> CommandError:
    return CommandError(
        Code.ABORTED,
        f"an earlier run of request-id {str(incoming.request_id)[:80]!r} was cut off; whether "
        f"{incoming.request.operation} was executed is not known, and it is not safe to repeat: look at the engine, "
        "then send it with a new id",
        outcome=Outcome.UNKNOWN,
    )


def _hedged(reply: Reply) -> Reply:
    if reply.error is None or reply.error.code not in _MAY_MEAN_DONE:
        return reply
    note = "an earlier run of this request was cut off; this answer may mean that it did the work"
    details = {**(reply.error.details or {}), "earlierRun": note}
    return replace(reply, error=msgspec.structs.replace(reply.error, details=details))
