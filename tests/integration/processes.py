"""Processes of the tests as BPMN texts: each builder names its process, so that every test deploys its own."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from xml.sax.saxutils import quoteattr

Edges = Sequence[tuple[str, str]]
"""From where to where a process goes, by the nodes' names."""


@dataclass(frozen=True)
class Node:
    """One element of a process: its BPMN tag, its name, what is in it and what Zeebe adds to it."""

    tag: str
    name: str
    content: str = ""
    extension: str = ""
    attributes: Mapping[str, str] = field(default_factory=dict)

    def text(self, edges: Edges) -> str:
        """Its XML; the engine insists on the incoming and outgoing elements, although the flows say the same."""
        ends = [f"<bpmn:incoming>{_flow(edge)}</bpmn:incoming>" for edge in edges if edge[1] == self.name]
        ends += [f"<bpmn:outgoing>{_flow(edge)}</bpmn:outgoing>" for edge in edges if edge[0] == self.name]
        extension = f"<bpmn:extensionElements>{self.extension}</bpmn:extensionElements>" if self.extension else ""
        more = "".join(f" {name}={quoteattr(value)}" for name, value in self.attributes.items())
        inner = extension + "".join(ends) + self.content
        return f'<bpmn:{self.tag} id="{self.name}"{more}>{inner}</bpmn:{self.tag}>\n'


def _flow(edge: tuple[str, str]) -> str:
    return f"{edge[0]}-{edge[1]}"


def _graph(nodes: Sequence[Node], edges: Edges) -> str:
    flows = [
        f'<bpmn:sequenceFlow id="{_flow(edge)}" sourceRef="{edge[0]}" targetRef="{edge[1]}" />\n' for edge in edges
    ]
    return "".join(node.text(edges) for node in nodes) + "".join(flows)


def _line(*nodes: Node) -> Edges:
    return list(itertools.pairwise(node.name for node in nodes))


def _definitions(process: str, content: str, declared: str = "", executable: bool = True) -> str:
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        '<bpmn:definitions xmlns:bpmn="http://www.omg.org/spec/BPMN/20100524/MODEL"'
        ' xmlns:zeebe="http://camunda.org/schema/zeebe/1.0" id="definitions" targetNamespace="http://example.org/">\n'
        f"{declared}\n"
        f'<bpmn:process id={quoteattr(process)} isExecutable="{str(executable).lower()}">\n{content}</bpmn:process>\n'
        "</bpmn:definitions>\n"
    )


def _straight(process: str, *nodes: Node, declared: str = "") -> str:
    return _definitions(process, _graph(nodes, _line(*nodes)), declared)


START = Node("startEvent", "start")
END = Node("endEvent", "end")


def _work(name: str, job_type: str, content: str = "", more: str = "", retries: int = 3) -> Node:
    definition = f'<zeebe:taskDefinition type={quoteattr(job_type)} retries="{retries}" />'
    return Node("serviceTask", name, content, definition + more)


def _message(name: str, subscription: str = "") -> str:
    extension = f"<bpmn:extensionElements>{subscription}</bpmn:extensionElements>" if subscription else ""
    return f'<bpmn:message id="message" name={quoteattr(name)}>{extension}</bpmn:message>'


def _signal(name: str) -> str:
    return f'<bpmn:signal id="signal" name={quoteattr(name)} />'


BY_MESSAGE = '<bpmn:messageEventDefinition messageRef="message" />'
BY_SIGNAL = '<bpmn:signalEventDefinition signalRef="signal" />'
BY_ERROR = '<bpmn:errorEventDefinition errorRef="error" />'


# --- tasks ---


def empty(process: str, *, executable: bool = True) -> str:
    """Ends as soon as it starts."""
    return _definitions(process, _graph([START, END], _line(START, END)), executable=executable)


def work(process: str, job_type: str, *, retries: int = 3, headers: Mapping[str, str] | None = None) -> str:
    """One service task `work`; its jobs are of `job_type` and carry `headers`."""
    entries = [f"<zeebe:header key={quoteattr(k)} value={quoteattr(v)} />" for k, v in (headers or {}).items()]
    carried = f"<zeebe:taskHeaders>{''.join(entries)}</zeebe:taskHeaders>"
    return _straight(process, START, _work("work", job_type, more=carried, retries=retries), END)


def steps(process: str, job_type: str, *names: str) -> str:
    """Service tasks of these names, one after the other, all with jobs of `job_type`."""
    return _straight(process, START, *(_work(name, job_type) for name in names), END)


def boxed(process: str, job_type: str, *names: str) -> str:
    """Service tasks of these names, one after the other, inside the subprocess `box`."""
    inside = [Node("startEvent", "in"), *(_work(name, job_type) for name in names), Node("endEvent", "out")]
    return _straight(process, START, Node("subProcess", "box", _graph(inside, _line(*inside))), END)


def approved(process: str, form: str) -> str:
    """A user task `approve` with a form; its jobs are of the type `USER_TASK`."""
    extension = f"<zeebe:formDefinition formId={quoteattr(form)} />"
    return _straight(process, START, Node("userTask", "approve", extension=extension), END)


USER_TASK = "io.camunda.zeebe:userTask"
"""The type of the jobs of all user tasks that are left to job workers."""


def watched(process: str, job_type: str) -> str:
    """A user task `approve` of the engine's own for "ann", with a listener for its creation."""
    extension = (
        '<zeebe:userTask /><zeebe:assignmentDefinition assignee="ann" candidateGroups="board, staff" />'
        f'<zeebe:taskListeners><zeebe:taskListener eventType="creating" type={quoteattr(job_type)} />'
        "</zeebe:taskListeners>"
    )
    return _straight(process, START, Node("userTask", "approve", extension=extension), END)


# --- events ---


def forgiving(process: str, job_type: str, error_code: str) -> str:
    """One service task `work`; a BPMN error `error_code` thrown in it is caught, and its variable `detail` kept."""
    kept = '<zeebe:ioMapping><zeebe:output source="=detail" target="detail" /></zeebe:ioMapping>'
    caught = Node("boundaryEvent", "catch", BY_ERROR, kept, {"attachedToRef": "work"})
    task, left = _work("work", job_type), Node("endEvent", "left")
    declared = f'<bpmn:error id="error" errorCode={quoteattr(error_code)} />'
    edges = [*_line(START, task, END), ("catch", "left")]
    return _definitions(process, _graph([START, task, END, caught, left], edges), declared)


def waiting(process: str, message: str) -> str:
    """Waits for `message`; the correlation key is the variable `key`."""
    declared = _message(message, '<zeebe:subscription correlationKey="=key" />')
    return _straight(process, START, Node("intermediateCatchEvent", "wait", BY_MESSAGE), END, declared=declared)


def awakened(process: str, message: str, job_type: str) -> str:
    """Starts by `message` only; then a service task `work`."""
    start = Node("startEvent", "start", BY_MESSAGE)
    return _straight(process, start, _work("work", job_type), END, declared=_message(message))


def roused(process: str, signal: str, job_type: str) -> str:
    """Starts by `signal` only; then a service task `work`."""
    start = Node("startEvent", "start", BY_SIGNAL)
    return _straight(process, start, _work("work", job_type), END, declared=_signal(signal))


def listening(process: str, signal: str) -> str:
    """Waits for `signal`."""
    return _straight(process, START, Node("intermediateCatchEvent", "wait", BY_SIGNAL), END, declared=_signal(signal))


def timed(process: str, duration: str) -> str:
    """Waits for so long: an ISO-8601 duration."""
    timer = f"<bpmn:timerEventDefinition><bpmn:timeDuration>{duration}</bpmn:timeDuration></bpmn:timerEventDefinition>"
    return _straight(process, START, Node("intermediateCatchEvent", "wait", timer), END)
