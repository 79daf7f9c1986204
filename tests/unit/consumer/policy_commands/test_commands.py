"""A policy is tried before it is in force: what the commands say, and their exit codes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from consumer.config import Settings
from tests.cases import check_all, for_each
from tests.unit.consumer.policy_commands.invoking import POLICY, invoke, lines, write
from zeebe_amqp.commands import COMMANDS

ROOT = Path(__file__).parents[4]
KEY = "2251799813685250"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """With a policy in force."""
    return Settings(policy_file=Path(write(tmp_path, "policy.toml", POLICY)))


def enveloped(operation: str, **data: Any) -> str:
    return json.dumps({"operation": operation, "data": data})


def recorded(decision: str | None = "allowed", **facts: Any) -> str:
    """A line of an audit."""
    line = {"time": "2026-11-26T10:00:00.123Z", "event": "command", "user": "alice", "operation": "create-instance",
            "target": {"processes": ["order"], "tenants": ["<default>"]}, "decision": decision, "rule": "no policy",
            "request_id_sha256": "ab" * 32, "bytes": 7}  # fmt: skip
    return json.dumps({**line, **facts}) + "\n"


def test_a_sound_policy_is_told_with_its_digest_its_warnings_and_everybody_s_limits(settings: Settings) -> None:
    for arguments in ([], [str(settings.policy_file)]):
        ended = invoke("check", *arguments, settings=settings)
        [told] = lines(ended.stdout)
        assert (ended.exit_code, told["roles"], len(told["digest"])) == (0, ["orders", "keeper"], 64)
        limits = {"in_flight": 16, "body": 2**20, "ledger_bytes": 1000}
        assert told["users"] == [
            {"user": "alice", "roles": ["orders"], "limits": limits},
            {"user": "olga", "roles": ["orders", "keeper"], "limits": limits},
            {"user": "anonymous", "roles": [], "limits": {}},
        ]
    useless = write(settings.policy_file.parent, "useless.toml", POLICY + "ann = []\n")  # type: ignore[union-attr]
    ended = invoke("check", useless)
    assert (ended.exit_code, "users.ann" in str(lines(ended.stdout)[0]["warnings"])) == (0, True)


def test_every_problem_of_a_policy_is_told_whichever_command_reads_it(tmp_path: Path) -> None:
    broken = write(tmp_path, "broken.toml", POLICY.replace('"orders", ', '"order\\u001b", ').replace("= 1\n", "= 2\n"))
    cases, audit = write(tmp_path, "cases.jsonl", ""), write(tmp_path, "audit.jsonl", "")
    in_force = Settings(policy_file=Path(broken))

    def tells_all(*arguments: str) -> None:
        ended = invoke(*arguments, settings=in_force)
        told = ended.stderr.splitlines()
        assert (ended.exit_code, ended.stdout, len(told)) == (2, "", 2)
        assert all(line.startswith(broken) for line in told)
        assert "version" in told[0]
        assert "users.olga[0]" in told[1]
        assert "\x1b" not in told[1]

    check_all([("check",), ("check", broken), ("explain", "alice"), ("explain", "alice", "topology"),
               ("test", cases), ("test", broken, cases), ("dry-run", audit), ("dry-run", broken, audit)],
              tells_all)  # fmt: skip


def test_without_a_policy_there_is_nothing_to_try(tmp_path: Path) -> None:
    cases, gone = write(tmp_path, "cases.jsonl", ""), str(tmp_path / "gone.toml")
    for arguments in (["check"], ["explain", "alice"], ["test", cases], ["dry-run", cases]):
        ended = invoke(*arguments)
        assert (ended.exit_code, "POLICY_FILE" in ended.stderr) == (2, True), arguments
    for arguments in (["check", gone], ["test", gone, cases], ["dry-run", gone, cases]):
        ended = invoke(*arguments)
        assert (ended.exit_code, "gone.toml" in ended.stderr) == (2, True), arguments


@for_each([
    (["alice", "create-instance", "--process", "order-1"], "role orders"),
    (["alice", "topology"], "role orders"),
    (["olga", "create-instance", "--process", "order-1", "--tenant", "acme"], "role keeper"),
    (["olga", "cancel-instance", "--key", KEY], "role keeper"),
])  # fmt: skip
def test_what_is_allowed_is_told_with_the_role_and_exit_code_0(
    arguments: list[str], rule: str, settings: Settings
) -> None:
    ended = invoke("explain", *arguments, settings=settings)
    [told] = lines(ended.stdout)
    assert (ended.exit_code, told["allowed"], told["rule"], told["user"]) == (0, True, rule, arguments[0])
    assert [f"role {each['role']}" for each in told["roles"] if each["allowed"]] == [rule]


@for_each([
    (["alice", "create-instance", "--process", "invoice"], "processes: invoice; allowed: order, order-*"),
    (["alice", "create-instance", "--process", "order", "--process", "x"], "processes: x"),
    (["alice", "create-instance", "--process", "*"], "processes: any"),
    (["alice", "create-instance", "--process", "order", "--tenant", "acme"], "tenants: acme; allowed: <default>"),
    (["alice", "create-instance", "--key", KEY], f"keys: {KEY}"),
    (["alice", "cancel-instance", "--key", KEY], "operation: cancel-instance; allowed: create-instance"),
])  # fmt: skip
def test_what_is_denied_is_told_with_what_each_role_lacks_and_exit_code_1(
    arguments: list[str], why: str, settings: Settings
) -> None:
    ended = invoke("explain", *arguments, settings=settings)
    [told] = lines(ended.stdout)
    assert (ended.exit_code, told["allowed"], told["rule"]) == (1, False, "no role of alice allows it")
    [role] = told["roles"]
    assert (role["role"], role["allowed"], why in " ".join(role["why"])) == ("orders", False, True), role["why"]


def test_whoever_has_no_role_is_denied(settings: Settings) -> None:
    for user in ("anonymous", "nobody"):
        ended = invoke("explain", user, "topology", settings=settings)
        [told] = lines(ended.stdout)
        assert (ended.exit_code, told["rule"], told["roles"]) == (1, f"{user} has no role", [])
        assert ("without user_id" in told["reason"]) is (user == "anonymous")


def test_a_request_is_decoded_and_judged_as_the_service_would(settings: Settings, tmp_path: Path) -> None:
    file = b'<definitions xmlns="http://www.omg.org/spec/BPMN/20100524/MODEL"><process id="invoice"/></definitions>'
    deployed = {"operation": "deploy-process", "data": file.decode(), "metadata": {"fileName": "a.bpmn"}}
    for body, code, names in (
        (enveloped("create-instance", bpmnProcessId="order-7"), 0, {"processes": ["order-7"]}),
        (enveloped("create-instance", bpmnProcessId="other"), 1, {"processes": ["other"]}),
        (json.dumps(deployed), 1, {"processes": ["invoice"], "resources": ["a.bpmn"]}),
    ):
        for place, given in ((write(tmp_path, "request.json", body), None), ("-", body.encode())):
            ended = invoke("explain", "alice", "--request", place, settings=settings, given=given)
            assert (ended.exit_code, lines(ended.stdout)[0]["target"]) == (code, {**names, "tenants": ["<default>"]})


@for_each([
    b"", b"nonsense", b"\xff\xfe", b"[" * 100_000, b'{"operation":"frobnicate"}', b'{"operation":"create-instance"}',
    enveloped("create-instance", bpmnProcessId="order", nonsense="\x1b[31m" * 1000).encode(),
    enveloped("create-instance", bpmnProcessId="order").encode().ljust(2**23 + 1),
])  # fmt: skip
def test_a_request_that_the_service_would_refuse_is_told_so(body: bytes, settings: Settings) -> None:
    ended = invoke("explain", "alice", "--request", "-", settings=settings, given=body)
    assert (ended.exit_code, ended.stdout) == (2, "")
    assert ended.stderr.startswith("the service would refuse this request before it asks the policy: ")
    assert "\x1b" not in ended.stderr
    assert len(ended.stderr) < 1500


@for_each([
    (["alice", "create-instances"], 'did you mean "create-instance"?'),
    (["alice", "create-instance"], "needs what it acts on; expected process or key"),
    (["alice", "deploy-process", "--process", "order"], "needs what it acts on; expected resource"),
    (["alice", "cancel-instance", "--process", "order"], "has no process; expected key"),
    (["alice", "topology", "--tenant", "acme"], "has no tenant; expected no names"),
    (["alice", "--process", "order"], "--process needs an operation before it"),
    (["alice", "topology", "--request", "-"], "leave out topology"),
    (["alice", "--key", "1", "--request", "-"], "leave out --key"),
    (["alice", "--request", "/nowhere"], "/nowhere"),
    (["al\udcffice", "topology"], "not UTF-8"),
])  # fmt: skip
def test_what_cannot_be_asked_is_refused_with_what_can(arguments: list[str], said: str, settings: Settings) -> None:
    ended = invoke("explain", *arguments, settings=settings)
    assert (ended.exit_code, ended.stdout) == (2, "")
    assert said in " ".join(ended.stderr.split())


def test_without_an_operation_all_of_them_are_told_with_what_limits_each(settings: Settings) -> None:
    ended = invoke("explain", "olga", settings=settings)
    told = lines(ended.stdout)
    assert (ended.exit_code, list(dict.fromkeys(row["operation"] for row in told))) == (0, list(COMMANDS))
    assert [row for row in told if row["operation"] == "create-instance"] == [
        {"user": "olga", "operation": "create-instance", "role": "orders",
         "names": {"processes": ["order", "order-*"]}, "tenants": ["<default>"], "keys": False},
        {"user": "olga", "operation": "create-instance", "role": "keeper",
         "names": {"processes": ["*"]}, "tenants": ["acme"], "keys": True},
    ]  # fmt: skip
    nothing = {"role": None, "names": None, "tenants": None, "keys": None}
    assert [row for row in told if row["operation"] == "signal"] == [{"user": "olga", "operation": "signal", **nothing}]
    ended = invoke("explain", "anonymous", settings=settings)
    assert (ended.exit_code, {row["role"] for row in lines(ended.stdout)}) == (1, {None})


CASES = """
[[case]]
user = "alice"
operation = "create-instance"
process = ["order", "order-9"]
expect = "allow"
rule = "role orders"

[[case]]
name = "not by key"
user = "alice"
operation = "create-instance"
key = 2251799813685250
expect = "deny"

[[case]]
user = "anonymous"
request = { operation = "publish-message", data = { messageName = "order-paid" } }
expect = "deny"
"""


def test_cases_that_are_decided_as_they_say_are_counted(settings: Settings, tmp_path: Path) -> None:
    cases = write(tmp_path, "cases.toml", CASES)
    for arguments in ([cases], [str(settings.policy_file), cases]):
        ended = invoke("test", *arguments, settings=settings)
        assert (ended.exit_code, ended.stdout, ended.stderr) == (0, "", "3 cases, 0 not as expected\n")


@for_each([
    ({"expect": "deny"}, "deny", "allow: role orders"),
    ({"rule": "role keeper"}, "allow: role keeper", "allow: role orders"),
    ({"process": "invoice"}, "allow", "deny: no role of alice allows it"),
    ({"user": "anonymous"}, "allow", "deny: anonymous has no role"),
])  # fmt: skip
def test_a_case_that_is_decided_otherwise_is_shown_and_exit_code_1(
    other: dict[str, Any], expected: str, found: str, settings: Settings
) -> None:
    case = {"user": "alice", "operation": "create-instance", "process": "order", "expect": "allow", **other}
    right = {"user": "alice", "operation": "topology", "expect": "allow"}
    given = f"{json.dumps(right)}\n\n{json.dumps(case)}".encode()
    ended = invoke("test", "-", settings=settings, given=given)
    [told] = lines(ended.stdout)
    assert (ended.exit_code, told["expected"], told["found"]) == (1, expected, found)
    assert told["case"] == "-: line 3"
    assert ended.stderr == "2 cases, 1 not as expected\n"


def test_the_cases_of_another_policy_need_both_files_and_no_third(settings: Settings, tmp_path: Path) -> None:
    cases = write(tmp_path, "cases.toml", CASES)
    other = write(tmp_path, "other.toml", POLICY.replace('"order-*"]', '"nothing"]'))
    assert invoke("test", other, cases, settings=settings).exit_code == 1
    assert invoke("test", other, cases, cases, settings=settings).exit_code == 2


def test_what_a_policy_would_change_is_told_in_groups(settings: Settings, tmp_path: Path) -> None:
    audit = "".join([
        recorded(),
        recorded(operation="cancel-instance", target={"keys": [KEY]}),
        recorded(operation="cancel-instance", target={"keys": ["1"]}, time="2026-11-27T10:00:00Z"),
        recorded(user=None, operation="publish-message", target={"messages": ["order-paid"]}),
        recorded("denied", target={"processes": ["order-1"]}),
        recorded("denied", target={"processes": ["invoice"]}),
        recorded(None),
        recorded(None, event="dead-letter-replay", operation=None, target={}),
        "nonsense\n\n",
    ])  # fmt: skip
    expected = [
        ("alice", "cancel-instance", {"keys": ["*"]}, "allowed", "denied", 2, "2026-11-27T10:00:00Z"),
        ("anonymous", "publish-message", {"messages": ["order-paid"]}, "allowed", "denied", 1, "2026-11-26T10:00:00Z"),
        ("alice", "create-instance", {"processes": ["order-1"]}, "denied", "allowed", 1, "2026-11-26T10:00:00Z"),
    ]
    file, names = (
        write(tmp_path, "audit.jsonl", audit),
        ("user", "operation", "target", "was", "becomes", "count", "newest"),
    )
    for arguments, given in (([file], None), (["-"], audit.encode()), ([str(settings.policy_file), file], None)):
        ended = invoke("dry-run", *arguments, settings=settings, given=given)
        told = lines(ended.stdout)
        assert (ended.exit_code, [tuple(row[name] for name in names) for row in told]) == (0, expected)
        assert [row["certain"] for row in told] == [True] * 3
        assert "may not run cancel-instance" in told[0]["why"]
        assert ended.stderr.splitlines() == [
            "6 decisions: 3 allowed would be denied, 1 denied would be allowed, 2 would stay",
            "1 line skipped: not a line of an audit",
            "2 lines skipped: without a decision",
        ]


def test_several_files_count_together_and_strict_fails_only_where_something_would_be_denied(
    settings: Settings, tmp_path: Path
) -> None:
    allowed = write(tmp_path, "1", recorded() + recorded("denied"))
    denied = write(tmp_path, "2", recorded(user=None))
    for files, code, changed in (([allowed], 0, 1), ([denied], 1, 1), ([allowed, denied], 1, 2)):
        assert invoke("dry-run", *files, settings=settings).exit_code == 0
        ended = invoke("dry-run", *files, "--strict", settings=settings)
        assert (ended.exit_code, len(lines(ended.stdout))) == (code, changed)
    assert invoke("dry-run", str(settings.policy_file), settings=settings).exit_code == 2
    assert invoke("dry-run", str(tmp_path), settings=settings).exit_code == 2


def test_a_target_that_was_cut_is_told_as_not_certain(settings: Settings) -> None:
    cut = recorded(target={"processes": ["x"], "cut": True}) + recorded(target={"processes": ["order"], "cut": True})
    ended = invoke("dry-run", "-", settings=settings, given=cut.encode())
    [told] = lines(ended.stdout)
    assert (told["certain"], told["target"]) == (False, {"processes": ["x"]})
    assert "2 decisions not certain: the target was cut when it was recorded" in ended.stderr


def test_the_commands_are_part_of_the_program_and_take_its_settings(tmp_path: Path) -> None:
    path = write(tmp_path, "policy.toml", POLICY)
    names = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "PYTHONPATH": f"{ROOT}:{ROOT / 'contracts'}"}
    for arguments, given in ((["check"], {"POLICY_FILE": path}), (["explain", "alice", "--policy-file", path], {}),
                             (["dry-run", "/dev/null"], {"POLICY_FILE": path})):  # fmt: skip
        command = [sys.executable, "-m", "consumer", "policy", *arguments]
        ended = subprocess.run(
            command, env={**names, **given}, cwd=tmp_path, capture_output=True, text=True, check=False
        )
        assert (ended.returncode, "Traceback" in ended.stderr) == (0, False), ended.stderr
