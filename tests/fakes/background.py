"""A fake gateway on an event loop of its own, for the tests of a whole file."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from tests.fakes.gateway import FakeGateway


class Background:
    """A started gateway; stop and start it as if it were a server of its own."""

    def __init__(self, gateway: FakeGateway, loop: asyncio.AbstractEventLoop) -> None:
        self.gateway = gateway
        self._loop = loop

    def start(self) -> None:
        """Listen, on the former port after a stop."""
        asyncio.run_coroutine_threadsafe(self.gateway.start(), self._loop).result()

    def stop(self) -> None:
        """Stop listening; what is in flight is cut."""
        asyncio.run_coroutine_threadsafe(self.gateway.stop(), self._loop).result()


@contextmanager
def background(gateway: FakeGateway) -> Iterator[Background]:
    """Run a gateway while the block runs."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="fake gateway")
    thread.start()
    running = Background(gateway, loop)
    try:
        running.start()
        yield running
    finally:
        running.stop()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
