"""Messages through the queue, and who they wake."""

from __future__ import annotations

import asyncio

import orjson

from tests.integration import processes
from tests.integration.process_helper import KEY, ProcessHelper, unique


async def test_publish_message_answers_its_key_and_wakes_who_waits_for_it(process: ProcessHelper) -> None:
    message, key = unique("message"), unique("key")
    await process.deploy_text(processes.waiting(process.id, message))
    awaited = {"bpmnProcessId": process.id, "withResult": True, "requestTimeout": "60s", "variables": {"key": key}}
    pending = asyncio.create_task(process.caller.result("create-instance", awaited))
    data = {"messageName": message, "correlationKey": key, "messageId": unique("id"), "timeToLive": "1m"}
    answer = await process.caller.result("publish-message", {**data, "variables": {"told": True}})
    assert answer == {"key": KEY, "tenantId": process.features.tenant}
    assert orjson.loads((await pending)["variables"]) == {"key": key, "told": True}


async def test_a_message_starts_a_process_once_for_each_correlation_key(process: ProcessHelper) -> None:
    message = unique("message")
    await process.deploy_text(processes.awakened(process.id, message, process.job_type))
    for key in ("a", "b", "a"):  # while an instance of a key runs, another message of that key starts none
        data = {"messageName": message, "correlationKey": key, "variables": {"key": key}}
        await process.caller.result("publish-message", data)
    found: list[str] = []
    while len(found) < 2:
        found += [job["variables"] for job in await process.jobs(5)]
    assert sorted(found) == ['{"key":"a"}', '{"key":"b"}']
    assert await process.caller.result("activate-jobs", {"jobType": process.job_type, "maxJobsToActivate": 1}) == []
