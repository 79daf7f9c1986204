"""The command line against the service as a program, with a gateway that counts."""

from __future__ import annotations

import asyncio
import json
import sys
import uuid
from pathlib import Path

import pytest

from tests.cases import check_each
from tests.integration.cli import PROGRAM, environment, on_a_terminal, run
from tests.integration.service import ConsumerSetup, eventually
from tests.unit.contracts.samples import SMALLEST
from zeebe_amqp.cli import exit_codes as exits
from zeebe_amqp.cli.examples import arguments
from zeebe_amqp.commands import COMMANDS
from zeebe_amqp.examples import Example

pytestmark = pytest.mark.asyncio(loop_scope="module")

SETTINGS = {"gateway_version": "8.9.0"}


async def test_every_operation_is_executed_and_prints_json_lines(service: ConsumerSetup, tmp_path: Path) -> None:
    async def is_executed(operation: str) -> None:
        is_file = operation.startswith("deploy")
        words = [str(file)] if is_file else arguments(Example(operation, SMALLEST[operation]))
        found = await run(service, operation, *words)
        assert (found.code, found.err) == (0, "")
        lines = [json.loads(line) for line in found.out.splitlines()]
        assert operation == "activate-jobs" or len(lines) == 1
        assert all(type(each) is (dict if COMMANDS[operation].result else type(None)) for each in lines)

    file = tmp_path / "order.bpmn"
    file.write_text("<xml/>")
    await check_each(COMMANDS.keys(), is_executed)


async def test_a_request_id_and_what_is_left_with_the_broker_are_executed_once_in_the_caller_s_trace(
    service: ConsumerSetup, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRACEPARENT", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
    words = ("create-instance", "order", "--variables", '{"cli": "once"}', "--request-id", uuid.uuid4().hex)
    assert await run(service, *words) == await run(service, *words)
    found = await run(service, "create-instance", "order", "--variables", '{"cli": "left"}', "--forget", "--trace")
    assert len(json.loads(found.out)["requestId"]) == 32
    assert json.loads(found.err) == {"traceId": "0af7651916cd43dd8448eb211c80319c"}

    def counts(mark: str) -> list[int]:
        return [count for (_, what), count in service.gateway.executions.items() if mark in str(what)]

    await eventually(lambda: counts("left") == [1], "it is executed")
    assert counts("once") == [1]


# --- as a process -----------------------------------------------------------------------------------------------------


async def test_on_a_terminal_it_speaks_to_people(service: ConsumerSetup) -> None:
    for more, coloured in (({"TERM": "xterm"}, True), ({"TERM": "dumb", "NO_COLOR": "1"}, False)):
        command = [*PROGRAM, "topology"]
        code, written = await asyncio.to_thread(on_a_terminal, command, environment(service, **more))
        assert (code, "gatewayVersion" in written, "\x1b[36m" in written) == (0, True, coloured)
        assert "{" not in written


async def test_in_a_pipe_it_writes_json_and_a_reader_that_leaves_ends_it_quietly(service: ConsumerSetup) -> None:
    async def piped(line: str) -> tuple[int, bytes, bytes]:
        command = ["bash", "-c", f"{sys.executable} -m zeebe_amqp topology | {line}"]
        process = await asyncio.create_subprocess_exec(*command, env=environment(service), stdout=-1, stderr=-1)
        out, err = await process.communicate()
        return process.returncode or 0, out, err

    assert json.loads((await piped("cat"))[1])["clusterSize"] == 1
    assert await piped("true; exit ${PIPESTATUS[0]}") == (exits.PIPE, b"", b"")
