"""Every operation has a command, every field a parameter, and what is typed is what is sent."""

from __future__ import annotations

import json
import shlex
from functools import cache
from pathlib import Path
from typing import Any

import click
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.cases import check_all
from tests.unit.contracts.cli.program import ended, printed, refused
from tests.unit.contracts.samples import FULLEST, SMALLEST, request
from tests.unit.contracts.values import commands
from zeebe_amqp import asyncapi, envelope, wire
from zeebe_amqp.cli.connection import CONNECTION, REQUEST
from zeebe_amqp.cli.examples import arguments, lines
from zeebe_amqp.cli.operations import SENDING
from zeebe_amqp.cli.options import fields, main_field
from zeebe_amqp.cli.program import program
from zeebe_amqp.commands import COMMANDS, Command
from zeebe_amqp.commands.resources import DeployProcess, DeployResource
from zeebe_amqp.examples import EXAMPLES, Example, file_text, filled

KEY = 2251799813685250
FILES = ("deploy-process", "deploy-resource")
OBJECTS = [operation for operation in COMMANDS if operation not in FILES]
BESIDES = {"deploy", "call", "watch", "batch", "asyncapi", "schema", "completion"}


def typed(operation: str, data: dict[str, Any]) -> list[str]:
    """The command line for some data."""
    return [operation, *arguments(Example(operation, data))]


def sent(operation: str, data: dict[str, Any]) -> Any:
    """What the service gets for a command line that says this."""
    return json.loads(printed(*typed(operation, data), "--dry-run"))


def test_there_is_a_command_for_every_operation_and_nothing_unknown() -> None:
    assert set(program.commands) == set(COMMANDS) | BESIDES


def test_every_field_has_a_parameter_of_its_own_and_required_ones_are_required() -> None:
    def have_parameters(operation: str) -> None:
        parameters = program.commands[operation].params
        spelled = [name for each in parameters for name in [*each.opts, *each.secondary_opts]]
        assert len(spelled) == len(set(spelled)), "two are called alike"
        names = {parameter.name for parameter in parameters}
        if operation in FILES:
            assert {"files", "name", "tenant_id"} <= names
        if operation not in OBJECTS:
            return
        known = fields(COMMANDS[operation])
        assert {f"data_{field.name}" for field in known} <= names
        required = {each.name.removeprefix("data_") for each in parameters if each.required and each.name}
        assert required == {field.name for field in known if field.required}
        positional = [each for each in parameters if isinstance(each, click.Argument)]
        assert len(positional) == (main_field(COMMANDS[operation]) is not None), "one of them needs no option"

    check_all(program.commands.keys(), have_parameters)


def test_the_smallest_and_the_fullest_request_and_every_value_of_every_field_can_be_typed() -> None:
    def can_be_typed(operation: str) -> None:
        fullest = FULLEST[operation]
        if operation == "activate-jobs":
            fullest = fullest | {"timeout": "5m"}  # the sample's nanoseconds are for programs
        for data in (SMALLEST[operation], {} if operation == "topology" else fullest):
            assert meant(operation, sent(operation, data)["data"]) == meant(operation, data)
        for each in commands(operation):
            data = json.loads(each.to_wire()[0])
            assert meant(operation, sent(operation, data)["data"]) == data

    check_all(OBJECTS, can_be_typed)


def meant(operation: str, data: Any) -> Any:
    """The same request in the one form that the types write."""
    return json.loads(COMMANDS[operation].from_wire(json.dumps(data).encode(), {}).to_wire()[0])


def wire_form(command: Command) -> Any:
    """A command as plain JSON and metadata."""
    data, metadata = command.to_wire()
    return json.loads(data), metadata


def test_the_examples_of_the_help_mean_what_they_say(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def means_what_it_says(example: Example) -> None:
        line = shlex.join(["zeebe-amqp", example.operation, *arguments(example)])
        assert not example.title or line in [each.text for each in lines(example.operation, example.operation)]
        found = envelope.decode(printed(*shlex.split(line)[1:], "--dry-run").encode())
        asked = request(example.operation, filled(example.data), metadata=dict(example.metadata))
        assert wire_form(found.command) == wire_form(asked.command)

    monkeypatch.chdir(tmp_path)
    for name in ("parcel.bpmn", "express.bpmn", "quote.bpmn", "discount.dmn", "address.form"):
        Path(name).write_text(file_text(name))
    check_all(EXAMPLES, means_what_it_says)


def test_every_command_has_help_with_all_options_and_examples() -> None:
    def has_help(operation: str) -> None:
        assert f"\n  {operation} " in overview
        text = printed(operation, "--help-all")
        for each in program.commands[operation].params:
            assert isinstance(each, click.Argument) or each.opts[-1] in text
        for _, line in lines(operation, operation):
            assert line in text
        if operation != "completion":
            assert "Examples:" in text

    overview = printed("--help")
    check_all(program.commands.keys(), has_help)
    for each in (*SENDING, *REQUEST, *CONNECTION):
        assert isinstance(each, click.Option)
        assert each.help, each.name


# --- values -----------------------------------------------------------------------------------------------------------


def test_variables_come_from_the_line_a_file_or_standard_input_and_are_sent_byte_for_byte(tmp_path: Path) -> None:
    document = '{"a": 1.00, "b" :1e2, "a": 12345678901234567890123, "ü": "\\u0000"}'
    expected = document.replace(", ", ",").replace(": ", ":").replace('" :', '":')
    file = tmp_path / "vars.json"
    for mark in ("", "\ufeff"):  # a byte order mark is no part of them
        file.write_text(f"{mark}{document}\n")
        for value in (f"{mark}{document}", f"@{file}", "-", "@-"):
            words = ("create-instance", "order", "--variables", value, "--dry-run", "-o", "json")
            assert expected in printed(*words, standard_input=file.read_bytes()), (mark, value)
    file.write_text('{"a":1}', encoding="utf-16")
    assert "byte order mark of UTF-16" in refused("create-instance", "o", "--variables", f"@{file}")


def test_a_file_may_be_named_with_an_at_sign_wherever_one_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.bpmn").write_text("<x/>")
    (tmp_path / "vars.json").write_text('{"a":1}')
    (tmp_path / "requests.jsonl").write_text("no request")
    for words, sent in (
        (("deploy", "@a.bpmn", "--dry-run"), '"name":"a.bpmn"'),
        (("deploy", "@a.bpmn", "a.bpmn", "--dry-run"), '"name":"a.bpmn"'),
        (("deploy-process", "@a.bpmn", "--dry-run"), '"fileName":"a.bpmn"'),
        (("create-instance", "o", "--variables", "@vars.json", "--dry-run"), '"variables":{"a":1}'),
        (("deploy", "@-", "--name", "b.bpmn", "--dry-run"), '"name":"b.bpmn"'),
    ):
        assert sent in printed(*words, standard_input=b"<x/>"), words
    assert "line 1" in refused("batch", "@requests.jsonl")
    (tmp_path / "@a.bpmn").write_text("<y/>")
    assert "<y/>" in printed("deploy", "@a.bpmn", "--dry-run")


HOSTILE: dict[str, tuple[str, ...]] = {
    "two values": ("create-instance", "o", "--variables", '{"a":1},"withResult":true'),
    "a list": ("create-instance", "o", "--variables", "[1]"),
    "not JSON": ("create-instance", "o", "--variables", "a=1"),
    "nothing": ("create-instance", "o", "--variables", ""),
    "NaN": ("create-instance", "o", "--variables", '{"a":NaN}'),
    "beyond a double": ("create-instance", "o", "--variables", '{"a":1e999}'),
    "too deep": ("create-instance", "o", "--variables", '{"a":' * 501 + "1" + "}" * 501),
    "far too deep": ("create-instance", "o", "--variables", "[" * 100_000),
    "not UTF-8": ("create-instance", "o", "--variables", '{"a":"\udcff"}'),
    "a file that is not there": ("create-instance", "o", "--variables", "@/nowhere/x.json"),
    "a file that is a folder": ("create-instance", "o", "--variables", "@/"),
    "a file named by a null byte": ("create-instance", "o", "--variables", "@a\0b"),
    "a name that is not UTF-8": ("create-instance", "\udcff"),
    "a blank name": ("create-instance", " "),
    "a blank tag": ("create-instance", "o", "--tags", ""),
    "a key of words": ("complete-job", "abc"),
    "a negative key": ("complete-job", "--", "-5"),
    "a key of zero": ("complete-job", "0"),
    "a key too large": ("complete-job", "9223372036854775808"),
    "digits of another script": ("complete-job", "٣"),
    "a fraction": ("fail-job", str(KEY), "--retries", "1.5"),
    "an underscore": ("fail-job", str(KEY), "--retries", "1_0"),
    "a number too large": ("fail-job", str(KEY), "--retries", "2147483648"),
    "thousands of digits": ("fail-job", str(KEY), "--retries", "9" * 5000),
    "a required option left out": ("fail-job", str(KEY)),
    "no unit": ("publish-message", "m", "--time-to-live", "5"),
    "a negative duration": ("publish-message", "m", "--time-to-live", "-5s"),
    "a duration of zero": ("update-job-timeout", str(KEY), "--job-timeout", "0"),
    "a choice that is none": ("activate-jobs", "t", "--max-jobs-to-activate", "1", "--tenant-filter", "ALL"),
    "none of a choice": ("create-instance",),
    "both of a choice": ("create-instance", "o", "--process-definition-key", str(KEY)),
    "an unknown part": ("create-instance", "o", "--start-instructions", '[{"elementIt":"a"}]'),
    "a part of another type": ("create-instance", "o", "--start-instructions", "1"),
    "one argument too many": ("topology", "x"),
    "an unknown option": ("topology", "--broker", "x"),
    "an unknown command": ("create-instnce", "o"),
    "a reference of zero": ("cancel-instance", str(KEY), "--operation-reference", "0"),
    "a wait that is too long": ("create-instance", "o", "--with-result", "--request-timeout", "16m"),
    "a timeout of words": ("topology", "--timeout", "soon"),
    "a timeout of zero": ("topology", "--timeout", "0"),
    "a timeout below zero": ("topology", "--timeout", "-1"),
    "an address that is none": ("topology", "--url", "http://127.0.0.1/"),
    "no queue": ("topology", "--queues", "a,,b"),
    "a body that is not there": ("call", "@/nowhere/x.json"),
    "a file that is named as if it were the body": ("call", "/etc/hostname"),
    "a header without a value": ("call", "--header", "fileName"),
    "a header without a name": ("call", "--header", "=x"),
    "an operation that is none": ("call", "--type", "x"),
    "a batch that is not there": ("batch", "/nowhere/x.jsonl"),
    "a batch without a name": ("batch", "-"),
    "a rate of zero": ("batch", "/dev/null", "--rate", "0"),
    "nobody at a time": ("batch", "/dev/null", "--concurrency", "0"),
    "a watch that keeps nothing": ("watch", "q", "--exchange", "x", "--keep"),
    "a file to deploy that is not there": ("deploy", "/nowhere/a.bpmn"),
    "a folder to deploy": ("deploy", "/"),
    "nothing to deploy": ("deploy",),
    "standard input without a name": ("deploy", "-"),
    "an empty file to deploy": ("deploy", "/dev/null"),
    "another shell": ("completion", "tcsh"),
    "the schema of nothing known": ("schema", "create-instnce"),
}
"""Command lines with which nothing is sent."""


def test_a_wrong_command_line_is_refused_in_words() -> None:
    def is_refused(*words: str) -> None:
        told = refused(*words)
        assert "Traceback" not in told
        assert len(told) < 3000

    check_all(HOSTILE, is_refused)


NAMED = {
    "--time-to-live": ("publish-message", "m", "--time-to-live", "x"),
    "--job-timeout": ("update-job-timeout", str(KEY), "--job-timeout", "0s"),
    "JOB_KEY": ("complete-job", "x"),
    "BPMN_PROCESS_ID": ("create-instance",),
    "--migration-plan.targetProcessDefinitionKey": ("migrate-instance", str(KEY), "--migration-plan", "{}"),
    "--start-instructions[0].elementId": ("create-instance", "o", "--start-instructions", "{}"),
    "--variables": ("create-instance", "o", "--variables", "[1]"),
}


def test_a_refusal_names_the_option() -> None:
    for name, words in NAMED.items():
        assert name in refused(*words)


def test_objects_of_a_list_may_come_one_by_one_or_together() -> None:
    one, two = '{"elementId":"a"}', '{"elementId":"b"}'
    apart = printed("create-instance", "o", "--start-instructions", one, "--start-instructions", two, "--dry-run")
    assert printed("create-instance", "o", "--start-instructions", f"[{one},{two}]", "--dry-run") == apart


def test_no_is_said_and_silence_is_not_sent() -> None:
    said = json.loads(printed("delete-resource", "5", "--no-delete-history", "--dry-run"))["data"]
    assert said == {"resourceKey": 5, "deleteHistory": False}
    assert json.loads(printed("delete-resource", "5", "--dry-run"))["data"] == {"resourceKey": 5}


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.text(min_size=1).filter(lambda text: "\0" not in text))
def test_any_text_arrives_as_it_was_typed(text: str) -> None:
    found = printed("fail-job", "5", "--retries", "1", f"--error-message={text}", "--dry-run", "-o", "json")
    assert json.loads(found)["data"]["errorMessage"] == text


# --- files ------------------------------------------------------------------------------------------------------------


def test_a_file_is_deployed_under_its_own_name_or_another(tmp_path: Path) -> None:
    file = tmp_path / "order.bpmn"
    file.write_bytes(b"<xml/>")
    found = envelope.decode(printed("deploy-process", str(file), "--tenant-id", "acme", "--dry-run").encode()).command
    assert found == DeployProcess(name="order.bpmn", content=b"<xml/>", tenant_id="acme")
    line = printed("deploy-process", "-", "--name", "other.bpmn", "--dry-run", standard_input=b"<x/>")
    assert envelope.decode(line.encode()).command == DeployProcess(name="other.bpmn", content=b"<x/>")


def test_several_files_are_one_deployment_and_bytes_stay_bytes(tmp_path: Path) -> None:
    for name, content in (("a.bpmn", b"<xml/>"), ("b.form", b"\xff\xfe")):
        (tmp_path / name).write_bytes(content)
    found = envelope.decode(printed("deploy", *map(str, sorted(tmp_path.iterdir())), "--dry-run").encode()).command
    assert isinstance(found, DeployResource)
    assert [(each.name, each.unpacked()) for each in found.resources] == [
        ("a.bpmn", b"<xml/>"),
        ("b.form", b"\xff\xfe"),
    ]


def test_files_of_the_wrong_kind_or_twice_from_standard_input_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "a.dmn"
    file.write_bytes(b"<x/>")
    assert "--name" in refused("deploy-process", str(file))
    assert "--name" in refused("deploy", str(file), str(file), "--name", "x.bpmn")
    assert "standard input" in refused("deploy", "-", "-")


def test_keys_may_be_asked_for_as_text() -> None:
    line = printed("topology", "--string-keys", "--dry-run")
    assert json.loads(line)["metadata"] == {wire.KEYS: "string"}


def test_the_document_of_the_contract_is_printed_as_it_is_committed() -> None:
    assert printed("asyncapi") == (Path(__file__).parents[4] / "docs" / "asyncapi.yaml").read_text()


def test_schemas_are_written_as_they_are_printed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(asyncapi, "files", cache(asyncapi.files))  # the same for every operation
    folder = tmp_path / "made" / "schemas"
    assert printed("schema", "--all", str(folder)) == ""
    written = {file.name: file.read_text() for file in folder.iterdir()}
    for prefix, operation in ("", ()), *((f"{operation}.", (operation,)) for operation in COMMANDS):
        assert printed("schema", *operation) == written.pop(f"{prefix}request.json")
        assert printed("schema", *operation, "--reply") == written.pop(f"{prefix}reply.json")
    assert written == {}


def test_schemas_that_cannot_all_be_written_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    assert "is a file" in refused("schema", "--all", str(file))
    assert str(file) in refused("schema", "--all", str(file / "schemas"))
    for more in ("create-instance", "--reply"):
        assert "--all" in refused("schema", "--all", str(tmp_path / "schemas"), more)
    assert not (tmp_path / "schemas").exists()


def test_shells_complete(monkeypatch: pytest.MonkeyPatch) -> None:
    for shell in ("bash", "zsh", "fish"):
        assert "_ZEEBE_AMQP_COMPLETE" in printed("completion", shell), shell
    monkeypatch.setenv("_ZEEBE_AMQP_COMPLETE", "bash_complete")
    monkeypatch.setenv("COMP_WORDS", "zeebe-amqp activate-jobs --ten")
    monkeypatch.setenv("COMP_CWORD", "2")
    assert ended().out.splitlines() == ["plain,--tenant-ids", "plain,--tenant-filter"]
