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
    """A started process instance.

    Attributes:
        process_definition_key: the key of the process definition, which is one version of a process.
        bpmn_process_id: the id of the process, as in its BPMN.
        version: the version of the process.
        process_instance_key: the key of the new instance, which other operations ask for.
        tenant_id: the tenant that it belongs to.
        tags: its tags.
        business_id: its business id, if it has one.
    """

    process_definition_key: int
    bpmn_process_id: str
    version: int
    process_instance_key: int
    tenant_id: str
    tags: tuple[str, ...] | None = None
    business_id: str | None = None


class InstanceResult(InstanceCreated, Carrier, frozen=True, kw_only=True):
    """A finished process instance with its variables.

    Attributes:
        variables: with `with_result`: the variables at the end, all or those that `fetch_variables` names; a JSON
            document as text.
    """

    variables: str


class StartInstruction(Part, frozen=True, kw_only=True):
    """An element to start at, instead of the process's start event.

    Args:
        element_id: the id of the element, as in the BPMN.
    """

    element_id: Name


class Terminate(Part, frozen=True, kw_only=True):
    """End the instance after an element.

    Args:
        after_element_id: the id of the element after which the instance ends, as in the BPMN.
    """

    after_element_id: Name


class RuntimeInstruction(Part, frozen=True, kw_only=True):
    """What to do with the instance while it runs.

    Args:
        terminate: end the instance after an element.
    """

    terminate: Terminate


class CreateInstance(Command[InstanceCreated], frozen=True, kw_only=True):
    """Start a process, by id or by key; wait for its end if you need its result.

    Args:
        bpmn_process_id: the id of the process, as in its BPMN.
        process_definition_key: the key of the process definition, which is one version of a process.
        version: the version to start, with `bpmn_process_id` only; -1 is the latest.
        variables: the variables that the instance starts with.
        with_result: true: answer when the instance ends, with its variables. false: answer as soon as it has started.
        fetch_variables: with `with_result`: the names of the variables to return; an empty list returns all.
        request_timeout: with `with_result`: how long to wait for the end, at most 15 minutes.
        tenant_id: the tenant, if the engine separates tenants; "" is the default tenant.
        start_instructions: the elements to start at, instead of the start event.
        runtime_instructions: what to do with the instance while it runs.
        tags: labels for the instance; its jobs have them, too.
        business_id: an id of your own for the instance, such as the number of an order.
        operation_reference: a number of your own, which the engine writes into all records of this command.

    Errors:
        NOT_FOUND: no process has this id, version or key.
        FAILED_PRECONDITION: the process has no plain start event; only a message, a signal or a timer starts it.
        INVALID_ARGUMENT: an element of `start_instructions` does not exist, or nothing can start there.
        ALREADY_EXISTS: the engine is set to keep business ids unique, and an active instance has this one.
        UNKNOWN: the variables are too large for the engine, from about 2 MB.
    """

    operation: ClassVar[str] = "create-instance"
    fuller_result: ClassVar[Any] = InstanceResult
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
    """Cancel a process instance; all that is active in it is terminated.

    Args:
        process_instance_key: the key of the process instance, from the answer of create-instance.
        operation_reference: a number of your own, which the engine writes into all records of this command.

    Errors:
        NOT_FOUND: no running process instance has this key.
    """

    operation: ClassVar[str] = "cancel-instance"
    idempotent: ClassVar[bool] = True

    process_instance_key: Key
    operation_reference: Maybe[Reference] = None


class VariablesSet(Result, frozen=True, kw_only=True):
    """Variables that the engine has set.

    Attributes:
        key: the key of the command that set them, in the engine's records.
    """

    key: int


class SetVariables(Command[VariablesSet], frozen=True, kw_only=True):
    """Set variables of a process instance or of an element.

    Args:
        element_instance_key: the key of a process instance, or of an element instance in it; a job has that of its
            element.
        variables: the variables to set; others keep their values.
        local: true: set all in the scope of this element. false: a variable is set where it exists in the scopes around
            the element, else in the process instance.
        operation_reference: a number of your own, which the engine writes into all records of this command.

    Errors:
        NOT_FOUND: nothing active has this key.
        UNKNOWN: the variables are too large for the engine, from about 2 MB.
    """

    operation: ClassVar[str] = "set-variables"
    idempotent: ClassVar[bool] = True

    element_instance_key: Key
    variables: Variables
    local: bool = False
    operation_reference: Maybe[Reference] = None


class ResolveIncident(Command[None], frozen=True, kw_only=True):
    """Resolve an incident so that the instance continues.

    Args:
        incident_key: the key of the incident, which a tool such as Operate shows.
        operation_reference: a number of your own, which the engine writes into all records of this command.

    Errors:
        NOT_FOUND: no open incident has this key.
        FAILED_PRECONDITION: its job has no tries left; send update-job-retries first. Engines before 8.8 say NOT_FOUND.
    """

    operation: ClassVar[str] = "resolve-incident"
    idempotent: ClassVar[bool] = True

    incident_key: Key
    operation_reference: Maybe[Reference] = None


class VariableInstruction(Part, frozen=True, kw_only=True):
    """Variables to create when an element is activated.

    Args:
        variables: the variables to create.
        scope_id: the id of the element in whose scope they are created; "" is the process instance.
    """

    variables: Variables
    scope_id: str = ""


class ActivateInstruction(Part, frozen=True, kw_only=True):
    """An element to activate.

    Args:
        element_id: the id of the element, as in the BPMN.
        ancestor_element_instance_key: the key of the ancestor: the surrounding element instance in which the new one is
            created. Only needed where there are several.
        variable_instructions: variables to create with it, in its own scope or in one around it.
    """

    element_id: Name
    ancestor_element_instance_key: Maybe[Key] = None
    variable_instructions: tuple[VariableInstruction, ...] = ()


class TerminateInstruction(Part, frozen=True, kw_only=True):
    """What to terminate: one element instance, or all of an element.

    Args:
        element_instance_key: the key of the one element instance to terminate.
        element_id: the id of the element, all of whose instances are terminated.
    """

    one_of: ClassVar[tuple[str, ...]] = ("element_instance_key", "element_id")

    element_instance_key: Maybe[Key] = None
    element_id: Maybe[Name] = None


class MoveInstruction(Part, frozen=True, kw_only=True):
    """A source to terminate, and a target to activate for each instance of it.

    Args:
        source_element_instance_key: the key of the one element instance to move.
        source_element_id: the id of the element, all of whose instances move.
        target_element_id: the id of the element to activate instead.
        variable_instructions: variables to create with it, in its own scope or in one around it.
        ancestor_element_instance_key: the key of the ancestor: the surrounding element instance in which the new one is
            created. Only needed where there are several.
        infer_ancestor_scope_from_source_hierarchy: true: the engine looks for the ancestor among what is around the
            source.
        use_source_parent_key_as_ancestor_scope_key: true: the ancestor is what is directly around the source.
    """

    one_of: ClassVar[tuple[str, ...]] = ("source_element_instance_key", "source_element_id")

    source_element_instance_key: Maybe[Key] = None
    source_element_id: Maybe[Name] = None
    target_element_id: Name
    variable_instructions: tuple[VariableInstruction, ...] = ()
    ancestor_element_instance_key: Maybe[Key] = None
    infer_ancestor_scope_from_source_hierarchy: bool = False
    use_source_parent_key_as_ancestor_scope_key: bool = False


class ModifyInstance(Command[None], frozen=True, kw_only=True):
    """Modify a process instance: activate, terminate and move elements, all or nothing.

    Args:
        process_instance_key: the key of the process instance, from the answer of create-instance.
        activate_instructions: the elements to activate.
        terminate_instructions: the element instances to terminate.
        move_instructions: the elements to terminate and activate elsewhere.
        operation_reference: a number of your own, which the engine writes into all records of this command.

    Errors:
        NOT_FOUND: no running process instance has this key.
        INVALID_ARGUMENT: an instruction names an element, an element instance, an ancestor or a scope that is not
            there.
        FAILED_PRECONDITION: an instruction activates an element inside a multi-instance.
    """

    operation: ClassVar[str] = "modify-instance"

    process_instance_key: Key
    activate_instructions: tuple[ActivateInstruction, ...] = ()
    terminate_instructions: tuple[TerminateInstruction, ...] = ()
    move_instructions: tuple[MoveInstruction, ...] = ()
    operation_reference: Maybe[Reference] = None


class MappingInstruction(Part, frozen=True, kw_only=True):
    """From which element to which an instance migrates.

    Args:
        source_element_id: the id of an element in the process that the instance runs now.
        target_element_id: the id of the element of the same type that continues it in the target.
    """

    source_element_id: Name
    target_element_id: Name


class MigrationPlan(Part, frozen=True, kw_only=True):
    """Where to migrate, and how elements correspond.

    Args:
        target_process_definition_key: the key of the process definition to migrate to.
        mapping_instructions: for each active element the one that continues it.
    """

    target_process_definition_key: Key
    mapping_instructions: tuple[MappingInstruction, ...] = ()


class MigrateInstance(Command[None], frozen=True, kw_only=True):
    """Migrate a process instance to another process definition.

    Args:
        process_instance_key: the key of the process instance, from the answer of create-instance.
        migration_plan: where to migrate, and how elements correspond.
        operation_reference: a number of your own, which the engine writes into all records of this command.

    Errors:
        NOT_FOUND: no running process instance has this key, or no process definition has the key of the target.
        INVALID_ARGUMENT: a mapping names an element that does not exist, or maps a source twice.
        FAILED_PRECONDITION: an active element has no mapping, or one that the engine does not support, as to another
            type.
    """

    operation: ClassVar[str] = "migrate-instance"

    process_instance_key: Key
    migration_plan: MigrationPlan
    operation_reference: Maybe[Reference] = None
