"""A request, made of its body and of what a caller says beside it."""

from __future__ import annotations

import time
import uuid
from datetime import timedelta
from typing import Final

from zeebe_amqp import wire
from zeebe_amqp.client.sending import check_size
from zeebe_amqp.client.transport import Outgoing
from zeebe_amqp.errors import invalid

__all__ = ["make_request", "margin", "read_timeout"]

MARGIN: Final = 0.5
"""The service gets a deadline this many seconds earlier, so that its answer still arrives in time."""


def read_timeout(timeout: float | timedelta) -> float:
    """A timeout in seconds.

    Raises:
        ValueError: it is none.
    """
    seconds = timeout.total_seconds() if isinstance(timeout, timedelta) else float(timeout)
    if not 0 < seconds < float("inf"):
        raise ValueError(f"timeout: expected a number of seconds above 0, found {seconds}")
    return seconds


def margin(seconds: float) -> float:
    """What is kept of the caller's time for answers that say why there is none."""
    return min(MARGIN, seconds / 10)


def make_request(
    body: bytes, queue: str, request_id: str | None, seconds: float | None, priority: int | None
) -> Outgoing:
    """A request, under a fresh id unless there is one; `seconds` is how long its caller waits, None = nobody does.

    Raises:
        CommandError: no broker or service would take it; the text names what is wrong.
    """
    check_size(body)
    identity = uuid.uuid4().hex
    if request_id is not None and not 0 < len(request_id.encode(errors="replace")) <= wire.MAX_TEXT:
        raise invalid("request_id", f"expected text of 1 to {wire.MAX_TEXT} bytes, found {len(request_id)} characters")
    if priority is not None and not 0 <= priority <= wire.MAX_PRIORITY:
        raise invalid("priority", f"expected a whole number from 0 to {wire.MAX_PRIORITY}, found {priority}")
    return Outgoing(
        body=body,
        queue=queue,
        correlation_id=identity,
        request_id=request_id or identity,
        deadline=None if seconds is None else time.time() + seconds - margin(seconds),
        priority=priority,
    )
