"""Nothing is half there: what exists in one place exists in every place that must know it."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from functools import cache
from typing import Any

import orjson
from click.testing import CliRunner
from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message
from msgspec import inspect

from consumer.cli import main
from consumer.core.message import Reply
from consumer.pipeline.settlement import Settlement, settle
from consumer.zeebe.operations import OPERATIONS
from consumer.zeebe.rpcs import METHODS, SERVICE
from consumer.zeebe.versions import SINCE
from tests.cases import check_all
from tests.unit.consumer.zeebe.operations.requests import REQUESTS
from tests.unit.consumer.zeebe.operations.responses import RESPONSES
from tests.unit.contracts.values import commands
from zeebe_amqp.commands import COMMANDS
from zeebe_amqp.errors import Code, Error, Outcome, Source
from zeebe_amqp.schema.validation_errors import type_info

PACKAGE = SERVICE.file.package
BINDING = (
    "topology", "deploy-process", "create-instance", "cancel-instance", "set-variables", "resolve-incident",
    "publish-message", "activate-jobs", "complete-job", "fail-job", "update-job-retries", "throw-error",
)  # fmt: skip
"""The operations of the binding."""
ENGINE = (
    "deploy-resource", "delete-resource", "evaluate-decision", "broadcast-signal", "update-job-timeout",
    "modify-instance", "migrate-instance", "evaluate-conditional",
)  # fmt: skip
"""The rest of the engine's commands."""
LEFT_OUT = {
    "StreamActivatedJobs": "an endless stream is no answer to one request; activate-jobs polls",
    "DeployProcess": "deprecated; deploy-process uses DeployResource",
}
"""RPCs without an operation, and why."""


def test_the_contracts_name_the_operations_of_the_binding_and_then_the_rest_of_the_engines() -> None:
    assert tuple(COMMANDS) == (*BINDING, *ENGINE, "signal")


def test_the_consumer_runs_what_the_contracts_name_and_its_program_lists_it() -> None:
    assert {name: row.command for name, row in OPERATIONS.items()} == dict(COMMANDS)
    rows = [orjson.loads(line) for line in CliRunner().invoke(main, ["operations"]).stdout.splitlines()]
    assert {row["operation"]: row["command"] for row in rows} == {
        name: each.__name__ for name, each in COMMANDS.items()
    }
    assert all(row["what it does"] for row in rows)
    assert {row["operation"] for row in rows if row["relieves the engine"] == "yes"} == {
        name for name, command in COMMANDS.items() if command.exempt_from_limit
    }


def test_every_code_is_settled_and_nothing_that_failed_is_forgotten() -> None:
    """Whoever waits is told; where nobody does, what failed is tried again or kept as a dead letter."""

    def is_settled(code: Code) -> None:
        for source, outcome, retryable, idempotent in itertools.product(Source, Outcome, (True, False), (True, False)):
            error = Error(code=code, message="", source=source, outcome=outcome, retryable=retryable)
            told, alone = (
                settle(
                    Reply("signal", error=error), answerable=each, idempotent=idempotent, waited=wait, forget_retry=900
                )
                for each, wait in ((True, 1e9), (False, 0))
            )
            assert told is Settlement.REPLY
            assert alone in {Settlement.AGAIN, Settlement.DEAD}
            if outcome is Outcome.UNKNOWN and not retryable and not idempotent:
                assert alone is Settlement.DEAD  # a person decides

    check_all(Code, is_settled)


def declared(descriptor: Any, path: tuple[str, ...] = ()) -> Iterator[str]:
    """The full names of all fields in a request, however deep; a type inside itself is walked once."""
    if descriptor.full_name in path:
        return
    for field in descriptor.fields:
        yield field.full_name
        if field.message_type is not None:
            yield from declared(field.message_type, (*path, descriptor.full_name))


def carried(message: Message) -> Iterator[str]:
    """The full names of all fields that a request carries."""
    for field, value in message.ListFields():
        yield field.full_name
        if field.message_type is not None:
            for part in value if field.is_repeated else [value]:
                yield from carried(part)


@cache
def sent() -> dict[str, list[Message]]:
    """For each operation the requests that carry whatever its data can say, made from its type."""
    return {
        name: [request for command in commands(name) if isinstance(request := row.to_request(command), Message)]
        for name, row in OPERATIONS.items()
    }


def test_every_field_of_every_request_can_be_set_by_data() -> None:
    """What may be refused for an old gateway's sake is something that can be asked for, too."""
    messages = [message for requests in sent().values() for message in requests]
    reachable = {name for message in messages for name in carried(message)}
    assert {name for message in messages for name in declared(message.DESCRIPTOR)} == reachable
    dated = {f"{PACKAGE}.{name}" for name in SINCE if name.partition(".")[0].endswith("Request")}
    left_out = {f"{PACKAGE}.{rpc}Request" for rpc in LEFT_OUT}
    assert {name for name in dated if name.rpartition(".")[0] not in left_out} <= reachable


def test_every_rpc_but_those_left_out_has_an_operation_and_every_operation_has_samples() -> None:
    called = {METHODS[message.DESCRIPTOR.full_name].name for requests in sent().values() for message in requests}
    assert called | set(LEFT_OUT) == {method.name for method in SERVICE.methods}
    assert not called & set(LEFT_OUT)
    assert {operation for operation, *_ in REQUESTS} == set(OPERATIONS)
    assert {message.DESCRIPTOR.full_name for *_, message in REQUESTS} <= set(METHODS)


def whole(name: str, response: Any) -> Any:
    """What protobuf's own rendering makes of a response."""
    if name == "activate-jobs":
        jobs = [job for each in response for job in whole("", each)["jobs"]]
        # A job whose kind listens to nothing has no event, whatever the protocol names.
        return [job if job["kind"].endswith("_LISTENER") else {**job, "listenerEventType": None} for job in jobs]
    found = MessageToDict(response, preserving_proto_field_name=True, always_print_fields_with_no_presence=True)
    if name == "deploy-process":  # its reply is the binding's: processes instead of deployments
        found["processes"] = [each["process"] for each in found.pop("deployments") if "process" in each]
    return found or None


def without_nulls(data: Any) -> Any:
    """What nobody set, and has presence, is null in a reply and not there in protobuf's rendering."""
    if isinstance(data, dict):
        return {name: without_nulls(each) for name, each in data.items() if each is not None}
    return [without_nulls(each) for each in data] if isinstance(data, list) else data


def test_every_field_of_every_response_is_rendered_and_in_the_typed_result_of_its_reply() -> None:
    def is_rendered(name: str, response: Any) -> None:
        rendered = OPERATIONS[name].to_result(response, True)
        assert without_nulls(rendered) == without_nulls(whole(name, response))
        results = {command.result_type() for command in commands(name)}
        assert any(same_names(rendered, result) for result in results)

    # As the REST API it comes from, a signal never answers with anything.
    check_all([each for each in RESPONSES if each[0] != "signal"], is_rendered)


def same_names(data: Any, kind: Any) -> bool:
    """Whether plain data have the names that a type says, and no others, however deep."""
    found = type_info(kind) if not isinstance(kind, inspect.Type) else kind
    match found:
        case inspect.NoneType():
            return data is None
        case inspect.UnionType():
            return any(same_names(data, each) for each in found.types)
        case inspect.VarTupleType():
            return isinstance(data, list) and all(same_names(each, found.item_type) for each in data)
        case inspect.StructType():
            types = {field.encode_name: field.type for field in found.fields}
            optional = {name for name, each in types.items() if isinstance(each, inspect.UnionType)}
            return (
                isinstance(data, dict)
                and set(data) <= set(types) <= set(data) | optional
                and all(same_names(each, types[name]) for name, each in data.items())
            )
    return not isinstance(data, dict | list | None)
