"""What tests need of a Camunda 7 engine, made by its REST API: processes, instances, users, and what it stored."""

from __future__ import annotations

import base64
import json
import urllib.error
import urllib.request
from typing import Any

WAITING = """<?xml version="1.0" encoding="UTF-8"?>
<definitions xmlns="http://www.omg.org/spec/BPMN/20100524/MODEL" xmlns:camunda="http://camunda.org/schema/1.0/bpmn"
 id="definitions" targetNamespace="http://example.org/"><signal id="signal" name="{signal}"/>
<process id="{process}" isExecutable="true" camunda:historyTimeToLive="P1D">
<startEvent id="start"/><sequenceFlow id="to-catch" sourceRef="start" targetRef="catch"/>
<intermediateCatchEvent id="catch"><signalEventDefinition signalRef="signal"/></intermediateCatchEvent>
<sequenceFlow id="to-step" sourceRef="catch" targetRef="step"/>
<serviceTask id="step" camunda:expression="{step}"/>
<sequenceFlow id="to-task" sourceRef="step" targetRef="task"/><userTask id="task"/>
</process></definitions>"""
"""A process that waits for a signal, then evaluates an expression, then waits for a person."""

HARMLESS, THROWING = "${true}", "${absent.value}"


def basic(user: str, password: str) -> str:
    """The header of HTTP Basic."""
    return f"Basic {base64.b64encode(f'{user}:{password}'.encode()).decode()}"


class Engine:
    """The engine at `url`, asked as `user`."""

    def __init__(self, url: str, user: str, password: str) -> None:
        self.url = url
        self._authorization = basic(user, password)

    def ask(self, method: str, path: str, body: Any = None, kind: str = "application/json") -> tuple[int, Any]:
        """The status of a request and its answer's JSON; None without, or when it is something else."""
        data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        headers = {"Authorization": self._authorization, "Content-Type": kind}
        request = urllib.request.Request(f"{self.url}{path}", data, headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                status, said = answer.status, answer.read()
        except urllib.error.HTTPError as refusal:
            with refusal:
                status, said = refusal.code, refusal.read()
        return status, json.loads(said) if said[:1] in (b"{", b"[") else None

    def done(self, method: str, path: str, body: Any = None, **kind: str) -> Any:
        """The answer to a request that must succeed."""
        status, said = self.ask(method, path, body, **kind)
        assert status in (200, 204), said
        return said

    def deploy(self, process: str, signal: str, *, step: str = HARMLESS, tenant: str | None = None) -> None:
        """Deploy the waiting process."""
        fields = {'"deployment-name"': process} | ({'"tenant-id"': tenant} if tenant else {})
        fields['"file"; filename="p.bpmn"'] = WAITING.format(process=process, signal=signal, step=step)
        head = "--bound\r\nContent-Disposition: form-data; name="
        text = "".join(f"{head}{name}\r\n\r\n{value}\r\n" for name, value in fields.items()) + "--bound--\r\n"
        self.done("POST", "/deployment/create", text.encode(), kind="multipart/form-data; boundary=bound")

    def start(self, process: str, tenant: str | None = None) -> str:
        """The id of a new instance."""
        where = f"/tenant-id/{tenant}" if tenant else ""
        return str(self.done("POST", f"/process-definition/key/{process}{where}/start", {})["id"])

    def execution(self, signal: str, instance: str) -> str | None:
        """The id of the instance's execution that waits for the signal; None when none does."""
        query = f"signalEventSubscriptionName={signal}&processInstanceId={instance}"
        found = self.done("GET", f"/execution?{query}")
        return found[0]["id"] if found else None

    def variables(self, instance: str) -> dict[str, Any]:
        """The variables of an instance as they are stored."""
        return dict(self.done("GET", f"/process-instance/{instance}/variables?deserializeValues=false"))

    def user(self, name: str, password: str) -> None:
        """Make a user who may do nothing."""
        profile = {"id": name, "firstName": name, "lastName": name, "email": ""}
        self.done("POST", "/user/create", {"profile": profile, "credentials": {"password": password}})
