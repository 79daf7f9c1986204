"""Rights, shown: what the run finds right and wrong, and the page that is made from it."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from benchmarks.rights import judgement, page, records, result, rounds, table
from benchmarks.rights.attacks import ATTACKS, BODY, COMMANDS, POLLS
from benchmarks.rights.cases import CASES, MARKER, Case, Values, untried
from benchmarks.rights.gateway import ANSWER, WAITING, identify
from benchmarks.rights.judgement import Outcome, Turns, percentile
from benchmarks.rights.result import Audit, Result
from benchmarks.rights.rules import ALICE, EVERYBODY, MALLORY, NOBODY, POLICY
from benchmarks.rights.table import Answer
from benchmarks.rights.victim import Turn, request
from consumer.security import policy
from consumer.zeebe.protocol import gateway_pb2 as pb
from tests.cases import check_all, for_each
from zeebe_amqp import envelope, wire
from zeebe_amqp.commands import COMMANDS as OPERATIONS
from zeebe_amqp.errors import Code, Error, Source
from zeebe_amqp.errors import Outcome as Executed
from zeebe_amqp.reply import Reply

RULES = policy.parse(POLICY.encode(), "policy.toml")
TEXT = page.PAGE.read_text()


# --- the requests of the table ----------------------------------------------------------------------------------------


@for_each((case, user) for case in CASES for user in EVERYBODY)
def test_the_policy_decides_what_a_person_reads_in_its_rules(case: Case, user: str) -> None:
    decision = RULES.decide(None if user == NOBODY else user, case.command(Values()))
    assert decision.allowed is (user in case.allowed), decision


def test_every_operation_is_tried_and_each_is_denied_to_somebody_and_allowed_to_somebody() -> None:
    assert untried() == set()
    allowed = {case.operation for case in CASES if case.allowed}
    denied = {case.operation for case in CASES if set(case.allowed) != set(EVERYBODY)}
    assert allowed == denied == set(OPERATIONS)
    assert len({case.name for case in CASES}) >= len(CASES) - 1


def test_whatever_has_variables_has_the_marker_in_them() -> None:
    marked = [case.body(Values()).count(MARKER.encode()) for case in CASES]
    assert sum(marked) > len(CASES) / 4
    assert set(marked) == {0, 1}


# --- what was met -----------------------------------------------------------------------------------------------------


def answer(**changed: Any) -> Answer:
    """An answer in which all agree that alice may."""
    known = {"decision": "allowed", "rule": "role r"}
    return replace(Answer("a case", ALICE, True, "ok", True, True, "role r", known), **changed)


def test_an_answer_is_right_when_rules_service_policy_and_audit_agree() -> None:
    denied = {"decision": "denied", "rule": "role r"}
    assert answer().problems() == []
    assert answer(wanted=False, allowed=False, decided=False, audit=denied).problems() == []
    cases = [
        (answer(allowed=False, audit=denied), "the service denied it"),
        (answer(wanted=False), "the service allowed it"),
        (answer(decided=False), "the policy decides: denied"),
        (answer(audit=None), "no record"),
        (answer(audit=denied), "the audit says: denied"),
        (answer(audit={"decision": "allowed", "rule": "another"}), "the audit says: allowed, another"),
    ]

    def is_found(each: Answer, problem: str) -> None:
        assert any(problem in found for found in table.problems([each])), table.problems([each])

    check_all(cases, is_found)


def test_only_the_service_denies() -> None:
    def failed(code: Code, source: Source) -> Reply:
        error = Error(code=code, message="no", source=source, outcome=Executed.NOT_EXECUTED, retryable=False)
        return Reply("topology", error=error)

    assert table.is_denied(failed(Code.PERMISSION_DENIED, Source.CONSUMER))
    assert not table.is_denied(failed(Code.PERMISSION_DENIED, Source.GATEWAY)), "the engine's own rights"
    assert not table.is_denied(failed(Code.NOT_FOUND, Source.GATEWAY)), "allowed, and there is nothing of that name"
    assert not table.is_denied(Reply("topology", data={}))


# --- attacks ----------------------------------------------------------------------------------------------------------


@for_each(ATTACKS)
def test_mallory_attacks_with_what_the_policy_allows_him(attack: Any) -> None:
    for number in range(10):
        sent = attack.message(7, number, 2.5)
        command = envelope.decode(sent.body, content_type="application/json").command
        assert RULES.decide(MALLORY, command).allowed, command
        assert sent.place in (COMMANDS, POLLS)


def test_the_attack_with_ids_uses_those_that_alice_is_about_to_use() -> None:
    [attack] = [each for each in ATTACKS if each.name == "ids"]
    used = {attack.message(7, number, 2.5).headers[wire.REQUEST_ID] for number in range(30)}
    assert {request(7, number)[0] for number in range(10)} < used
    assert len(used) == 11, "and one id again and again"


def test_a_large_body_is_as_large_as_a_gateway_takes() -> None:
    [attack] = [each for each in ATTACKS if each.name == "bodies"]
    assert BODY < len(attack.message(1, 1, 1.0).body) < 4 * 2**20
    assert ANSWER * 4 / 3 < 256 * 2**10, "what the ledger keeps of an answer"


def test_a_command_is_known_at_the_gateway_by_the_id_in_its_variables() -> None:
    inner = pb.CreateProcessInstanceRequest(variables='{"id": "alice-1-2", "more": "id"}')
    assert identify("", inner) == "alice-1-2"
    assert identify("", pb.CreateProcessInstanceWithResultRequest(request=inner)) == "alice-1-2"
    assert identify("", pb.ActivateJobsRequest(type=WAITING)) is None
    assert identify("", pb.CreateProcessInstanceRequest(variables='{"blob":"' + "x" * 1000 + '","id":"late"}')) is None


def test_a_percentile_is_the_least_figure_that_so_many_do_not_exceed() -> None:
    figures = [float(each) for each in range(100, 0, -1)]
    cases = [(figures, 50, 50), (figures, 99, 99), (figures, 100, 100), ([7.0], 99, 7), ([1.0, 2.0], 50, 1)]

    def is_so(given: list[float], percent: float, expected: float) -> None:
        assert percentile(given, percent) == expected

    check_all(cases, is_so)


def outcome(alone: float, attacked: float, wrong: int = 0, refused: int = 0) -> Outcome:
    """What came of an attack with these p99."""
    turns = {}
    for kind, p99 in zip(judgement.KINDS, (alone, alone, attacked), strict=True):
        turns[kind] = Turns()
        turns[kind].add(Turn([1.0] * 98 + [p99] * 2, Counter({"INTERNAL": wrong} if kind == "attacked" else {})))
    return Outcome.of("n", "about", turns, {"sent": 10, "answers": {"ok": 3, "RESOURCE_EXHAUSTED": refused}})


def test_the_promise_is_held_when_the_p99_at_most_doubles_and_every_answer_is_right() -> None:
    cases = [
        (outcome(5, 10), True, 2.0),
        (outcome(5, 10.5), False, 2.1),
        (outcome(5, 1), True, 0.2),
        (outcome(5, 6, wrong=1), False, 1.2),
    ]

    def is_judged(found: Outcome, held: bool, ratio: float) -> None:
        assert (found.held, found.ratio) == (held, pytest.approx(ratio))

    check_all(cases, is_judged)
    assert (outcome(5, 6, wrong=3).wrong, outcome(5, 6, refused=4).refused) == (3, 4)


def test_a_command_of_alice_s_that_ran_twice_is_seen() -> None:
    lines = [json.dumps(["Create", identity]) for identity in ("alice-1-1", "alice-1-2", "alice-1-1", "other", "other")]
    assert rounds.ran_twice(lines) == 1


def test_the_gateway_starts_and_ends_as_a_program(tmp_path: Path) -> None:
    with rounds.gateway(tmp_path) as (address, journal):
        assert address.startswith("127.0.0.1:")
        assert journal.exists()


# --- the audit --------------------------------------------------------------------------------------------------------


def audited(tmp_path: Path, *lines: dict[str, Any], sent: int, log: str = "") -> Audit:
    """The audit of so many requests with these records."""
    file, other = tmp_path / "audit", tmp_path / "log"
    file.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    other.write_text(log)
    return Audit.of(file, other, sent)


def test_an_audit_may_say_a_thing_twice_and_must_leave_out_none(tmp_path: Path) -> None:
    first = {"id": "1", "trace_id": "t", "decision": "allowed", "target": {"processes": ["p"]}}
    second = {"id": "2", "decision": "denied"}
    whole = audited(tmp_path, first, first, second, sent=2)
    assert (whole.records, whole.decisions, whole.problems("x")) == (2, {"allowed": 1, "denied": 1}, [])
    assert whole.examples == {"allowed": first, "denied": second}
    assert records.by_trace([first, second]) == {"t": first}
    assert audited(tmp_path, first, first, sent=2).problems("x") == ["audit of x: 1 records of 2 requests"]
    assert Audit.of(tmp_path / "none", tmp_path / "none", 1).problems("x") == ["audit of x: 0 records of 1 requests"]


def test_a_value_of_the_variables_in_the_audit_or_the_log_is_seen(tmp_path: Path) -> None:
    line = {"id": "1", "decision": "allowed"}
    assert not audited(tmp_path, line, sent=1).marked
    assert audited(tmp_path, {**line, "target": MARKER}, sent=1).problems("x")
    assert audited(tmp_path, line, sent=1, log=f"something {MARKER}").problems("x")


# --- results and page -------------------------------------------------------------------------------------------------


def found(**changed: Any) -> Result:
    """Results in which all is well."""
    record = {"id": "1", "decision": "allowed", "user": ALICE}
    audit = Audit(1, 1, {"allowed": 1}, False, {"allowed": record})
    answers = [answer(user=user) for user in EVERYBODY]
    whole = result.now(
        engine="an engine",
        rounds=2,
        seconds=1.5,
        answers=answers,
        outcomes=[outcome(5, 6)],
        again={"replayed": 3},
        twice=0,
        audits={"the table": audit},
    )
    return replace(whole, **changed)


def test_a_run_is_well_only_when_everything_is_but_a_slow_machine_breaks_no_promise() -> None:
    assert found().problems() == []
    assert found(outcomes=[outcome(5, 500)]).problems() == []
    broken = [
        {"answers": [answer(allowed=False)]},
        {"outcomes": [outcome(5, 6, wrong=1)]},
        {"again": {"replayed": 3, "ran again": 1}},
        {"again": {}},
        {"twice": 1},
        {"audits": {"x": Audit(2, 1, {}, False, {})}},
        {"audits": {"x": Audit(1, 1, {}, True, {})}},
    ]

    def is_seen(changed: dict[str, Any]) -> None:
        assert found(**changed).problems()

    check_all(broken, is_seen)


def test_what_was_kept_is_read_as_it_was(tmp_path: Path) -> None:
    result.write(found(), tmp_path / "kept.json")
    kept = result.read(tmp_path / "kept.json")
    assert (kept.answers, kept.audits) == (found().answers, found().audits)
    assert page.shown(kept) == page.shown(replace(found(), date=kept.date))


def test_the_page_shows_the_kept_results_and_others_make_another_page() -> None:
    kept = result.read()
    assert page.made(TEXT, kept) == TEXT, "make rights PAGE=yes"
    for name in page.BLOCKS:
        assert TEXT.count(f"<!-- made: {name} -->") == 1, name
    other = page.made(TEXT, found())
    assert other != TEXT
    assert page.made(other, kept) == TEXT


def test_a_promise_that_is_not_held_is_said_so() -> None:
    assert "not held" in page.attacks(found(outcomes=[outcome(5, 500)]))
    assert "not held" not in page.attacks(found())
