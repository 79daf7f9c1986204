"""Callers: send requests, some more than once, and keep what comes back."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass, field

import orjson

from tests.simulation.broker import REPLIES, Broker, Stored
from tests.simulation.gateway import FIRST_KEY
from tests.simulation.history import History
from tests.simulation.loop import VirtualLoop
from tests.simulation.schedule import Kind, Request
from zeebe_amqp import wire
from zeebe_amqp.amqp.properties import Properties
from zeebe_amqp.errors import Code
from zeebe_amqp.reply import Reply

EPOCH = 1_700_000_000.0
"""What the clocks show when the run begins."""
WAIT = "60s"
"""How long the result of an instance is waited for."""


@dataclass(eq=False, slots=True)
class Send:
    """One message of a request: the first one, or a repetition. Times in seconds since the run began."""

    number: int
    request: Request
    at: float
    message: Stored
    replies: list[tuple[float, Reply]] = field(default_factory=list)
    letters: list[tuple[float, Code]] = field(default_factory=list)
    """When it became a dead letter, and why."""


class Callers:
    """All of them.

    Args:
        loop: whose time passes.
        requests: what they send.
        history: is told.
    """

    def __init__(self, loop: VirtualLoop, requests: tuple[Request, ...], history: History) -> None:
        self._loop, self._history = loop, history
        self.sends: list[Send] = []
        self.by_request: dict[int, list[Send]] = defaultdict(list)
        self.left = sum(len(each.sent) for each in requests)
        """Messages that are not sent yet."""
        self._requests = requests

    def begin(self, broker: Broker) -> None:
        """Send everything in its time."""
        for request in self._requests:
            for at in request.sent:
                self._loop.outside(at, self._send, request, broker)

    def _send(self, request: Request, broker: Broker) -> None:
        number = len(self.sends) + 1
        headers: dict[str, object] = {}
        if request.identity is not None:
            headers[wire.REQUEST_ID] = request.identity.partition("/")[2]
        if request.patience is not None:
            headers[wire.DEADLINE] = int((EPOCH + self._loop.time() + request.patience) * 1000)
        properties = Properties(
            correlation_id=str(number),
            reply_to=None if request.silent else REPLIES,
            user_id=request.user,
            content_type=wire.CONTENT_TYPE,
            headers=headers,
        )
        message = Stored(properties, _body(request), number)
        send = Send(number, request, self._loop.time(), message)
        self.sends.append(send)
        self.by_request[request.number].append(send)
        self.left -= 1
        self._history.note("callers", "send", number, f"request {request.number}", request.kind.value)
        broker.put(message)

    def reply(self, properties: Properties, body: bytes) -> None:
        """A reply arrived."""
        reply = Reply.decode(body)
        number = int(properties.correlation_id or 0)
        error = reply.error
        told = "result" if error is None else f"{error.code.value} {error.outcome.value}"
        self._history.note("callers", "get", number, told)
        self.sends[number - 1].replies.append((self._loop.time(), reply))

    def bury(self, properties: Properties, _: bytes) -> None:
        """A dead letter arrived."""
        number, headers = int(properties.correlation_id or 0), properties.headers or {}
        code = Code(headers[wire.ERROR_CODE])
        self._history.note("callers", "dead letter", number, code.value)
        self.sends[number - 1].letters.append((self._loop.time(), code))

    def are_answered(self, dropped: Collection[int]) -> bool:
        """Whether everything was sent, and everybody who waits has an answer, or had one that his queue refused."""
        if self.left:
            return False
        return all(send.replies or send.request.silent or send.number in dropped for send in self.sends)


def _body(request: Request) -> bytes:
    variables = {"number": request.number}
    data: dict[str, object]
    match request.kind:
        case Kind.CREATE:
            data = {"bpmnProcessId": "p", "variables": variables}
        case Kind.CREATE_LONG:
            data = {"bpmnProcessId": "p", "variables": variables, "withResult": True, "requestTimeout": WAIT}
        case Kind.PUBLISH:
            data = {"messageName": "m", "correlationKey": "k", "variables": variables}
        case Kind.SET:
            data = {"elementInstanceKey": FIRST_KEY, "variables": variables}
        case Kind.CANCEL:
            data = {"processInstanceKey": FIRST_KEY + request.number}
        case Kind.COMPLETE:
            data = {"jobKey": FIRST_KEY + request.number}
    return orjson.dumps({"operation": request.kind.value.partition(",")[0], "data": data})
