"""The ceiling of the engine's side: the same gRPC calls and nothing else; bare grpc.aio.

A program: `python -m benchmarks.calls ADDRESS SECONDS IN_FLIGHT`; prints its figures as JSON.
"""

from __future__ import annotations

import json
import sys

import grpc

from benchmarks.request import PROCESS, VARIABLES, run, timed
from consumer.zeebe.protocol import gateway_pb2 as pb

METHOD = "/gateway_protocol.Gateway/CreateProcessInstance"


async def measure(address: str, seconds: float, in_flight: int) -> None:
    """Call and print the figures."""
    variables = json.dumps(VARIABLES)
    async with grpc.aio.insecure_channel(address) as channel:
        create = channel.unary_unary(
            METHOD,
            request_serializer=pb.CreateProcessInstanceRequest.SerializeToString,
            response_deserializer=pb.CreateProcessInstanceResponse.FromString,
        )

        async def once() -> None:
            await create(
                pb.CreateProcessInstanceRequest(bpmnProcessId=PROCESS, version=-1, variables=variables), timeout=20
            )

        print(json.dumps(await timed(once, seconds, in_flight)))


if __name__ == "__main__":
    run(measure(sys.argv[1], float(sys.argv[2]), int(sys.argv[3])))
