"""The client sends commands through a broker and returns typed results."""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, Final, Self, TypedDict, TypeVar

from zeebe_amqp import envelope, wire
from zeebe_amqp import trace_variable as variables
from zeebe_amqp.amqp.properties import Properties
from zeebe_amqp.client.amqp import AmqpTransport
from zeebe_amqp.client.answers import failure, read
from zeebe_amqp.client.outgoing import make_request, margin, read_timeout
from zeebe_amqp.client.pending import Pending
from zeebe_amqp.client.queue_looks import QueueLooks
from zeebe_amqp.client.sending import check_headers, check_size, sending
from zeebe_amqp.client.tracing import tracing
from zeebe_amqp.client.transport import (
    ConnectionLost,
    Denied,
    NotConnected,
    Outgoing,
    QueueState,
    Refused,
    Subscription,
    Transport,
    Unroutable,
)
from zeebe_amqp.commands import Command, rules
from zeebe_amqp.commands.command import DATA
from zeebe_amqp.errors import Code, CommandError, Outcome

__all__ = ["Client", "Options"]

log = logging.getLogger(__name__)

ResultT = TypeVar("ResultT")

TIMEOUT: Final = 30.0
"""The default timeout of a call in seconds. A long poll adds its own wait."""


class Options(TypedDict, total=False):
    """The options of `Client`; see its arguments."""

    timeout: float | timedelta
    commands: str
    polls: str
    reply_queue: str | None
    reply_exchange: str | None
    user_id: str | None
    tls: ssl.SSLContext | None
    trace_variable: str | None


class Client:
    """Sends commands to the service and returns its answers. Use it as an async context manager.

    You can make thousands of calls concurrently. If the connection drops, the client reconnects and resends pending
    calls with the same request id until they time out.

    Args:
        broker: the broker's address, such as `amqp://user:password@host/vhost`; the addresses of a cluster's nodes; or
            a transport.
        timeout: the default timeout of a call, in seconds.
        commands: the request queue for short commands.
        polls: the request queue for long-running requests.
        reply_queue: None = the broker's direct reply-to; "" = an exclusive queue; else the name of a durable queue that
            only this client reads.
        reply_exchange: the exchange of strict replies, if the service has one (its REPLY_EXCHANGE). The client then
            binds the reply queue there; without `reply_queue` that is an exclusive one.
        user_id: the sender that requests name, so that nobody else can use their request ids or read the stored
            answers. None = the name that the address logs in by, which is unknown with a certificate or a token; a
            name; "" = none. The broker refuses any other name than the login's own.
        tls: the context for `amqps://`; None = the address decides.
        trace_variable: the variable that carries the trace of a call into the process that it starts or continues, and
            to the jobs of that process; None = none. It is for `CreateInstance`, `PublishMessage` and
            `BroadcastSignal`, whose own variables must not have that name.

    Raises:
        ValueError: an address, a timeout, a user id or the name of a variable is invalid; or strict replies are asked
            for, and the user is unknown.
    """

    def __init__(
        self,
        broker: str | Sequence[str] | Transport,
        *,
        timeout: float | timedelta = TIMEOUT,
        commands: str = wire.COMMANDS_QUEUE,
        polls: str = wire.POLLS_QUEUE,
        reply_queue: str | None = None,
        reply_exchange: str | None = None,
        user_id: str | None = None,
        tls: ssl.SSLContext | None = None,
        trace_variable: str | None = None,
    ) -> None:
        urls = [broker] if isinstance(broker, str) else broker
        self._transport: Transport = (
            AmqpTransport(urls, reply_queue=reply_queue, reply_exchange=reply_exchange, user_id=user_id, tls=tls)
            if isinstance(urls, Sequence)
            else urls
        )
        self._timeout = read_timeout(timeout)
        self._queues = {False: commands, True: polls}
        self._trace_variable = _variable_name(trace_variable)
        self._tracing = tracing()
        self._pending: dict[str, Pending] = {}
        self._resending: set[asyncio.Task[None]] = set()
        self._looks = QueueLooks(self._transport.look)
        self._idle = asyncio.Event()
        self._open = False

    async def __aenter__(self) -> Self:
        """Connect.

        Raises:
            Unauthenticated: the broker rejected the user or the password.
            PermissionDenied: the user may not enter the virtual host, publish, use the reply queue, or name this
                `user_id`.
            NotFound: the virtual host does not exist.
            FailedPrecondition: the reply queue exists with other arguments.
            Unavailable: the client could not reach a broker.
        """
        await self._transport.open(self)
        self._idle.clear()
        self._open = True
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self, grace: float | None = None) -> None:
        """Stop accepting requests, wait for pending calls, and disconnect.

        A call that is still pending after `grace` seconds ends with CANCELLED, outcome unknown. With None, each call
        may use its own timeout.
        """
        self._open = False
        try:
            if self._pending:
                async with asyncio.timeout(grace):
                    await self._idle.wait()
        except TimeoutError:
            for pending in self._pending.values():
                pending.fail(failure(Code.CANCELLED, "the client was closed", pending.operation))
        finally:
            await self._transport.close()
            await self._looks.end()

    async def call(
        self,
        command: Command[ResultT],
        *,
        timeout: float | timedelta | None = None,
        request_id: str | None = None,
        trace_variable: str | None = None,
        priority: int | None = None,
    ) -> ResultT:
        """Execute a command and return its result.

        Args:
            command: one of `zeebe_amqp.commands`. The client picks the queue for long polls.
            timeout: seconds to wait at most. None = the client's timeout; a long poll adds its own wait.
            request_id: the idempotency key. A repeated id returns the stored answer. None = a new id.
            trace_variable: the variable that carries the trace on; None = the client's; "" = none.
            priority: from 0 to 31; a higher one goes first where the broker knows that. None = as 0.

        Raises:
            CommandError: the command failed. The subclass says how; resend it with the error's `request_id`.
            RuntimeError: the client is not open.
        """
        metadata = self._checked(command, trace_variable)
        wait = command.wait()
        seconds = self._timeout + wait / 1000 if timeout is None else read_timeout(timeout)
        body = envelope.encode(command, metadata=metadata)
        request = make_request(body, self._queues[wait > 0], request_id, seconds, priority)
        with self._tracing.request(command.operation, request.queue, replied=True) as headers:
            request.headers = headers
            try:
                return read(command, await self._await_answer(request, command.operation, seconds))
            except CommandError as error:
                error.request_id = request.request_id
                raise

    async def call_raw(
        self,
        body: bytes,
        *,
        timeout: float | timedelta | None = None,
        request_id: str | None = None,
        type: str | None = None,
        content_type: str = wire.CONTENT_TYPE,
        headers: Mapping[str, Any] | None = None,
        long_poll: bool = False,
        priority: int | None = None,
    ) -> bytes:
        """Send a body unchanged and return the body of the reply unchanged, error replies included.

        Args:
            body: an envelope, or with `type` only the data, such as a BPMN file.
            timeout: seconds to wait at most; None = the client's timeout.
            request_id: as in `call`.
            type: the operation's name, for a body without an envelope.
            content_type: the content type of the body.
            headers: further headers of the message, such as `fileName`.
            long_poll: whether to send the request to the queue for long-running requests.
            priority: as in `call`.

        Raises:
            CommandError: no reply arrived.
            RuntimeError: the client is not open.
        """
        seconds = self._timeout if timeout is None else read_timeout(timeout)
        request = make_request(body, self._queues[long_poll], request_id, seconds, priority)
        request.type, request.content_type = type, content_type
        with self._tracing.request(type, request.queue, replied=True) as trace:
            request.headers = {**(headers or {}), **trace}
            return await self._await_answer(request, type, seconds)

    async def send(
        self,
        command: Command[Any],
        *,
        timeout: float | timedelta | None = None,
        request_id: str | None = None,
        trace_variable: str | None = None,
        priority: int | None = None,
    ) -> str:
        """Publish a command without waiting for its result, and return its request id.

        The service executes it even if the engine is down for now. A command that fails for good becomes a dead letter.
        `trace_variable` and `priority` are as in `call`.

        Raises:
            CommandError: the broker did not confirm the request within `timeout` seconds. Resend it with the error's
                `request_id`.
            RuntimeError: the client is not open.
        """
        metadata = self._checked(command, trace_variable)
        seconds = self._timeout if timeout is None else read_timeout(timeout)
        body = envelope.encode(command, metadata=metadata)
        request = make_request(body, self._queues[command.wait() > 0], request_id, None, priority)
        request.replied = False
        with self._tracing.request(command.operation, request.queue, replied=False) as headers:
            request.headers = headers
            await self._await_answer(request, command.operation, seconds)
        return request.request_id

    def _checked(self, command: Command[Any], trace_variable: str | None) -> dict[str, str]:
        """The metadata of a command; refuses what the service would refuse, without asking it."""
        rules.check(command, DATA, wire.MAX_DEPTH)
        command.verify()
        if trace_variable is None and command.carries_trace:
            trace_variable = self._trace_variable
        if not trace_variable:
            return {}
        variables.check(command, trace_variable, f"metadata.{wire.TRACE_VARIABLE}")
        return {wire.TRACE_VARIABLE: trace_variable}

    async def look(self, queue: str) -> QueueState | None:
        """The state of a queue; None when it is not there, or unknown.

        Raises:
            RuntimeError: the client is not open.
        """
        self._check_open()
        return await self._transport.look(queue)

    async def subscribe(self, queue: str, prefetch: int) -> Subscription:
        """Take messages of a queue, so many at a time. Workers do that with the queues of jobs.

        Raises:
            NotFound: there is no such queue.
            Unavailable: there is no connection now.
            CommandError: the broker refuses it.
            RuntimeError: the client is not open.
        """
        self._check_open()
        with sending(queue):
            try:
                return await self._transport.subscribe(queue, prefetch)
            except Unroutable as error:
                raise failure(Code.NOT_FOUND, str(error), None, outcome=Outcome.NOT_EXECUTED) from error

    async def publish_answer(self, queue: str, body: bytes, properties: Properties) -> None:
        """Publish the answer to a message of a queue, and return when the broker has confirmed it.

        Raises:
            CommandError: it did not. The same answer can be published again where that is `Retryable`.
            RuntimeError: the client is not open.
        """
        self._check_open()
        check_size(body)
        with sending(queue):
            async with asyncio.timeout(self._timeout):
                await self._transport.publish_answer(queue, body, properties)

    def _check_open(self) -> None:
        if not self._open:
            raise RuntimeError("the client is not open: use it inside `async with Client(…)`")

    async def _await_answer(self, request: Outgoing, operation: str | None, seconds: float) -> bytes:
        """Publish and wait for the answer."""
        self._check_open()
        check_headers(request.headers)
        pending = Pending(request, asyncio.get_running_loop().create_future(), operation)
        self._pending[request.correlation_id] = pending
        # A little before the end, so that the error can say whether anybody is there.
        look = asyncio.get_running_loop().call_later(seconds - margin(seconds), self._looks.begin, request.queue)
        try:
            async with asyncio.timeout(seconds):
                await self._transmit(pending)
                return await pending.answer
        except TimeoutError:
            error = pending.too_late(seconds, self._looks.last(request.queue))
            error.request_id = request.request_id
            raise error from None
        finally:
            look.cancel()
            self._finish(request)

    def _finish(self, request: Outgoing) -> None:
        del self._pending[request.correlation_id]
        if not self._pending and not self._open:
            self._idle.set()

    async def _transmit(self, pending: Pending) -> None:
        """Publish; what is lost with the connection is sent again by `on_connected`."""
        sent, pending.sent = pending.sent, True
        try:
            await self._transport.publish(pending.request)
        except NotConnected as error:
            pending.sent, pending.problem = sent, str(error)
        except Denied as error:
            pending.sent = sent or error.sent
            pending.fail(pending.denied(str(error), error.code, retryable=error.retryable))
        except ConnectionLost as error:
            log.debug("request %s: %s", pending.request.request_id, error)
        except Unroutable:
            pending.fail(pending.no_queue(sent))
        except Refused:
            pending.fail(pending.refused())
        except Exception as error:
            pending.fail(error)  # a header that AMQP has no type for, or a TimeoutError
        else:
            if not pending.request.replied and not pending.answer.done():
                pending.answer.set_result(b"")

    def on_connected(self) -> None:
        """Send everything that has no answer yet; called by the transport."""
        for pending in self._pending.values():
            if pending.answer.done():
                continue
            task = asyncio.get_running_loop().create_task(self._transmit(pending))
            self._resending.add(task)
            task.add_done_callback(self._resending.discard)

    def on_denied(self, reason: str, code: Code = Code.UNAUTHENTICATED) -> None:
        """Fail everything that has no answer yet; called by the transport."""
        for pending in self._pending.values():
            pending.fail(pending.denied(reason, code))

    def on_received(self, correlation_id: str | None, body: bytes) -> None:
        """Hand a reply to who waits for it; called by the transport."""
        pending = self._pending.get(correlation_id or "")
        if pending is None or pending.answer.done():
            log.debug("a reply that nobody waits for: %.80r", correlation_id)
        else:
            pending.answer.set_result(body)


def _variable_name(name: str | None) -> str | None:
    if name is not None and not variables.is_name(name):
        raise ValueError(f"trace_variable: expected {variables.ACCEPTED}, found {name!r}")
    return name
