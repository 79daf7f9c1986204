"""The command line against the service as a program, with a gateway that counts."""

from __future__ import annotations

import asyncio
import json
import os
import pty
import signal
import subprocess
import sys
import uuid
from pathlib import Path
from typing import Any

import aio_pika
import pytest

from scripts.consumer import ROOT
from tests.conftest import Broker
from tests.integration.service import UNMEASURED, ConsumerSetup, eventually
from tests.unit.contracts.cli.program import Ended, ended
from tests.unit.contracts.samples import SMALLEST
from zeebe_amqp.cli import exit_codes as exits
from zeebe_amqp.cli.examples import arguments
from zeebe_amqp.commands import COMMANDS
from zeebe_amqp.errors import Code
from zeebe_amqp.examples import Example
from zeebe_amqp.testing import fail

pytestmark = pytest.mark.asyncio(loop_scope="module")

SETTINGS = {"gateway_version": "8.9.0", **UNMEASURED}
KEY = (1 << 51) + 7


def options(service: ConsumerSetup) -> list[str]:
    """Where the service is."""
    return ["--url", service.url, "--queues", ",".join(service.consumer.queues)]


async def told(service: ConsumerSetup, *words: str, standard_input: bytes = b"", terminal: bool = False) -> Ended:
    """A run of the program in a thread of its own."""
    return await asyncio.to_thread(ended, *words, *options(service), standard_input=standard_input, terminal=terminal)


def environment(service: ConsumerSetup, **more: str) -> dict[str, str]:
    """For the program as a process."""
    return {
        **os.environ,
        "AMQP_URL": service.url,
        "AMQP_QUEUES": ",".join(service.consumer.queues),
        "PYTHONPATH": f"{ROOT}:{ROOT / 'contracts'}",
        **more,
    }


PROGRAM = [sys.executable, "-m", "zeebe_amqp"]


@pytest.mark.parametrize("operation", COMMANDS)
async def test_every_operation_is_executed_and_its_data_printed_as_json_lines(
    service: ConsumerSetup, operation: str, tmp_path: Path
) -> None:
    if operation in SMALLEST and operation != "deploy-resource":
        words = arguments(Example(operation, SMALLEST[operation]))
    else:
        (tmp_path / "order.bpmn").write_text("<xml/>")
        words = [str(tmp_path / "order.bpmn")]
    found = await told(service, operation, *words)
    assert (found.code, found.err) == (0, "")
    lines = [json.loads(line) for line in found.out.splitlines()]
    assert operation == "activate-jobs" or len(lines) == 1
    assert all(type(each) is (dict if COMMANDS[operation].result else type(None)) for each in lines)


@pytest.mark.parametrize("code", Code)
async def test_the_exit_code_says_what_the_error_was(service: ConsumerSetup, code: Code) -> None:
    text = f"Command 'CANCEL' rejected with code '{code}': no"
    service.gateway.script("CancelProcessInstance", fail(code, text))
    found = await told(service, "cancel-instance", str(KEY))
    reply = json.loads(found.err)
    assert found.out == ""
    assert reply["error"]["code"] == code
    base = exits.UNKNOWN if reply["error"]["outcome"] == "unknown" else exits.NOT_EXECUTED
    assert found.code == base + exits.NUMBERS[code]


async def test_the_same_request_id_is_answered_again(service: ConsumerSetup) -> None:
    words = ("create-instance", "order", "--variables", '{"cli": "once"}', "--request-id", uuid.uuid4().hex)
    first = await told(service, *words)
    assert (await told(service, *words)) == first
    assert [count for (_, what), count in service.gateway.executions.items() if "once" in str(what)] == [1]


async def test_what_is_left_with_the_broker_is_executed(service: ConsumerSetup) -> None:
    found = await told(service, "create-instance", "order", "--variables", '{"cli": "left"}', "--forget")
    assert len(json.loads(found.out)["requestId"]) == 32
    await eventually(lambda: any("left" in str(what) for _, what in service.gateway.executions), "it is executed")


async def test_a_trace_is_begun_or_continued_and_told(service: ConsumerSetup, monkeypatch: pytest.MonkeyPatch) -> None:
    parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    begun = json.loads((await told(service, "topology", "--trace")).err)["traceId"]
    assert len(begun) == 32
    monkeypatch.setenv("TRACEPARENT", parent)
    for words in (("topology", "--trace"), ("complete-job", str(KEY), "--forget", "--trace")):
        assert json.loads((await told(service, *words)).err) == {"traceId": "0af7651916cd43dd8448eb211c80319c"}
    monkeypatch.setenv("TRACEPARENT", "nonsense")
    assert (await told(service, "topology")).err == ""


async def test_bodies_go_and_come_as_they_are(service: ConsumerSetup) -> None:
    fine = await told(service, "call", standard_input=b'{"operation": "topology"}')
    assert (fine.code, fine.err) == (0, "")
    assert json.loads(fine.out)["operation"] == "topology"
    wrong = await told(service, "call", standard_input=b'{"operation": "toplogy"}')
    assert json.loads(wrong.out)["error"]["details"]["suggestion"] == "topology"
    assert wrong.code == exits.NOT_EXECUTED + exits.NUMBERS[Code.UNIMPLEMENTED]
    bare = await told(
        service,
        *("call", "--type", "deploy-process", "--header", "fileName=a.bpmn", "--trace"),
        standard_input=b"<xml/>",
    )
    assert json.loads(bare.out)["data"]["processes"]
    assert "traceId" in bare.err


async def test_people_are_told_in_words_and_colours(service: ConsumerSetup) -> None:
    fine = await told(service, "topology", terminal=True)
    assert "gatewayVersion" in fine.out
    assert "\x1b[" in fine.out
    assert "{" not in fine.out
    text = "Command 'CANCEL' rejected with code 'NOT_FOUND': no"
    service.gateway.script("CancelProcessInstance", fail("NOT_FOUND", text))
    wrong = await told(service, "cancel-instance", str(KEY), terminal=True)
    assert "NOT_FOUND" in wrong.err
    assert "not executed" in wrong.err
    assert "Traceback" not in wrong.err


async def test_a_missing_queue_and_a_missing_broker_are_said_at_once(service: ConsumerSetup) -> None:
    nowhere = await asyncio.to_thread(ended, "topology", "--url", service.url, "--queues", f"test.{uuid.uuid4().hex}")
    assert nowhere.code == exits.NOT_EXECUTED + exits.NUMBERS[Code.UNAVAILABLE]
    assert "does not exist" in nowhere.err
    nobody = await asyncio.to_thread(ended, "topology", "--url", "amqp://127.0.0.1:1/")
    assert nobody.code == nowhere.code
    assert json.loads(nobody.err)["operation"] == "topology"


# --- as a process -----------------------------------------------------------------------------------------------------


def run_on_a_terminal(service: ConsumerSetup, *words: str, **more: str) -> tuple[int, str]:
    """The program on a pseudo terminal: its exit code and what it wrote."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [*PROGRAM, *words], stdin=theirs, stdout=theirs, stderr=theirs, env=environment(service, **more)
    )
    os.close(theirs)
    written = bytearray()
    try:
        while part := os.read(ours, 65536):
            written += part
    except OSError:  # how a pseudo terminal ends
        pass
    os.close(ours)
    return process.wait(60), written.decode()


async def test_on_a_terminal_it_speaks_to_people(service: ConsumerSetup) -> None:
    code, written = await asyncio.to_thread(run_on_a_terminal, service, "topology", TERM="xterm")
    assert code == 0
    assert "\x1b[36mgatewayVersion" in written
    code, written = await asyncio.to_thread(run_on_a_terminal, service, "topology", NO_COLOR="1", TERM="dumb")
    assert "gatewayVersion" in written
    assert "\x1b[36m" not in written


async def test_in_a_pipe_it_writes_json_and_a_reader_that_leaves_ends_it_quietly(service: ConsumerSetup) -> None:
    line = f"{sys.executable} -m zeebe_amqp topology | cat"
    piped = await asyncio.to_thread(
        subprocess.run, line, shell=True, env=environment(service), capture_output=True, check=True
    )
    assert json.loads(piped.stdout)["clusterSize"] == 1
    line = f"{sys.executable} -m zeebe_amqp topology | true; exit ${{PIPESTATUS[0]}}"
    left = await asyncio.to_thread(
        subprocess.run, ["bash", "-c", line], env=environment(service), capture_output=True, check=False
    )
    assert (left.returncode, left.stderr) == (exits.PIPE, b"")


async def test_an_interruption_is_no_traceback(service: ConsumerSetup, rabbitmq: Broker) -> None:
    name = f"test.{uuid.uuid4().hex}"
    async with await aio_pika.connect(rabbitmq.url) as connection:
        channel = await connection.channel()
        queue = await channel.declare_queue(name, auto_delete=True)
        process = await asyncio.to_thread(
            subprocess.Popen, [*PROGRAM, "topology", "--queues", name], env=environment(service), stdout=-1, stderr=-1
        )
        await _first(queue)
        process.send_signal(signal.SIGINT)
        out, err = await asyncio.to_thread(process.communicate, timeout=60)
    assert (process.returncode, out) == (exits.INTERRUPTED, b"")
    assert b"Traceback" not in err


async def _first(queue: aio_pika.abc.AbstractQueue) -> Any:
    async with queue.iterator(no_ack=True, timeout=60) as messages:
        return await anext(messages)
