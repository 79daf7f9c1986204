"""The programs in Go: a load generator and a gateway that cost so little that they are not what is measured."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Self

import grpc

from benchmarks.figures import Figures
from benchmarks.request import BODY, EXPECTED, PROCESS
from consumer.zeebe.protocol import gateway_pb2 as pb
from scripts import golang
from scripts.process import Process, ServerError, free_port

SOURCES = Path(__file__).parent / "go"
SERVICE = "/gateway_protocol.Gateway/"
TENANT = "<default>"
ANSWERS = {
    "Topology": pb.TopologyResponse(
        brokers=[pb.BrokerInfo(host="127.0.0.1", port=26501, partitions=[pb.Partition(partitionId=1)])],
        clusterSize=1,
        partitionsCount=1,
        replicationFactor=1,
        gatewayVersion="8.6.0",
    ),
    "CreateProcessInstance": pb.CreateProcessInstanceResponse(
        processDefinitionKey=2251799813685249,
        bpmnProcessId=PROCESS,
        version=1,
        processInstanceKey=2251799813685250,
        tenantId=TENANT,
    ),
}


def built() -> Path:
    """The folder of the programs, which are compiled when they are missing.

    Raises:
        ServerError: there is no Go, or it failed; its own messages are above.
    """
    return golang.built(SOURCES, "./...", "bench")


def load(url: str, queue: str, in_flight: int, *, seconds: float = 0, count: int = 0) -> Figures:
    """Load a queue for some seconds or with some requests, and wait for every answer.

    Returns:
        rate, percentiles, load and count.

    Raises:
        ServerError: an answer was missing, came twice or was another one.
    """
    limits = [*(["-seconds", f"{seconds}"] if seconds else []), *(["-count", f"{count}"] if count else [])]
    command = [str(built() / "load"), "-url", url, "-queue", queue, "-in-flight", f"{in_flight}", *limits]
    done = subprocess.run([*command, "-body", BODY, "-expect", EXPECTED], check=False, capture_output=True, text=True)
    if done.returncode:
        raise ServerError(f"the load on {queue}: {done.stderr.strip()}")
    found = json.loads(done.stdout)
    latency = {f"p{each}": taken for each, taken in found["latency"].items()}
    return {"rate": found["rate"], "load": found["cpu"], "count": found["count"], **latency}


class Gateway:
    """The gateway as a program; use as a context manager."""

    def __init__(self, directory: Path) -> None:
        self.address = f"127.0.0.1:{free_port()}"
        self._log = directory / "gateway.log"

    def __enter__(self) -> Self:
        answers = [f"{SERVICE}{rpc}={answer.SerializeToString().hex()}" for rpc, answer in ANSWERS.items()]
        self.process = Process([str(built() / "gateway"), "-listen", self.address, *answers], {}, self._log)
        self.process.wait_until(lambda: "listening" in self._log.read_text(), 30)
        return self

    def __exit__(self, *_: object) -> None:
        self.process.stop()

    def take(self, milliseconds: float) -> None:
        """Set the time that a call takes from now on."""
        with grpc.insecure_channel(self.address) as channel:
            latency = channel.unary_unary("/benchmark/Latency", request_serializer=bytes, response_deserializer=bytes)
            latency(f"{milliseconds}ms".encode(), timeout=10)
