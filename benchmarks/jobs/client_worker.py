"""A worker of a queue of jobs with our client.

A program: `python -m benchmarks.jobs.client_worker AMQP_URL TYPE JOBS`. It runs on uvloop.
"""

from __future__ import annotations

import sys
import time

from benchmarks import request
from zeebe_amqp import Client, Job, Worker


async def work(url: str, job_type: str, jobs: int) -> None:
    """Work until the process is ended."""

    async def done(job: Job) -> dict[str, int]:
        begun = time.time_ns()
        assert job.variables
        return {"begun": begun}

    async with Client(url) as client:
        print("ready", flush=True)
        await Worker(client, job_type, done, concurrency=jobs, source="queue").run()


if __name__ == "__main__":
    request.run(work(sys.argv[1], sys.argv[2], int(sys.argv[3])))
