"""Messages through the queue, and who they wake."""

from __future__ import annotations

import asyncio

import orjson

from tests.integration import processes
from tests.integration.caller import Caller
from tests.integration.kinds import Kind
from tests.integration.scene import KEY, Scene, unique
from zeebe_amqp.reply import Reply


async def test_publish_message_answers_its_key_and_wakes_who_waits_for_it(scene: Scene) -> None:
    message, key = unique("message"), unique("key")
    await scene.deploy(processes.waiting(scene.process, message))
    pending = asyncio.create_task(
        scene.caller.result(
            "create-instance",
            {"bpmnProcessId": scene.process, "withResult": True, "requestTimeout": "60s", "variables": {"key": key}},
        )
    )
    answer = await scene.caller.result(
        "publish-message",
        {
            "messageName": message,
            "correlationKey": key,
            "messageId": unique("id"),
            "timeToLive": "1m",
            "variables": {"told": True},
        },
    )
    assert answer == {"key": KEY, "tenantId": scene.kind.tenant}
    assert orjson.loads((await pending)["variables"]) == {"key": key, "told": True}


async def test_publish_message_in_the_bare_form_answers_its_key(caller: Caller, kind: Kind) -> None:
    body = orjson.dumps({"messageName": unique("message"), "correlationKey": "2", "timeToLive": "1m"})
    reply = Reply.decode((await caller.request(body, type="publish-message")).body)
    assert (reply.operation, reply.data, reply.error) == (
        "publish-message",
        {"key": KEY, "tenantId": kind.tenant},
        None,
    )


async def test_a_message_starts_a_process_once_for_each_correlation_key(scene: Scene) -> None:
    message = unique("message")
    await scene.deploy(processes.awakened(scene.process, message, scene.job_type))
    for key in ("a", "b", "a"):  # while an instance of a key runs, another message of that key starts none
        data = {"messageName": message, "correlationKey": key, "variables": {"key": key}}
        await scene.caller.result("publish-message", data)
    found: list[str] = []
    while len(found) < 2:
        found += [job["variables"] for job in await scene.jobs(5)]
    assert sorted(found) == ['{"key":"a"}', '{"key":"b"}']
    assert await scene.caller.result("activate-jobs", {"jobType": scene.job_type, "maxJobsToActivate": 1}) == []
