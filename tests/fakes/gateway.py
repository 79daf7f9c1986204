"""A gateway without an engine: every RPC of the protocol answers, and whatever a test scripts happens.

In a test, with the steps of `zeebe_amqp.testing`:

    async with FakeGateway() as gateway:
        gateway.script("CreateProcessInstance", fail("RESOURCE_EXHAUSTED", "busy"), answer())
        ...                                            # talk to gateway.address
        assert gateway.count("CreateProcessInstance") == 2

Here `answer(message)` has a whole response as a protobuf message, `after` takes real time, and `stream` and `sometimes`
below are the gateway's own.

As a program of its own (`python -m tests.fakes.gateway --port 26500`), for a fault that kills a process.
"""

from __future__ import annotations

import argparse
import asyncio
import inspect
import itertools
import json
import random
import time
from collections import Counter, deque
from collections.abc import AsyncIterator, Awaitable, Callable, Hashable, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Any, cast

import grpc
from google.protobuf import message_factory
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message import Message

from consumer.zeebe.protocol import gateway_pb2 as pb
from zeebe_amqp.testing import Reaction, Step, answer, fail

SERVICE = pb.DESCRIPTOR.services_by_name["Gateway"]
RPCS = tuple(method.name for method in SERVICE.methods)
PARTITION_SHIFT = 51
FIRST_PARTITION = 1 << PARTITION_SHIFT
VALUES: dict[str, Any] = {
    "tenantId": "<default>",
    "bpmnProcessId": "process",
    "elementId": "task",
    "retries": 3,
    "version": 1,
    "processDefinitionVersion": 1,
    "decisionVersion": 1,
    "variables": "{}",
    "customHeaders": "{}",
    "decisionOutput": "null",
}
"""What the fields of a response have when the request does not say it."""
MAX_MESSAGE = 4 * 1024 * 1024
BUSY = "Failed to write client request to partition '1', because the request limit is exhausted."
"""What the engine says under backpressure, with RESOURCE_EXHAUSTED."""
DEFAULT = answer()


@dataclass(frozen=True, kw_only=True)
class Stream(Step):
    """The responses of a streaming RPC one by one; `failed` comes after them, and after `open_for` seconds."""

    messages: tuple[Message, ...]
    open_for: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Flow(Step):
    """The responses of a streaming RPC as they come, until there are no more or the caller has gone."""

    source: AsyncIterator[Message]


def stream(*messages: Message, end: Step | None = None, open_for: float = 0.0) -> Step:
    """Answer with these responses, if any, stay open so long, and end as `end` does: well, or with `fail(...)`."""
    return Stream(messages=messages, failed=end.failed if end else None, open_for=open_for)


def sometimes(probability: float, step: Step, chance: Callable[[], float] = random.random) -> Reaction:
    """`step` with that probability, the default answer otherwise."""
    return lambda _: step if chance() < probability else DEFAULT


@dataclass(frozen=True)
class Request:
    """One request as it arrived; `time` is in seconds since 1970."""

    rpc: str
    message: Any
    metadata: dict[str, str]
    time: float


def identity(rpc: str, message: Any) -> Hashable:
    """What makes a request unique for counting: its message id, correlation key, key or variables."""
    request = getattr(message, "request", message)
    for name in ("messageId", "correlationKey", "businessId", "jobKey", "variables", "processInstanceKey"):
        value = getattr(request, name, None)
        if value:
            return cast("Hashable", value)
    return None


@dataclass
class FakeGateway:
    """The gateway; `async with` starts and stops it.

    Every answer takes `seconds`, unless its step says otherwise. `requests` keeps every request (`record=False` for
    benchmarks); `executions` counts the executed ones by `(rpc, identify(rpc, message))`, those without an identity not
    at all; `journal`, a file, gets each of them as a JSON line, which survives a killed process. `otherwise` is what a
    request gets that is neither scripted nor has a default: the built-in answer, unless a `Cluster` stands behind the
    gateway; `unsent` gets the answer of a streaming RPC whose caller has gone before it was sent.
    """

    port: int = 0
    version: str = "8.6.0"
    partitions: int = 1
    seconds: float = 0.0
    record: bool = True
    identify: Callable[[str, Any], Hashable] = identity
    journal: Path | None = None
    credentials: grpc.ServerCredentials | None = None
    otherwise: Reaction = DEFAULT
    unsent: Callable[[Message], None] = lambda _: None
    requests: list[Request] = field(default_factory=list)
    executions: Counter[tuple[str, Hashable]] = field(default_factory=Counter)
    counts: Counter[str] = field(default_factory=Counter)
    _server: grpc.aio.Server | None = None
    _scripts: dict[str, deque[Reaction]] = field(default_factory=dict)
    _defaults: dict[str, Reaction] = field(default_factory=dict)
    _numbers: itertools.count[int] = field(default_factory=lambda: itertools.count(1))

    @property
    def address(self) -> str:
        """Where it listens, "host:port"; the same after a restart."""
        return f"127.0.0.1:{self.port}"

    def script(self, rpc: str, *steps: Reaction) -> None:
        """The next requests of `rpc` get these, one each and in this order; then its default again."""
        self._scripts.setdefault(_known(rpc), deque()).extend(map(_playable, steps))

    def always(self, rpc: str, step: Reaction) -> None:
        """Every request of `rpc` gets this from now on, unless scripted otherwise."""
        self._defaults[_known(rpc)] = _playable(step)

    def reset(self) -> None:
        """Forget scripts, defaults and everything counted."""
        for kept in (self._scripts, self._defaults, self.requests, self.executions, self.counts):
            kept.clear()

    def count(self, rpc: str) -> int:
        """How many requests of `rpc` arrived."""
        return self.counts[_known(rpc)]

    def of(self, rpc: str) -> list[Request]:
        """The recorded requests of `rpc`, oldest first."""
        name = _known(rpc)
        return [request for request in self.requests if request.rpc == name]

    def key(self, partition: int = 1) -> int:
        """A fresh key of that partition."""
        return (partition << PARTITION_SHIFT) + next(self._numbers)

    async def start(self) -> None:
        """Listen, on the former port after a stop."""
        options = [("grpc.so_reuseport", 0), ("grpc.max_receive_message_length", MAX_MESSAGE)]
        server = grpc.aio.server(options=options)
        handlers = {method.name: self._handler(method) for method in SERVICE.methods}
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE.full_name, handlers),))
        if self.credentials is None:
            self.port = server.add_insecure_port(self.address)
        else:
            self.port = server.add_secure_port(self.address, self.credentials)
        await server.start()
        self._server = server

    async def stop(self, grace: float | None = None) -> None:
        """Stop listening; what is in flight is cut after `grace` seconds, at once without."""
        if self._server is not None:
            server, self._server = self._server, None
            await server.stop(grace)

    async def __aenter__(self) -> FakeGateway:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    def _handler(self, method: MethodDescriptor) -> grpc.RpcMethodHandler[Any, Any]:
        request_class = message_factory.GetMessageClass(method.input_type)
        response_class = message_factory.GetMessageClass(method.output_type)
        kind = grpc.unary_stream_rpc_method_handler if method.server_streaming else grpc.unary_unary_rpc_method_handler
        run = self._streaming(method.name) if method.server_streaming else self._unary(method.name)
        return kind(
            cast("Any", run),
            request_deserializer=request_class.FromString,
            response_serializer=response_class.SerializeToString,
        )

    def _unary(self, rpc: str) -> Callable[[Any, Any], Awaitable[Message]]:
        async def run(message: Any, context: Any) -> Message:
            step = await self._react(rpc, message, context)
            if step.failed is not None:
                await context.abort(grpc.StatusCode[step.failed.code], step.failed.message)
            return _response(self, rpc, message, step)

        return run

    def _streaming(self, rpc: str) -> Callable[[Any, Any], AsyncIterator[Message]]:
        async def run(message: Any, context: Any) -> AsyncIterator[Message]:
            step = await self._react(rpc, message, context)
            if isinstance(step, Flow):
                async for sent in step.source:
                    yield sent
            elif isinstance(step, Stream):
                for sent in step.messages:
                    yield sent
                await asyncio.sleep(step.open_for)
            elif step.failed is None:
                response = _response(self, rpc, message, step)
                try:
                    yield response
                except GeneratorExit:
                    self.unsent(response)
                    raise
            if step.failed is not None:
                await context.abort(grpc.StatusCode[step.failed.code], step.failed.message)

        return run

    async def _react(self, rpc: str, message: Any, context: Any) -> Step:
        self.counts[rpc] += 1
        request = Request(rpc, message, dict(context.invocation_metadata() or ()), time.time())
        if self.record:
            self.requests.append(request)
        step = await self._step(rpc, request)
        # When the request arrives, so that a caller who gives up early still caused it.
        if step.failed is None or step.failed.is_open:
            self._executed(rpc, message)
        if seconds := step.seconds or self.seconds:
            await asyncio.sleep(seconds)
        return step

    async def _step(self, rpc: str, request: Request) -> Step:
        scripted = self._scripts.get(rpc)
        reaction = scripted.popleft() if scripted else self._defaults.get(rpc, self.otherwise)
        if isinstance(reaction, Step):
            return reaction
        step = reaction(request)
        return await step if inspect.isawaitable(step) else step

    def _executed(self, rpc: str, message: Any) -> None:
        key = self.identify(rpc, message)
        if key is None:
            return
        self.executions[rpc, key] += 1
        if self.journal is not None:
            with self.journal.open("a", encoding="utf-8") as lines:
                lines.write(json.dumps([rpc, key]) + "\n")


def _known(rpc: str) -> str:
    if rpc not in RPCS:
        raise ValueError(f"rpc: {rpc!r} is not in the protocol; accepted: {', '.join(RPCS)}")
    return rpc


def _playable(step: Reaction) -> Reaction:
    if isinstance(step, Step) and step.reply_fault:
        raise ValueError("step: expected no fault of a reply, which no gateway sends; found drop_reply or disconnect")
    return step


def _response(gateway: FakeGateway, rpc: str, message: Any, step: Step) -> Message:
    response = step.data if step.given else _default(gateway, rpc, message)
    for name, value in step.fields.items():
        first, *more = name.split("_")
        setattr(response, first + "".join(map(str.title, more)), value)
    return cast("Message", response)


def _default(gateway: FakeGateway, rpc: str, message: Any) -> Any:
    make = _ANSWERS.get(rpc)
    if make is not None:
        return make(gateway, message)
    kind = message_factory.GetMessageClass(SERVICE.methods_by_name[rpc].output_type)
    return _filled(gateway, kind(), getattr(message, "request", message))


@cache
def _fields(response: type[Message], asked: type[Message]) -> list[tuple[str, bool, bool, Any]]:
    """Each number and text of a response: its name, whether a request has it, whether it is text, its value else."""
    fields = [each for each in response.DESCRIPTOR.fields if each.message_type is None and not each.is_repeated]
    names = asked.DESCRIPTOR.fields_by_name
    return [
        (each.name, each.name in names, each.cpp_type == each.CPPTYPE_STRING, VALUES.get(each.name)) for each in fields
    ]


def _filled(gateway: FakeGateway, response: Message, asked: Any) -> Any:
    """A response with what was asked for under the same names, and fresh keys."""
    for name, is_asked, is_text, otherwise in _fields(type(response), type(asked)):
        value = getattr(asked, name) if is_asked else None
        if value in (None, 0, "", -1):  # a version of -1 is the latest
            value = gateway.key() if name.endswith(("Key", "key")) else otherwise
        if value is not None:
            setattr(response, name, str(value) if is_text else value)
    return response


def _topology(gateway: FakeGateway, _: Any) -> Message:
    partitions = [pb.Partition(partitionId=n, role="LEADER") for n in range(1, gateway.partitions + 1)]
    broker = pb.BrokerInfo(nodeId=0, host="127.0.0.1", port=26501, partitions=partitions, version=gateway.version)
    return pb.TopologyResponse(
        brokers=[broker],
        clusterSize=1,
        partitionsCount=gateway.partitions,
        replicationFactor=1,
        gatewayVersion=gateway.version,
    )


def _job(gateway: FakeGateway, message: Any) -> pb.ActivatedJob:
    job: pb.ActivatedJob = _filled(gateway, pb.ActivatedJob(), message)
    job.deadline = int(time.time() * 1000) + message.timeout
    return job


def _process(gateway: FakeGateway, file: Any, asked: Any) -> pb.ProcessMetadata:
    process: pb.ProcessMetadata = _filled(gateway, pb.ProcessMetadata(resourceName=file.name), asked)
    process.bpmnProcessId = Path(file.name).stem
    return process


def _deployed(gateway: FakeGateway, message: Any) -> Message:
    response = _filled(gateway, pb.DeployResourceResponse(), message)
    processes = [_process(gateway, file, message) for file in message.resources]
    response.deployments.extend(pb.Deployment(process=process) for process in processes)
    return cast("Message", response)


def _deployed_processes(gateway: FakeGateway, message: Any) -> Message:
    processes = [_process(gateway, file, message) for file in message.processes]
    return pb.DeployProcessResponse(key=gateway.key(), processes=processes)


_ANSWERS: dict[str, Callable[[FakeGateway, Any], Message]] = {
    "Topology": _topology,
    "ActivateJobs": lambda gateway, message: pb.ActivateJobsResponse(jobs=[_job(gateway, message)]),
    "StreamActivatedJobs": _job,
    "DeployResource": _deployed,
    "DeployProcess": _deployed_processes,
}


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="A gateway without an engine, for tests and benchmarks.")
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one; the first line printed names it")
    parser.add_argument("--gateway-version", default="8.6.0", help="what Topology says")
    parser.add_argument("--partitions", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=0.0, help="that each answer takes")
    parser.add_argument("--reject", type=float, default=0.0, help="part (0 to 1) answered with RESOURCE_EXHAUSTED")
    parser.add_argument("--journal", type=Path, help="file that gets one JSON line per executed command")
    return parser.parse_args(arguments)


async def main(arguments: Sequence[str] | None = None) -> None:
    """Serve until the process is ended; prints "listening on host:port" once ready."""
    options = _options(arguments)
    gateway = FakeGateway(
        options.port, options.gateway_version, options.partitions, options.seconds, False, journal=options.journal
    )
    if options.reject:
        busy = fail("RESOURCE_EXHAUSTED", BUSY)
        for rpc in RPCS:
            gateway.always(rpc, sometimes(options.reject, busy))
    async with gateway:
        print(f"listening on {gateway.address}", flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
