"""The requests of the table: every example of every operation, and what somebody tries who wants more."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from benchmarks.rights.rules import ALICE, MALLORY
from zeebe_amqp import envelope, wire
from zeebe_amqp.commands import COMMANDS, Command
from zeebe_amqp.examples import EXAMPLES, Example, filled
from zeebe_amqp.examples.example import file_text

MARKER = "a-value-that-nobody-may-log"
"""In the variables of every request that has some."""
KEY = 2251799813685281
"""Of something that the engine does not have."""
OTHER_TENANT = "acme"
_BOTH = (ALICE, MALLORY)


@dataclass(frozen=True)
class Case:
    """One request, and who may send it by the rules."""

    operation: str
    title: str
    data: Any
    allowed: tuple[str, ...] = ()
    metadata: Mapping[str, str] = field(default_factory=dict)
    example: Example | None = None
    """Where it comes from; its reply may have values for later ones."""
    raw: bytes | None = None
    """The body, where it is no usual envelope."""
    type: str | None = None
    """The property."""

    @property
    def name(self) -> str:
        """How the table calls it."""
        return f"{self.operation}: {self.title}" if self.title else self.operation

    def body(self, values: Mapping[str, Any]) -> bytes:
        """What is sent; `values` are those of earlier replies."""
        if self.raw is not None:
            return self.raw
        data = _marked(filled(self.data, values))
        return json.dumps({"operation": self.operation, "data": data, "metadata": dict(self.metadata)}).encode()

    def command(self, values: Mapping[str, Any]) -> Command:
        """The command as the service decodes it."""
        return envelope.decode(self.body(values), type=self.type, content_type="application/json").command


class Values(dict[str, Any]):
    """What earlier replies gave; a key of nothing in the place of what none gave."""

    def __missing__(self, name: str) -> Any:
        return KEY


def _marked(data: Any) -> Any:
    """The data with the marker among its variables."""
    if not isinstance(data, dict) or not isinstance(variables := data.get("variables"), dict):
        return data
    typed = any(isinstance(each, dict) and "value" in each for each in variables.values())
    return {**data, "variables": {**variables, "marker": {"value": MARKER} if typed else MARKER}}


def _examples() -> Iterator[Case]:
    """Alice may do what the examples do; with the cluster everybody may who has a role."""
    for example in EXAMPLES:
        allowed = _BOTH if example.operation == "topology" else (ALICE,)
        yield Case(example.operation, example.title.lower(), example.data, allowed, example.metadata, example)


def _bpmn(*names: str) -> str:
    """A file with these processes."""
    processes = "".join(
        f'<process id="{name}" isExecutable="true"><startEvent id="s-{name}"/></process>' for name in names
    )
    model = "http://www.omg.org/spec/BPMN/20100524/MODEL"
    return f'<definitions xmlns="{model}" id="d" targetNamespace="http://example.org/">{processes}</definitions>'


def _create(title: str, allowed: tuple[str, ...] = (), **data: Any) -> Case:
    return Case("create-instance", title, {"variables": {}, **data}, allowed)


def _deploy(title: str, text: str, allowed: tuple[str, ...] = (), name: str = "visit.bpmn") -> Case:
    return Case("deploy-process", title, text, allowed, {wire.FILE_NAME: name})


def _polled(title: str, job_type: str, allowed: tuple[str, ...] = (), **data: Any) -> Case:
    return Case("activate-jobs", title, {"jobType": job_type, "maxJobsToActivate": 1, **data}, allowed)


TWICE = (
    b'{"operation":"topology","operation":"create-instance",'
    b'"data":{"bpmnProcessId":"visit-1","bpmnProcessId":"parcel"}}'
)
"""A key given twice: the last one counts."""
BARE = b'{"bpmnProcessId":"parcel","variables":{}}'

_TRIED: tuple[Case, ...] = (
    _create("a name that a pattern allows", (ALICE,), bpmnProcessId="order-17"),
    _create("a name of the other's", (MALLORY,), bpmnProcessId="visit-17"),
    _create("a name that only begins like one", bpmnProcessId="parcels"),
    _create("in capitals", bpmnProcessId="Order-17"),
    _create("with a letter that looks the same", bpmnProcessId="\u043erder-17"),
    _create("the star as a name", bpmnProcessId="*"),
    _create("a key that names nothing", (ALICE,), processDefinitionKey=KEY),
    _create("another tenant", bpmnProcessId="order-17", tenantId=OTHER_TENANT),
    _create("the default tenant by name", (ALICE,), bpmnProcessId="order-17", tenantId="<default>"),
    _create("an empty tenant, which is the default one", (ALICE,), bpmnProcessId="order-17", tenantId=""),
    Case("create-instance", "bare, with the property type", None, (ALICE,), raw=BARE, type="create-instance"),
    Case("create-instance", "keys given twice", None, (ALICE,), raw=TWICE),
    _polled("a type of the other's", "visit-work", (MALLORY,)),
    _polled("a tenant among others", "pack-parcel", tenantIds=["<default>", OTHER_TENANT]),
    Case("complete-job", "a key without allow_keys", {"jobKey": KEY, "variables": {}}, (ALICE,)),
    Case("publish-message", "outside the pattern", {"messageName": "salary-paid"}),
    Case("broadcast-signal", "outside the pattern", {"signalName": "fire"}),
    Case("signal", "outside the pattern", {"name": "fire"}),
    Case("signal", "to one execution", {"name": "warehouse-closed", "executionId": str(KEY)}),
    Case("evaluate-decision", "outside the names", {"decisionId": "salary"}),
    Case("evaluate-decision", "by key", {"decisionKey": KEY}),
    _deploy("a process of the other's", _bpmn("visit-2"), (MALLORY,)),
    _deploy("a foreign process in a file of that name", _bpmn("parcel"), (ALICE,)),
    _deploy("a foreign process behind an own one", _bpmn("visit-2", "parcel")),
    _deploy("neither's process", _bpmn("payroll")),
    Case(
        "deploy-resource",
        "neither's process among several files",
        {
            "resources": [
                {"name": "parcel.bpmn", "content": file_text("parcel.bpmn")},
                {"name": "payroll.bpmn", "content": _bpmn("payroll")},
            ]
        },
    ),
)

CASES: tuple[Case, ...] = (*_examples(), *_TRIED)
"""In this order an engine can run them."""


def untried() -> set[str]:
    """Operations without a case: none."""
    return set(COMMANDS) - {case.operation for case in CASES}
