"""Refuses commands that their sender may not run, before anything is remembered of them."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Any, Final

from consumer.core.access import Authorizer, Decision
from consumer.core.count import Count, ignore
from consumer.core.delivery import Delivery, Handler, Middleware, Reply
from consumer.core.large import offload
from consumer.pipeline.handler import place
from zeebe_amqp.commands.keys import outline
from zeebe_amqp.commands.target import Target
from zeebe_amqp.errors import Code, CommandError

__all__ = ["DENIALS", "MAX_AT_ONCE", "authorized"]

_DENIED: Final = "denied"
_ANONYMOUS: Final = "anonymous"
DENIALS: Final = (_DENIED, _ANONYMOUS)
"""Why a request was not run because of its sender, as the counter of refused requests says."""

MAX_AT_ONCE: Final = 16 * 1024
"""Bytes of files that are read on the event loop: they take about two milliseconds."""
_USER_ID: Final = "user_id"
_NOBODY: Final = (
    "user_id: missing; this service requires it. Set it to the name of your login at the broker, which checks it; the "
    "official client does so by default"
)
_EARLIER: Final = "this message was delivered before, and an earlier policy may have allowed it"


def authorized(authorizer: Authorizer, *, require_user_id: bool = False, count: Count = ignore) -> Middleware:
    """Run only commands that their sender may run. A request that cannot be decoded gets that error, whoever sent it.

    Args:
        authorizer: decides; what it decides is kept in the delivery.
        require_user_id: refuse what has no validated sender (the setting REQUIRE_USER_ID).
        count: counts requests that are refused.
    """

    def around(handler: Handler) -> Handler:
        def authorize(delivery: Delivery) -> Awaitable[Reply]:
            if require_user_id and not delivery.message.user_id:
                delivery.decision = _nobody(delivery)
                count("refused", reason=_ANONYMOUS)
                raise CommandError(Code.PERMISSION_DENIED, _NOBODY, details={"field": _USER_ID})
            request = delivery.request
            command = request.command
            if request.acts_on is not None:
                return follow(delivery, authorizer.decide(delivery.message.user_id, command, request.acts_on))
            if delivery.large or (delivery.message.size > MAX_AT_ONCE and command.files()):
                return read_and_authorize(delivery)
            return follow(delivery, authorizer.decide(delivery.message.user_id, command))

        async def read_and_authorize(delivery: Delivery) -> Reply:
            """The same beside the event loop: what is inside a large file takes a while to find."""
            decision = await offload(authorizer.decide, delivery.message.user_id, delivery.request.command)
            return await follow(delivery, decision)

        def follow(delivery: Delivery, decision: Decision) -> Awaitable[Reply]:
            delivery.decision = decision
            if decision.allowed:
                return handler(delivery)
            count("refused", reason=_DENIED)
            raise _denied(delivery, decision)

        return authorize

    return around


def _nobody(delivery: Delivery) -> Decision:
    # Neither files are read nor long lists of keys: whoever sent them may do nothing.
    command = None if delivery.large else delivery.command
    return Decision(False, "REQUIRE_USER_ID", Target() if command is None else outline(command), _NOBODY, _USER_ID)


def _denied(delivery: Delivery, decision: Decision) -> CommandError:
    details: dict[str, Any] = {"field": decision.field} if decision.field else {}
    if delivery.message.redelivered:
        details["earlierRun"] = _EARLIER
    error = CommandError(Code.PERMISSION_DENIED, decision.reason, details=details)
    place(error, delivery.request)
    return error
