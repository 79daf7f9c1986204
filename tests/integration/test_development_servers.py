"""The engine in memory as a server that starts, freezes, crashes and ends, and what callers are told meanwhile."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest

from scripts.consumer import Consumer
from scripts.zeebe_in_memory import ZeebeInMemory
from tests.integration import processes
from tests.integration.process_helper import ProcessHelper, refused, unique
from tests.integration.service import eventually
from zeebe_amqp.errors import Code, Outcome


async def test_a_frozen_engine_leaves_the_outcome_open(own_process: ProcessHelper, own_zeebe: ZeebeInMemory) -> None:
    await own_process.deploy()
    message = {"messageName": unique("m"), "messageId": unique("i"), "timeToLive": "1m"}
    assert own_zeebe.process is not None
    own_zeebe.process.pause()
    headers = {"deadline": round((time.time() + 2) * 1000)}
    replies = await asyncio.gather(
        own_process.caller.call("create-instance", {"bpmnProcessId": own_process.id}, headers=headers),
        own_process.caller.call("publish-message", message, headers=headers),
    )
    own_zeebe.process.resume()
    for reply, idempotent in zip(replies, (False, True), strict=True):
        error = refused(reply)
        assert (error.code, error.outcome, error.retryable) == (Code.DEADLINE_EXCEEDED, Outcome.UNKNOWN, idempotent)
    assert await own_process.instance()


async def test_a_killed_engine_comes_back_on_its_ports_and_is_served_again_without_restarting_the_consumer(
    own_process: ProcessHelper, own_zeebe: ZeebeInMemory, own_consumer: Consumer
) -> None:
    address = own_zeebe.address
    await asyncio.to_thread(own_zeebe.kill)
    assert not own_zeebe.ready()
    request = own_process.caller.call("create-instance", {"bpmnProcessId": own_process.id}, seconds=180)
    asked = asyncio.create_task(request)
    await eventually(lambda: "gateway" in own_consumer.reasons(), "it is noticed")
    await asyncio.to_thread(own_zeebe.start)
    assert (own_zeebe.ready(), own_zeebe.address) == (True, address)
    await eventually(lambda: own_consumer.get("/readyz")[0] == 200, "it is ready again")
    # It has forgotten the process that the request names, and everything else.
    assert refused(await asked).code in (Code.UNAVAILABLE, Code.NOT_FOUND)
    await own_process.deploy()
    instance = await own_process.instance()
    assert [job["processInstanceKey"] for job in await own_process.jobs()] == [instance]


async def test_zeebe_in_memory_lets_time_pass_shows_its_records_and_begins_anew(
    own_process: ProcessHelper, own_zeebe: ZeebeInMemory
) -> None:
    own_zeebe.reset()
    await own_process.deploy_text(processes.timed(own_process.id, "PT10H"))
    await own_process.instance()
    own_zeebe.settle()
    assert [timer["intent"] for timer in own_zeebe.records("TIMER")] == ["CREATED"]
    own_zeebe.advance(36_000)
    # An engine that has little time to itself counts as idle between two steps.
    await eventually(lambda: "TRIGGERED" in [timer["intent"] for timer in own_zeebe.records("TIMER")], "it is due")
    assert own_zeebe.incidents() == []
    failed = await own_process.failed_job()
    [incident] = own_zeebe.incidents()
    assert incident["value"]["jobKey"] == failed
    await own_process.caller.result("update-job-retries", {"jobKey": failed, "retries": 1})
    await own_process.caller.result("resolve-incident", {"incidentKey": incident["key"]})
    assert own_zeebe.incidents() == []
    own_zeebe.reset()
    gone = refused(await own_process.caller.call("create-instance", {"bpmnProcessId": own_process.id}))
    assert gone.code is Code.NOT_FOUND


def test_an_engine_finds_its_classes_ready(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    loaded = tmp_path / "loaded"
    monkeypatch.setenv("JAVA_TOOL_OPTIONS", f"-Xlog:class+load:file={loaded}")
    with ZeebeInMemory(tmp_path / "engine"):
        pass
    lines = loaded.read_text().splitlines()
    ready = [line for line in lines if "shared objects file" in line]
    assert len(ready) > 0.8 * len(lines), f"{len(ready)} of {len(lines)}"
    assert any("ZeebeInMemory " in line for line in ready)
