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

from tests.cases import check_all, for_each
from tests.unit.contracts.cli.program import ended, printed, refused
from tests.unit.contracts.samples import FULLEST, SMALLEST, request
from tests.unit.contracts.values import commands
from zeebe_amqp import asyncapi, envelope, wire
from zeebe_amqp.cli.connection import CONNECTION, REQUEST
from zeebe_amqp.cli.examples import arguments
from zeebe_amqp.cli.operations import SENDING
from zeebe_amqp.cli.options import fields, main_field
from zeebe_amqp.cli.program import program
from zeebe_amqp.commands import COMMANDS
from zeebe_amqp.commands.resources import DeployProcess
from zeebe_amqp.examples import EXAMPLES, Example, file_text, filled
from zeebe_amqp.jobs.answers import Outcome

KEY = "2251799813685250"
FILES = ("deploy-process", "deploy-resource")
OBJECTS = [operation for operation in COMMANDS if operation not in FILES]
BESIDES = {"deploy", "call", "watch", "work", "batch", "asyncapi", "schema", "completion"}


def test_every_operation_has_a_command_every_field_a_parameter_and_required_ones_are_required() -> None:
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

    assert set(program.commands) == set(COMMANDS) | BESIDES
    check_all(program.commands.keys(), have_parameters)


@for_each(OBJECTS)
def test_the_smallest_and_the_fullest_request_and_every_value_of_every_field_can_be_typed(operation: str) -> None:
    fullest = {} if operation == "topology" else FULLEST[operation]
    for data in (SMALLEST[operation], fullest, *(json.loads(each.to_wire()[0]) for each in commands(operation))):
        typed = json.loads(printed(operation, *arguments(Example(operation, data)), "--dry-run"))["data"]
        found, meant = (
            COMMANDS[operation].from_wire(json.dumps(each).encode(), {}).to_wire() for each in (typed, data)
        )
        assert json.loads(found[0]) == json.loads(meant[0])


def test_the_examples_of_the_help_mean_what_they_say(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def means_what_it_says(example: Example) -> None:
        line = shlex.join(["zeebe-amqp", example.operation, *arguments(example)])
        assert not example.title or f"\n  {line}\n" in printed(example.operation, "--help")
        found = envelope.decode(printed(*shlex.split(line)[1:], "--dry-run").encode())
        asked = request(example.operation, filled(example.data), metadata=dict(example.metadata))
        (data, metadata), (asked_data, asked_metadata) = found.command.to_wire(), asked.command.to_wire()
        assert (json.loads(data), metadata) == (json.loads(asked_data), asked_metadata)

    monkeypatch.chdir(tmp_path)
    for name in ("parcel.bpmn", "express.bpmn", "quote.bpmn", "discount.dmn", "address.form"):
        Path(name).write_text(file_text(name))
    check_all(EXAMPLES, means_what_it_says)


def test_every_command_has_examples_and_every_shared_option_help() -> None:
    for operation in program.commands:
        assert "Examples:" in printed(operation, "--help-all") or operation == "completion", operation
    for each in (*SENDING, *REQUEST, *CONNECTION):
        assert isinstance(each, click.Option)
        assert each.help, each.name


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


def test_any_file_may_be_named_with_an_at_sign(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name, content in (("a.bpmn", "<x/>"), ("vars.json", '{"a":1}'), ("requests.jsonl", "no request")):
        Path(name).write_text(content)
    for words, sent in (
        (("deploy", "@a.bpmn"), '"name":"a.bpmn"'),
        (("deploy", "@a.bpmn", "a.bpmn"), '"name":"a.bpmn"'),
        (("deploy-process", "@a.bpmn"), '"fileName":"a.bpmn"'),
        (("create-instance", "o", "--variables", "@vars.json"), '"variables":{"a":1}'),
        (("deploy", "@-", "--name", "b.bpmn"), '"name":"b.bpmn"'),
    ):
        assert sent in printed(*words, "--dry-run", standard_input=b"<x/>"), words
    assert "line 1" in refused("batch", "@requests.jsonl")
    Path("@a.bpmn").write_text("<y/>")
    assert "<y/>" in printed("deploy", "@a.bpmn", "--dry-run")


WRONG: list[tuple[str, ...]] = [
    *(("create-instance", "o", "--variables", value) for value in (
        '{"a":1},"withResult":true', "[1]", "a=1", "", '{"a":NaN}', '{"a":1e999}', '{"a":' * 501 + "1" + "}" * 501,
        "[" * 100_000, '{"a":"\udcff"}', "@/nowhere/x.json", "@/", "@a\0b",
    )),
    *(("create-instance", *words) for words in (
        ("\udcff",), (" ",), (), ("o", "--tags", ""), ("o", "--process-definition-key", KEY),
        ("o", "--start-instructions", '[{"elementIt":"a"}]'), ("o", "--start-instructions", "1"),
        ("o", "--with-result", "--request-timeout", "16m"),
    )),
    *(("complete-job", *words) for words in (("abc",), ("--", "-5"), ("0",), ("9223372036854775808",), ("٣",))),
    *(("fail-job", KEY, "--retries", number) for number in ("1.5", "1_0", "2147483648", "9" * 5000)),
    ("fail-job", KEY),
    *(("publish-message", "m", "--time-to-live", duration) for duration in ("5", "-5s")),
    ("update-job-timeout", KEY, "--job-timeout", "0"),
    ("activate-jobs", "t", "--max-jobs-to-activate", "1", "--tenant-filter", "ALL"),
    ("create-instnce", "o"),
    ("cancel-instance", KEY, "--operation-reference", "0"),
    *(("topology", *words) for words in (
        ("x",), ("--broker", "x"), ("--timeout", "soon"), ("--timeout", "0"), ("--timeout", "-1"),
        ("--url", "http://127.0.0.1/"), ("--queues", "a,,b"), ("--user-id", "n" * 256),
    )),
    *(("call", *words) for words in (
        ("@/nowhere/x.json",), ("/etc/hostname",), ("--header", "fileName"), ("--header", "=x"), ("--type", "x"),
    )),
    *(("batch", *words) for words in (
        ("/nowhere/x.jsonl",), ("-",), ("/dev/null", "--rate", "0"), ("/dev/null", "--concurrency", "0"),
    )),
    ("watch", "q", "--exchange", "x", "--keep"),
    *((*words, "--url", "amqps://h?no_verify_ssl=1") for words in (("watch", "q"), ("topology",), ("work", "t"))),
    *(("deploy", *files) for files in (("/nowhere/a.bpmn",), ("/",), (), ("-",), ("/dev/null",))),
    ("completion", "tcsh"),
    ("schema", "create-instnce"),
]  # fmt: skip
"""Command lines with which nothing is sent."""


def test_a_wrong_command_line_is_refused_in_words() -> None:
    def is_refused(*words: str) -> None:
        told = refused(*words)
        assert "Traceback" not in told
        assert len(told) < 3000

    check_all(WRONG, is_refused)


NAMED: list[tuple[str, tuple[str, ...]]] = [
    ("--time-to-live", ("publish-message", "m", "--time-to-live", "x")),
    ("--job-timeout", ("update-job-timeout", KEY, "--job-timeout", "0s")),
    ("JOB_KEY", ("complete-job", "x")),
    ("BPMN_PROCESS_ID", ("create-instance",)),
    ("--migration-plan.targetProcessDefinitionKey", ("migrate-instance", KEY, "--migration-plan", "{}")),
    ("--start-instructions[0].elementId", ("create-instance", "o", "--start-instructions", "{}")),
    ("--variables", ("create-instance", "o", "--variables", "[1]")),
]


@for_each(NAMED)
def test_a_refusal_names_the_option(name: str, words: tuple[str, ...]) -> None:
    assert name in refused(*words)


def test_objects_of_a_list_may_come_together_no_is_said_and_silence_is_not_sent() -> None:
    one, two = '{"elementId":"a"}', '{"elementId":"b"}'
    apart = printed("create-instance", "o", "--start-instructions", one, "--start-instructions", two, "--dry-run")
    assert printed("create-instance", "o", "--start-instructions", f"[{one},{two}]", "--dry-run") == apart
    said = json.loads(printed("delete-resource", "5", "--no-delete-history", "--string-keys", "--dry-run"))
    assert (said["data"], said["metadata"]) == ({"resourceKey": 5, "deleteHistory": False}, {wire.KEYS: "string"})
    assert json.loads(printed("delete-resource", "5", "--dry-run"))["data"] == {"resourceKey": 5}


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.text(min_size=1).filter(lambda text: "\0" not in text))
def test_any_text_arrives_as_it_was_typed(text: str) -> None:
    found = printed("fail-job", "5", "--retries", "1", f"--error-message={text}", "--dry-run", "-o", "json")
    assert json.loads(found)["data"]["errorMessage"] == text


def test_a_file_is_deployed_under_its_own_name_or_another_and_several_as_one_deployment(tmp_path: Path) -> None:
    def read(*words: str) -> Any:
        return envelope.decode(printed(*words, "--dry-run", standard_input=b"<x/>").encode()).command

    (tmp_path / "a.bpmn").write_bytes(b"<xml/>")
    (tmp_path / "b.form").write_bytes(b"\xff\xfe")
    files = [str(file) for file in sorted(tmp_path.iterdir())]
    found = read("deploy-process", files[0], "--tenant-id", "acme")
    assert found == DeployProcess(name="a.bpmn", content=b"<xml/>", tenant_id="acme")
    assert read("deploy-process", "-", "--name", "other.bpmn") == DeployProcess(name="other.bpmn", content=b"<x/>")
    several = [(each.name, each.unpacked()) for each in read("deploy", *files).resources]
    assert several == [("a.bpmn", b"<xml/>"), ("b.form", b"\xff\xfe")]


def test_files_of_the_wrong_kind_or_twice_from_standard_input_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "a.dmn"
    file.write_bytes(b"<x/>")
    assert "--name" in refused("deploy-process", str(file))
    assert "--name" in refused("deploy", str(file), str(file), "--name", "x.bpmn")
    assert "standard input" in refused("deploy", "-", "-")


def test_schemas_are_written_as_they_are_printed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(asyncapi, "files", cache(asyncapi.files))  # the same for every operation
    folder = tmp_path / "made" / "schemas"
    assert printed("schema", "--all", str(folder)) == ""
    written = {file.name: file.read_text() for file in folder.iterdir()}
    for prefix, operation in ("", ()), *((f"{operation}.", (operation,)) for operation in COMMANDS):
        assert printed("schema", *operation) == written.pop(f"{prefix}request.json")
        assert printed("schema", *operation, "--reply") == written.pop(f"{prefix}reply.json")
    jobs = {"job.headers.json", *(f"job.{outcome}.json" for outcome in Outcome)}  # which no operation has
    assert {name: json.loads(text) for name, text in written.items()} == {name: asyncapi.files()[name] for name in jobs}


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
