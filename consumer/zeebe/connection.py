"""The connection to the gateway: its channel, a callable for each RPC on it, and whether anything comes over it."""

from __future__ import annotations

import asyncio
import time
from typing import Any, Final

import grpc

from consumer.config import Zeebe
from consumer.zeebe.channel import open_channel
from consumer.zeebe.rpcs import Rpc, bind

__all__ = ["Connection", "Connections"]

LOOK: Final = 0.01
"""Seconds between two looks at a channel that connects."""

_UNDECIDED: Final = (grpc.ChannelConnectivity.IDLE, grpc.ChannelConnectivity.CONNECTING)


class Connection:
    """One connection; make it inside the running event loop.

    Args:
        zeebe: where the gateway is, and how to speak to it.

    Raises:
        ValueError: a file of certificates or of a key is missing, or has something else in it.
    """

    def __init__(self, zeebe: Zeebe) -> None:
        self._channel = open_channel(zeebe)
        self._callables = bind(self._channel)
        self._out = 0
        self._idempotent: set[Any] = set()
        self._heard = 0.0
        self._retired = False
        self._connecting: asyncio.Task[None] | None = None
        self._closing: asyncio.Task[None] | None = None
        self.is_orphaned = False
        """Whether calls were cancelled because nothing would come any more."""

    def heard_since(self, moment: float) -> bool:
        """Whether anything came since `moment`, on the clock `time.monotonic`."""
        return self._heard > moment

    @property
    def is_ready(self) -> bool:
        """Whether a request can be sent now, without connecting first."""
        return self._channel.get_state() is grpc.ChannelConnectivity.READY

    async def connect(self, within: float) -> bool:
        """Connect, unless it is done already.

        Args:
            within: seconds.

        Returns:
            False when it was not decided by then. True also when it failed: a call fails at once then, and says why.
        """
        if self._connecting is None:
            if self._is_decided():
                return True
            self._connecting = asyncio.get_running_loop().create_task(self._decide())
        # One looks for all: thousands may wait while a gateway is frozen.
        done, _ = await asyncio.wait({self._connecting}, timeout=within)
        return bool(done)

    async def _decide(self) -> None:
        """Look until it has connected, or failed to, or was closed."""
        try:
            while not self._is_decided():  # noqa: ASYNC110 - waiting for a channel's next state cannot be cancelled
                await asyncio.sleep(LOOK)
        finally:
            self._connecting = None

    def _is_decided(self) -> bool:
        return self._channel.get_state(try_to_connect=True) not in _UNDECIDED

    def call(
        self, rpc: Rpc, payload: bytes, timeout: float, metadata: tuple[tuple[str, str], ...], idempotent: bool
    ) -> Any:
        """Send a serialized request; the call to wait for, or to iterate over. `record_end` must follow.

        Args:
            rpc: which.
            payload: the request.
            timeout: seconds until the call ends by itself.
            metadata: to send along.
            idempotent: whether it may be sent again.
        """
        self._out += 1
        call = self._callables[rpc.name](payload, timeout=timeout, metadata=metadata)
        if idempotent:
            self._idempotent.add(call)
        return call

    def record_end(self, call: Any, heard: bool) -> None:
        """Note that a call has ended, and whether anything came from the other side."""
        self._out -= 1
        self._idempotent.discard(call)
        if heard:
            self._heard = time.monotonic()
        self._close_when_idle()

    def retire(self) -> None:
        """Close as soon as the calls that are out have ended; there must be no further ones."""
        self._retired = True
        self._close_when_idle()

    def abandon(self) -> None:
        """Nothing will come any more: cancel the calls that may be sent again; the others end when their time is up."""
        self.is_orphaned = True
        for call in self._idempotent:
            call.cancel()

    def _close_when_idle(self) -> None:
        if self._retired and not self._out and self._closing is None:
            self._closing = asyncio.get_running_loop().create_task(self._channel.close(None))

    @property
    def is_closed(self) -> bool:
        """Whether it has retired, and nothing was out on it any more."""
        return self._closing is not None and self._closing.done()

    async def close(self) -> None:
        """Close it; calls that are still out are cancelled."""
        await self._channel.close(None)
        if self._connecting is not None:
            await self._connecting


class Connections:
    """The connection in use, and those before it on which something is still out.

    Args:
        zeebe: as for `Connection`.
    """

    def __init__(self, zeebe: Zeebe) -> None:
        self._zeebe = zeebe
        self._retired: list[Connection] = []
        self.current = Connection(zeebe)
        """What to send over."""

    async def connect(self, within: float) -> bool:
        """See `Connection.connect`: whichever is in use at the end."""
        end = time.monotonic() + within
        while not (current := self.current).is_ready:
            if not await current.connect(end - time.monotonic()):
                return False
            if current is self.current:
                break
        return True

    def renew(self) -> None:
        """Send everything over a new one from now on; on the old one something may still be answered.

        Raises:
            ValueError: as for `Connection`; nothing has changed.
        """
        old, self.current = self.current, Connection(self._zeebe)
        old.retire()
        self._retired = [each for each in (*self._retired, old) if not each.is_closed]

    def abandon(self) -> None:
        """The one in use is well: wait no more for those before it; see `Connection.abandon`."""
        for each in self._retired:
            each.abandon()

    async def close(self) -> None:
        """Close all of them; see `Connection.close`."""
        for each in (self.current, *self._retired):
            await each.close()
