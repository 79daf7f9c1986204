"""A file of cases: every problem in it is told at once, whatever it holds."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumer.config import Settings
from consumer.policy_commands.cases import MAX_SIZE, Case, CasesError, read_cases
from consumer.policy_commands.question import Question, Questions
from tests.cases import for_each
from zeebe_amqp.commands.target import Target

CASE: dict[str, Any] = {"user": "alice", "operation": "create-instance", "process": "order", "expect": "allow"}
REFUSED = "request: INVALID_ARGUMENT: operation"
QUESTIONS = Questions(Settings())
ORDER = Question("alice", "create-instance", Target(processes=("order",), tenants=("<default>",)))


def read(text: str | bytes, name: str = "cases.jsonl") -> list[Case]:
    return read_cases(text.encode() if isinstance(text, str) else text, name, QUESTIONS)


def problems(text: str | bytes, name: str = "cases.jsonl") -> list[str]:
    with pytest.raises(CasesError) as refusal:
        read(text, name)
    assert all(problem.startswith(f"{name}: ") for problem in refusal.value.problems)
    return [problem.removeprefix(f"{name}: ") for problem in refusal.value.problems]


def test_toml_and_json_lines_say_the_same() -> None:
    toml = '[[case]]\nuser = "alice"\noperation = "create-instance"\nprocess = "order"\nexpect = "allow"\n'
    [by_toml], [by_json] = read(toml, "cases.TOML"), read(json.dumps(CASE))
    assert (by_toml.name, by_json.name) == ("cases.TOML: case 1", "cases.jsonl: line 1")
    assert by_toml.question == by_json.question == ORDER
    assert (by_toml.allowed, by_toml.rule) == (True, None)
    for mark in (b"\xef\xbb\xbf",):
        assert read(mark + toml.encode(), "cases.toml")[0].question == ORDER


@for_each([
    ({"process": ["order", "x"]}, Target(processes=("order", "x"), tenants=("<default>",))),
    ({"process": [], "key": 5}, None),
    ({"key": 2**63}, Target(processes=("order",), keys=(str(2**63),), tenants=("<default>",))),
    ({"key": ["1", 2], "tenant": "acme"}, Target(processes=("order",), keys=("1", "2"), tenants=("acme",))),
])  # fmt: skip
def test_names_are_text_or_lists_and_keys_may_be_numbers(more: dict[str, Any], expected: Target | None) -> None:
    text = json.dumps({**CASE, **more})
    if expected is None:
        assert problems(text) == ["line 1: process: found a list; expected text, or a list of texts"]
    else:
        assert read(text)[0].question.target == expected


def test_a_request_is_an_object_or_its_text() -> None:
    request = {"operation": "create-instance", "data": {"bpmnProcessId": "order"}}
    for given_as in (request, json.dumps(request)):
        [case] = read(json.dumps({"user": "anonymous", "request": given_as, "expect": "deny", "name": "x" * 1000}))
        assert (case.question, case.allowed) == (ORDER._replace(user=None), False)
        assert len(case.name) < 300


@for_each([
    ({"user": 5}, ["user: found 5; expected text"]),
    ({"user": ""}, ['user: found text ""; expected text']),
    ({"expect": "perhaps"}, ['expect: found text "perhaps"; expected allow or deny']),
    ({"expect": True}, ["expect: found true; expected text"]),
    ({"proces": "x"}, ['unknown field "proces"; did you mean process?']),
    ({"operation": "create-instanc"}, ['"create-instanc" is not an operation; did you mean "create-instance"?']),
    ({"message": "m"}, ["create-instance has no message; expected process or tenant or key"]),
    ({"process": 5}, ["process: found 5; expected text, or a list of texts"]),
    ({"process": ["order", ""]}, ["process: found a list; expected text, or a list of texts"]),
    ({"key": True}, ["key: found true; expected text, or a list of texts"]),
    ({"key": 10**30}, ["key: found 1000000000000000000000000000000; expected text, or a list of texts"]),
    ({"request": {}},
     ["found operation, process beside request; expected one of the two: request has all of it"]),
    ({"rule": 5, "tenant": 5, "nam": 1, "user": None},
     ['unknown field "nam"; did you mean name?', "user: found null; expected text", "rule: found 5; expected text",
      "tenant: found 5; expected text, or a list of texts"]),
])  # fmt: skip
def test_every_problem_of_a_case_is_named(more: dict[str, Any], expected: list[str]) -> None:
    assert problems(json.dumps({**CASE, **more})) == [f"line 1: {each}" for each in expected]


@for_each([
    ({}, ["user: missing; expected the name of a user, or \"anonymous\"", "expect: missing; expected allow or deny",
          "expected an operation with its names, or a request; found neither"]),
    ({"user": "a", "expect": "deny", "request": {"operation": "nonsense"}},
     ['request: UNIMPLEMENTED: operation: "nonsense" is not an operation; known are']),
    ({"user": "a", "expect": "deny", "request": "\x1b[31m"}, [f"{REFUSED} missing: the body is not"]),
    ({"user": "a", "expect": "deny", "request": [[[]]]}, [f"{REFUSED} missing"]),
    ({"user": "a", "expect": "deny", "operation": "deploy-process", "process": "x"},
     ["deploy-process needs what it acts on; expected resource"]),
])  # fmt: skip
def test_what_is_missing_is_named(case: dict[str, Any], expected: list[str]) -> None:
    found = problems(json.dumps(case))
    assert len(found) == len(expected)
    assert [each for each, said in zip(found, expected, strict=True) if not each.startswith(f"line 1: {said}")] == []
    assert "\x1b" not in "".join(found)


def test_the_problems_of_all_cases_are_told_with_their_places() -> None:
    whole = json.dumps(CASE)
    text = "\n".join([whole, "nonsense", "", "[]", json.dumps({**CASE, "expect": "x"}), "[" * 100_000, whole])
    assert [each.split(":")[0] for each in problems(text)] == ["line 2", "line 4", "line 5", "line 6"]
    toml = "other = 1\ncase = [5, {}]\n"
    assert [each[:7] for each in problems(toml, "a.toml")] == ["unknown", "case 1:", "case 2:", "case 2:", "case 2:"]


@for_each([
    (b"", "no case"), (b"\n \n", "no case"), (b"x = " + b"[" * 100_000, "nested too deeply"), (b"\xff", "not UTF-8"),
    (b"nonsense", "not TOML"), (b"case = 5", "case: found 5"), (b"[case]\n", "case: found an object"),
    (b"#" * (MAX_SIZE + 1), "found more than"),
    (b'[[case]]\nuser = "a"\nexpect = "deny"\nrequest = 1979-05-27', "case 1"),
])  # fmt: skip
def test_a_file_that_is_none_of_cases_is_refused(text: bytes, said: str) -> None:
    [problem] = problems(text, "cases.toml")
    assert said in problem
    assert len(problem) < 500


@given(st.binary(max_size=200))
def test_no_bytes_crash_the_reading(noise: bytes) -> None:
    for name in ("a.toml", "a.jsonl"):
        with pytest.raises(CasesError):
            read(noise, name)


VALUES = st.recursive(
    st.none() | st.integers() | st.text() | st.booleans(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
)


@given(VALUES)
def test_no_value_in_a_case_crashes_the_reading(value: Any) -> None:
    for name in (*CASE, "request", "key", "name", "rule"):
        with suppress(CasesError):
            read(json.dumps({**CASE, name: value}))
