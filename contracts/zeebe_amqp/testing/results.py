"""The results of commands that a test says nothing about: made for the command, as an engine would."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import PurePath
from typing import Any, Final, TypeAlias

import msgspec

from zeebe_amqp.commands import (
    BroadcastSignal,
    Command,
    CreateInstance,
    DeleteResource,
    DeployProcess,
    DeployResource,
    EvaluateConditional,
    EvaluateDecision,
    PublishMessage,
    SetVariables,
    Topology,
)
from zeebe_amqp.commands.cluster import Broker, Partition, TopologyResult
from zeebe_amqp.commands.decisions import DecisionEvaluated
from zeebe_amqp.commands.deployments import (
    Deployed,
    DeployedDecision,
    DeployedForm,
    DeployedProcess,
    DeployedRequirements,
    Deployment,
    ResourcesDeployed,
)
from zeebe_amqp.commands.instances import InstanceCreated, InstanceResult, VariablesSet
from zeebe_amqp.commands.messages import ConditionalEvaluated, MessagePublished, SignalBroadcast
from zeebe_amqp.commands.resources import Resource, ResourceDeleted
from zeebe_amqp.schema.fields import text
from zeebe_amqp.testing.jobs import DEFAULT_TENANT

__all__ = ["Keys", "changed", "plain", "result"]

Keys: TypeAlias = Callable[[], int]
"""Makes fresh keys."""
VERSION: Final = "8.6.0"
"""What the gateway in memory calls itself."""
_PROCESS: Final = re.compile(rb"<(?:\w+:)?process\s[^<>]*?\bid=[\"']([^\"']+)")


def result(command: Command, key: Keys) -> Any:
    """The typed result of a command; None where there is none."""
    make = _MAKERS.get(type(command))
    return None if make is None else make(command, key)


def _topology(_: Topology, __: Keys) -> TopologyResult:
    partition = Partition(partition_id=1, role="LEADER", health="HEALTHY")
    broker = Broker(node_id=0, host="127.0.0.1", port=26501, partitions=(partition,), version=VERSION)
    return TopologyResult(
        brokers=(broker,),
        cluster_size=1,
        partitions_count=1,
        replication_factor=1,
        gateway_version=VERSION,
        cluster_id="",
    )


def _created(command: CreateInstance, key: Keys) -> InstanceCreated:
    facts: dict[str, Any] = {
        "process_definition_key": int(command.process_definition_key or key()),
        "bpmn_process_id": command.bpmn_process_id or "process",
        "version": max(command.version or 1, 1),
        "process_instance_key": key(),
        "tenant_id": command.tenant_id or DEFAULT_TENANT,
        "tags": command.tags,
        "business_id": command.business_id,
    }
    if command.with_result:
        return InstanceResult(variables=text(command.variables) or "{}", **facts)
    return InstanceCreated(**facts)


def _process(name: str, content: bytes, tenant: str, key: Keys) -> DeployedProcess:
    found = _PROCESS.search(content)
    return DeployedProcess(
        bpmn_process_id=found[1].decode("utf-8", "replace") if found else PurePath(name).stem,
        version=1,
        process_definition_key=key(),
        resource_name=name,
        tenant_id=tenant,
    )


def _deployed_process(command: DeployProcess, key: Keys) -> Deployed:
    tenant = command.tenant_id or DEFAULT_TENANT
    return Deployed(key=key(), processes=(_process(command.name, command.content, tenant, key),), tenant_id=tenant)


def _deployed_resources(command: DeployResource, key: Keys) -> ResourcesDeployed:
    tenant = command.tenant_id or DEFAULT_TENANT
    deployments = [each for resource in command.resources for each in _deployments(resource, tenant, key)]
    return ResourcesDeployed(key=key(), deployments=tuple(deployments), tenant_id=tenant)


def _deployments(resource: Resource, tenant: str, key: Keys) -> tuple[Deployment, ...]:
    name = resource.name
    stem = PurePath(name).stem
    if name.endswith(".form"):
        form = DeployedForm(form_id=stem, version=1, form_key=key(), resource_name=name, tenant_id=tenant)
        return (Deployment(form=form),)
    if name.endswith(".dmn"):
        return _decision(stem, name, tenant, key)
    return (Deployment(process=_process(name, resource.unpacked(), tenant, key)),)


def _decision(stem: str, name: str, tenant: str, key: Keys) -> tuple[Deployment, Deployment]:
    requirements = DeployedRequirements(
        dmn_decision_requirements_id=stem,
        dmn_decision_requirements_name=stem,
        version=1,
        decision_requirements_key=key(),
        resource_name=name,
        tenant_id=tenant,
    )
    decision = DeployedDecision(
        dmn_decision_id=stem,
        dmn_decision_name=stem,
        version=1,
        decision_key=key(),
        dmn_decision_requirements_id=stem,
        decision_requirements_key=requirements.decision_requirements_key,
        tenant_id=tenant,
    )
    return Deployment(decision=decision), Deployment(decision_requirements=requirements)


def _evaluated(command: EvaluateDecision, key: Keys) -> DecisionEvaluated:
    name = command.decision_id or "decision"
    return DecisionEvaluated(
        decision_key=int(command.decision_key or key()),
        decision_id=name,
        decision_name=name,
        decision_version=1,
        decision_requirements_id="",
        decision_requirements_key=0,
        decision_output="null",
        evaluated_decisions=(),
        failed_decision_id="",
        failure_message="",
        tenant_id=command.tenant_id or DEFAULT_TENANT,
        decision_instance_key=key(),
        decision_evaluation_key=key(),
    )


def _published(command: PublishMessage, key: Keys) -> MessagePublished:
    return MessagePublished(key=key(), tenant_id=command.tenant_id or DEFAULT_TENANT)


def _broadcast(command: BroadcastSignal, key: Keys) -> SignalBroadcast:
    return SignalBroadcast(key=key(), tenant_id=command.tenant_id or DEFAULT_TENANT)


def _conditional(command: EvaluateConditional, key: Keys) -> ConditionalEvaluated:
    tenant = command.tenant_id or DEFAULT_TENANT
    return ConditionalEvaluated(process_instances=(), conditional_evaluation_key=key(), tenant_id=tenant)


_MAKERS: Final[Mapping[type[Command], Callable[[Any, Keys], Any]]] = {
    Topology: _topology,
    CreateInstance: _created,
    DeployProcess: _deployed_process,
    DeployResource: _deployed_resources,
    DeleteResource: lambda command, _: ResourceDeleted(resource_key=str(command.resource_key)),
    SetVariables: lambda _, key: VariablesSet(key=key()),
    EvaluateDecision: _evaluated,
    PublishMessage: _published,
    BroadcastSignal: _broadcast,
    EvaluateConditional: _conditional,
}


def changed(command: Command, made: Any, fields: Mapping[str, Any]) -> Any:
    """A result with some fields otherwise; documents may be Python values.

    Raises:
        TypeError: the result has no such field.
    """
    known = getattr(made, "__struct_fields__", ())
    for name in fields:
        if name not in known:
            accepted = ", ".join(known) or "no fields"
            raise TypeError(f"answer: the result of {command.operation} has no {name}; it has {accepted}")
    texts = {name: _text(name, value) for name, value in fields.items()}
    return msgspec.structs.replace(made, **texts) if texts else made


def _text(name: str, value: Any) -> Any:
    is_document = name in ("variables", "custom_headers", "decision_output")
    return msgspec.json.encode(value).decode() if is_document and not isinstance(value, str) else value


def plain(made: Any, *, keys_as_text: bool) -> Any:
    """A result as plain data for a reply's JSON; `keys_as_text` as the caller wants them."""
    return _without_alternatives(_rendered(msgspec.to_builtins(made), keys_as_text), made)


def _rendered(value: Any, keys_as_text: bool, name: str = "") -> Any:
    match value:
        case dict():
            return {name: _rendered(each, keys_as_text, name) for name, each in value.items()}
        case list() | tuple():
            return [_rendered(each, keys_as_text) for each in value]
        case int() if keys_as_text and (name.lower().endswith("key") or name == "deadline"):
            return str(value)
    return value


def _without_alternatives(data: Any, made: Any) -> Any:
    """Of a deployment's alternatives only the one that is there is shown."""
    if isinstance(made, ResourcesDeployed):
        shown = [{name: each for name, each in one.items() if each is not None} for one in data["deployments"]]
        return {**data, "deployments": shown}
    return data
