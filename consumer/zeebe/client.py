"""Zeebe as an engine: mapping, deadline, attempts, credentials, version check and observation of every call."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from http import HTTPStatus
from math import inf
from typing import Any, Final, cast

import grpc
from google.protobuf.message import Message

from consumer.config import Zeebe
from consumer.core.call import Call, CallObserver, Unwatched, unobserved
from consumer.core.circuit_breaker import CircuitBreaker
from consumer.core.foreign_text import tell_apart
from consumer.core.large import LARGE, offload
from consumer.zeebe import versions
from consumer.zeebe.connection import Connection, Connections
from consumer.zeebe.credentials import credentials_for
from consumer.zeebe.failures import Failure, FailureKind, GatewayError, error, partition
from consumer.zeebe.operations import OPERATIONS, Operation
from consumer.zeebe.outgoing import Answer, End, Outgoing, serialize, size
from consumer.zeebe.polls import Poll, Polls, ResponseStream
from consumer.zeebe.protocol import gateway_pb2 as pb
from consumer.zeebe.retries import Retries
from consumer.zeebe.rpcs import METHODS
from consumer.zeebe.tls import name_cause
from consumer.zeebe.topology_cache import TopologyCache
from zeebe_amqp.cancellation import being_cancelled
from zeebe_amqp.commands import Topology
from zeebe_amqp.errors import Code, CommandError, Outcome, Source

__all__ = ["PROBE_TIMEOUT", "ZeebeEngine"]


log = logging.getLogger(__name__)

PROBE_TIMEOUT: Final = 5.0
"""Seconds for the question whether the gateway is there."""
MIN_ATTEMPT: Final = 0.001
"""Seconds; with less time left an answer cannot come back, and sending would only make the outcome unknown."""
CONNECTING: Final = 1.0
"""Seconds in which a gateway that is there takes a connection, however far it is."""
LOGGED: Final = 200
"""Characters of a gateway's text in logs; it may quote the caller's document."""


class _Hasty(Failure):
    """Its caller had too little time for finding out whether a gateway is there."""


class ZeebeEngine:
    """Zeebe behind its gateway. Make it inside the running event loop; `close` it at the end."""

    def __init__(
        self,
        zeebe: Zeebe,
        observer: CallObserver | None = None,
        *,
        operations: Mapping[str, Operation] = OPERATIONS,
        connections: Callable[[Zeebe], Connections] = Connections,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
        random: Callable[[], float] = random.random,
    ) -> None:
        """`clock` gives seconds since 1970, `random` numbers from 0 to 1; tests bring their own, and connections, too.

        Raises:
            ValueError: a file of certificates or of a key is missing, or has something else in it.
        """
        self._operations = operations
        self._zeebe, self._request_timeout = zeebe, zeebe.request_timeout
        self._target = zeebe.address.rsplit("/", 1)[-1]
        self._observer = observer or unobserved
        self._clock, self._monotonic, self._sleep, self._random = clock, monotonic, sleep, random
        self._connections = connections(zeebe)
        self._credentials = credentials_for(zeebe.credentials, monotonic)
        self._topology_cache = TopologyCache(self.probe, monotonic)
        self._polls = Polls()
        self._closed = False
        self.circuit = CircuitBreaker()

    @property
    def last_version(self) -> str | None:
        """The version a gateway last gave, whatever happened to the connection since; None before the first answer."""
        return self._topology_cache.last_version

    async def execute(self, call: Call) -> Any:
        """Do a command; see `consumer.core.call.Engine`."""
        operation, command = self._operations[call.command.operation], call.command
        request = await offload(operation.to_request, command) if call.large else operation.to_request(command)
        answer = await self.send(request, call)
        options = (call.keys_as_text, self.last_version)
        if size(answer) > LARGE:
            return await offload(operation.to_result, answer, *options)
        return operation.to_result(answer, *options)

    async def send(self, message: Message, call: Call, poll: Poll | None = None) -> Answer:
        """Send a request to the RPC of its type, as often as the rules of delivery allow, within its limits.

        A `poll` that takes its responses as they come is not observed: it lasts as long as it lasts.

        Returns:
            The response; for `ActivateJobs` the list of responses. A stream that fails after some jobs
            arrived returns those, because they are locked for the caller already.

        Raises:
            CommandError: as the contract's table of errors says; a `GatewayError` with the kind of failure when an
                attempt failed. `asyncio.CancelledError` passes through, and the call is cancelled.
        """
        rpc = METHODS[message.DESCRIPTOR.full_name]
        payload = await offload(serialize, message) if call.large else serialize(message)
        if call.deadline is not None and call.deadline <= self._clock():
            raise _past()
        observer = self._observer if poll is None else unobserved
        with observer(rpc.name, self._target) as span:
            call.trace = span.metadata
            timeout, poll = call.attempt_timeout or self._request_timeout, poll or (Poll() if rpc.streaming else None)
            try:
                answer = await self._answer(Outgoing(rpc, message, payload, call, timeout, span, poll))
            except CommandError as failed:
                span.finish(failed.code)
                raise
            span.finish("OK")
            if call.is_empty is not None and call.is_empty(answer):
                span.discard()
            return answer

    async def look(self) -> None:
        """Ask whether the gateway is there; over a new connection when the one in use says nothing any more.

        Raises:
            GatewayError: it is not, or its answer is a refusal. The circuit opens when a new connection is as silent,
                or cannot be made.
        """
        if await self._is_heard():
            self._connections.abandon()
            return
        fields = {"event": "gateway.silent", "address": self._target}
        words = "gateway %s: nothing comes over the connection any more; opening a new one"
        log.warning(words, self._target, extra=fields)
        self._renew()
        self._topology_cache.forget()
        try:
            await self.probe()
        except GatewayError as error:
            if error.kind.away or error.kind is FailureKind.LATE:
                self.circuit.trip()
            raise
        self._connections.abandon()

    def _renew(self) -> None:
        try:
            self._connections.renew()
        except ValueError as problem:  # the certificate's file may be about to be replaced
            self.circuit.trip()
            failure = Failure(Code.UNAVAILABLE, str(problem), FailureKind.UNREACHABLE, Source.CONSUMER)
            raise error(failure, idempotent=True) from problem

    async def _is_heard(self) -> bool:
        """Whether anything comes over the connection in use: the answer to a probe, or to what others asked."""
        connection, asked = self._connections.current, time.monotonic()
        try:
            await self.probe()
        except GatewayError as error:
            if error.kind is not FailureKind.LATE:
                raise
            return connection.heard_since(asked)
        return True

    async def probe(self) -> pb.TopologyResponse:
        """Ask the gateway for its topology, once and with a short deadline.

        An answer proves the gateway, not that a broker is behind it.

        Raises:
            GatewayError: it did not answer.
        """
        message = pb.TopologyRequest()
        rpc = METHODS[message.DESCRIPTOR.full_name]
        call = Call(Topology(), idempotent=True)
        outgoing = Outgoing(rpc, message, message.SerializeToString(), call, PROBE_TIMEOUT, Unwatched())
        try:
            topology = cast("pb.TopologyResponse", await self._attempt(outgoing))
        except Failure as failure:
            # Nobody's command was meant.
            if failure.kind is FailureKind.LATE:
                failure.reword(f"the gateway did not answer within {PROBE_TIMEOUT:g} s")
            elif failure.text == _NOT_CONNECTED:
                failure.reword(f"no connection to the gateway within {PROBE_TIMEOUT:g} s")
            raise error(failure, idempotent=True) from failure
        self._topology_cache.note(topology)
        return topology

    async def end_polls(self, within: float = inf) -> None:
        """Answer long polls, those that are out and later ones, with the jobs that have arrived; see `Polls.end`."""
        await self._polls.end(within)

    async def close(self) -> None:
        """Close the connection; calls that are still out end with CANCELLED and an unknown outcome."""
        self._closed = True
        await self._connections.close()
        await self._topology_cache.close()
        await self._credentials.close()

    def _answer(self, outgoing: Outgoing) -> Awaitable[Answer]:
        if outgoing.poll is None or outgoing.call.attempt_timeout is None:
            return self._attempts(outgoing)
        return self._polls.run(outgoing.poll, partial(self._attempts, outgoing))

    async def _attempts(self, outgoing: Outgoing) -> Answer:
        retries = None
        while True:
            try:
                if not self._knows_version():
                    await self._learn_version(outgoing)
                versions.check(outgoing.message, self._topology_cache.version)
                return await self._attempt(outgoing)
            except Failure as failure:
                retries = retries or self._retries(outgoing)
                delay = retries.after(failure, self._clock())
                if delay is None:
                    raise await self._error(failure, retries) from failure
                _tell_attempt(outgoing, retries.made, failure)
                outgoing.span.attempt(retries.made, failure.code, delay)
                await self._sleep(delay)

    def _retries(self, outgoing: Outgoing) -> Retries:
        call = outgoing.call
        return Retries(call.idempotent, call.deadline, self._random, len(outgoing.payload))

    def _knows_version(self) -> bool:
        if not self._connections.current.is_ready:
            # The connection ended without a call that failed: whoever answers next may be another gateway.
            self._topology_cache.forget()
        return self._topology_cache.version is not None

    async def _learn_version(self, outgoing: Outgoing) -> None:
        if versions.depends(outgoing.message):
            deadline = outgoing.call.deadline
            left = PROBE_TIMEOUT if deadline is None else deadline - self._clock()
            await self._topology_cache.learn(min(PROBE_TIMEOUT, left))

    async def _attempt(self, outgoing: Outgoing) -> Answer:
        limiter = outgoing.call.limiter
        sent = limiter.round if limiter is not None else 0
        try:
            answer = await self._exchange(outgoing)
        except Failure as failure:
            self._note(failure)
            if failure.kind is FailureKind.OVERLOAD and limiter is not None:
                limiter.record_refusal(sent)
            raise
        self.circuit.record_success()
        if limiter is not None:
            limiter.record_success()
        return answer

    async def _exchange(self, outgoing: Outgoing) -> Answer:
        end = outgoing.end(self._clock(), self._monotonic())
        authorization = await self._credentials.authorization(end.at - self._monotonic())
        connection = await self._connect(end)
        if outgoing.call.may_go is not None:
            await outgoing.call.may_go()  # last of all: a connection may take a while
        outgoing.call.sent = True
        outgoing.call.attempts += 1
        call, poll, metadata = outgoing.call, outgoing.poll, outgoing.metadata(authorization)
        started = connection.call(outgoing.rpc, outgoing.payload, end.at - self._monotonic(), metadata, call.idempotent)
        heard = False
        try:
            answer = await (self._collect(poll, started, outgoing, end, connection) if poll else started)
            heard = True
        except (grpc.aio.AioRpcError, asyncio.CancelledError) as error:
            failure = self._failure(error, outgoing, end, connection)
            heard = failure.kind not in _UNHEARD
            await self._refresh(failure, authorization)
            raise failure from error
        finally:
            connection.record_end(started, heard)
        return cast("Answer", answer)

    async def _connect(self, end: End) -> Connection:
        """The connection to send over: what ends while it waits for one has certainly not been executed."""
        connections, left = self._connections, end.at - self._monotonic()
        if not (self._closed or connections.current.is_ready or await connections.connect(left)):
            kind = _Hasty if end.is_callers and left < CONNECTING else Failure
            raise kind(Code.UNAVAILABLE, _NOT_CONNECTED, FailureKind.UNREACHABLE)
        if self._closed:
            raise Failure(Code.UNAVAILABLE, _CLOSED, FailureKind.CLOSING, Source.CONSUMER)
        if end.at - self._monotonic() < MIN_ATTEMPT:
            raise Failure(Code.DEADLINE_EXCEEDED, _NOT_SENT, FailureKind.FINAL, Source.CONSUMER)
        return connections.current

    async def _refresh(self, failure: Failure, refused: str | None) -> None:
        """Replace credentials that were refused, by the gateway or by what looks at them on the way."""
        if failure.kind is FailureKind.CREDENTIALS and not await self._credentials.refresh(refused):
            failure.kind = FailureKind.FINAL
        if failure.http == HTTPStatus.UNAUTHORIZED:
            await self._credentials.refresh(refused)

    async def _collect(
        self, poll: Poll, started: ResponseStream, outgoing: Outgoing, end: End, connection: Connection
    ) -> list[Message]:
        try:
            await poll.collect(started)
        except (grpc.aio.AioRpcError, asyncio.CancelledError) as error:
            jobs = sum(len(response.jobs) for response in poll.arrived)
            if not jobs:
                raise
            failure = self._failure(error, outgoing, end, connection)
            # They are locked for the caller already, so keeping them back would only delay their work.
            _tell_broken_stream(outgoing, jobs, failure)
        return poll.arrived

    def _failure(
        self,
        error: grpc.aio.AioRpcError | asyncio.CancelledError,
        outgoing: Outgoing,
        end: End,
        connection: Connection,
    ) -> Failure:
        """What it means that an attempt ended so; a cancellation of the task is raised on."""
        if isinstance(error, grpc.aio.AioRpcError):
            failure = name_cause(Failure.of(error.code().name, error.details() or ""), self._zeebe)
            return self._own_ending(failure, outgoing, end)
        # grpc cancels whoever waits when its channel is closed; that is no cancellation of the task.
        if being_cancelled() or not (self._closed or connection.is_orphaned):
            raise error
        if self._closed:
            return Failure(Code.CANCELLED, _DISCONNECTED, FailureKind.UNCERTAIN, Source.CONSUMER)
        return Failure(Code.UNAVAILABLE, _SILENT, FailureKind.UNCERTAIN, Source.CONSUMER)

    def _own_ending(self, failure: Failure, outgoing: Outgoing, end: End) -> Failure:
        reset = failure.kind is FailureKind.UNCERTAIN and _RESET in failure.text and self._monotonic() >= end.at
        if failure.kind is not FailureKind.LATE and not reset:
            return failure
        limit = "before the caller's deadline" if end.is_callers else f"within {outgoing.attempt_timeout:g} s"
        text = f"the gateway did not answer {limit}; the command may have been executed"
        return Failure(Code.DEADLINE_EXCEEDED, text, FailureKind.LATE, Source.CONSUMER)

    def _note(self, failure: Failure) -> None:
        if isinstance(failure, _Hasty):
            return  # or callers in a hurry would stop all others while a connection is made
        if failure.kind.away:
            self.circuit.record_failure()
        elif failure.kind.outcome is Outcome.NOT_EXECUTED and failure.source is Source.GATEWAY:
            self.circuit.record_success()
        if failure.code is Code.UNAVAILABLE and failure.kind is not FailureKind.NO_PARTITION:
            self._topology_cache.forget()

    async def _error(self, failure: Failure, retries: Retries) -> CommandError:
        number = partition(failure.text)
        if failure.kind is FailureKind.NO_PARTITION and number is not None:
            await self._topology_cache.learn(PROBE_TIMEOUT)
            count = self._topology_cache.partitions
            if number < 1 or (count is not None and number > count):
                known = f"this cluster has {count}" if count else "partitions count from 1"
                text = f"the key belongs to partition {number}, and {known}; accepted: a key that the engine returned"
                failure = Failure(Code.NOT_FOUND, text, FailureKind.FINAL, Source.CONSUMER)
        told = retries.error(failure)
        tell_apart(told, quotes=failure.kind is FailureKind.FINAL)
        return told


_UNHEARD: Final = frozenset({FailureKind.LATE, FailureKind.UNCERTAIN, FailureKind.UNREACHABLE})
"""Failures that need nobody on the other side."""
_NOT_CONNECTED: Final = "no connection to the gateway within the time of the call; nothing was sent"
_CLOSED: Final = "the connection to the gateway is closed because the consumer stops; nothing was sent"
_NOT_SENT: Final = "the caller's deadline passed before the command could be sent"
_DISCONNECTED: Final = (
    "the consumer closed its connection to the gateway while the call was out; the command may have been executed"
)
_SILENT: Final = (
    "the connection to the gateway said nothing more while the call was out; the command may have been executed"
)
_RESET: Final = "RST_STREAM"


def _tell_attempt(outgoing: Outgoing, number: int, failure: Failure) -> None:
    if not log.isEnabledFor(logging.DEBUG):
        return
    name, text = outgoing.rpc.name, failure.text[:LOGGED]
    fields = {"event": "gateway.attempt", "rpc": name, "attempt": number, "code": failure.code.value, "error": text}
    log.debug("%s attempt %d: %s %s", name, number, failure.code, text, extra=fields)


def _tell_broken_stream(outgoing: Outgoing, jobs: int, failure: Failure) -> None:
    name, text = outgoing.rpc.name, failure.text[:LOGGED]
    fields = {"event": "gateway.broke_off", "rpc": name, "jobs": jobs, "code": failure.code.value, "error": text}
    log.warning("%s failed after %d jobs, which are answered: %s %s", name, jobs, failure.code, text, extra=fields)


def _past() -> CommandError:
    return CommandError(Code.DEADLINE_EXCEEDED, _NOT_SENT, details={"field": "deadline"})
