"""Commands about process instances, their variables and their incidents."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Final, cast

import msgspec

from zeebe_amqp.commands.command import DATA, Command, Part, Result, check_wait
from zeebe_amqp.errors import invalid
from zeebe_amqp.schema import fields
from zeebe_amqp.schema.fields import Duration, Key, Maybe, Name, Reference, Variables, Version
from zeebe_amqp.schema.json_documents import Carrier

__all__ = [
    "ActivateInstruction",
    "CancelInstance",
    "CreateInstance",
    "InstanceCreated",
    "InstanceResult",
    "MappingInstruction",
    "MigrateInstance",
    "MigrationPlan",
    "ModifyInstance",
    "MoveInstruction",
    "ResolveIncident",
    "RuntimeInstruction",
    "SetVariables",
    "StartInstruction",
    "Terminate",
    "TerminateInstruction",
    "VariableInstruction",
    "VariablesSet",
]


WAIT: Final = 15_000
"""How long `with_result` waits unless told otherwise, milliseconds."""


class InstanceCreated(Result, frozen=True, kw_only=True):
    """A started process instance. `business_id` may be None; `tags` is None before gateway 8.8."""

    process_definition_key: int
    bpmn_process_id: str
    version: int
    process_instance_key: int
    tenant_id: str
    tags: tuple[str, ...] | None = None
    business_id: str | None = None


class InstanceResult(InstanceCreated, Carrier, frozen=True, kw_only=True):
    """A finished process instance with its variables, a JSON document as text."""

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


class CreateInstance(Command[InstanceCreated], frozen=True, kw_only=True):
    """Start a process by id or by key; an id selects the latest version unless `version` is set.

    `with_result` waits for the end. `request_timeout` (at most 15 minutes) and `fetch_variables` need `with_result`.
    """

    operation: ClassVar[str] = "create-instance"
    carries_trace: ClassVar[bool] = True
    named_by: ClassVar[Mapping[str, str]] = {"processes": "bpmn_process_id"}
    when_late: ClassVar[str] = "the process instance, if it was created, goes on running"
    one_of: ClassVar[tuple[str, ...]] = ("bpmn_process_id", "process_definition_key")

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
        """Allow a version only with an id, and limit the wait."""
        if self.version is not None and self.process_definition_key is not None:
            raise invalid(f"{DATA}.version", "not allowed together with processDefinitionKey, which names one version")
        if self.version == 0:
            raise invalid(f"{DATA}.version", "expected -1 for the latest, or a whole number above 0, found 0")
        check_wait(self.request_timeout)

    def result_type(self) -> Any:
        """The type of the result, with variables when the reply waits for the end."""
        return InstanceResult if self.with_result else InstanceCreated

    def until_end(
        self, within: Duration | None = None, fetch_variables: tuple[Name, ...] = ()
    ) -> Command[InstanceResult]:
        """The same command, but its result comes when the instance ends.

        It waits for at most `within` (None: 15 s). `fetch_variables` names the variables to return; none = all.
        """
        command = msgspec.structs.replace(
            self, with_result=True, request_timeout=within, fetch_variables=fetch_variables
        )
        return cast("Command[InstanceResult]", command)

    def wait(self) -> int:
        """With a result: until the instance ends."""
        return (fields.milliseconds(self.request_timeout) or WAIT) if self.with_result else 0


class CancelInstance(Command[None], frozen=True, kw_only=True):
    """Cancel a process instance."""

    operation: ClassVar[str] = "cancel-instance"
    idempotent: ClassVar[bool] = True

    process_instance_key: Key
    operation_reference: Maybe[Reference] = None


class VariablesSet(Result, frozen=True, kw_only=True):
    """The key of the command that set the variables."""

    key: int


class SetVariables(Command[VariablesSet], frozen=True, kw_only=True):
    """Set variables in the scope of an element instance; `local` keeps them from propagating upwards."""

    operation: ClassVar[str] = "set-variables"
    idempotent: ClassVar[bool] = True

    element_instance_key: Key
    variables: Variables
    local: bool = False
    operation_reference: Maybe[Reference] = None


class ResolveIncident(Command[None], frozen=True, kw_only=True):
    """Resolve an incident so that the instance continues."""

    operation: ClassVar[str] = "resolve-incident"
    idempotent: ClassVar[bool] = True

    incident_key: Key
    operation_reference: Maybe[Reference] = None


class VariableInstruction(Part, frozen=True, kw_only=True):
    """Variables to set when an element is activated. `scope_id` names the scope ("" = global)."""

    variables: Variables
    scope_id: str = ""


class ActivateInstruction(Part, frozen=True, kw_only=True):
    """Activate an element, inside this ancestor where there are several (None: the only one)."""

    element_id: Name
    ancestor_element_instance_key: Maybe[Key] = None
    variable_instructions: tuple[VariableInstruction, ...] = ()


class TerminateInstruction(Part, frozen=True, kw_only=True):
    """Terminate one element instance by its key, or all of an element by its id."""

    one_of: ClassVar[tuple[str, ...]] = ("element_instance_key", "element_id")

    element_instance_key: Maybe[Key] = None
    element_id: Maybe[Name] = None


class MoveInstruction(Part, frozen=True, kw_only=True):
    """Terminate a source (one instance by key, or all of an element by id) and activate the target instead."""

    one_of: ClassVar[tuple[str, ...]] = ("source_element_instance_key", "source_element_id")

    source_element_instance_key: Maybe[Key] = None
    source_element_id: Maybe[Name] = None
    target_element_id: Name
    variable_instructions: tuple[VariableInstruction, ...] = ()
    ancestor_element_instance_key: Maybe[Key] = None
    infer_ancestor_scope_from_source_hierarchy: bool = False
    use_source_parent_key_as_ancestor_scope_key: bool = False


class ModifyInstance(Command[None], frozen=True, kw_only=True):
    """Modify a process instance: activate, terminate and move elements, all or nothing."""

    operation: ClassVar[str] = "modify-instance"

    process_instance_key: Key
    activate_instructions: tuple[ActivateInstruction, ...] = ()
    terminate_instructions: tuple[TerminateInstruction, ...] = ()
    move_instructions: tuple[MoveInstruction, ...] = ()
    operation_reference: Maybe[Reference] = None


class MappingInstruction(Part, frozen=True, kw_only=True):
    """Maps an active element of the source to an element of the target."""

    source_element_id: Name
    target_element_id: Name


class MigrationPlan(Part, frozen=True, kw_only=True):
    """The definition to migrate to, and an instruction for each active element."""

    target_process_definition_key: Key
    mapping_instructions: tuple[MappingInstruction, ...] = ()


class MigrateInstance(Command[None], frozen=True, kw_only=True):
    """Migrate an instance to another process definition."""

    operation: ClassVar[str] = "migrate-instance"

    process_instance_key: Key
    migration_plan: MigrationPlan
    operation_reference: Maybe[Reference] = None
