"""Signals through the queue: whom they start, wake and interrupt."""

from __future__ import annotations

import asyncio

from tests.integration import processes
from tests.integration.process_helper import KEY, ProcessHelper, unique


async def broadcast(process: ProcessHelper, signal: str, **variables: object) -> None:
    """Send a signal and look at the whole answer."""
    answer = await process.caller.result("broadcast-signal", {"signalName": signal, "variables": variables})
    assert answer == {"key": KEY, "tenantId": process.features.tenant}


async def test_broadcast_signal_starts_every_process_that_waits_for_it(process: ProcessHelper) -> None:
    signal, other = unique("signal"), unique("process")
    await process.deploy_text(processes.roused(process.id, signal, process.job_type))
    await process.deploy_text(processes.roused(other, signal, process.job_type))
    await broadcast(process, signal, why="noon")
    found: list[tuple[str, str]] = []
    while len(found) < 2:
        found += [(job["bpmnProcessId"], job["variables"]) for job in await process.jobs(2)]
    assert sorted(found) == sorted([(process.id, '{"why":"noon"}'), (other, '{"why":"noon"}')])


async def test_a_signal_wakes_whoever_waits_for_it(process: ProcessHelper) -> None:
    signal = unique("signal")
    await process.deploy_text(processes.listening(process.id, signal))
    data = {"bpmnProcessId": process.id, "withResult": True, "requestTimeout": "60s"}
    waiting = [asyncio.create_task(process.caller.result("create-instance", data)) for _ in range(2)]
    while not all(instance.done() for instance in waiting):
        await broadcast(process, signal, told=True)  # a signal is not kept for who comes later
        await asyncio.sleep(0.05)
    assert [(await instance)["variables"] for instance in waiting] == ['{"told":true}'] * 2
