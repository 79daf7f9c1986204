"""What is asked by names is what a request with these names asks."""

from __future__ import annotations

from typing import Any

import pytest

from consumer.config import Settings
from consumer.config.settings import Camunda7
from consumer.policy_commands.question import NAMES, Question, Questions, fields
from tests.cases import check_all, for_each
from tests.unit.contracts.samples import FULLEST, SMALLEST, body
from zeebe_amqp.commands import COMMANDS
from zeebe_amqp.commands.target import Target
from zeebe_amqp.errors import CommandError

QUESTIONS = Questions(Settings())
FILE = '<definitions xmlns="http://www.omg.org/spec/BPMN/20100524/MODEL"><process id="p"/></definitions>'
DEPLOYED = {"resources": [{"name": "a.bpmn", "content": FILE}]}


def asked(operation: str, data: Any, **others: Any) -> Question:
    return QUESTIONS.from_request("alice", body(operation, data, **others))


def test_names_ask_what_a_request_with_these_names_asks() -> None:
    """A tenant that is the default one need not be named."""

    def ask_alike(operation: str, data: Any, others: dict[str, Any]) -> None:
        question = asked(operation, data, **others)
        names = {name: getattr(question.target, field) for name, field in NAMES.items()}
        assert QUESTIONS.from_names("alice", operation, names) == question
        if names["tenant"] == ("<default>",):
            assert QUESTIONS.from_names("alice", operation, {**names, "tenant": ()}) == question

    cases = [(operation, data, {}) for each in (SMALLEST, FULLEST) for operation, data in each.items()]
    more: list[tuple[str, Any, dict[str, Any]]] = [
        ("deploy-process", FILE, {"metadata": {"fileName": "a.bpmn"}}),
        ("deploy-resource", DEPLOYED, {}),
        ("signal", {"name": "a", "executionId": "e"}, {}),
    ]
    assert {case[0] for case in cases + more} == set(COMMANDS)
    check_all(cases + more, ask_alike)


def test_every_name_of_a_command_is_one_that_its_operation_can_have() -> None:
    def has_fields(operation: str, data: Any) -> None:
        found = asked(operation, data).target
        assert {name for name in Target.__struct_fields__ if getattr(found, name)} <= set(fields(operation))

    check_all([(operation, data) for each in (SMALLEST, FULLEST) for operation, data in each.items()], has_fields)


@for_each([False, True])
def test_a_signal_without_a_tenant_is_for_those_that_its_engine_delivers_it_to(every: bool) -> None:
    questions = Questions(Settings(camunda7=Camunda7("http://x", every=every)))
    by_request = questions.from_request(None, body("signal", {"name": "a"}))
    assert questions.from_names(None, "signal", {"signal": ["a"]}) == by_request
    assert by_request.target.tenants == (("*",) if every else ("<default>",))


def test_a_request_is_read_as_deep_as_the_settings_allow() -> None:
    deep = body("create-instance", {"bpmnProcessId": "p", "variables": {"a": [[[]]]}})
    assert Questions(Settings(max_depth=4)).from_request(None, deep).target.processes == ("p",)
    with pytest.raises(CommandError, match="levels"):
        Questions(Settings(max_depth=3)).from_request(None, deep)
