"""Signals through the queue: whom they start, wake and interrupt."""

from __future__ import annotations

import asyncio

import orjson

from tests.integration import processes
from tests.integration.scene import KEY, Scene, unique


async def broadcast(scene: Scene, signal: str, **variables: object) -> None:
    """Send a signal and look at the whole answer."""
    answer = await scene.caller.result("broadcast-signal", {"signalName": signal, "variables": variables})
    assert answer == {"key": KEY, "tenantId": scene.kind.tenant}


async def test_broadcast_signal_starts_every_process_that_waits_for_it(scene: Scene) -> None:
    signal, other = unique("signal"), unique("process")
    await scene.deploy(processes.roused(scene.process, signal, scene.job_type))
    await scene.deploy(processes.roused(other, signal, scene.job_type))
    await broadcast(scene, signal, why="noon")
    found: list[tuple[str, str]] = []
    while len(found) < 2:
        found += [(job["bpmnProcessId"], job["variables"]) for job in await scene.jobs(2)]
    assert sorted(found) == sorted([(scene.process, '{"why":"noon"}'), (other, '{"why":"noon"}')])


async def test_a_signal_wakes_whoever_waits_for_it(scene: Scene) -> None:
    signal = unique("signal")
    await scene.deploy(processes.listening(scene.process, signal))
    data = {"bpmnProcessId": scene.process, "withResult": True, "requestTimeout": "60s"}
    waiting = [asyncio.create_task(scene.caller.result("create-instance", data)) for _ in range(2)]
    while not all(instance.done() for instance in waiting):
        await broadcast(scene, signal, told=True)  # a signal is not kept for who comes later
        await asyncio.sleep(0.05)
    assert [(await instance)["variables"] for instance in waiting] == ['{"told":true}'] * 2


async def test_a_signal_interrupts_a_task(scene: Scene) -> None:
    signal = unique("signal")
    await scene.deploy(processes.interrupted(scene.process, signal, scene.job_type))
    data = {"bpmnProcessId": scene.process, "withResult": True, "requestTimeout": "60s"}
    pending = asyncio.create_task(scene.caller.result("create-instance", data, queue=scene.caller.polls))
    [job] = await scene.jobs()
    await broadcast(scene, signal, why="fire")
    assert orjson.loads((await pending)["variables"]) == {"why": "fire"}
    gone = await scene.caller.call("complete-job", {"jobKey": job["key"]})
    assert gone.error is not None


async def test_a_signal_that_nobody_waits_for_has_a_key_too(scene: Scene) -> None:
    await broadcast(scene, unique("signal"))
