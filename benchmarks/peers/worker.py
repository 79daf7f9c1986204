"""A worker as a good user of pyzeebe writes it.

A program: `python worker.py GATEWAY TYPE JOBS STREAM`, STREAM being 0 or 1. It runs on uvloop. At its limit pyzeebe
pauses for five seconds, unless it is told otherwise; here it is a twentieth of one.
"""

from __future__ import annotations

import logging
import sys
import time

import uvloop
from pyzeebe import ZeebeWorker, create_insecure_channel

PAUSE = 0.05


async def work(address: str, job_type: str, jobs: int, stream: bool) -> None:
    """Work until the process is ended."""
    logging.disable(logging.WARNING)  # a line for each pause
    worker = ZeebeWorker(
        create_insecure_channel(grpc_address=address),
        poll_retry_delay=PAUSE,  # type: ignore[arg-type]
        stream_enabled=stream,
    )

    @worker.task(task_type=job_type, timeout_ms=600_000, max_jobs_to_activate=jobs, max_running_jobs=jobs)
    async def done(**variables: object) -> dict[str, int]:
        del variables
        return {"begun": time.time_ns()}

    print("ready", flush=True)
    await worker.work()


if __name__ == "__main__":
    uvloop.run(work(sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4] == "1"))
