"""The connection to the gateway: its channel, and a callable for each RPC on it."""

from __future__ import annotations

from typing import Any

import grpc

from consumer.config import Zeebe
from consumer.zeebe.channel import open_channel
from consumer.zeebe.rpcs import Rpc, bind

__all__ = ["Connection"]


class Connection:
    """One connection; make it inside the running event loop.

    Args:
        zeebe: where the gateway is, and how to speak to it.

    Raises:
        ValueError: the CA certificate file is missing or holds no certificate.
    """

    def __init__(self, zeebe: Zeebe) -> None:
        self._channel = open_channel(zeebe)
        self._callables = bind(self._channel)

    @property
    def is_ready(self) -> bool:
        """Whether a request can be sent now, without connecting first."""
        return self._channel.get_state() is grpc.ChannelConnectivity.READY

    def call(self, rpc: Rpc, payload: bytes, timeout: float, metadata: tuple[tuple[str, str], ...]) -> Any:
        """Send a serialized request; the call to wait for, or to iterate over.

        Args:
            rpc: which.
            payload: the request.
            timeout: seconds until the call ends by itself.
            metadata: to send along.
        """
        return self._callables[rpc.name](payload, timeout=timeout, metadata=metadata)

    async def close(self) -> None:
        """Close it; calls that are still out are cancelled."""
        await self._channel.close(None)
