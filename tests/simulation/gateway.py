"""A gateway with an engine behind it: executes commands, and answers late, never, or with an error.

The service's own engine client runs on it; it is a connection in the shape that this client sees of gRPC's.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from enum import Enum
from random import Random
from typing import Any, NamedTuple

import grpc
import orjson
from google.protobuf.message import Message

from consumer.config import Zeebe
from consumer.zeebe.protocol import gateway_pb2 as pb
from consumer.zeebe.rpcs import Rpc
from tests.simulation.history import History
from tests.simulation.loop import Process, VirtualLoop
from tests.simulation.network import Delays

VERSION = "8.8.0"
RESET = "Connection reset by peer"
LATE = "Deadline Exceeded"
FIRST_KEY = 2**51
"""The keys of the engine's first partition begin here."""
LONG = 40.0
"""Seconds that a command takes whose result is waited for."""


class Fate(Enum):
    """What becomes of a call."""

    FINE = "answered"
    LATE = "executed, and answered after its caller has given up"
    TWICE = "answered, and once more with something else"
    LOST = "lost on its way: not executed, and not answered"
    RESET_BEFORE = "the connection breaks before it arrives"
    RESET_AFTER = "executed, and the connection breaks before the answer"
    BUSY = "refused for load"
    REJECTED = "rejected by the engine"


UNSURE = (Fate.LATE, Fate.LOST, Fate.RESET_BEFORE, Fate.RESET_AFTER)
"""After these nobody can tell whether it was executed."""


class Execution(NamedTuple):
    """A command that was done: the key of its result, and when; seconds since the run began."""

    key: int
    at: float


class Engine:
    """What all replicas command.

    Args:
        loop: whose time passes.
        chance: draws the fates.
        delays: how long a way takes.
        fates: how likely each is that is not fine.
        history: is told.
    """

    def __init__(
        self, loop: VirtualLoop, chance: Random, delays: Delays, fates: dict[Fate, float], history: History
    ) -> None:
        self._loop, self._random, self._delays = loop, chance, delays
        self._fates, self._history = fates, history
        self.is_away = False
        self.is_healed = False
        """From now on every call is answered."""
        self.executions: dict[int, list[Execution]] = {}
        """By request."""
        self.unsure: Counter[int] = Counter()
        """By request, calls whose caller could not learn what became of them."""
        self.rejected: set[int] = set()
        self._keys = 0

    def draw(self, is_probe: bool) -> Fate:
        """What becomes of the next call."""
        if self.is_healed or is_probe:
            return Fate.FINE
        drawn = self._random.random()
        for fate, likely in self._fates.items():
            drawn -= likely
            if drawn < 0:
                return fate
        return Fate.FINE

    def execute(self, name: str, request: Any) -> Message | grpc.aio.AioRpcError:
        """Do it."""
        if name == "Topology":
            return pb.TopologyResponse(gatewayVersion=VERSION, partitionsCount=1)
        number = number_of(name, request)
        before = self.executions.setdefault(number, [])
        if name == "CancelProcessInstance" and before:
            return failure(grpc.StatusCode.NOT_FOUND, "Command 'CANCEL' rejected with code 'NOT_FOUND': gone")
        self._keys += 1
        before.append(Execution(self._keys, self._loop.time()))
        self._history.note("engine", "executes", number, name)
        return _ANSWERS[name](self._keys)


def number_of(name: str, request: Any) -> int:
    """Which request it is."""
    if name == "CancelProcessInstance":
        return int(request.processInstanceKey) - FIRST_KEY
    if name == "CompleteJob":
        return int(request.jobKey) - FIRST_KEY
    variables = request.request.variables if name == "CreateProcessInstanceWithResult" else request.variables
    return int(orjson.loads(variables)["number"])


_ANSWERS: dict[str, Callable[[int], Message]] = {
    "CreateProcessInstance": lambda key: pb.CreateProcessInstanceResponse(processInstanceKey=key),
    "CreateProcessInstanceWithResult": lambda key: pb.CreateProcessInstanceWithResultResponse(
        processInstanceKey=key, variables="{}"
    ),
    "PublishMessage": lambda key: pb.PublishMessageResponse(key=key),
    "SetVariables": lambda key: pb.SetVariablesResponse(key=key),
    "CancelProcessInstance": lambda _: pb.CancelProcessInstanceResponse(),
    "CompleteJob": lambda _: pb.CompleteJobResponse(),
}
_REQUESTS: dict[str, type[Message]] = {name: getattr(pb, f"{name}Request") for name in (*_ANSWERS, "Topology")}


def failure(code: grpc.StatusCode, text: str) -> grpc.aio.AioRpcError:
    """An answer that is an error."""
    nothing = grpc.aio.Metadata()
    return grpc.aio.AioRpcError(code, nothing, nothing, text, "")


class GatewayConnection:
    """See `consumer.zeebe.connection.Connections` and its `Connection`: it is both."""

    is_orphaned = False

    def __init__(self, engine: Engine, loop: VirtualLoop, delays: Delays, process: Process, history: History) -> None:
        self._engine, self._loop, self._delays = engine, loop, delays
        self._process, self._history = process, history
        self._calls: dict[asyncio.Future[Any], int] = {}
        """Those that are out, and of which request each is."""
        self.current = self
        self.is_closed = False

    def make(self, zeebe: Zeebe) -> GatewayConnection:
        """The connection to the gateway of these settings."""
        return self

    @property
    def is_ready(self) -> bool:
        return not self._engine.is_away and not self.is_closed

    async def connect(self, within: float) -> bool:
        await asyncio.sleep(min(0.01, within))
        return True

    def heard_since(self, moment: float) -> bool:
        return True

    def call(self, rpc: Rpc, payload: bytes, timeout: float, metadata: object, idempotent: bool) -> Any:
        answer = self._loop.create_future()
        request: Any = _REQUESTS[rpc.name].FromString(payload)
        is_probe = rpc.name == "Topology"
        number = self._calls[answer] = 0 if is_probe else number_of(rpc.name, request)
        if self._engine.is_away:
            self._later(answer, failure(grpc.StatusCode.UNAVAILABLE, "failed to connect to all addresses"))
            return answer
        fate = self._engine.draw(is_probe)
        if not is_probe:
            self._history.note(self._process.name, "calls", number, "" if fate is Fate.FINE else fate.name)
        if fate in UNSURE:
            self._engine.unsure[number] += 1
        self._loop.outside(timeout, self._expire, answer, number)
        if fate is Fate.BUSY:
            self._later(answer, failure(grpc.StatusCode.RESOURCE_EXHAUSTED, "Reached maximum capacity"))
        elif fate is Fate.REJECTED:
            self._engine.rejected.add(number)
            self._later(answer, failure(grpc.StatusCode.INVALID_ARGUMENT, "Command 'DO' rejected with code 'NO': so"))
        elif fate is Fate.RESET_BEFORE:
            self._later(answer, failure(grpc.StatusCode.UNAVAILABLE, RESET))
        elif fate is not Fate.LOST:
            self._loop.outside(self._delays(), self._arrive, rpc.name, request, answer, fate, timeout)
        return answer

    def _later(self, answer: asyncio.Future[Any], outcome: object) -> None:
        self._loop.outside(2 * self._delays(), self._settle, answer, outcome)

    def _arrive(self, name: str, request: Any, answer: asyncio.Future[Any], fate: Fate, timeout: float) -> None:
        """At the engine; who called may be dead by now."""
        outcome: object = self._engine.execute(name, request)
        takes = self._delays() + (LONG if name == "CreateProcessInstanceWithResult" else 0.0)
        if fate is Fate.LATE:
            takes = timeout + 1.0
        elif fate is Fate.RESET_AFTER:
            outcome = failure(grpc.StatusCode.UNAVAILABLE, RESET)
        self._loop.outside(takes, self._settle, answer, outcome)
        if fate is Fate.TWICE:
            self._loop.outside(takes, self._settle, answer, failure(grpc.StatusCode.NOT_FOUND, "who asks?"))

    def _settle(self, answer: asyncio.Future[Any], outcome: object) -> None:
        """The answer came, perhaps not the first one."""
        if answer.done():
            return
        if isinstance(outcome, Exception):
            answer.set_exception(outcome)
        else:
            answer.set_result(outcome)

    def _expire(self, answer: asyncio.Future[Any], number: int) -> None:
        if not answer.done():
            self._engine.unsure[number] += 1
            answer.set_exception(failure(grpc.StatusCode.DEADLINE_EXCEEDED, LATE))

    def record_end(self, call: Any, heard: bool) -> None:
        self._calls.pop(call, None)

    def renew(self) -> None:
        """It is as good as a new one."""

    def abandon(self) -> None:
        """Nothing was sent over another one."""

    async def close(self) -> None:
        self.is_closed = True
        for call, number in self._calls.items():
            self._engine.unsure[number] += 1
            call.cancel()
