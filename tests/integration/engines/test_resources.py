"""Deployments: what they answer, and that the engine then knows what was deployed."""

from __future__ import annotations

import asyncio
import base64
import json
import time
from typing import Any

from tests.integration import decisions, forms, processes
from tests.integration.engines.answers import deployment
from tests.integration.engines.rejections import files
from tests.integration.process_helper import KEY, ProcessHelper, refused, unique
from zeebe_amqp.commands.contents import named
from zeebe_amqp.commands.target import ANY
from zeebe_amqp.errors import Code, Outcome
from zeebe_amqp.reply import Reply


async def test_deploy_process_answers_the_deployment_again_the_same_version_and_changed_the_next(
    process: ProcessHelper,
) -> None:
    file = {"fileName": "process.bpmn"}
    texts = [processes.work(process.id, process.job_type, retries=retries) for retries in (3, 3, 7)]
    first, again, changed = [await process.caller.result("deploy-process", text, metadata=file) for text in texts]
    assert first == deployment(process)
    assert again["processes"] == first["processes"]
    assert again["key"] != first["key"]
    assert changed == deployment(process, version=2)


async def test_deploy_process_takes_the_file_as_it_is_or_in_base64(process: ProcessHelper) -> None:
    raw = processes.empty(process.id).encode()
    bare = {"type": "deploy-process", "content_type": "application/xml", "headers": {"fileName": "raw.bpmn"}}
    reply = await process.caller.request(raw, **bare)
    assert Reply.decode(reply.body).data == deployment(process, name="raw.bpmn")
    metadata = {"fileName": "raw.bpmn", "encoding": "base64"}
    answer = await process.caller.result("deploy-process", base64.b64encode(raw).decode(), metadata=metadata)
    assert answer == deployment(process, name="raw.bpmn")


# --- files of every kind ---


def decision(process: ProcessHelper, name: str, title: str, requirements: str) -> dict[str, Any]:
    """A decision of a deployment."""
    return {
        "dmnDecisionId": name,
        "dmnDecisionName": title,
        "version": 1,
        "decisionKey": KEY,
        "dmnDecisionRequirementsId": requirements,
        "decisionRequirementsKey": KEY,
        "tenantId": process.features.tenant,
    }


async def test_deploy_resource_answers_everything_that_was_in_the_files(process: ProcessHelper) -> None:
    fee, form = unique("decision"), unique("form")
    contents = files(a_bpmn=processes.empty(process.id), b_dmn=decisions.fee(fee), c_form=forms.approval(form))
    answer = await process.caller.result("deploy-resource", contents)
    requirements = {
        "dmnDecisionRequirementsId": f"{fee}-requirements",
        "dmnDecisionRequirementsName": "Fees",
        "version": 1,
        "decisionRequirementsKey": KEY,
        "resourceName": "b.dmn",
        "tenantId": process.features.tenant,
    }
    expected = [
        {"process": deployment(process, name="a.bpmn")["processes"][0]},
        {"decision": decision(process, fee, "Fee", f"{fee}-requirements")},
        {"decision": decision(process, f"{fee}-guard", "Guard", f"{fee}-requirements")},
        {"decisionRequirements": requirements},
        # Of a form even the engine in memory knows the tenant.
        {"form": {"formId": form, "version": 1, "formKey": KEY, "resourceName": "c.form", "tenantId": "<default>"}},
    ]
    # The order of the decisions in a file is the engine's own affair.
    found = sorted(answer.pop("deployments"), key=lambda entry: entry.get("decision", {}).get("dmnDecisionId", ""))
    for entry in expected:
        found.remove(entry)
    assert found == []
    assert answer == {"key": KEY, "tenantId": process.features.tenant}


async def test_deploy_resource_takes_one_file_as_deploy_process_does(process: ProcessHelper) -> None:
    for version, name in enumerate(("order.bpmn", "order.xml"), 1):
        metadata = {"fileName": name}
        answer = await process.caller.result("deploy-resource", processes.empty(process.id), metadata=metadata)
        assert answer["deployments"] == [{"process": deployment(process, version, name)["processes"][0]}]


async def test_of_files_of_which_one_is_bad_none_is_deployed(process: ProcessHelper) -> None:
    bad = await process.caller.call("deploy-resource", files(a_bpmn=processes.empty(process.id), b_dmn="<a"))
    assert bad.error is not None
    absent = await process.caller.call("create-instance", {"bpmnProcessId": process.id})
    assert absent.error is not None
    assert absent.error.code is Code.NOT_FOUND


async def test_delete_resource_deletes_definitions_and_a_new_process_is_the_next_version(
    process: ProcessHelper,
) -> None:
    fee = unique("decision")
    contents = files(
        a_bpmn=processes.empty(process.id), b_dmn=decisions.fee(fee), c_form=forms.approval(unique("form"))
    )
    deployed = (await process.caller.result("deploy-resource", contents))["deployments"]
    parts = {kind: part for entry in deployed for kind, part in entry.items()}
    keys = [
        parts["process"]["processDefinitionKey"],
        parts["decisionRequirements"]["decisionRequirementsKey"],
        parts["form"]["formKey"],
    ]
    await asyncio.gather(*(deleted(process, key) for key in keys))
    gone = refused(await process.caller.call("create-instance", {"bpmnProcessId": process.id}))
    assert gone.code is Code.NOT_FOUND
    undecided = refused(await process.caller.call("evaluate-decision", {"decisionId": fee}))
    assert undecided.message.endswith(f"Expected to evaluate decision '{fee}', but no decision found for id '{fee}'")
    again = await process.caller.result("deploy-resource", contents)
    versions = {kind: part["version"] for entry in again["deployments"] for kind, part in entry.items()}
    assert versions == {"process": 2, "decision": 1, "decisionRequirements": 1, "form": 1}


async def deleted(process: ProcessHelper, key: int) -> None:
    """Delete a resource, and look at the answer; one engine deletes and never says so."""
    data = {"resourceKey": key}
    if process.features.answers_deletions:
        assert await process.caller.result("delete-resource", data) == {"resourceKey": "", "batchOperation": None}
        return
    headers = {"deadline": round((time.time() + 2) * 1000)}
    silent = refused(await process.caller.call("delete-resource", data, headers=headers))
    assert (silent.code, silent.outcome, silent.retryable) == (Code.DEADLINE_EXCEEDED, Outcome.UNKNOWN, True)


# --- what a policy sees of them ---


def variants(id: str) -> list[tuple[str, bytes]]:
    """Files with a process of that id, written in ways that readers may disagree about."""
    text = processes.empty(id)
    latin = text.replace("UTF-8", "ISO-8859-1")
    return [
        *((name, text.encode()) for name in ("a.bpmn", "a.xml", "a.BPMN", "a.Xml", "a.txt", "a", "a.bpmn20.xml")),
        ("a.bpmn", b"\xef\xbb\xbf" + text.encode()),
        ("a.bpmn", latin.encode("latin-1")),
        ("a.bpmn", text.replace("UTF-8", "UTF-16").encode("utf-16")),
        ("a.bpmn", text.replace("UTF-8", "UTF-16").encode("utf-16-be")),
        ("a.bpmn", text.replace("UTF-8", "cp037").encode("cp037")),
        ("a.bpmn", text.replace('"1.0"', '"1.1"').encode()),
        ("a.bpmn", text.replace(f'process id="{id}"', f'process id=" {id}\n"').encode()),
        ("a.bpmn", text.replace(f'process id="{id}"', f'process id="&#{ord(id[0])};{id[1:]}"').encode()),
        ("a.bpmn", text.replace("<bpmn:def", f'<!DOCTYPE a [<!ENTITY i "{id}">]><bpmn:def').encode()),
        ("a.bpmn", text.replace("<bpmn:def", f'<!DOCTYPE a [<!ENTITY i "{id}">]><bpmn:def')
                   .replace(f'process id="{id}"', 'process id="&i;"').encode()),
        ("a.bpmn", text.replace('process id="', 'process bpmn:id="').encode()),
        ("a.bpmn", text.replace(f' id="{id}"', "").encode()),
        ("a.bpmn", text.replace("bpmn:", "b:").replace("xmlns:bpmn", "xmlns:b").encode()),
        ("a.bpmn", text.encode() + b"\0"),
        *((f"a.{kind}", json.dumps({"id": id, **more}).encode(encoding)) for kind in ("form", "rpa")
          for more in ({}, {"versionTag": "1"}) for encoding in ("utf-8", "utf-16")),
        *((f"a.{kind}", f'{{"id": "{id}x", "versionTag": "1", "id": "{id}"}}'.encode()) for kind in ("form", "rpa")),
        *((f"a.{kind}", f'{{"id": "{id}"}} {{"id": "{id}x"}}'.encode()) for kind in ("form", "rpa")),
        *((f"a.{kind}", f'{{"id": {number}}}'.encode()) for kind in ("form", "rpa") for number in ("5", "true", "1.0")),
        ("a.dmn", decisions.fee(id).encode("utf-16")),
        ("a.dmn", decisions.fee(id).encode()),
    ]  # fmt: skip


async def test_whatever_the_engine_deploys_a_policy_has_seen_or_counts_as_any(process: ProcessHelper) -> None:
    deployed = set()
    for name, content in variants(process.id):
        file = {"name": name, "content": base64.b64encode(content).decode(), "encoding": "base64"}
        reply = await process.caller.call("deploy-resource", {"resources": [file]})
        seen = named([(name, content)])
        for entry in [] if reply.error else reply.data["deployments"]:
            for kind, (field, names) in {
                "process": ("bpmnProcessId", seen.processes),
                "decision": ("dmnDecisionId", seen.decisions),
                "form": ("formId", seen.resources),
            }.items():
                if part := entry.get(kind):
                    assert {part[field], ANY} & {*names}, (name, content, part)
                    deployed.add((kind, names == (ANY,)))
    # Each kind in a way that we read, and processes in ways that we leave to the engine.
    assert {("process", False), ("process", True), ("decision", False), ("form", False)} <= deployed
