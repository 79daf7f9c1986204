"""Every field of every command and result has a meaning, and it is where people look: page, schemas, help.

Its one source is the docstring of the type. A new operation that has none fails here, by the name of the field.
"""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path
from typing import Any

from click.testing import CliRunner

from tests.cases import check_all
from tests.integration.engines.rejections import REJECTIONS
from zeebe_amqp import asyncapi
from zeebe_amqp.cli.options import words
from zeebe_amqp.cli.program import program
from zeebe_amqp.commands import COMMANDS, Command, DeployProcess
from zeebe_amqp.commands.deployments import Deployed
from zeebe_amqp.commands.instances import InstanceCreated, InstanceResult
from zeebe_amqp.commands.resources import Resource
from zeebe_amqp.errors import Code, Error
from zeebe_amqp.schema import docstrings
from zeebe_amqp.schema.field_paths import Member, members

DOCS = Path(__file__).parents[2] / "docs"
ON_THE_WIRE = {"name": "metadata.fileName", "content": "data", "tenantId": "metadata.tenantId"}
"""Where the fields of a command that is a file stand."""
IN_FILES = (DeployProcess, Resource)
"""Types of which the command line knows files instead, that have their own names."""
EVERYWHERE = ("operation_reference", "job_key")
"""Fields that mean the same wherever they are."""


def of_type(kind: type) -> list[Member]:
    """A type's own fields, not those inside of them."""
    return [each for each in members(kind) if each.holder is kind]


@cache
def types() -> tuple[type, ...]:
    """All commands and results, and the types of the objects inside them."""
    roots = [root for command in COMMANDS.values() for root in (command, *command.results())]
    return tuple({each.holder: None for root in roots for each in members(root)})


@cache
def documented() -> dict[str, dict[str, Any]]:
    """The schemas of the AsyncAPI document by name."""
    return json.loads(json.dumps(asyncapi.document()["components"]["schemas"]))


@cache
def help_of(operation: str) -> str:
    """All that the command line says about an operation, on lines as long as they need."""
    ended = CliRunner().invoke(program, [operation, "--help-all"], terminal_width=1_000)
    assert ended.exit_code == 0, ended.output
    return re.sub(" +", " ", ended.stdout)


def test_every_field_has_a_meaning_in_the_docstring_of_its_type_and_nothing_else_has_one() -> None:
    """That a field has none is an error that names it, for whoever asks; this asks for all."""

    def is_explained(kind: type) -> None:
        meanings = docstrings.meanings(kind)
        names = kind.__struct_fields__  # type: ignore[attr-defined]
        assert [name for name in names if not meanings.get(name)] == [], "without a meaning"
        assert [name for name in meanings if name not in names] == [], "no field"
        assert not [each for each in meanings.values() if each[:1].isspace() or each.endswith((".", ";", ","))]

    check_all(dict.fromkeys([*COMMANDS.values(), *types(), Error]).keys(), is_explained)


def test_the_meaning_is_beside_the_field_on_the_page_of_the_operation() -> None:
    def is_shown(operation: str) -> None:
        page = (DOCS / "operations" / f"{operation}.md").read_text()
        for each in asked_and_answered(COMMANDS[operation]):
            path = ON_THE_WIRE.get(each.path, each.path) if each.holder is DeployProcess else each.path
            assert f"| `{path}` | {each.meaning} |" in page, each.path

    check_all([*COMMANDS], is_shown)


def test_the_meaning_is_in_the_help_of_the_command() -> None:
    def is_told(operation: str) -> None:
        command, told = COMMANDS[operation], help_of(operation)
        for each in asked_and_answered(command):
            if each.holder in IN_FILES and each.field.name != "tenant_id":
                continue
            meaning = docstrings.meanings(each.holder)[each.field.name]
            assert (words(command, meaning) if each.holder is command else each.meaning) in told, each.path

    check_all([*COMMANDS], is_told)


def asked_and_answered(command: type[Command]) -> list[Member]:
    """All fields of a command and of its fullest result."""
    return [each for kind in (command, *command.results()[:1]) for each in members(kind)]


def test_the_meaning_is_in_the_schemas() -> None:
    def is_described(kind: type) -> None:
        if kind is DeployProcess:  # whose data are a text, and whose fields are metadata
            names = documented()["FileMetadata"]["properties"]
            name, content, tenant = (each.meaning for each in of_type(kind))
            assert (names["fileName"]["description"], names["tenantId"]["description"]) == (name, tenant)
            assert documented()["File"]["description"] == content
            return
        properties = documented()[kind.__name__]["properties"]
        for each in of_type(kind):
            assert properties[each.field.encode_name]["description"] == each.meaning, each.path

    check_all([*types(), Error], is_described)


def test_the_types_that_are_looked_at_are_more_than_those_of_requests() -> None:
    """So that the tests above cannot pass by looking at nothing."""
    assert {Deployed, InstanceResult, *COMMANDS.values()} - {COMMANDS["topology"]} <= set(types())
    assert docstrings.meanings(InstanceResult).items() > docstrings.meanings(InstanceCreated).items()


def test_a_field_that_means_the_same_everywhere_has_the_same_words_everywhere() -> None:
    def has_one(name: str) -> None:
        found = {docstrings.meanings(kind).get(name) for kind in COMMANDS.values()} - {None}
        assert len(found) == 1

    check_all(EVERYWHERE, has_one)


def test_the_errors_of_an_operation_are_codes_and_all_that_engines_are_seen_to_say_are_among_them() -> None:
    """A wrong tenant is refused alike for all operations, so no docstring has it."""
    seen = {(each.operation, each.code) for each in REJECTIONS if "tenant" not in each.why}

    def are_complete(operation: str) -> None:
        named = docstrings.errors(COMMANDS[operation])
        assert set(named) <= set(Code)
        assert {code for name, code in seen if name == operation} <= set(named)
        page = (DOCS / "operations" / f"{operation}.md").read_text()
        for code, why in named.items():
            assert f"| `{code}` | {docstrings.words(why)} |" in page
            assert f"{code} {words(COMMANDS[operation], why)}" in help_of(operation)

    check_all([*COMMANDS], are_complete)
