"""A small engine for the fake gateway: processes of at most one service task, their instances, jobs and messages.

It holds what tests of a broker's behaviour need, and no more. Keys are consecutive on each partition, and instances
are dealt out in turn, as the engine does. With a journal it is the same engine again after a restart.
"""

from __future__ import annotations

import base64
import itertools
import json
import re
import zlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from google.protobuf.message import Message

from consumer.zeebe.protocol import gateway_pb2 as pb

PARTITION_SHIFT = 51
TENANT = "<default>"


class Rejection(Exception):
    """A command that the engine does not accept; the text is the whole one that the gateway passes on."""

    def __init__(self, intent: str, kind: str, reason: str) -> None:
        super().__init__(f"Command '{intent}' rejected with code '{kind}': {reason}")
        self.status = kind


@dataclass
class Process:
    """A deployed definition."""

    key: int
    id: str
    resource: str
    job_type: str
    retries: int
    version: int = 1


@dataclass
class Instance:
    """A running or ended instance."""

    key: int
    process: Process
    variables: dict[str, Any]
    job: Job | None = None
    ended: bool = False


@dataclass
class Job:
    """A job; `state` is ACTIVATABLE or FAILED, `free` the second from which it can be activated."""

    key: int
    element: int
    instance: Instance
    retries: int
    state: str = "ACTIVATABLE"
    free: float = 0.0
    worker: str = ""
    deadline: int = 0


@dataclass
class Engine:
    """Applies commands; `journal` is a file that brings everything back after a restart."""

    partitions: int = 1
    journal: Path | None = None
    processes: dict[str, Process] = field(default_factory=dict)
    instances: dict[int, Instance] = field(default_factory=dict)
    jobs: dict[int, Job] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._keys = {number: itertools.count(1) for number in range(1, self.partitions + 1)}
        self._turns = itertools.cycle(self._keys)
        if self.journal is not None and self.journal.exists():
            for line in self.journal.read_text().splitlines():
                now, rpc, message = json.loads(line)
                self._apply(rpc, _REQUESTS[rpc].FromString(base64.b64decode(message)), now)

    def apply(self, rpc: str, message: Any, now: float) -> Message | None:
        """What the engine answers to a command at `now`, seconds since 1970; None for a command that it does not know.

        Raises:
            Rejection: it does not accept the command, which then changed nothing.
        """
        response = self._apply(rpc, message, now)
        if self.journal is not None and response is not None:
            with self.journal.open("a", encoding="utf-8") as lines:
                encoded = base64.b64encode(message.SerializeToString()).decode()
                lines.write(json.dumps([now, rpc, encoded]) + "\n")
        return response

    def key(self, partition: int) -> int:
        """The partition's next key."""
        return (partition << PARTITION_SHIFT) + next(self._keys[partition])

    def free(self, keys: Iterable[int]) -> None:
        """Let jobs be activated that nobody has."""
        for key in keys:
            self.jobs[key].free = 0.0

    def _apply(self, rpc: str, message: Any, now: float) -> Message | None:
        command = _COMMANDS.get(rpc)
        return command(self, message, now) if command else None

    # --- processes and instances ---

    def _deploy(self, message: Any, _: float) -> Message:
        deployments = [pb.Deployment(process=self._deployed(file)) for file in message.resources]
        return pb.DeployResourceResponse(key=self.key(1), deployments=deployments, tenantId=TENANT)

    def _deployed(self, file: Any) -> pb.ProcessMetadata:
        text = file.content.decode()
        name = _found(r'<bpmn:process id="([^"]+)"', text)
        if name not in self.processes:  # the same content again is the same version
            task = _found(r'<zeebe:taskDefinition type="([^"]+)"', text)
            retries = int(_found(r'retries="(\d+)"', text) or 3)
            self.processes[name] = Process(self.key(1), name, file.name, task, retries)
        process = self.processes[name]
        return pb.ProcessMetadata(
            bpmnProcessId=name,
            version=process.version,
            processDefinitionKey=process.key,
            resourceName=process.resource,
            tenantId=TENANT,
        )

    def _create(self, message: Any, _: float) -> Message:
        return pb.CreateProcessInstanceResponse(**_creation(self._started(message, "CREATE")))

    def _create_with_result(self, message: Any, _: float) -> Message:
        instance = self._started(message.request, "CREATE_WITH_AWAITING_RESULT")
        return pb.CreateProcessInstanceWithResultResponse(**_creation(instance))

    def _started(self, message: Any, intent: str) -> Instance:
        process = self.processes.get(message.bpmnProcessId)
        if process is None:
            reason = f"Expected to find process definition with process ID '{message.bpmnProcessId}', but none found"
            raise Rejection(intent, "NOT_FOUND", reason)
        partition = next(self._turns)
        instance = Instance(self.key(partition), process, json.loads(message.variables or "{}"))
        self.instances[instance.key] = instance
        if process.job_type:
            instance.job = Job(self.key(partition), self.key(partition), instance, process.retries)
            self.jobs[instance.job.key] = instance.job
        else:
            instance.ended = True
        return instance

    def _cancel(self, message: Any, _: float) -> Message:
        instance = self.instances.get(message.processInstanceKey)
        if instance is None or instance.ended:
            reason = "Expected to cancel a process instance with key '{}', but no such process was found"
            raise Rejection("CANCEL", "NOT_FOUND", reason.format(message.processInstanceKey))
        self._end(instance)
        return pb.CancelProcessInstanceResponse()

    def _end(self, instance: Instance) -> None:
        instance.ended = True
        if instance.job is not None:
            del self.jobs[instance.job.key]

    def _set_variables(self, message: Any, _: float) -> Message:
        instance = self.instances.get(message.elementInstanceKey)
        if instance is None or instance.ended:
            reason = "Expected to update variables for element with key '{}', but no such element was found"
            raise Rejection("UPDATE", "NOT_FOUND", reason.format(message.elementInstanceKey))
        instance.variables |= json.loads(message.variables or "{}")
        return pb.SetVariablesResponse(key=self.key(instance.key >> PARTITION_SHIFT))

    # --- jobs ---

    def _activate(self, message: Any, now: float) -> Message | None:
        free = (job for job in self.jobs.values() if _is_free(job, message.type, now))
        jobs = [self._locked(job, message, now) for job in itertools.islice(free, message.maxJobsToActivate)]
        return pb.ActivateJobsResponse(jobs=jobs) if jobs else None

    def _locked(self, job: Job, message: Any, now: float) -> pb.ActivatedJob:
        job.free, job.worker = now + message.timeout / 1000, message.worker
        job.deadline = round(job.free * 1000)
        return _activated(job, set(message.fetchVariable))

    def _job(self, message: Any, intent: str, verb: str) -> Job:
        job = self.jobs.get(message.jobKey)
        if job is None:
            reason = f"Expected to {verb} job with key '{message.jobKey}', but no such job was found"
            raise Rejection(intent, "NOT_FOUND", reason)
        return job

    def _complete(self, message: Any, _: float) -> Message:
        job = self._job(message, "COMPLETE", "complete")
        job.instance.variables |= json.loads(message.variables or "{}")
        self._end(job.instance)
        return pb.CompleteJobResponse()

    def _fail(self, message: Any, now: float) -> Message:
        job = self._job(message, "FAIL", "fail")
        job.retries, job.free = message.retries, now + message.retryBackOff / 1000
        job.state = "ACTIVATABLE" if message.retries > 0 else "FAILED"
        # A broker keeps the variables of a failed job; the engine in memory drops them.
        job.instance.variables |= json.loads(message.variables or "{}")
        return pb.FailJobResponse()

    def _update_retries(self, message: Any, _: float) -> Message:
        job = self._job(message, "UPDATE_RETRIES", "update")
        job.retries, job.state = message.retries, "ACTIVATABLE"
        return pb.UpdateJobRetriesResponse()

    def _update_timeout(self, message: Any, now: float) -> Message:
        self._job(message, "UPDATE_TIMEOUT", "update").free = now + message.timeout / 1000
        return pb.UpdateJobTimeoutResponse()

    # --- messages ---

    def _publish(self, message: Any, _: float) -> Message:
        partition = zlib.crc32(message.correlationKey.encode()) % self.partitions + 1
        return pb.PublishMessageResponse(key=self.key(partition), tenantId=TENANT)


def _found(pattern: str, text: str) -> str:
    found = re.search(pattern, text)
    return found[1] if found else ""


def _is_free(job: Job, job_type: str, now: float) -> bool:
    return job.instance.process.job_type == job_type and job.state == "ACTIVATABLE" and job.free <= now


def _creation(instance: Instance) -> dict[str, Any]:
    return {
        "processDefinitionKey": instance.process.key,
        "bpmnProcessId": instance.process.id,
        "version": instance.process.version,
        "processInstanceKey": instance.key,
        "tenantId": TENANT,
    }


def document(variables: dict[str, Any], names: Iterable[str] = ()) -> str:
    """Variables as the engine writes them, only those with these names if there are any."""
    wanted = set(names)
    chosen = {name: value for name, value in variables.items() if not wanted or name in wanted}
    return json.dumps(chosen, separators=(",", ":"))


def _activated(job: Job, names: set[str]) -> pb.ActivatedJob:
    process = job.instance.process
    return pb.ActivatedJob(
        key=job.key,
        type=process.job_type,
        processInstanceKey=job.instance.key,
        bpmnProcessId=process.id,
        processDefinitionVersion=process.version,
        processDefinitionKey=process.key,
        elementId="work",
        elementInstanceKey=job.element,
        customHeaders="{}",
        worker=job.worker,
        retries=job.retries,
        deadline=job.deadline,
        variables=document(job.instance.variables, names),
        tenantId=TENANT,
    )


_COMMANDS: dict[str, Callable[[Engine, Any, float], Message | None]] = {
    "DeployResource": Engine._deploy,
    "CreateProcessInstance": Engine._create,
    "CreateProcessInstanceWithResult": Engine._create_with_result,
    "CancelProcessInstance": Engine._cancel,
    "SetVariables": Engine._set_variables,
    "ActivateJobs": Engine._activate,
    "CompleteJob": Engine._complete,
    "FailJob": Engine._fail,
    "UpdateJobRetries": Engine._update_retries,
    "UpdateJobTimeout": Engine._update_timeout,
    "PublishMessage": Engine._publish,
}
_REQUESTS: dict[str, Any] = {rpc: getattr(pb, f"{rpc}Request") for rpc in _COMMANDS}
