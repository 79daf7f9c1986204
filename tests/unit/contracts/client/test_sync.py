from __future__ import annotations

import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from unittest.mock import AsyncMock

import pytest
from opentelemetry.sdk.trace import TracerProvider

from tests.fakes.transport import TOPOLOGY, MemoryTransport, error, result
from zeebe_amqp import NotFound, PublishMessage, SetVariables, SyncClient, Topology
from zeebe_amqp.commands import Command

FORKING = """
import os, warnings
from tests.fakes.transport import TOPOLOGY, MemoryTransport, result
from zeebe_amqp import SyncClient, Topology

zeebe = SyncClient(MemoryTransport(always=lambda _: result("topology", TOPOLOGY)))
if {connected}:
    zeebe.call(Topology())
# Newer Pythons warn of a fork beside threads: that it is done, and what the client then does, is the point.
warnings.filterwarnings("ignore", "This process .* is multi-threaded", DeprecationWarning)
child = os.fork()
size = zeebe.call(Topology()).cluster_size
zeebe.close()
if child == 0:
    os._exit(40 + size)
_, status = os.waitpid(child, 0)
print(size, os.waitstatus_to_exitcode(status))
"""


@pytest.fixture
def transport() -> MemoryTransport:
    def answer(command: Command) -> bytes:
        if isinstance(command, SetVariables):
            return result("set-variables", {"key": command.element_instance_key})
        return result("topology", TOPOLOGY)

    return MemoryTransport(always=answer)


def has_thread() -> bool:
    return "zeebe-amqp" in {thread.name for thread in threading.enumerate()}


def test_calls_return_or_raise_what_they_get_and_closing_ends_the_thread(transport: MemoryTransport) -> None:
    with SyncClient(transport) as zeebe:
        assert has_thread()
        assert zeebe.call(Topology()).cluster_size == 1
        assert zeebe.send(PublishMessage(message_name="a"), request_id="mine") == "mine"
        assert zeebe.call_raw(b'{"operation": "topology"}') == result("topology", TOPOLOGY)
        transport.answers.append(error("NOT_FOUND"))
        with pytest.raises(NotFound):
            zeebe.call(Topology())
    assert (transport.closed, has_thread()) == (True, False)


def test_it_connects_at_the_first_call_and_again_after_closing(transport: MemoryTransport) -> None:
    zeebe = SyncClient(transport)
    for _ in range(2):
        assert zeebe.call(Topology()).cluster_size == 1
        zeebe.close()
        zeebe.close()


def test_wrong_arguments_are_told_when_it_is_made(transport: MemoryTransport) -> None:
    with pytest.raises(TypeError, match="queue"):
        SyncClient(transport, queue="a")  # type: ignore[call-arg]


def test_a_broker_that_is_not_there_leaves_no_thread(
    transport: MemoryTransport, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transport, "open", AsyncMock(side_effect=OSError("no broker")))
    with pytest.raises(OSError, match="no broker"), SyncClient(transport):
        pass
    assert not has_thread()


def test_many_threads_may_share_it_and_each_gets_its_own_answer(transport: MemoryTransport) -> None:
    def ask(key: int) -> int:
        return zeebe.call(SetVariables(element_instance_key=key, variables={})).key

    with SyncClient(transport) as zeebe, ThreadPoolExecutor(16) as pool:
        assert list(pool.map(ask, range(1, 201))) == list(range(1, 201))


def test_the_span_of_the_calling_thread_is_passed_on(transport: MemoryTransport) -> None:
    with SyncClient(transport) as zeebe, TracerProvider().get_tracer("test").start_as_current_span("request") as span:
        zeebe.call(Topology())
    assert f"{span.get_span_context().trace_id:032x}" in transport.published[0].headers["traceparent"]


def test_a_forked_process_connects_anew() -> None:
    for connected in (True, False):
        command = [sys.executable, "-c", FORKING.format(connected=connected)]
        ended = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
        assert (ended.stdout, ended.stderr) == ("1 41\n", ""), connected
