"""Commands about process instances, their variables and their incidents."""

from __future__ import annotations

from typing import Any, ClassVar

from zeebe_amqp import fields
from zeebe_amqp.commands.command import DATA, Command, Part, Result, check_wait, missing
from zeebe_amqp.errors import invalid
from zeebe_amqp.fields import Duration, Key, Maybe, Name, Reference, Variables, Version


class InstanceCreated(Result, frozen=True, kw_only=True):
    """A process instance that was started; `business_id` is None when it has none."""

    process_definition_key: int
    bpmn_process_id: str
    version: int
    process_instance_key: int
    tenant_id: str
    tags: tuple[str, ...] = ()
    business_id: str | None = None


class InstanceResult(InstanceCreated, frozen=True, kw_only=True):
    """A process instance that ended, with its variables: a JSON document as text."""

    variables: str


class StartInstruction(Part, frozen=True, kw_only=True):
    """Start at this element instead of the process's start event."""

    element_id: Name


class Terminate(Part, frozen=True, kw_only=True):
    """End the instance after this element."""

    after_element_id: Name


class RuntimeInstruction(Part, frozen=True, kw_only=True):
    """What to do with the instance while it runs."""

    terminate: Terminate


class CreateInstance(Command, frozen=True, kw_only=True):
    """Start a process by id (and version; None = the latest) or by key; `with_result` waits for its end.

    `request_timeout` (at most 15 minutes) and `fetch_variables` only count with `with_result`.
    """

    operation: ClassVar[str] = "create-instance"
    result: ClassVar[Any] = InstanceCreated

    bpmn_process_id: Maybe[Name] = None
    process_definition_key: Maybe[Key] = None
    version: Maybe[Version] = None
    variables: Maybe[Variables] = None
    with_result: bool = False
    fetch_variables: tuple[Name, ...] = ()
    request_timeout: Maybe[Duration] = None
    tenant_id: str = ""
    start_instructions: tuple[StartInstruction, ...] = ()
    runtime_instructions: tuple[RuntimeInstruction, ...] = ()
    tags: tuple[Name, ...] = ()
    business_id: Maybe[str] = None
    operation_reference: Maybe[Reference] = None

    def verify(self) -> None:
        """Exactly one of id and key; a version only with an id; a bounded wait."""
        if self.bpmn_process_id is None and self.process_definition_key is None:
            raise missing("bpmnProcessId", "the process's id, or its key as processDefinitionKey")
        if self.bpmn_process_id is not None and self.process_definition_key is not None:
            raise invalid(f"{DATA}.processDefinitionKey", "not allowed together with bpmnProcessId; send one of them")
        if self.version is not None and self.process_definition_key is not None:
            raise invalid(f"{DATA}.version", "not allowed together with processDefinitionKey, which names one version")
        if self.version == 0:
            raise invalid(f"{DATA}.version", "expected -1 for the latest, or a whole number above 0, found 0")
        check_wait(self.request_timeout)

    def result_type(self) -> Any:
        """With the variables when the reply waits for the instance's end."""
        return InstanceResult if self.with_result else InstanceCreated


class CancelInstance(Command, frozen=True, kw_only=True):
    """Cancel a process instance."""

    operation: ClassVar[str] = "cancel-instance"

    process_instance_key: Key
    operation_reference: Maybe[Reference] = None


class VariablesSet(Result, frozen=True, kw_only=True):
    """The key of the command that set the variables."""

    key: int


class SetVariables(Command, frozen=True, kw_only=True):
    """Set variables in the scope of an element instance; `local` keeps them from propagating upwards."""

    operation: ClassVar[str] = "set-variables"
    result: ClassVar[Any] = VariablesSet

    element_instance_key: Key
    variables: Variables
    local: bool = False
    operation_reference: Maybe[Reference] = None

    def verify(self) -> None:
        """Null variables are none, and they are required."""
        if not fields.text(self.variables):
            raise missing("variables", "a JSON object")


class ResolveIncident(Command, frozen=True, kw_only=True):
    """Try again what an incident stopped."""

    operation: ClassVar[str] = "resolve-incident"

    incident_key: Key
    operation_reference: Maybe[Reference] = None
