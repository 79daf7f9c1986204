"""A connection to the broker, as callers and the service open and close one. Needs the extra `client`."""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import Iterator
from contextlib import contextmanager

import aio_pika
from aio_pika.abc import AbstractConnection
from aiormq.exceptions import AMQPError
from yarl import URL

__all__ = ["RPC_TIMEOUT", "TROUBLE", "being_cancelled", "close", "connect", "library_calls", "said"]

log = logging.getLogger(__name__)

HEARTBEAT = 10
"""Seconds; a dead peer is noticed after about three of them."""
CONNECT_TIMEOUT = 15.0
"""Seconds for one connection attempt."""
RPC_TIMEOUT = 15.0
"""Seconds for one call to the broker; the AMQP library itself may wait for ever."""

TROUBLE = (AMQPError, OSError, TimeoutError, RuntimeError)
"""What a call to the broker raises when the broker or the way to it is the cause."""


async def connect(url: str, name: str, tls: ssl.SSLContext | None = None) -> AbstractConnection:
    """Open one connection.

    Args:
        url: `amqp://` or `amqps://`; what its query says goes before our own heartbeat and name.
        name: shown in the broker's list of connections.
        tls: for `amqps://`; None = as the address says.

    Raises:
        One of TROUBLE.
    """
    query = {"heartbeat": str(HEARTBEAT), "name": name, **URL(url).query}
    return await aio_pika.connect(URL(url).with_query(query), ssl_context=tls, timeout=CONNECT_TIMEOUT)


async def close(connection: AbstractConnection) -> None:
    """Close a connection that may be broken; never raises for that."""
    try:
        with library_calls():
            async with asyncio.timeout(RPC_TIMEOUT):
                await connection.close()
    except TROUBLE:
        log.debug("closing a broken connection", exc_info=True)


@contextmanager
def library_calls() -> Iterator[None]:
    """Raise ConnectionError for the two odd ways in which the AMQP library ends what waits on a lost connection.

    One is a bare Exception, the other a CancelledError although nobody cancelled: taken for a real one, that would
    end the task that waits. A real cancellation passes.
    """
    try:
        yield
    except asyncio.CancelledError as error:
        if being_cancelled():
            raise
        raise ConnectionError("the connection was lost") from error
    except Exception as error:
        if type(error) is not Exception:
            raise
        raise ConnectionError("the connection was closed") from error


def being_cancelled() -> bool:
    """Whether this task is to end; the library turns a cancellation while it connects into an error of its own."""
    task = asyncio.current_task()
    return task is None or task.cancelling() > 0


def said(error: BaseException | None) -> str:
    """An error in one line, for a log; None is the end of a connection without one."""
    if error is None or (isinstance(error, asyncio.CancelledError) and not error.args):
        return "closed"
    return f"{type(error).__name__}: {error}".removesuffix(": ")
