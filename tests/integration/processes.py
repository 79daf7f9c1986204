"""Processes of the tests as BPMN texts: each builder names its process, so that every test deploys its own."""

from __future__ import annotations

from collections.abc import Mapping
from xml.sax.saxutils import quoteattr

START = '<bpmn:startEvent id="start"><bpmn:outgoing>in</bpmn:outgoing></bpmn:startEvent>'
END = '<bpmn:endEvent id="end"><bpmn:incoming>out</bpmn:incoming></bpmn:endEvent>'


def _definitions(process: str, content: str, declared: str = "", executable: bool = True) -> str:
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        '<bpmn:definitions xmlns:bpmn="http://www.omg.org/spec/BPMN/20100524/MODEL"'
        ' xmlns:zeebe="http://camunda.org/schema/zeebe/1.0" id="definitions" targetNamespace="http://example.org/">\n'
        f"{declared}\n"
        f'<bpmn:process id={quoteattr(process)} isExecutable="{str(executable).lower()}">\n{content}\n</bpmn:process>\n'
        "</bpmn:definitions>\n"
    )


def _flow(name: str, source: str, target: str) -> str:
    return f'<bpmn:sequenceFlow id="{name}" sourceRef="{source}" targetRef="{target}" />'


def _task(job_type: str, retries: int, headers: Mapping[str, str]) -> str:
    entries = "".join(f"<zeebe:header key={quoteattr(k)} value={quoteattr(v)} />" for k, v in headers.items())
    return (
        '<bpmn:serviceTask id="work"><bpmn:extensionElements>'
        f'<zeebe:taskDefinition type={quoteattr(job_type)} retries="{retries}" />'
        f"<zeebe:taskHeaders>{entries}</zeebe:taskHeaders>"
        "</bpmn:extensionElements><bpmn:incoming>in</bpmn:incoming><bpmn:outgoing>out</bpmn:outgoing></bpmn:serviceTask>"
    )


def empty(process: str, *, executable: bool = True) -> str:
    """Ends as soon as it starts."""
    nodes = (
        '<bpmn:startEvent id="start"><bpmn:outgoing>in</bpmn:outgoing></bpmn:startEvent>'
        '<bpmn:endEvent id="end"><bpmn:incoming>in</bpmn:incoming></bpmn:endEvent>'
    )
    return _definitions(process, nodes + _flow("in", "start", "end"), executable=executable)


def work(process: str, job_type: str, *, retries: int = 3, headers: Mapping[str, str] | None = None) -> str:
    """One service task `work`; its jobs are of `job_type` and carry `headers`."""
    nodes = START + _task(job_type, retries, headers or {}) + END
    return _definitions(process, nodes + _flow("in", "start", "work") + _flow("out", "work", "end"))


def forgiving(process: str, job_type: str, error_code: str) -> str:
    """One service task `work`; a BPMN error `error_code` thrown in it is caught, and its variable `detail` kept."""
    declared = f'<bpmn:error id="error" errorCode={quoteattr(error_code)} />'
    # The engine insists on the outgoing element of a boundary event, although the flow says the same.
    caught = (
        '<bpmn:boundaryEvent id="catch" attachedToRef="work"><bpmn:extensionElements><zeebe:ioMapping>'
        '<zeebe:output source="=detail" target="detail" /></zeebe:ioMapping></bpmn:extensionElements>'
        '<bpmn:outgoing>away</bpmn:outgoing><bpmn:errorEventDefinition errorRef="error" /></bpmn:boundaryEvent>'
        '<bpmn:endEvent id="caught"><bpmn:incoming>away</bpmn:incoming></bpmn:endEvent>'
    )
    flows = _flow("in", "start", "work") + _flow("out", "work", "end") + _flow("away", "catch", "caught")
    return _definitions(process, START + _task(job_type, 3, {}) + END + caught + flows, declared)


def _message(name: str, subscription: str = "") -> str:
    extension = f"<bpmn:extensionElements>{subscription}</bpmn:extensionElements>" if subscription else ""
    return f'<bpmn:message id="message" name={quoteattr(name)}>{extension}</bpmn:message>'


def waiting(process: str, message: str) -> str:
    """Waits for `message`; the correlation key is the variable `key`."""
    nodes = (
        f'{START}<bpmn:intermediateCatchEvent id="wait"><bpmn:incoming>in</bpmn:incoming>'
        '<bpmn:outgoing>out</bpmn:outgoing><bpmn:messageEventDefinition messageRef="message" />'
        f"</bpmn:intermediateCatchEvent>{END}"
    )
    declared = _message(message, '<zeebe:subscription correlationKey="=key" />')
    return _definitions(process, nodes + _flow("in", "start", "wait") + _flow("out", "wait", "end"), declared)


def awakened(process: str, message: str) -> str:
    """Starts by `message` only."""
    nodes = (
        '<bpmn:startEvent id="start"><bpmn:outgoing>in</bpmn:outgoing>'
        '<bpmn:messageEventDefinition messageRef="message" /></bpmn:startEvent>'
        '<bpmn:endEvent id="end"><bpmn:incoming>in</bpmn:incoming></bpmn:endEvent>'
    )
    return _definitions(process, nodes + _flow("in", "start", "end"), _message(message))
