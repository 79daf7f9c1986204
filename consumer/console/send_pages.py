"""The pages that send a request: every operation, its form, and the reply."""

from __future__ import annotations

import logging
import uuid
from typing import Any, Final

from aiohttp import web

from consumer.console.guard import FORM, SESSION, page
from consumer.console.letters import Busy
from consumer.console.operations import Operation, operations
from consumer.console.rendering import bounded, shown
from consumer.console.sending import Sender, Sent

__all__ = ["SendPages"]

log = logging.getLogger(__name__)

SECONDS: Final = 30
"""Seconds to wait for a reply, unless told otherwise."""
MAX_SECONDS: Final = 120
MAX_REPLY: Final = 65_536
"""Bytes of a reply that are shown."""
_NO_OPERATION: Final = Operation("", "", "", (), ())


class SendPages:
    """Their handlers.

    Args:
        sender: sends.
    """

    def __init__(self, sender: Sender) -> None:
        self._sender = sender

    async def show(self, request: web.Request) -> web.Response:
        """Every operation."""
        return page(request, "operations", operations=operations().values())

    async def show_one(self, request: web.Request) -> web.Response:
        """The form of an operation, with one of its examples."""
        operation = operations().get(request.match_info["operation"])
        if operation is None:
            return page(request, "refused", 404, words="There is no such operation.", back="/send")
        titles = [title for title, _ in operation.examples]
        asked = request.query.get("example", "")
        chosen = titles.index(asked) if asked in titles else 0
        return self._form(request, operation, body=operation.examples[chosen][1], chosen=chosen)

    async def send(self, request: web.Request) -> web.Response:
        """Send what is in the form, and show what came back."""
        form = request[FORM]
        body, seconds = str(form.get("body", "")), _seconds(str(form.get("seconds", "")))
        operation = operations().get(str(form.get("operation", "")), _NO_OPERATION)
        values: dict[str, Any] = {"body": body, "seconds": seconds}
        if not body.strip():
            return self._form(request, operation, 400, problem="The request is empty.", **values)
        # A form that is sent twice is one request: the second gets the answer of the first.
        request_id = shown(form.get("id") or _new_id(), 80)
        try:
            sent = await self._sender.send(body.encode(errors="replace"), request_id, seconds)
        except Busy:
            return self._form(request, operation, 503, problem="Too many requests wait for replies.", **values)
        self._log(request, sent, operation)
        return self._form(request, operation, sent=sent, **values)

    def _form(self, request: web.Request, operation: Operation, status: int = 200, **values: Any) -> web.Response:
        sent: Sent | None = values.pop("sent", None)
        reply, cut = ("", None) if sent is None else bounded(sent.reply, MAX_REPLY)
        shown_values = {"seconds": SECONDS, "max_seconds": MAX_SECONDS, "problem": "", "chosen": None, **values}
        return page(
            request,
            "send",
            status,
            operation=operation,
            sent=sent,
            reply=reply,
            cut=cut,
            new_id=_new_id(),
            **shown_values,
        )

    def _log(self, request: web.Request, sent: Sent, operation: Operation) -> None:
        fields = {
            "event": "console.sent",
            "session": request[SESSION].name,
            "operation": shown(sent.operation or operation.name),
            "request_id": sent.request_id,
            "trace_id": sent.trace_id,
            "code": sent.code,
        }
        log.info("console: %s was sent: %s", fields["operation"] or "a request", sent.code, extra=fields)


def _new_id() -> str:
    return f"console-{uuid.uuid4().hex}"


def _seconds(text: str) -> float:
    """How long to wait; the default for what is no such number."""
    usable = text.isascii() and text.isdecimal() and len(text) < 6
    return float(min(max(int(text), 1), MAX_SECONDS)) if usable else SECONDS
