"""Files of the operator: what is in them is read, or refused with every problem, whatever it is."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from consumer.config import component
from consumer.config.job_types import JobTypeErrors, job_types
from consumer.config.loading import ConfigurationError, load
from consumer.config.variables import VARIABLES
from consumer.security.policy import parse
from consumer.security.policy_text import PolicyError
from tests.fuzz.inputs import joined, number, parts, text
from tests.fuzz.target import Target
from zeebe_amqp.commands import CreateInstance, DeployProcess, Topology

__all__ = ["COMPONENT", "JOB_TYPES", "POLICY", "SETTINGS"]

MAX_PROBLEM = 4_000
"""Characters of one problem: names of everything that is accepted are in some."""
SECRETS = ("AMQP_URL", "LEDGER", "CAMUNDA7_REST_URL")
"""Settings whose texts may hold a password."""
NAMES = tuple(each.name for each in VARIABLES if each.name != "COMPONENT_FILE" and not each.name.endswith("_FILE"))


@contextmanager
def file(data: bytes) -> Iterator[Path]:
    """A file with these bytes, which calls itself `file`."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "file"
        path.write_bytes(data)
        yield path


def read_component(data: bytes) -> None:
    """A component file."""
    try:
        with file(data) as path:
            found = component.read(path, {"SECRET": "s"})
    except ValueError as error:
        check_problems([str(error)], data)
        return
    assert found.variables.keys() <= {name for keys in component.KEYS.values() for name in keys.values()}
    assert all(isinstance(each, str) for each in found.variables.values())
    check_problems((problem for _, problem in (*found.problems, *found.warnings)), data)


def check_problems(problems: Iterable[str], data: bytes) -> None:
    """Each says something, and repeats no more than what the operator wrote."""
    for each in problems:
        assert each
        assert len(each) < MAX_PROBLEM + 6 * len(data), len(each)


def read_policy(data: bytes) -> None:
    """A policy."""
    try:
        policy = parse(data, "policy.toml")
    except PolicyError as error:
        assert error.problems
        return check_problems(error.problems, data)
    for user in (None, "alice", "anonymous", "x" * 300):
        for command in (
            CreateInstance(bpmn_process_id="order"),
            Topology(),
            DeployProcess(name="a.bpmn", content=b"<x/>"),
        ):
            decision = policy.decide(user, command)
            assert isinstance(decision.allowed, bool)
            assert decision.rule


def read_job_types(data: bytes) -> None:
    """A table of job types, and the names of others."""
    table, names = parts(data, 2)
    jobs = tuple(dict.fromkeys(text(names).split(",")))
    values: Any = SimpleNamespace(JOBS=jobs, AMQP_QUEUES=("zeebe.commands",), AUDIT=None)
    try:
        with file(table) as values.JOBS_FILE:
            types = job_types(values)
    except JobTypeErrors as error:
        assert error.problems
        assert all(each.setting in ("JOBS", "JOBS_FILE") and each.text.isprintable() for each in error.problems)
        return check_problems((each.text for each in error.problems), data)
    assert types, "a text has at least one name"
    assert len({each.queue for each in types}) == len(types)
    assert all(len(each.queue.encode()) <= 255 for each in types)


def read_settings(data: bytes) -> None:
    """The name of a setting, as a number, and its text."""
    name, value = parts(data, 2)
    setting = NAMES[number(name) % len(NAMES)]
    try:
        found = load({setting: text(value)}, directory=Path("/nonexistent"))
    except ConfigurationError as error:
        assert error.problems
        return check_problems(error.problems, data)
    if setting in SECRETS:
        for _, shown, _ in found.sources:
            assert "hunter2" not in shown or "hunter2" in text(value).rpartition("@")[2], shown


def component_seeds() -> Iterator[bytes]:
    """Components of every type."""
    for kind, keys in component.KEYS.items():
        items = "".join(f"\n  - name: {key}\n    value: 'x'" for key in keys)
        yield f"{HEAD}spec:\n  type: {kind}\n  version: v1\n  metadata:{items}\n".encode()
    secret = "[{name: gatewayAddr, secretKeyRef: {name: SECRET, key: SECRET}}]"
    store = f"{HEAD}spec: {{type: {component.FILE_STORE}, metadata: [{{name: secretsFile, value: file}}]}}"
    command = f"{HEAD}auth: {{secretStore: s}}\nspec: {{type: {component.COMMAND}, metadata: {secret}}}"
    yield f"{command}\n---\n{store}\n".encode()
    yield f"{HEAD}spec: {{type: {component.COMMAND}, metadata: [{{name: gatewayAddr, value: 1}}]}}".encode()


HEAD = f"apiVersion: {component.API_VERSION}\nkind: Component\nmetadata: {{name: s}}\n"
YAML = (
    b"!!binary ", b"!!timestamp ", b"!!int ", b"!!float ", b"!!bool ", b"!!set ", b"!!omap ", b"!!pairs ",
    b"!!python/object:a ",
    b"!!str ", b"!!null ", b"!!merge ", b"&a ", b"*a", b"<<: *a", b"- ", b": ", b"? ", b"|\n ", b">\n ", b"---\n",
    b"%YAML 1.1\n", b"...",
    b"{", b"}", b"[", b"]", b",", b'"\\x', b'"\\ud800"', b"0x", b"0b", b"1:60", b".inf", b".nan", b"2001-13-45",
    b"2001-1-1T1:1:1+99:99",
    b"9" * 5000, b"\xef\xbb\xbf", b"\xff\xfe", b"[" * 500, b"\0", b"\x85", b"secretKeyRef: ", b"value: ", b"type: ",
    b"spec: ", b"name: ",
)  # fmt: skip


def policy_seeds() -> Iterator[bytes]:
    """A policy with everything."""
    yield (
        b'version = 1\n[roles.orders]\noperations = ["create-instance", "*"]\nprocesses = ["order-*", "[!a]?"]\n'
        b'tenants = ["<default>"]\nallow_keys = true\n'
        b'limits = { in_flight = 16, waiting = 4, body = "1MiB", ledger_bytes = "32MiB" }\n'
        b'[users]\nalice = ["orders"]\nanonymous = []\n'
    )
    yield b"version = 1\n"


TOML = (
    b"version = 1\n", b"[roles.a]\n", b"[users]\n", b"[[roles]]\n", b"a.b.c = 1\n", b"'''", b'"""', b"{ a = 1 }",
    b"[1, 2]", b"\\ud800",
    b"\\UFFFFFFFF", b"1979-05-27T07:32:00Z", b"07:32:00", b"0xff", b"0o7", b"1_000", b"+inf", b"nan", b"9" * 5000,
    b"-0", b"1e400",
    b"[" * 500, b"\xef\xbb\xbf", b"\r\n", b"\0", b'"KiB"', b'"9999999999999KiB"', b"\x7f", b"true", b'"*"', b'"[!"',
    b'"[]"', b'"[z-a]"',
    b'"**?*"', b"operations = ", b"processes = ", b"limits = ", b"body = ", b'"\xc2\xb2MiB"', b'timeout = "5m"\n',
    b"[jobs.a]\n",
    b'answers = "celery"\n', b'queue = "q"\n', b"delivery_limit = 1\n", b'fetch_variables = ["a"]\n',
)  # fmt: skip


def job_type_seeds() -> Iterator[bytes]:
    """Types with everything."""
    table = (
        b'[jobs.charge-card]\ntimeout = "5m"\nlimit = 5\nfetch_variables = ["a"]\ntenant_ids = ["t"]\nqueue = "q"\n'
        b'delivery_limit = 3\nanswers = "celery"\n[jobs."a.b"]\n'
    )
    yield joined(table, "charge-card,ship-order")


def settings_seeds() -> Iterator[bytes]:
    """Each setting with texts of every kind."""
    for place, _ in enumerate(NAMES):
        for value in SETTINGS_TEXTS:
            yield joined(bytes((place,)), value)


SETTINGS_TEXTS = (
    b"1", b"45s", b"true", b"amqp://user:hunter2@host:5672/vhost", b"amqps://a,amqps://b", b"host:26500",
    b"dns:///host:1", b"[::1]:1",
    b"https://host/path", b"redis://u:hunter2@h:1/0", b"postgresql://u:hunter2@h/d?sslmode=verify-full",
    b"sqlite:////tmp/a", b"memory://",
    b"a,b", b"stream:audit", b"off", b"stdout", b"k" * 40,
)  # fmt: skip
URLS = (
    *SETTINGS_TEXTS, b"%00", b"%ff", b"[", b"]", b"@", b"://", b"\xc2\xb2", b"\xe2\x84\x80", b"\xed\xa0\x80", b"\0",
    b"\x7f", b" ", b"\t",
    b"?query=1", b"#a", b":65536", b":0", b"//", b"\\", b"~root", b"~\0", b"xn--", b"[v1.a]", b"[::1%eth0]", b"PT",
    b"1h", b"9" * 5000,
)  # fmt: skip

COMPONENT = Target("component", read_component, component_seeds, YAML, share=0.3)
POLICY = Target("policy", read_policy, policy_seeds, TOML)
JOB_TYPES = Target("job-types", read_job_types, job_type_seeds, TOML, share=0.5)
SETTINGS = Target("settings", read_settings, settings_seeds, URLS, share=0.5)
