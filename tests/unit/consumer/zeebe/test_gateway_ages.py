"""Every gateway age from the first on: what it would drop is refused by name, what it knows is sent."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from consumer.config import Zeebe
from consumer.zeebe import ZeebeEngine
from consumer.zeebe.rpcs import METHODS, SERVICE
from consumer.zeebe.versions import OLDEST, SINCE, Version
from tests.cases import for_each
from tests.fakes.gateway import FakeGateway
from tests.unit.consumer.errors import verdict
from tests.unit.consumer.zeebe.calling import send
from zeebe_amqp.errors import Code, CommandError, Outcome, Source

Path = tuple[FieldDescriptor, ...]
PACKAGE = f"{SERVICE.file.package}."
AGES = sorted({OLDEST, *SINCE.values()})
NEWEST = AGES[-1]


def since(name: str) -> Version:
    return SINCE.get(name.removeprefix(PACKAGE), OLDEST)


def paths(descriptor: Descriptor, before: Path = ()) -> Iterator[Path]:
    """The ways to all fields of a request, however deep."""
    for field in descriptor.fields:
        yield (*before, field)
        if field.message_type is not None:
            yield from paths(field.message_type, (*before, field))


def only(kind: Descriptor, path: Path) -> Message:
    """A request in which one field is set, and what leads to it."""
    message = GetMessageClass(kind)()
    node: Any = message
    for field in path:
        if field.message_type is not None:
            node = getattr(node, field.name).add() if field.is_repeated else getattr(node, field.name)
            node.SetInParent()
        elif field.is_repeated:
            getattr(node, field.name).append("text")
        else:
            setattr(node, field.name, plain(field))
    return message


def plain(field: FieldDescriptor) -> Any:
    values = {FieldDescriptor.TYPE_STRING: "text", FieldDescriptor.TYPE_BYTES: b"text", FieldDescriptor.TYPE_BOOL: True}
    return values.get(field.type, 1)


def named(path: Path) -> str:
    """The path as callers know it: the wrapping of create-instance with result is none of their business."""
    steps = [field.name + ("[0]" if field.is_repeated and field is not path[-1] else "") for field in path]
    return ".".join(["data", *(step for step in steps if step != "request")])


def refusal(rpc: str, path: Path, age: Version) -> tuple[str, Version] | None:
    """The field that a gateway of that age is said not to know, and the age it needs; None: it knows all."""
    if since(f"rpc {rpc}") > age:
        return "operation", since(f"rpc {rpc}")
    for length, field in enumerate(path, 1):
        if since(field.full_name) > age:
            return named(path[:length]), since(field.full_name)
    return None


REQUESTS = [
    (METHODS[kind.full_name].name, path, only(kind, path))
    for kind in (method.input_type for method in SERVICE.methods)
    for path in ((), *paths(kind))
]


@for_each((age,) for age in AGES)
async def test_a_gateway_of_any_age_gets_what_it_knows_and_nothing_else(age: Version) -> None:
    version = f"{age[0]}.{age[1]}.0"
    async with FakeGateway(version=version) as fake:
        gateway = ZeebeEngine(Zeebe(fake.address, plaintext=True))
        await gateway.probe()
        for rpc, path, message in REQUESTS:
            fake.reset()
            expected = refusal(rpc, path, age)
            if expected is None:
                await send(gateway, message)
                assert [request.message for request in fake.requests] == [message]
                continue
            field, needed = expected
            with pytest.raises(CommandError) as raised:
                await send(gateway, message)
            error = raised.value
            assert verdict(error) == (
                Code.UNIMPLEMENTED, Source.CONSUMER, Outcome.NOT_EXECUTED, False,
            )  # fmt: skip
            assert error.message.startswith(f"{field}: ")
            assert f"version {needed[0]}.{needed[1]} or newer" in error.message
            assert error.message.endswith(version)
            assert (error.details or {})["field"] == field
            assert not fake.requests
        await gateway.close()


def test_every_dated_name_is_asked_for_or_answered() -> None:
    asked = {field.full_name for _, path, _ in REQUESTS for field in path}
    answered = {field.full_name for method in SERVICE.methods for path in paths(method.output_type) for field in path}
    dated = {name for name in SINCE if not name.startswith("rpc ")}
    assert dated <= {name.removeprefix(PACKAGE) for name in asked | answered}


def test_the_newest_gateway_is_refused_nothing() -> None:
    assert all(refusal(rpc, path, NEWEST) is None for rpc, path, _ in REQUESTS)
