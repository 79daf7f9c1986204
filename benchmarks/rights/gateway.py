"""The gateway of the attacks: `python -m benchmarks.rights.gateway PORT JOURNAL`.

It answers at once; holds what is to wait for as long as it asks to; and gives large answers to who wants those. The
journal gets a line with the id in the variables of each command that it executes.
"""

from __future__ import annotations

import asyncio
import base64
import os
import re
import sys
from pathlib import Path
from typing import Any

from consumer.zeebe.protocol import gateway_pb2 as pb
from tests.fakes.gateway import FakeGateway, Request, stream
from zeebe_amqp.testing import Step, after, answer

WAITING, LARGE = "visit-wait", "visit-large"
"""Names of a job type and a process that wait, and of a process with a large answer."""
ANSWER = 180 * 1024
"""Bytes of a large answer that no compression makes smaller; a ledger still keeps it whole."""
LARGE_VARIABLES = f'{{"large":"{base64.b64encode(os.urandom(ANSWER)).decode()}"}}'
_ID = re.compile(r'"id":\s?"([\w.-]{1,100})"')
MAX_LOOK = 200
"""Characters of the variables in which an id is looked for."""


def identify(_: str, message: Any) -> str | None:
    """The id among the first variables of a command."""
    request = getattr(message, "request", message)
    found = _ID.search(getattr(request, "variables", "")[:MAX_LOOK])
    return found[1] if found else None


def poll(request: Request) -> Step:
    """Jobs at once, or none after the time that was asked for."""
    message = request.message
    return stream(open_for=message.requestTimeout / 1000) if message.type.startswith(WAITING) else answer()


def result(request: Request) -> Step:
    """The end of an instance: at once, after the time that was asked for, or a large one."""
    process = request.message.request.bpmnProcessId
    if process.startswith(WAITING):
        return after(request.message.requestTimeout / 1000)
    if process.startswith(LARGE):
        return answer(pb.CreateProcessInstanceWithResultResponse(variables=LARGE_VARIABLES))
    return answer()


async def main(port: int, journal: Path) -> None:
    """Serve until the process is ended; prints "listening" when it does."""
    gateway = FakeGateway(port, record=False, identify=identify, journal=journal)
    gateway.always("ActivateJobs", poll)
    gateway.always("CreateProcessInstanceWithResult", result)
    async with gateway:
        print("listening", flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), Path(sys.argv[2])))
