"""The ceiling of the engine's side: the same gRPC calls and nothing else; bare grpc.aio.

A program: `python -m benchmarks.calls ADDRESS COUNT IN_FLIGHT`; prints its figures as JSON.
"""

from __future__ import annotations

import asyncio
import json
import resource
import sys
import time

import grpc

from benchmarks.load import run
from consumer.zeebe.protocol import gateway_pb2 as pb

METHOD = "/gateway_protocol.Gateway/CreateProcessInstance"


async def measure(address: str, count: int, in_flight: int) -> None:
    """Call and print commands per second and CPU seconds per command of this process."""
    async with grpc.aio.insecure_channel(address) as channel:
        create = channel.unary_unary(
            METHOD,
            request_serializer=pb.CreateProcessInstanceRequest.SerializeToString,
            response_deserializer=pb.CreateProcessInstanceResponse.FromString,
        )

        async def worker(share: int) -> None:
            for _ in range(share):
                await create(
                    pb.CreateProcessInstanceRequest(bpmnProcessId="order", version=-1, variables='{"id":7}'), timeout=20
                )

        await asyncio.gather(*(worker(20) for _ in range(in_flight)))
        used, started = cpu(), time.perf_counter()
        await asyncio.gather(*(worker(count // in_flight) for _ in range(in_flight)))
        done = count // in_flight * in_flight
        print(json.dumps({"rate": done / (time.perf_counter() - started), "cpu": (cpu() - used) / done}))


def cpu() -> float:
    """CPU seconds of this process so far."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


if __name__ == "__main__":
    run(measure(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])))
