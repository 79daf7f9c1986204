"""Who may do what: a policy decides as it is written, and nothing is allowed that it does not say."""

from __future__ import annotations

import json
import time
from fnmatch import fnmatchcase
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumer.core.access import NO_LIMITS, UserLimits
from consumer.security.policy import Policy, parse
from consumer.security.role import MAX_NAME, Patterns
from tests.cases import check_all, for_each
from tests.unit.contracts.samples import FULLEST, SMALLEST, command, smallest
from zeebe_amqp.commands import COMMANDS, Command, CreateInstance, DeployProcess, Topology, contents
from zeebe_amqp.commands.keys import place, target
from zeebe_amqp.commands.target import ANY, DEFAULT_TENANT, KINDS, Target

TEXTS = ("a", "b", "ab", "a*", "*", "?", "[ab]", "ä", "")
"""Names and patterns of a small world."""


def policy(roles: dict[str, dict[str, Any]], users: dict[str, list[str]] | None = None) -> Policy:
    """A policy; without users `alice` has all of its roles."""
    sections = {"users": users if users is not None else {"alice": list(roles)}}
    lines = ["version = 1"]
    for name, role in roles.items():
        lines += [f"[roles.{name}]", *(f"{key} = {_toml(value)}" for key, value in role.items())]
    lines += ["[users]", *(f"{json.dumps(name)} = {json.dumps(had)}" for name, had in sections["users"].items())]
    return parse("\n".join(lines).encode(), "policy.toml")


def _toml(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key} = {_toml(each)}" for key, each in value.items()) + "}"
    return json.dumps(value, ensure_ascii=False)


def role_for(command: Command) -> dict[str, Any]:
    """A role that allows one command and nothing else."""
    found = target(command)
    role: dict[str, Any] = {kind: list(names) for kind in KINDS if (names := getattr(found, kind))}
    role["operations"] = [command.operation]
    if found.tenants:
        role["tenants"] = list(found.tenants)
    return {**role, "allow_keys": True} if found.keys else role


def allows(policy: Policy, command: Command, user: str | None = "alice") -> bool:
    return policy.decide(user, command).allowed


def test_every_operation_runs_where_a_role_allows_all_of_it_and_nowhere_else() -> None:
    def check(operation: str) -> None:
        fullest = [command(operation, FULLEST[operation])] if operation in SMALLEST else []
        for tried in (smallest(operation), *fullest):
            role = role_for(tried)
            assert allows(policy({"r": role}), tried)
            decided = policy({"r": role}).decide("alice", tried)
            assert (decided.rule, decided.target, decided.reason) == ("role r", target(tried), "")
            for part in role:
                lesser = {**role, part: {"tenants": ["other"], "allow_keys": False}.get(part, [])}
                refused = policy({"r": lesser}).decide("alice", tried)
                assert not refused.allowed, (part, lesser)
                assert refused.rule == "no role of alice allows it"
                assert refused.field == _field(tried, part)
                assert '"alice"' in refused.reason
                assert operation in refused.reason

    check_all(((name,) for name in COMMANDS), check)


def _field(command: Command, part: str) -> str:
    kind = "keys" if part == "allow_keys" else part
    return "operation" if part == "operations" else place(type(command), kind)


def test_no_policy_of_one_operation_allows_another() -> None:
    def check(operation: str) -> None:
        everything = {kind: ["*"] for kind in (*KINDS, "tenants")}
        one = policy({"r": {"operations": [operation], "allow_keys": True, **everything}})
        assert [name for name in COMMANDS if allows(one, smallest(name))] == [operation]

    check_all(((name,) for name in COMMANDS), check)


def test_two_roles_are_not_pieced_together() -> None:
    start, names = {"operations": ["create-instance"]}, {"operations": ["topology"], "processes": ["order"]}
    order = CreateInstance(bpmn_process_id="order")
    assert not allows(policy({"a": start, "b": names}), order)
    assert policy({"a": start, "b": names, "c": {**start, **names, **start}}).decide("alice", order).rule == "role c"


@for_each([
    ("alice", True),
    (None, False),
    ("", False),
    ("bob", False),
    ("carol", False),
    ("Alice", False),
])  # fmt: skip
def test_a_role_counts_for_those_who_have_it(user: str | None, allowed: bool) -> None:
    rules = policy({"r": {"operations": ["topology"]}}, {"alice": ["r"], "bob": [], "anonymous": []})
    decision = rules.decide(user, Topology())
    assert (decision.allowed, "user_id" in decision.reason) == (allowed, not user)


def test_anonymous_is_whoever_sends_no_user_id() -> None:
    rules = policy({"r": {"operations": ["topology"]}}, {"anonymous": ["r"]})
    assert [allows(rules, Topology(), user) for user in (None, "", "bob")] == [True, True, False]


def test_a_refusal_says_what_was_found_and_what_the_nearest_role_accepts() -> None:
    rules = policy({
        "other": {"operations": ["topology"]},
        "orders": {"operations": ["create-instance", "publish-message"], "processes": ["order", "order-*"]},
    })  # fmt: skip
    found = [rules.decide("alice", command(*each)) for each in (
        ("create-instance", {"bpmnProcessId": "invoice"}),
        ("create-instance", {"bpmnProcessId": "order", "tenantId": "t"}),
        ("create-instance", {"processDefinitionKey": 2**52}),
        ("cancel-instance", {"processInstanceKey": 2**52}),
        ("evaluate-conditional", {}),
    )]  # fmt: skip
    assert [(each.field, each.reason) for each in found] == [
        ("data.bpmnProcessId", 'user "alice" may not run create-instance with the process "invoice" '
         "(data.bpmnProcessId); allowed: order, order-*"),
        ("data.tenantId", 'user "alice" may not run create-instance with the tenant "t" (data.tenantId); '
         "allowed: <default>"),
        ("data.processDefinitionKey", f'user "alice" may not run create-instance with the key "{2**52}" '
         "(data.processDefinitionKey); allowed: no keys without allow_keys = true"),
        ("operation", 'user "alice" may not run cancel-instance; allowed: create-instance, publish-message, topology'),
        ("operation", 'user "alice" may not run evaluate-conditional; '
         "allowed: create-instance, publish-message, topology"),
    ]  # fmt: skip


def test_what_a_stranger_sends_is_cut_and_printable_in_a_refusal() -> None:
    rules = policy({"r": {"operations": ["create-instance"], "processes": ["p" * 500]}})
    reason = rules.decide("a\x1b" * 1000, CreateInstance(bpmn_process_id="x")).reason
    reason += rules.decide("alice", CreateInstance(bpmn_process_id="\x1b[2J" * 100_000)).reason
    assert reason.isprintable()
    assert len(reason) < 1000


def test_explaining_says_what_each_role_lacks() -> None:
    rules = policy({"a": {"operations": ["topology"]}, "b": {"operations": ["create-instance"], "processes": ["x"]}})
    found = rules.explain("alice", "create-instance", target(CreateInstance(bpmn_process_id="y", tenant_id="t")))
    assert [(each.role, each.allowed, [lack.kind for lack in each.missing]) for each in found] == [
        ("a", False, ["operation", "processes", "tenants"]),
        ("b", False, ["processes", "tenants"]),
    ]
    assert rules.explain("alice", "topology", Target())[0].allowed
    assert rules.explain("nobody", "topology", Target()) == ()


@for_each([
    ((), "a", False),
    (("a",), "a", True),
    (("a",), "A", False),
    (("order-*",), "order-1", True),
    (("order-*",), "order", False),
    (("order-*",), "order-\n", True),
    (("a.b",), "axb", False),
    (("[!a]",), "b", True),
    (("*",), "", True),
    (("*",), "x" * (MAX_NAME + 1), True),
    (("x*",), "x" * MAX_NAME, True),
    (("x*",), "x" * (MAX_NAME + 1), False),
    (("x" * MAX_NAME,), "x" * MAX_NAME, True),
    (("*",), ANY, True),
    (("**", "?", "[*]"), ANY, False),
])  # fmt: skip
def test_patterns_match_as_globs_do(texts: tuple[str, ...], name: str, expected: bool) -> None:
    assert Patterns(texts).allows(name) is expected


names = st.lists(st.sampled_from(TEXTS[:7]), max_size=3)
roles = st.fixed_dictionaries(
    {"operations": st.lists(st.sampled_from(["create-instance", "topology", "*", "t*"]), max_size=2)},
    optional={
        "processes": names, "job_types": names, "tenants": st.lists(st.sampled_from([DEFAULT_TENANT, "a", "*"])),
        "allow_keys": st.booleans(),
    },
)  # fmt: skip
targets = st.builds(
    Target,
    processes=st.lists(st.sampled_from(TEXTS), max_size=2).map(tuple),
    job_types=st.lists(st.sampled_from(TEXTS), max_size=1).map(tuple),
    tenants=st.lists(st.sampled_from([DEFAULT_TENANT, "a", ANY]), max_size=2).map(tuple),
    keys=st.lists(st.just("1"), max_size=1).map(tuple),
)


def reference(role: dict[str, Any], operation: str, found: Target) -> bool:
    """The rules, said once more, slowly."""
    listed = {"tenants": role.get("tenants", [DEFAULT_TENANT]), **{kind: role.get(kind, []) for kind in KINDS}}
    return (
        any(fnmatchcase(operation, pattern) for pattern in role["operations"])
        and (role.get("allow_keys", False) or not found.keys)
        and all(
            "*" in patterns or (name != "*" and any(fnmatchcase(name, pattern) for pattern in patterns))
            for kind, patterns in listed.items()
            for name in getattr(found, kind)
        )
    )


@given(st.lists(roles, max_size=3), st.sampled_from(["create-instance", "topology", "cancel-instance"]), targets)
def test_a_policy_decides_as_its_rules_say(given_roles: list[dict[str, Any]], operation: str, found: Target) -> None:
    named = {f"r{index}": role for index, role in enumerate(given_roles)}
    decision = policy(named).judge("alice", operation, found)
    allowing = [name for name, role in named.items() if reference(role, operation, found)]
    assert decision.allowed == bool(allowing)
    assert not decision.allowed or decision.rule == f"role {allowing[0]}"
    assert bool(decision.reason) == (not decision.allowed)
    explained = policy(named).explain("alice", operation, found)
    assert [each.role for each in explained if each.allowed] == allowing
    assert all(each.allowed == (not each.missing) for each in explained)


def test_of_several_limits_the_most_generous_holds_and_none_is_no_limit() -> None:
    rules = policy(
        {
            "a": {"limits": {"in_flight": 1, "body": "1KiB"}},
            "b": {"limits": {"in_flight": 3, "body": 10, "waiting": 0}},
            "c": {},
        },
        {"alice": ["a", "b", "c"], "bob": ["a"], "carol": ["c"], "anonymous": ["a"]},
    )
    assert rules.limits("alice") == UserLimits(in_flight=3, waiting=0, body=1024)
    assert rules.limits("bob") == rules.limits(None) == UserLimits(in_flight=1, body=1024)
    assert rules.limits("carol") == rules.limits("dave") == NO_LIMITS


def test_deciding_takes_time_in_proportion_to_the_names() -> None:
    hard = policy({"r": {"operations": ["*"], "processes": ["*a" * 300 + "b", "*?" * 300 + "c"], "resources": ["*"]}})
    before = time.thread_time()
    for length in (10, MAX_NAME, 100 * MAX_NAME, 4_000_000):
        assert not allows(hard, CreateInstance(bpmn_process_id="a" * length))
    files = b"<d>" + b"".join(b'<process id="%s%d"/>' % (b"a" * 900, index) for index in range(900)) + b"</d>"
    assert not allows(hard, DeployProcess(name="a.bpmn", content=files))
    assert time.thread_time() - before < 5


@for_each([
    ({"r": {"operations": ["topology"]}}, {}, ["roles.r: no user has it"]),
    ({"r": {}}, {"a": ["r"]}, ["roles.r: allows no operation"]),
    ({"r": {"operations": ["topology"]}}, {"a": ["r"], "b": []},
     ["users.b: has no role, so the line has no effect"]),
    ({"r": {"operations": ["topology"]}}, {"a": ["r"], "anonymous": []}, []),
    ({"r": {"operations": ["topology"]}}, {"*": ["r"]},
     ["users.*: is the user of exactly this name; user names are no patterns"]),
    ({"r": {"operations": ["publish-message"]}}, {"a": ["r"]},
     ["roles.r: allows publish-message, but names no messages"]),
    ({"r": {"operations": ["cancel-instance"]}}, {"a": ["r"]},
     ["roles.r: allows cancel-instance, but has no allow_keys = true"]),
    ({"r": {"operations": ["create-instance"]}}, {"a": ["r"]},
     ["roles.r: allows create-instance, but names no processes and has no allow_keys = true"]),
    ({"r": {"operations": ["create-instance"], "allow_keys": True}}, {"a": ["r"]}, []),
    ({"r": {"operations": ["create-instance"], "processes": ["a"]}}, {"a": ["r"]}, []),
    ({"r": {"operations": ["topology"], "processes": ["a"]}}, {"a": ["r"]},
     ["roles.r.processes: none of its operations names any"]),
    ({"r": {"operations": ["deploy-process"], "processes": ["a"]}}, {"a": ["r"]},
     ["roles.r: allows deploy-process, but names no resources"]),
    ({"r": {"operations": ["deploy-resource"], "resources": ["*.form"]}}, {"a": ["r"]}, []),
    ({"r": {"operations": ["deploy-resource"]}}, {"a": ["r"]},
     ["roles.r: allows deploy-resource, but names no resources"]),
])  # fmt: skip
def test_a_probable_mistake_is_a_warning(
    given_roles: dict[str, Any], users: dict[str, list[str]], expected: list[str]
) -> None:
    assert list(policy(given_roles, users).warnings) == expected


def test_no_file_is_read_for_a_user_who_may_deploy_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []
    monkeypatch.setattr(contents, "named", lambda files: read.extend(name for name, _ in files) or Target())
    rules = policy(
        {"shop": {"operations": ["topology"]}, "dev": {"operations": ["deploy-process"]}},
        {"alice": ["shop"], "bob": ["shop", "dev"]},
    )
    deployment = DeployProcess(name="a.bpmn", content=b"<process id='order'/>")
    denied = rules.decide("alice", deployment)
    assert (denied.allowed, denied.target.resources, read) == (False, ("a.bpmn",), [])
    assert denied.target.processes == (ANY,), "what a dry run would let pass only where any process may be deployed"
    rules.decide("bob", deployment)
    assert read == ["a.bpmn"]
