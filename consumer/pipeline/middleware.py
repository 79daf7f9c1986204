"""What is around the handler. Errors are raised below `recovered` and are replies above it."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable

from consumer.core.delivery import Delivery, Handler, Middleware, Reply
from consumer.core.requeue import Requeue
from zeebe_amqp.errors import Code, CommandError, Error, Outcome, Source

__all__ = ["compose", "guarded", "recovered"]

log = logging.getLogger(__name__)


def compose(handler: Handler, *middleware: Middleware) -> Handler:
    """The handler inside of all the middleware, the first of it outermost."""
    for around in reversed(middleware):
        handler = around(handler)
    return handler


def guarded(handler: Handler) -> Handler:
    """Run only what can be read, and what may be answered."""

    def guard(delivery: Delivery) -> Awaitable[Reply]:
        if malformed := delivery.message.malformed_properties:
            raise CommandError(Code.INVALID_ARGUMENT, f"not AMQP: {'; '.join(malformed)}; the message was not run")
        if delivery.refusal is not None:
            raise CommandError(Code.PERMISSION_DENIED, delivery.refusal, details={"field": "reply_to"})
        return handler(delivery)

    return guard


def recovered(trace_id: Callable[[Delivery], str | None] = lambda _: None) -> Middleware:
    """Turn errors into replies: what was refused as it says, a defect of ours as INTERNAL without its inside."""

    def around(handler: Handler) -> Handler:
        async def recover(delivery: Delivery) -> Reply:
            try:
                return await handler(delivery)
            except CommandError as error:
                return Reply(error.operation or delivery.operation, error=error.error())
            except Requeue:  # no answer, and no defect: for the worker
                raise
            except Exception:
                trace = trace_id(delivery) or "none"
                fields = {"event": "request.defect", "queue": delivery.message.queue, "trace_id": trace}
                log.exception("defect while handling a request", extra=fields)
                return Reply(delivery.operation, error=_defect(delivery, trace))

        return recover

    return around


def _defect(delivery: Delivery, trace: str) -> Error:
    return Error(
        code=Code.INTERNAL,
        message=f"the consumer failed on this request; its log has the details under trace id {trace}",
        source=Source.CONSUMER,
        outcome=Outcome.UNKNOWN if delivery.sent else Outcome.NOT_EXECUTED,
        retryable=False,
    )
