"""Requests find their engine by their type, and only Zeebe's tell the limit of commands in flight."""

from __future__ import annotations

from typing import Any

import orjson
from google.protobuf.message import Message

from consumer.core.engines import Engines
from consumer.core.limiter import AimdLimit
from consumer.core.message import Incoming, Reply, RestRequest
from consumer.pipeline.limited import limited
from consumer.zeebe.operations import with_camunda7
from consumer.zeebe.protocol import gateway_pb2 as pb


class Zeebe:
    def __init__(self) -> None:
        self.calls: list[tuple[Message, dict[str, Any]]] = []

    async def call(self, message: Message, **options: Any) -> object:
        self.calls.append((message, options))
        return pb.BroadcastSignalResponse(key=1)


class Camunda7:
    def __init__(self) -> None:
        self.calls: list[tuple[RestRequest, dict[str, Any]]] = []

    async def call(self, request: RestRequest, **options: Any) -> None:
        self.calls.append((request, options))


def incoming(**data: Any) -> Incoming:
    return Incoming(orjson.dumps({"operation": "signal", "data": data}), queue="q", headers={"deadline": 2**50})


async def test_a_request_goes_to_the_engine_of_its_type() -> None:
    zeebe, camunda7, limit = Zeebe(), Camunda7(), AimdLimit(4)
    handler = limited(Engines(zeebe, camunda7), {"q": limit}, with_camunda7(every=False))
    assert await handler(incoming(name="s")) == Reply("signal", None)
    assert await handler(incoming(name="s", executionId="e")) == Reply("signal", None)
    [(message, told)] = zeebe.calls
    [(request, asked)] = camunda7.calls
    assert message == pb.BroadcastSignalRequest(signalName="s")
    assert (told["pressure"], told["idempotent"]) == (limit, False)
    assert request == RestRequest("/signal", b'{"name":"s","executionId":"e"}')
    assert asked == {"deadline": 2**50 / 1000}


async def test_a_call_that_went_out_is_marked_for_either_engine() -> None:
    handler = limited(Engines(Zeebe(), Camunda7()), {"q": AimdLimit(4)}, with_camunda7(every=True))
    request = incoming(name="s")
    await handler(request)
    assert request.called
