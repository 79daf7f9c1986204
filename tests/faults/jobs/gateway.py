"""The fake gateway before an engine of jobs: polls that wait, streams that bring, commands that end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import Any

from google.protobuf.message import Message

from consumer.zeebe.protocol import gateway_pb2 as pb
from tests.fakes.engine import Rejection
from tests.fakes.gateway import FakeGateway, Flow, Request
from tests.faults.jobs.engine import COMMANDS, JobEngine
from zeebe_amqp.testing import Step, answer, fail

BEFORE_STREAMS, WITH_STREAMS = "8.3.0", "8.6.0"
"""Versions of the gateway: the older one has polls only."""
LATENCY = 0.005
"""Seconds that a command takes."""
LOOK = 0.01
"""Seconds between two looks for new jobs."""
POLL = 10.0
"""Seconds that a poll waits which does not say how long."""


class JobGateway(FakeGateway):
    """Plays the jobs of one type; it is here, and can be stopped and started again with what it had."""

    def __init__(self, job_type: str, version: str = WITH_STREAMS) -> None:
        super().__init__(version=version, record=False)
        self.engine = JobEngine(job_type)
        self.waiting = 0
        """Commands that have come and wait to be executed."""
        self._opened = asyncio.Event()
        self._opened.set()
        self.always("ActivateJobs", lambda request: Flow(source=self._poll(request.message)))
        if version == BEFORE_STREAMS:
            self.always("StreamActivatedJobs", fail("UNIMPLEMENTED", "unknown method StreamActivatedJobs"))
        else:
            self.always("StreamActivatedJobs", lambda request: Flow(source=self._push(request.message)))
        for rpc in COMMANDS:
            self.always(rpc, self._execute)

    @contextmanager
    def holding(self) -> Iterator[None]:
        """Meanwhile commands wait before they are executed."""
        self._opened.clear()
        try:
            yield
        finally:
            self._opened.set()

    async def _poll(self, message: Any) -> AsyncIterator[Message]:
        clock = self.engine.clock
        end = clock() + (message.requestTimeout / 1000 if message.requestTimeout else POLL)
        while not (jobs := self.engine.activate(message, message.maxJobsToActivate)):
            if clock() >= end:
                return
            await asyncio.sleep(LOOK)
        yield pb.ActivateJobsResponse(jobs=jobs)

    async def _push(self, message: Any) -> AsyncIterator[Message]:
        """Jobs that become free from now on: a stream brings no backlog."""
        opened = self.engine.clock()
        while True:
            # One at a time, as an engine does: when the stream ends, no other is given out and on no way.
            while jobs := self.engine.activate(message, 1, opened):
                yield jobs[0]
            await asyncio.sleep(LOOK)

    async def _execute(self, request: Request) -> Step:
        arrived = self.engine.clock()
        self.waiting += 1
        try:
            await self._opened.wait()
        finally:
            self.waiting -= 1
        try:
            response = self.engine.execute(request.rpc, request.message, arrived)
        except Rejection as rejection:
            return fail(rejection.status, str(rejection))
        await asyncio.sleep(LATENCY)
        return answer(response)
