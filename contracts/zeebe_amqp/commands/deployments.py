"""What a deployment of files has made, for replies."""

from __future__ import annotations

from zeebe_amqp.commands.command import Result

__all__ = [
    "Deployed",
    "DeployedDecision",
    "DeployedForm",
    "DeployedProcess",
    "DeployedRequirements",
    "Deployment",
    "ResourcesDeployed",
]


class DeployedProcess(Result, frozen=True, kw_only=True):
    """A process of a deployment.

    Attributes:
        bpmn_process_id: the id of the process, as in its BPMN.
        version: the version of the process, from 1.
        process_definition_key: the key of the process definition, which is one version of a process.
        resource_name: the name of the file that it came from.
        tenant_id: the tenant that it belongs to.
    """

    bpmn_process_id: str
    version: int
    process_definition_key: int
    resource_name: str
    tenant_id: str


class Deployed(Result, frozen=True, kw_only=True):
    """A deployment of processes.

    Attributes:
        key: the key of the deployment.
        processes: the processes in the file.
        tenant_id: the tenant that it belongs to.
    """

    key: int
    processes: tuple[DeployedProcess, ...]
    tenant_id: str


class DeployedDecision(Result, frozen=True, kw_only=True):
    """A decision of a deployment.

    Attributes:
        dmn_decision_id: the id of the decision, as in its DMN.
        dmn_decision_name: the name of the decision.
        version: the version of the decision, from 1.
        decision_key: the key of the decision, which is one version of it.
        dmn_decision_requirements_id: the id of the decision requirements graph that it is part of, as in its DMN.
        decision_requirements_key: the key of that graph.
        tenant_id: the tenant that it belongs to.
    """

    dmn_decision_id: str
    dmn_decision_name: str
    version: int
    decision_key: int
    dmn_decision_requirements_id: str
    decision_requirements_key: int
    tenant_id: str


class DeployedRequirements(Result, frozen=True, kw_only=True):
    """The decision requirements graph of a deployed DMN file.

    Attributes:
        dmn_decision_requirements_id: the id of the graph, as in its DMN.
        dmn_decision_requirements_name: the name of the graph.
        version: the version of the graph, from 1.
        decision_requirements_key: the key of the graph; delete-resource deletes it and its decisions.
        resource_name: the name of the file that it came from.
        tenant_id: the tenant that it belongs to.
    """

    dmn_decision_requirements_id: str
    dmn_decision_requirements_name: str
    version: int
    decision_requirements_key: int
    resource_name: str
    tenant_id: str


class DeployedForm(Result, frozen=True, kw_only=True):
    """A form of a deployment.

    Attributes:
        form_id: the id of the form, as in its file.
        version: the version of the form, from 1.
        form_key: the key of the form, which is one version of it.
        resource_name: the name of the file that it came from.
        tenant_id: the tenant that it belongs to.
    """

    form_id: str
    version: int
    form_key: int
    resource_name: str
    tenant_id: str


class Deployment(Result, frozen=True, kw_only=True):
    """One deployed resource. Exactly one field is set.

    Attributes:
        process: a process of a BPMN file.
        decision: a decision of a DMN file.
        decision_requirements: the decision requirements graph of a DMN file.
        form: a form.
    """

    process: DeployedProcess | None = None
    decision: DeployedDecision | None = None
    decision_requirements: DeployedRequirements | None = None
    form: DeployedForm | None = None


class ResourcesDeployed(Result, frozen=True, kw_only=True):
    """A deployment of files of any kind.

    Attributes:
        key: the key of the deployment.
        deployments: what was deployed. A DMN file has its decisions and their requirements.
        tenant_id: the tenant that it belongs to.
    """

    key: int
    deployments: tuple[Deployment, ...]
    tenant_id: str
