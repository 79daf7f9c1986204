"""A record says who asked for what and what became of it, in one line, whatever the caller sent."""

from __future__ import annotations

import hashlib
import json
import re
import time
from pathlib import Path
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from consumer.core.access import Decision, Unrestricted
from consumer.core.delivery import Delivery, Reply
from consumer.core.message import Message
from consumer.pipeline.ending import Ending
from consumer.security.audit_record import DROP, FIELDS, MAX_ALL, MAX_NAME, MAX_NAMES, Recorder, digest
from tests.cases import check_all, for_each
from tests.unit.consumer.deliveries import delivery
from tests.unit.consumer.errors import failed
from tests.unit.consumer.jobs.answered import KEY, TYPE, answered, undone
from zeebe_amqp import wire
from zeebe_amqp.commands import COMMANDS
from zeebe_amqp.commands.target import Target
from zeebe_amqp.errors import Code, Outcome

DOCUMENT = (Path(__file__).parents[4] / "docs" / "audit.md").read_text()
OK = Reply("create-instance", {"processInstanceKey": 1})


def record_of(delivery: Delivery, reply: Reply = OK, ending: Ending = Ending.SETTLED, **given: Any) -> dict[str, Any]:
    line = Recorder(**given).command(delivery, reply, ending).line
    assert len(line.splitlines()) == len(line.decode().splitlines()) == 1, line
    return json.loads(line)  # type: ignore[no-any-return]


def decided(target: Target, *, allowed: bool = True, rule: str = "role orders") -> Delivery:
    """A delivery that a policy was asked about."""
    made = delivery("create-instance", {"bpmnProcessId": "order"})
    made.decision = Decision(allowed, rule, target)
    return made


def test_the_page_tells_every_member_in_the_order_of_a_record() -> None:
    table = DOCUMENT.partition("| member | meaning |\n")[2].partition("\n\n")[0]
    assert dict(re.findall(r"^\| `(\w+)` \| (.+) \|$", table, re.MULTILINE)) == dict(FIELDS)
    assert [*record_of(delivery("topology"))] == [*FIELDS]
    assert [*json.loads(Recorder().letter(DROP).line)] == [*FIELDS]


def test_the_answer_of_a_worker_is_about_the_type_and_the_key_of_its_job() -> None:
    failing = Reply("fail-job")
    for made, user in ((answered(b'{"iban":"DE00"}', user_id="alice"), "alice"), (undone("rejected"), None)):
        for decision in (None, Decision(True, "returned by the broker", Target(job_types=(TYPE,)))):
            made.decision = decision
            record = record_of(made, failing)
            assert record["target"] == {"job_types": [TYPE], "keys": [str(KEY)]}
            assert (record["user"], record["operation"]) == (user, "fail-job")
            assert (made.message.correlation_id or "!") not in str(record)
    assert record_of(answered(correlation_id="x"), failing)["target"] == {}


def test_a_record_says_who_asked_for_what_and_what_became_of_it() -> None:
    sent = delivery(
        "create-instance",
        {"bpmnProcessId": "order", "tenantId": "acme", "variables": {"iban": "DE00 secret"}},
        queue="zeebe.commands",
        user_id="alice",
        app_id="shop",
        headers={wire.REQUEST_ID: "r1"},
        received=time.time() - 2,
    )
    sent.decision = Unrestricted().decide("alice", sent.request.command)
    record = record_of(sent, trace_id=lambda _: "4bf9")
    assert record.pop("duration_ms") in range(2000, 60_000)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", record.pop("time"))
    assert {record.pop("id"), record.pop("host")} != {""}
    assert {name: value for name, value in record.items() if value is not None} == {
        "event": "command",
        "user": "alice",
        "user_source": "validated",
        "queue": "zeebe.commands",
        "operation": "create-instance",
        "target": {"processes": ["order"], "tenants": ["acme"]},
        "decision": "allowed",
        "rule": "no policy",
        "request_id_sha256": hashlib.sha256(b"r1").hexdigest(),
        "trace_id": "4bf9",
        "outcome": "executed",
        "code": "OK",
        "ending": "settled",
        "replayed": False,
        "replays": 0,
        "app_id": "shop",
        "bytes": len(sent.message.body),
    }
    assert "secret" not in json.dumps(record)


def test_ids_are_unique() -> None:
    one, other = Recorder(), Recorder()
    ids = [json.loads(each.letter(DROP).line)["id"] for each in (one, other, one, other)]
    assert len(set(ids)) == 4


def test_no_text_of_the_engine_is_in_a_record() -> None:
    error = failed(Code.INVALID_ARGUMENT, message="'iban' is 'DE00'", details={"field": "DE00"})
    record = record_of(delivery("create-instance", {"bpmnProcessId": "a"}), Reply("create-instance", error=error))
    assert (record["code"], record["outcome"]) == ("INVALID_ARGUMENT", "not-executed")
    assert "DE00" not in json.dumps(record)


@for_each([
    ({}, None, "anonymous", None),
    ({"user_id": "alice"}, "alice", "validated", None),
    ({"user_id": "alice", "resent_by": "zeebe"}, "alice", "replayed by zeebe", None),
    ({"user_id": "alice", "headers": {wire.ORIGINAL_USER_ID: "alice"}}, "alice", "validated", None),
    ({"user_id": "mallory", "headers": {wire.ORIGINAL_USER_ID: "alice"}}, "mallory", "validated", "alice"),
    ({"headers": {wire.ORIGINAL_USER_ID: 7}}, None, "anonymous", None),
])  # fmt: skip
def test_whose_it_is_and_how_that_is_known(sent: dict[str, Any], user: str, source: str, original: str) -> None:
    record = record_of(delivery("topology", **sent))
    assert (record["user"], record["user_source"], record["original_user"]) == (user, source, original)


def malformed() -> Delivery:
    return Delivery(Message(b'{"operation":"topology"}', malformed_properties=("reply_to is not UTF-8",)))


def redirected() -> Delivery:
    made = delivery("create-instance", {"bpmnProcessId": "order"})
    made.refusal = "REPLY_ALLOW"
    return made


@for_each([
    ("allowed", decided(Target(processes=("a",))), "allowed", "role orders", {"processes": ["a"]}),
    ("denied", decided(Target(), allowed=False, rule="no role"), "denied", "no role", {}),
    ("refused before", delivery("topology"), None, None, {}),
    ("no command", Delivery(Message(b"{")), None, None, {}),
    ("no properties", malformed(), None, None, {}),
    ("nowhere to answer", redirected(), None, None, {"processes": ["order"], "tenants": ["<default>"]}),
])  # fmt: skip
def test_the_decision_is_null_where_nobody_was_asked(
    case: str, sent: Delivery, decision: str | None, rule: str | None, target: dict[str, Any]
) -> None:
    record = record_of(sent)
    assert (record["decision"], record["rule"], record["target"]) == (decision, rule, target)


def test_the_policy_that_decided_is_named_by_its_digest() -> None:
    """Another one may be in force since."""
    sent = delivery("topology")
    sent.decision = Decision(True, "role a", Target(), policy="abc")
    assert record_of(sent)["policy_sha256"] == "abc"
    assert record_of(delivery("topology"))["policy_sha256"] is None


@for_each([
    (Reply("a", {}), Ending.SETTLED, "executed", "OK", "settled"),
    (Reply("a", error=failed(Code.NOT_FOUND)), Ending.DEAD_LETTERED, "not-executed", "NOT_FOUND", "dead-lettered"),
    (Reply("a", error=failed(Code.ABORTED, outcome=Outcome.UNKNOWN)), Ending.DROPPED, "unknown", "ABORTED", "dropped"),
])  # fmt: skip
def test_what_became_of_it(reply: Reply, ending: Ending, outcome: str, code: str, told: str) -> None:
    record = record_of(delivery("topology"), reply, ending)
    assert (record["outcome"], record["code"], record["ending"]) == (outcome, code, told)
    assert record["replayed"] is False


def test_an_exchange_routes_by_operations_that_exist() -> None:
    for operation in COMMANDS:
        assert Recorder().command(delivery("topology"), Reply(operation), Ending.SETTLED).topic == operation
    for other in (None, "x" * 300, "evil.#"):
        assert Recorder().command(delivery("topology"), Reply(other), Ending.SETTLED).topic == "audit"


def test_a_target_of_any_size_is_cut() -> None:
    def is_bounded(target: Target, kept: dict[str, Any]) -> None:
        record = record_of(decided(target))
        assert record["target"].pop("cut") is True
        assert {kind: [len(each) for each in names] for kind, names in record["target"].items()} == kept
        assert len(json.dumps(record)) < 2 * MAX_ALL

    check_all(
        {
            "a long name": (Target(messages=("x" * 8 * 2**20,)), {"messages": [MAX_NAME]}),
            "many names": (Target(job_types=("x",) * 100_000), {"job_types": [1] * MAX_NAMES}),
            "many long ones": (
                Target(processes=("x" * 1000,) * 51, keys=("y" * 999,) * 50),
                {"processes": [MAX_NAME] * 20 + [0] * 30, "keys": [0] * 50},
            ),
        },
        is_bounded,
    )
    whole = Target(messages=("x" * MAX_NAME,), keys=("1",) * MAX_NAMES)
    assert "cut" not in record_of(decided(whole))["target"]


def test_what_a_letter_claims_is_cut() -> None:
    """Whoever may write to the dead-letter queue chooses its headers."""
    claims = dict.fromkeys(("user", "original_user", "queue", "operation", "code", "app_id"), "x" * 200_000)
    record = json.loads(Recorder().letter(DROP, replays=7, **claims).line)
    assert {name: len(record[name]) for name in claims} == dict.fromkeys(claims, MAX_NAME)
    assert record["replays"] == 7


HOSTILE = (
    "a\nb",
    "\r\n",
    "\u2028\u2029\x85\x0b\x0c\x1c",
    "\x1b[2J\x9b31m",
    "\udcff",
    "\ud800x\udfff",
    '"},{',
    "\x00\x7f",
    "\u202e",
)


@for_each(HOSTILE)
def test_hostile_names_are_one_line_that_every_reader_takes(name: str) -> None:
    sent = decided(Target(processes=(name,), keys=(name,)), rule=name)
    sent.message = Message(sent.message.body, name, user_id=name, app_id=name, headers={wire.REQUEST_ID: name})
    line = Recorder(trace_id=lambda _: name).command(sent, Reply(name), Ending.SETTLED).line
    assert line.decode().isprintable()
    kept = name.encode(errors="backslashreplace").decode()
    assert msgspec.json.decode(line)["target"]["processes"] == json.loads(line)["target"]["processes"] == [kept]


@given(
    st.text(st.characters()), st.binary(max_size=200), st.dictionaries(st.text(max_size=20), st.integers() | st.text())
)
def test_whatever_comes_is_recorded(name: str, body: bytes, headers: dict[str, Any]) -> None:
    sent = Delivery(Message(body, name, user_id=name, app_id=name, type=name, headers={**headers, wire.REPLAYS: 2**70}))
    record = record_of(sent, Reply(name), Ending.DROPPED)
    assert (record["replays"], record["bytes"]) == (0, len(body))


def test_an_id_is_found_by_its_digest() -> None:
    assert digest("r1") == hashlib.sha256(b"r1").hexdigest()
    assert digest(None) is digest("") is None
    assert digest("\ud800") != digest("\ud801")


@for_each(COMMANDS)
def test_every_operation_is_recorded_without_a_policy(operation: str) -> None:
    """Also one whose data is not right."""
    assert record_of(delivery(operation, {}))["event"] == "command"
