"""Deployments: what they answer, and that the engine then knows what was deployed."""

from __future__ import annotations

import base64

from tests.integration import processes
from tests.integration.engines.answers import deployment
from tests.integration.scene import Scene
from zeebe_amqp.reply import Reply


async def test_deploy_process_answers_the_deployment_and_again_the_same_version(scene: Scene) -> None:
    text, file = processes.work(scene.process, scene.job_type), {"fileName": "process.bpmn"}
    first = await scene.caller.result("deploy-process", text, metadata=file)
    again = await scene.caller.result("deploy-process", text, metadata=file)
    assert first == deployment(scene)
    assert again["processes"] == first["processes"]
    assert again["key"] != first["key"]


async def test_deploy_process_answers_the_next_version_of_a_changed_process(scene: Scene) -> None:
    await scene.worked()
    changed = processes.work(scene.process, scene.job_type, retries=7)
    answer = await scene.caller.result("deploy-process", changed, metadata={"fileName": "process.bpmn"})
    assert answer == deployment(scene, version=2)


async def test_deploy_process_in_the_bare_form_takes_the_file_as_it_is(scene: Scene) -> None:
    reply = await scene.caller.request(
        processes.empty(scene.process).encode(),
        type="deploy-process",
        content_type="application/xml",
        headers={"fileName": "raw.bpmn"},
    )
    assert Reply.decode(reply.body).data == deployment(scene, name="raw.bpmn")


async def test_deploy_process_takes_base64(scene: Scene) -> None:
    text = base64.b64encode(processes.empty(scene.process).encode()).decode()
    answer = await scene.caller.result(
        "deploy-process", text, metadata={"fileName": "process.bpmn", "encoding": "base64"}
    )
    assert answer == deployment(scene)
