"""Requests, texts and helpers that the tests of the engine share."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine
from typing import Any, TypeAlias

import pytest
from aiohttp import web
from google.protobuf.message import Message

from consumer.config import OAuth
from consumer.core.call import Call
from consumer.zeebe import GatewayError, ZeebeEngine
from consumer.zeebe.protocol import gateway_pb2 as pb
from tests.fakes.gateway import FIRST_PARTITION, FakeGateway
from zeebe_amqp.commands import Topology
from zeebe_amqp.testing import after

CREATE = pb.CreateProcessInstanceRequest(bpmnProcessId="order")
COMPLETE = pb.CompleteJobRequest(jobKey=FIRST_PARTITION + 5)
ACTIVATE = pb.ActivateJobsRequest(type="pack", maxJobsToActivate=2)
TAGGED = pb.CreateProcessInstanceRequest(bpmnProcessId="order", tags=["urgent"])
NO_PARTITION = "Expected to execute command on partition {}, but either it does not exist, or the gateway is not"
DENIED = "Command 'COMPLETE' rejected with code 'NOT_FOUND': no such job was found"

Connect: TypeAlias = Callable[..., ZeebeEngine]
"""The fixture `connect`."""


async def send(engine: ZeebeEngine, message: Message, **terms: Any) -> Any:
    """Send a message on some terms; the command is of no matter then."""
    return await engine.send(message, Call(Topology(), **terms))


async def refusal(engine: ZeebeEngine, message: Message, **terms: Any) -> GatewayError:
    """The error of a call that must fail."""
    with pytest.raises(GatewayError) as raised:
        await send(engine, message, **terms)
    return raised.value


async def unanswered(fake: FakeGateway, *calls: Coroutine[Any, Any, Any]) -> list[asyncio.Task[Any]]:
    """Begin calls of `CREATE`, and wait until they have arrived at the gateway, which never answers them."""
    fake.always("CreateProcessInstance", after(30))
    tasks = [asyncio.create_task(call) for call in calls]
    await until(lambda: len(fake.requests) == len(tasks))
    return tasks


async def until(condition: Callable[[], object]) -> None:
    """Wait for what happens elsewhere."""
    while not condition():  # noqa: ASYNC110 - what is waited for happens inside a library
        await asyncio.sleep(0.005)


class Clock:
    """A clock that moves when told."""

    def __init__(self) -> None:
        self.now = time.time()

    def __call__(self) -> float:
        return self.now


class Authority:
    """An authorization server that hands out token-1, token-2, … unless a test says otherwise."""

    def __init__(self, url: str = "") -> None:
        self.url = url
        self.forms: list[dict[str, str]] = []
        self.answers: list[web.Response] = []
        self.life: Any = 3600
        self.answering = asyncio.Event()
        self.answering.set()

    def setting(self, **rest: Any) -> OAuth:
        """The settings of a client of this server."""
        return OAuth("worker", "secret", self.url, "zeebe.example", **rest)

    async def answer(self, request: web.BaseRequest) -> web.Response:
        self.forms.append({name: str(value) for name, value in (await request.post()).items()})
        number = len(self.forms)
        await self.answering.wait()
        if self.answers:
            return self.answers.pop(0)
        return web.json_response({"access_token": f"token-{number}", "expires_in": self.life, "token_type": "Bearer"})
