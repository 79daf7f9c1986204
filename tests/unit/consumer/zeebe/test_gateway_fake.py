"""The fake gateway keeps its own promises, because the fault suite counts on it."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

import pytest
from google.protobuf import message_factory

from consumer.config import Zeebe
from consumer.zeebe import GatewayError, ZeebeEngine
from consumer.zeebe.protocol import gateway_pb2 as pb
from tests.cases import for_each
from tests.fakes.gateway import FIRST_PARTITION, RPCS, SERVICE, FakeGateway, identity, sometimes
from tests.unit.consumer.zeebe.calling import send
from zeebe_amqp.testing import Step, after, answer, disconnect, drop_reply, fail

ROOT = Path(__file__).parents[4]


@for_each(RPCS)
async def test_every_rpc_has_a_plausible_answer(rpc: str) -> None:
    async with FakeGateway(version="8.9.0") as fake:
        gateway = ZeebeEngine(Zeebe(fake.address, plaintext=True))
        response: Any = await send(gateway, message_factory.GetMessageClass(SERVICE.methods_by_name[rpc].input_type)())
        await gateway.close()
    assert response is not None
    key: int = getattr(response, "key", 0) or getattr(response, "processInstanceKey", FIRST_PARTITION)
    assert key >> 51 == 1


async def test_keys_are_fresh(gateway: ZeebeEngine) -> None:
    responses: list[Any] = [await send(gateway, pb.PublishMessageRequest()) for _ in range(3)]
    assert len({response.key for response in responses}) == 3


async def test_scripts_come_before_habits_and_habits_before_defaults(gateway: ZeebeEngine, fake: FakeGateway) -> None:
    request = pb.SetVariablesRequest()
    fake.always("SetVariables", answer(key=1))
    fake.script("SetVariables", answer(pb.SetVariablesResponse(key=2)), lambda _: after(0.001))
    keys = [(await send(gateway, request)).key for _ in range(3)]  # type: ignore[union-attr]
    fake.reset()
    later: Any = await send(gateway, request)
    assert (keys[0], keys[2]) == (2, 1)
    assert keys[1] > FIRST_PARTITION
    assert later.key > FIRST_PARTITION
    assert fake.count("SetVariables") == len(fake.of("SetVariables")) == 1


@for_each(["script", "always", "count", "of"])
def test_a_misspelled_rpc_is_refused(use: str) -> None:
    fake = FakeGateway()
    arguments = [answer()] if use in ("script", "always") else []
    with pytest.raises(ValueError, match="'CreateInstance' is not in the protocol; accepted: ActivateJobs"):
        getattr(fake, use)("CreateInstance", *arguments)


NOT_EXECUTED = fail("UNKNOWN", outcome="not-executed")


@for_each([(answer(), 1), (fail("RESOURCE_EXHAUSTED"), 0), (fail("UNKNOWN"), 1), (NOT_EXECUTED, 0)])
async def test_only_what_was_executed_counts(
    step: Step, executed: int, gateway: ZeebeEngine, fake: FakeGateway
) -> None:
    fake.reset()
    fake.script("PublishMessage", step)
    try:
        await send(gateway, pb.PublishMessageRequest(messageId="m-1"), attempt_timeout=5)
    except GatewayError:
        assert step.failed is not None
    counted = fake.executions["PublishMessage", "m-1"]
    assert counted == executed + (step == fail("RESOURCE_EXHAUSTED"))


@for_each([drop_reply(), disconnect()])
def test_what_happens_to_a_reply_is_nothing_that_a_gateway_does(step: Step) -> None:
    with pytest.raises(ValueError, match="step: expected no fault of a reply"):
        FakeGateway().script("Topology", step)


@for_each(
    [
        (pb.PublishMessageRequest(messageId="m", correlationKey="c", variables="{}"), "m"),
        (pb.PublishMessageRequest(correlationKey="c"), "c"),
        (pb.CreateProcessInstanceWithResultRequest(request={"variables": '{"id":1}'}), '{"id":1}'),
        (pb.CompleteJobRequest(jobKey=7, variables="{}"), 7),
        (pb.CancelProcessInstanceRequest(processInstanceKey=8), 8),
        (pb.TopologyRequest(), None),
    ]
)
def test_requests_are_told_apart(message: Any, key: object) -> None:
    assert identity("", message) == key


@for_each([(0.29, fail("ABORTED")), (0.31, answer())])
def test_a_step_of_some_probability_is_sometimes_taken(chance: float, expected: Step) -> None:
    reaction: Any = sometimes(0.3, fail("ABORTED"), lambda: chance)
    assert reaction(None) == expected


async def test_an_unrecorded_gateway_counts_but_keeps_nothing_and_one_may_be_stopped_again() -> None:
    async with FakeGateway(record=False) as fake:
        gateway = ZeebeEngine(Zeebe(fake.address, plaintext=True))
        await send(gateway, pb.TopologyRequest())
        await gateway.close()
        await fake.stop()
    assert (fake.count("Topology"), fake.requests) == (1, [])


async def test_as_a_program_it_survives_its_own_death_in_its_journal(tmp_path: Path) -> None:
    journal = tmp_path / "journal"
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.fakes.gateway", "--journal", str(journal), "--gateway-version", "8.9.0",
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "contracts")])},
        stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert process.stdout is not None
    try:
        line = (await process.stdout.readline()).decode()
        gateway = ZeebeEngine(Zeebe(line.split()[-1], plaintext=True))
        await send(gateway, pb.PublishMessageRequest(messageId="m-1"))
        version = (await gateway.probe()).gatewayVersion
        await gateway.close()
    finally:
        process.send_signal(signal.SIGKILL)
        await process.communicate()
    assert line.startswith("listening on 127.0.0.1:")
    assert version == "8.9.0"
    assert [json.loads(entry) for entry in journal.read_text("utf-8").splitlines()] == [["PublishMessage", "m-1"]]
